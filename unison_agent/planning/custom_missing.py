"""What a custom tool needs that a request does not hold, and how to ask for it; it knows no grammar and no model.

It says of a tool that it lacks something exactly where no plan can begin with a call of it.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unison_agent.custom.fields import (
    ChoiceField,
    Field,
    FreeField,
    HandleField,
    ListField,
    NumberField,
    ObjectField,
    TextField,
)
from unison_agent.custom.tool import CustomTool
from unison_agent.planning.custom_reading import said_choices
from unison_agent.planning.stated import Stated
from unison_agent.planning.written import MISSING_KEY
from unison_agent.tasks import Attachment, MediaKind, MissingInput

_A: Mapping[MediaKind, str] = {"image": "an image", "video": "a video"}


@dataclass(frozen=True, slots=True)
class Lack:
    """A tool that cannot be called for want of some arguments.

    Attributes:
        tool: Its name.
        arguments: Their names, ``region.width`` where nested, and what may stand there; one at least.
    """

    tool: str
    arguments: tuple[tuple[str, Field], ...]

    @property
    def first(self) -> str:
        """The name of the first argument."""
        return self.arguments[0][0]

    @property
    def slot(self) -> str:
        """The slot that must be filled, e.g. ``"crop.image"``."""
        return f"{self.tool}.{self.first}"

    @property
    def written(self) -> str:
        """What follows the key of the tool where a planner's model says so."""
        return f"{json.dumps(self.tool)},{json.dumps(MISSING_KEY)}:{json.dumps(self.first)}"

    def missing(self) -> MissingInput:
        """Return the slot with a sentence that a user can answer."""
        attached = [_wanted(*one) for one in self.arguments if _is_medium(one[1])]
        said = [_wanted(*one) for one in self.arguments if not _is_medium(one[1])]
        sentences: list[str] = []
        for wanted, one, them in (
            (attached, "attach one", "attach them"),
            (said, "say it", "say them"),
        ):
            if wanted:
                who = "It also" if sentences else f"The tool {self.tool}"
                how = one if len(wanted) == 1 else them
                sentences.append(f"{who} wants {' and '.join(wanted)}: please {how}.")
        return MissingInput(slot=self.slot, question=" ".join(sentences))


def lacking(
    tools: Sequence[CustomTool], stated: Stated, attachments: Sequence[Attachment]
) -> tuple[Lack, ...]:
    """Return the tools that lack something, in order.

    What an earlier step could make is lacking too: a plan that begins with the tool has no such step.

    Args:
        tools: The tools.
        stated: What the request states.
        attachments: What it comes with.
    """
    found = (
        Lack(tool.name, tuple(_unfilled(tool.parameters, "", stated, attachments)))
        for tool in tools
    )
    return tuple(lack for lack in found if lack.arguments)


def _unfilled(
    field: Field, at: str, stated: Stated, attachments: Sequence[Attachment]
) -> Iterator[tuple[str, Field]]:
    """Yield what cannot be filled and must be."""
    match field:
        case ObjectField():
            for one in field.arguments:
                if one.required:
                    below = f"{at}.{one.name}" if at else one.name
                    yield from _unfilled(one.field, below, stated, attachments)
        case HandleField():
            if not _attached(field, attachments):
                yield at, field
        case ListField(least=0):
            pass
        case ListField(item=HandleField() as item):
            if _attached(item, attachments) < field.least:
                yield at, field
        case ListField():
            yield from _unfilled(field.item, at, stated, attachments)
        case NumberField():
            if not any(field.admits(number) for number in stated.numbers):
                yield at, field
        case ChoiceField():
            if not said_choices(field, stated):
                yield at, field
        case TextField() | FreeField():
            pass


def _attached(field: HandleField, attachments: Sequence[Attachment]) -> int:
    return sum(one.kind in field.kinds for one in attachments)


def _is_medium(field: Field) -> bool:
    return isinstance(field, HandleField | ListField)


def _wanted(name: str, field: Field) -> str:
    """Return an argument in words, e.g. ``"a number for width"``."""
    words = name.replace("_", " ").replace(".", " ")
    match field:
        case HandleField():
            plain = " or ".join(_A[kind] for kind in field.kinds)
            return plain if name in (*field.kinds, "media") else f"{plain} for {words}"
        case ListField(item=HandleField() as item) if field.least > 1:
            kinds = " or ".join(f"{kind}s" for kind in item.kinds)
            return f"{field.least} {kinds} for {words}"
        case ListField():
            return _wanted(name, field.item)
        case ChoiceField():
            return f"{words} to be {' or '.join(one.replace('_', ' ') for one in field.values)}"
        case NumberField(whole=whole):
            return f"a {'whole ' if whole else ''}number{_range(field)} for {words}"
        case _:
            return words


def _range(field: NumberField) -> str:
    """Return the limits of a number, in words."""
    limits = {
        "from": field.lowest,
        "above": field.above,
        "up to": field.highest,
        "below": field.below,
    }
    told = (f" {words} {limit:g}" for words, limit in limits.items() if math.isfinite(limit))
    return "".join(told)
