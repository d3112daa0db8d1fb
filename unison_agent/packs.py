"""Tool packs: TOML in, a checked Pack out; it loads no weights and does not decide what is granted."""

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from unison_agent._resources import data
from unison_agent.errors import PackError, UnknownProfileError
from unison_agent.specs import (
    ConnectorSpec,
    Defaults,
    Limits,
    Pack,
    PipelineSpec,
    PreprocessSpec,
    ToolSpec,
    UnderstandingSpec,
)
from unison_agent.toml_lines import Loc, line_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pydantic_core import ErrorDetails

__all__ = [
    "ConnectorSpec",
    "Defaults",
    "Limits",
    "Pack",
    "PipelineSpec",
    "PreprocessSpec",
    "ToolSpec",
    "UnderstandingSpec",
    "known_profiles",
    "load_pack",
    "parse_pack",
]


def known_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that ship with the library, sorted."""
    packs = (entry.name for entry in data("tools").iterdir())
    return tuple(sorted(_profile(name) for name in packs if name.endswith(".toml")))


def _profile(file_name: str) -> str:
    return file_name.removesuffix(".toml").replace("_", "-")


def load_pack(name_or_path: str | Path) -> Pack:
    """Read and check a tool pack.

    Args:
        name_or_path: The name of a profile that ships with the library (``"nano"``), or the path of a
            TOML file; a string that ends in ``.toml`` is a path.

    Raises:
        UnknownProfileError: No such profile or file.
        PackError: The pack is wrong; it carries the key and its line.
    """
    found: Traversable | None = None
    if isinstance(name_or_path, Path) or name_or_path.endswith(".toml"):
        found = Path(name_or_path)
    elif (name := name_or_path.replace("_", "-")) in known_profiles():
        found = data("tools").joinpath(f"{name.replace('-', '_')}.toml")
    if found is None or not found.is_file():
        msg = f"there is no profile or pack {str(name_or_path)!r}."
        known = f"Known profiles: {', '.join(known_profiles())}; or give the path of a .toml file."
        raise UnknownProfileError(msg, file="tools", hint=known)
    try:
        text = found.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot be read as UTF-8 text ({error})."
        raise PackError(msg, file=str(found)) from error
    folder = found.absolute().parent if isinstance(found, Path) else None
    return parse_pack(text, file=str(found), folder=folder)


def load_packs(profile: str | Path, also: Sequence[str | Path] = ()) -> tuple[Pack, ...]:
    """Read a profile and the packs that serve beside it, in order.

    Raises:
        UnknownProfileError: There is no such profile.
        PackError: One is wrong, or two have the same name.
    """
    packs = tuple(map(load_pack, (profile, *also)))
    names = [one.profile for one in packs]
    for name in names:
        if names.count(name) > 1:
            msg = f"two packs are named {name!r}."
            raise PackError(msg, file=name, key="profile", hint="Name each pack once.")
    return packs


def parse_pack(text: str, *, file: str, folder: Path | None = None) -> Pack:
    """Check the TOML `text` of a pack; `file` names it in errors, relative paths start from `folder`.

    Raises:
        PackError: The text is no TOML, or no pack.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        msg = f"this is not TOML: {error}."
        raise PackError(msg, file=file, line=int(place[1]) if place else None) from error
    try:
        # By way of JSON, where strict takes arrays for tuples but never "12" for 12.
        anchored = content if folder is None else _anchored(content, folder)
        return Pack.model_validate_json(json.dumps(anchored, default=str), strict=True)
    except ValidationError as error:
        first, *others = error.errors()
        loc = (*first["loc"], *first.get("ctx", {}).get("at", ()))
        count = f" ({len(others)} more after this one)" if others else ""
        raise PackError(
            f"{_dotted(loc)}: {_sentence(first)}{count}.",
            file=file,
            key=_dotted(loc),
            line=line_of(text, loc),
            hint=_known_keys(first["loc"]) if first["type"] == "extra_forbidden" else None,
        ) from error


def _anchored(content: object, folder: Path) -> object:
    """Return a pack's content with every `path` in it made absolute."""
    match content:
        case dict():
            table = cast("dict[str, object]", content)
            return {
                key: str(folder / Path(value).expanduser())
                if key == "path" and isinstance(value, str) and value
                else _anchored(value, folder)
                for key, value in table.items()
            }
        case list():
            return [_anchored(one, folder) for one in cast("list[object]", content)]
        case _:
            return content


def _sentence(error: "ErrorDetails") -> str:
    match error["type"]:
        case "extra_forbidden":
            return "there is no such key"
        case "missing":
            return "this key is missing"
        case "pack":
            return error["msg"]
        case _:
            said = error["msg"]
            return f"{said[:1].lower()}{said[1:]}, got {error['input']!r}"


def _dotted(loc: Loc) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "the pack"


def _known_keys(loc: Loc) -> str | None:
    """Say which keys exist where the unknown key at `loc` stands."""
    model: type[BaseModel] = Pack
    for part in loc[:-1]:
        if isinstance(part, str) and (inner := _model_in(model.model_fields[part].annotation)):
            model = inner
    return f"Known keys here: {', '.join(sorted(model.model_fields))}."


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model inside an annotation such as ``tuple[Model, ...]`` or ``Model | None``."""
    if get_origin(annotation) is None and isinstance(annotation, type):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)
