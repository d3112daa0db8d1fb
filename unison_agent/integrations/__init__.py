"""Where other programs meet the library, one module each; a module needs its framework, and nothing else knows it.

``mcp`` serves the tools to clients of the Model Context Protocol; ``pydantic_ai``, ``langchain``, ``smolagents``
and ``haystack`` give them to an agent of that framework; ``ipython`` brings the magics of notebooks.
"""
