"""The tools inside other frameworks, one module each; a module needs its framework, and nothing else knows it.

``mcp`` serves them to clients of the Model Context Protocol; ``pydantic_ai``, ``langchain``,
``smolagents`` and ``haystack`` give an agent of that framework our tools.
"""
