"""What the signature of a user's function says: what it makes, and whether it takes media; it never calls it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import cast, get_args, get_type_hints

import PIL.Image

from unison_agent.errors import ToolError
from unison_agent.media import Image, Video
from unison_agent.tasks import OutputKind

_KINDS: Mapping[object, OutputKind] = {
    str: "text",
    Image: "image",
    PIL.Image.Image: "image",
    Video: "video",
}


def made_by(name: str, function: Callable[..., object]) -> OutputKind:
    """Return what the annotation of a function says that it makes; media with words beside them count as media.

    Args:
        name: The tool's, for messages.
        function: Of the user's.

    Raises:
        ToolError: It is not annotated, or with both images and videos.
    """
    try:
        returned = cast("object", get_type_hints(function).get("return"))
    # Names that are only imported for type checking, and strings that are no types.
    except (NameError, AttributeError, TypeError, SyntaxError):
        returned = None
    kinds: list[OutputKind] = [_KINDS[part] for part in _parts(returned) if part in _KINDS]
    media: list[OutputKind] = [kind for kind in kinds if kind != "text"]
    if not kinds or len(set(media)) > 1:
        raise ToolError(
            f"{name}: the function does not say what it makes.",
            hint='Annotate what it returns, or pass output="image", "video" or "text".',
        )
    return (media or kinds)[0]


def takes_media(name: str, function: Callable[..., object]) -> bool:
    """Return whether a function takes the media besides the arguments.

    Args:
        name: The tool's, for messages.
        function: Of the user's.

    Raises:
        ToolError: It takes neither one nor two.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C
        return False
    for given in (("arguments", "media"), ("arguments",)):
        try:
            signature.bind(*given)
        except TypeError:
            continue
        return len(given) == 2
    raise ToolError(f"{name}: the function must take (arguments) or (arguments, media).")


def _parts(annotation: object) -> Iterable[object]:
    inner = cast("tuple[object, ...]", get_args(annotation))
    return [annotation] if not inner else [part for one in inner for part in _parts(one)]
