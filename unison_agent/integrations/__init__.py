"""Where other programs meet the library, one module each; a module needs its framework, and nothing else knows it.

``mcp`` serves the tools to clients of the Model Context Protocol, and ``mcp_client`` brings those of other servers
here; ``pydantic_ai``, ``langchain``, ``smolagents``, ``haystack``, ``llama_index`` and ``openai_agents`` give the tools
to an agent of that framework; ``ipython`` brings the magics of notebooks.
"""
