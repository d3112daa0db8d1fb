"""The written form of plans: JSON in one fixed order, without white space and without what is unstated.

It knows the names of fields and no request: whether a call fits one is for the grammar and `plan_reading`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from unison_agent.planning.call_fields import FIELD_ORDER, THEN
from unison_agent.planning.numbers import canonical

Slot = Literal["source", "mask", "control", "references", "first_frame", "last_frame", "question"]
SLOTS: tuple[Slot, ...] = get_args(Slot)
MISSING_KEY = "needs_input"
FieldValue: TypeAlias = str | int | float | Sequence[str]


def call_text(task: str, fields: Mapping[str, FieldValue]) -> str:
    """Return a call as the understanding model writes it.

    Args:
        task: Its task.
        fields: Stated values, handles, and the prompt or question where it is a part of the request.
    """
    return plan_text(((task, fields),))


def plan_text(steps: Sequence[tuple[str, Mapping[str, FieldValue]]]) -> str:
    """Return one or more calls, ``(task, fields)`` each, as the understanding model writes them."""
    document: dict[str, object] = {}
    for task, fields in reversed(steps):
        ordered = {name: _plain(fields[name]) for name in FIELD_ORDER if name in fields}
        following = {THEN: document} if document else {}
        document = {"task": task, **ordered, **following}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def missing_text(slot: Slot) -> str:
    """Return what the understanding model writes when `slot` must be filled first."""
    return json.dumps({MISSING_KEY: slot}, separators=(",", ":"))


def _plain(value: FieldValue) -> FieldValue | list[str]:
    match value:
        case str():
            return value
        case int() | float():
            number = canonical(value)
            return float(number) if "." in number else int(number)
        case _:
            return list(value)
