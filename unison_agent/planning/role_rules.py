"""Which media the roles of a call may hold; it knows the kinds of the media, not the words of the request."""

from collections.abc import Iterator, Mapping

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
