"""Function calling: the tools as schemas for another model, its calls run, and their results in its messages."""

from unison_agent.functions.catalog import Function, Granularity, functions
from unison_agent.functions.dialects import Format, in_format
from unison_agent.functions.fetching import HttpsFetcher
from unison_agent.functions.incoming import MediaPolicy
from unison_agent.functions.message_calling import FunctionCalling
from unison_agent.functions.results import CallError, CallReport, CallResult

__all__ = [
    "CallError",
    "CallReport",
    "CallResult",
    "Format",
    "Function",
    "FunctionCalling",
    "Granularity",
    "HttpsFetcher",
    "MediaPolicy",
    "functions",
    "in_format",
]
