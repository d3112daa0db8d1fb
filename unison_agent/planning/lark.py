"""Pieces of Lark text for llguidance: rules, literals and the conditions on a rule's parameter; knows no calls."""

import json
from collections.abc import Iterator, Sequence


def rule(name: str, ways: Sequence[str]) -> Iterator[str]:
    """Yield the line of a rule, none where there is no way to fill it."""
    # llguidance refuses a parameter that no way looks at; the highest bit is never set.
    if ways and name.endswith("::_") and not any("::" in way or "%if" in way for way in ways):
        ways = [f"{ways[0]} %if bit_clear(63)", *ways[1:]]
    if ways:
        yield f"{name}: " + "\n    | ".join(ways)


def when(*conditions: str) -> str:
    """Return what lets a way only stand where all conditions hold; empty ones always do."""
    match [condition for condition in conditions if condition]:
        case []:
            return ""
        case [one]:
            return f" %if {one}"
        case several:
            return f" %if and({', '.join(several)})"


def key(name: str) -> str:
    """Return a key of a JSON object, with the comma before it."""
    return f",{json.dumps(name)}:"


def quoted(literal: str) -> str:
    """Return a text as a literal."""
    return json.dumps(literal, ensure_ascii=False)
