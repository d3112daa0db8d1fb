"""Function calling: the tools as schemas for another model, its calls run, and their results in its messages."""

from unison_agent.functions.catalog import Function, Granularity, functions
from unison_agent.functions.dialects import Format, in_format

__all__ = ["Format", "Function", "Granularity", "functions", "in_format"]
