"""The part of a request's grammar that fills roles with attachments and with what earlier steps make.

It knows which roles a task has and what is told of the attachments, but no numbers, names or words.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from unison_agent.planning.lark import key, quoted, rule, when
from unison_agent.planning.told_attachments import Told
from unison_agent.tasks import Attachment, MediaKind, Task

# Bits of a call's parameter: 0 and 1 that step_1 is an image or a video, 2 and 3 the same of step_2. From bit 8 on
# stands the number of the source, which a mask must not be: 1 and 2 for the steps, 3 for the first attached image,
# and so on.
_STEP_BITS: dict[MediaKind, tuple[int, int]] = {"image": (0, 2), "video": (1, 3)}
_SOURCE_AT, _FIRST_ATTACHED = 8, 3
_KINDS: tuple[MediaKind, ...] = ("image", "video")
_NEEDS: dict[Task, MediaKind] = {
    "image_understanding": "image",
    "image_to_video": "image",
    "image_editing": "image",
    "image_controllable_generation": "image",
    "image_reference_generation": "image",
    "video_reference_generation": "image",
    "video_understanding": "video",
    "video_editing": "video",
    "video_controllable_generation": "video",
}
# Those that have one of these, any of which will do; an understanding task sees what it likes.
_ROLES: dict[Task, tuple[str, ...]] = {
    "image_to_video": ("first_frame", "last_frame"),
    "image_editing": ("source",),
    "video_editing": ("source",),
    "image_controllable_generation": ("control",),
    "video_controllable_generation": ("control",),
    "image_reference_generation": ("references",),
    "video_reference_generation": ("references",),
}


class Roles:
    """What can stand in the roles of the calls, and which calls there can be.

    Args:
        attachments: What the request comes with.
        told: Those of them that are left out, and what else the request says of them.
        steps: Whether outputs of earlier steps are there too.
    """

    def __init__(self, attachments: Sequence[Attachment], told: Told, *, steps: bool) -> None:
        self._images = [one.handle for one in attachments if one.kind == "image"]
        self._videos = [one.handle for one in attachments if one.kind == "video"]
        self._told = told
        self._steps = steps

    def condition(self, task: Task) -> str | None:
        """Return when the task has what it needs: "" for always, None for never."""
        kind = _NEEDS.get(task)
        if kind is None:
            return ""
        there = self._images if kind == "image" else self._videos
        if any(
            self._told.admits(role, one) for role in _ROLES.get(task, ("seen",)) for one in there
        ):
            return ""
        first, second = _STEP_BITS[kind]
        return f"or(bit_set({first}), bit_set({second}))" if self._steps else None

    def handles(self) -> Mapping[MediaKind, Sequence[tuple[str, str]]]:
        """Return the handles of each kind, each with the condition for it to be there."""
        return {
            kind: [(handle, "".join(when)) for handle, _, when in self._numbered(kind)]
            for kind in _KINDS
        }

    def rules(self) -> Iterator[str]:
        """Yield the rules that `_roles_of` names."""
        for kind in _KINDS:
            yield from rule(f"source_{kind}::_", self._named("source", kind, f"mask_{kind}"))
            yield from rule(f"control_{kind}::_", self._named("control", kind))
        # A key and its handle are one literal: no key is begun that no handle can follow.
        yield from rule("mask_image::_", ['""', *self._masks("image")])
        yield from rule("mask_video::_", ['""', *self._masks("image"), *self._masks("video")])
        last = self._named("last_frame", "image")
        yield from rule("frames::_", [*self._named("first_frame", "image", "last_frame"), *last])
        yield from rule("last_frame::_", ['""', *last])
        yield from self._references()

    def _numbered(self, kind: MediaKind) -> list[tuple[str, int, tuple[str, ...]]]:
        """Return each handle of a kind, its number, and the conditions for it to be there."""
        own, before = (self._images, 0) if kind == "image" else (self._videos, len(self._images))
        steps = enumerate(_STEP_BITS[kind] if self._steps else (), start=1)
        return [
            *((handle, number, ()) for number, handle in enumerate(own, _FIRST_ATTACHED + before)),
            *((f"step_{number}", number, (f"bit_set({bit})",)) for number, bit in steps),
        ]

    def _named(self, role: str, kind: MediaKind, then: str | None = None) -> list[str]:
        """Return one way to fill the role for each handle of a kind, and the rule that follows."""
        return [
            quoted(key(role) + json.dumps(handle))
            + (f" {then}::bit_or({number << _SOURCE_AT})" if then else "")
            + when(*conditions)
            for handle, number, conditions in self._numbered(kind)
            if self._told.admits(role, handle)
        ]

    def _masks(self, kind: MediaKind) -> list[str]:
        return [
            quoted(key("mask") + json.dumps(handle))
            + when(*conditions, f"ne([{_SOURCE_AT}:64], {number})")
            for handle, number, conditions in self._numbered(kind)
            if self._told.admits("mask", handle)
        ]

    def _references(self) -> Iterator[str]:
        """Yield the rules of one or more references in order, without repeats, steps last."""
        # A comma and its handle are one literal: no literal may begin another, or the lexer takes the longer.
        handles = [
            one for one in self._numbered("image") if self._told.admits("references", one[0])
        ]
        for place, (handle, _, conditions) in enumerate(handles, start=1):
            name = json.dumps(handle)
            then, skip = f"more_{place + 1}::_", f"reference_{place + 1}::_"
            first = [f"{quoted(name)} {then}{when(*conditions)}"]
            yield from rule(
                f"reference_{place}::_", first if place == len(handles) else [*first, skip]
            )
            yield from rule(
                f"more_{place}::_", [f"{quoted(',' + name)} {then}{when(*conditions)}", then]
            )
        yield from rule(f"more_{len(handles) + 1}::_", ['""'])
