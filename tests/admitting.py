"""What the grammar of a request admits, byte by byte; shared by the tests of custom tools."""

from collections.abc import Sequence

from llguidance import LLMatcher, LLTokenizer

from unison_agent.custom.tool import CustomTool
from unison_agent.planning.grammar import request_grammar
from unison_agent.tasks import MediaKind, Request
from unison_agent.training.planning_data import name_attachments

TOKENS = LLTokenizer("byte")


def request(text: str, *kinds: MediaKind) -> Request:
    return Request(text=text, attachments=name_attachments(kinds))


def admits(asked: Request, text: str, tools: Sequence[CustomTool]) -> bool:
    """Whether the request's grammar admits exactly this text."""
    matcher = LLMatcher(TOKENS, request_grammar(asked.text, asked.attachments, tuple(tools)))
    assert not matcher.is_error(), matcher.get_error()
    ids = TOKENS.tokenize_str(text)
    if matcher.validate_tokens(ids) < len(ids):
        return False
    matcher.consume_tokens(ids)
    return matcher.is_accepting()
