"""Which media the roles of a call may hold: by their kinds, and by what is told of them; it reads no words itself."""

from collections.abc import Iterator, Mapping

from unison_agent.planning.told_attachments import Told
from unison_agent.tasks import (
    ImageControllableGeneration,
    ImageEditing,
    ImageReferenceGeneration,
    ImageToVideo,
    ImageUnderstanding,
    MediaKind,
    TaskCall,
    VideoControllableGeneration,
    VideoEditing,
    VideoReferenceGeneration,
    VideoUnderstanding,
)

_IMAGE: tuple[MediaKind, ...] = ("image",)
_VIDEO: tuple[MediaKind, ...] = ("video",)


def role_problem(call: TaskCall, kinds: Mapping[str, MediaKind]) -> str | None:
    """Return what is wrong with the media of a call, None where nothing is.

    Args:
        call: Names handles in its roles.
        kinds: What there is: the kind of each handle.
    """
    for role, handle, allowed in _roles(call):
        if kinds.get(handle) not in allowed:
            there = ", ".join(kinds) or "nothing"
            return (
                f"{role} must be an attached {' or '.join(allowed)}, or one made before, got {handle!r};"
                f" there: {there}"
            )
    match call:
        case ImageEditing() | VideoEditing() if call.mask == call.source:
            return f"mask must not be the source, got {call.source!r} for both"
        case ImageReferenceGeneration() | VideoReferenceGeneration():
            if len(set(call.references)) != len(call.references):
                return f"references must not name one twice, got {shown(call.references)}"
        case ImageUnderstanding() | VideoUnderstanding():
            needed = "image" if isinstance(call, ImageUnderstanding) else "video"
            if needed not in kinds.values():
                return f"{call.task} needs an attached {needed}, or one made before"
        case _:
            pass
    return None


def told_problem(call: TaskCall, told: Told) -> str | None:
    """Return what the request plainly says against the media of a call, None where it says nothing.

    That it speaks of no mask at all closes the grammar, but is no reason to refuse one.
    """
    said = {str(role): handle for role, handle in told.roles.items()}
    for role, handle, _ in _roles(call):
        meant = said.get(role, handle)
        if handle in told.left_out:
            return f"{role} must not be {handle}, which the request leaves out"
        if handle != meant and not handle.startswith("step_"):
            return f"{role} must be {meant}, as the request says, got {handle!r}"
        if role == "source" and handle == told.roles.get("mask"):
            return f"source must not be {handle}, which the request calls the mask"
    return None


def shown(value: object) -> str:
    """Return a value as an error may quote it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _roles(call: TaskCall) -> Iterator[tuple[str, str, tuple[MediaKind, ...]]]:
    """Yield role, handle and the kinds that it may be."""
    match call:
        case ImageEditing() | VideoEditing():
            kinds = _IMAGE if isinstance(call, ImageEditing) else _VIDEO
            yield "source", call.source, kinds
            if call.mask is not None:
                yield "mask", call.mask, _IMAGE if kinds == _IMAGE else (*_IMAGE, *_VIDEO)
        case ImageControllableGeneration():
            yield "control", call.control, _IMAGE
        case VideoControllableGeneration():
            yield "control", call.control, _VIDEO
        case ImageReferenceGeneration() | VideoReferenceGeneration():
            for handle in call.references:
                yield "references", handle, _IMAGE
        case ImageToVideo():
            for role, handle in (
                ("first_frame", call.first_frame),
                ("last_frame", call.last_frame),
            ):
                if handle is not None:
                    yield role, handle, _IMAGE
        case _:
            pass
