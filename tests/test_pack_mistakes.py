"""Whatever is wrong in a tool pack, the error names the key: each key of each pack that ships, mistaken in turn."""

import json
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest

from unison_agent.errors import PackError
from unison_agent.packs import load_pack

PACKS = sorted(Path("tools").glob("*.toml"))
At = tuple[str | int, ...]


def keys(table: Any, at: At = ()) -> Iterator[At]:
    """Yield the place of every key of a pack."""
    if isinstance(table, dict):
        for name in table:  # pyright: ignore[reportUnknownVariableType]
            yield (*at, str(name))  # pyright: ignore[reportUnknownArgumentType]
            yield from keys(table[name], (*at, str(name)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(table, list):
        for index, part in enumerate(table):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            if isinstance(part, dict):
                yield from keys(part, (*at, index))


def written(value: Any) -> str:
    """Return a value as TOML, tables in one line."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        parts = (f"{json.dumps(key)} = {written(one)}" for key, one in table.items())
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, cast('list[Any]', value)))}]"
    return json.dumps(value)  # the same in TOML, "true" and "false" too


def mistaken(value: Any) -> Iterator[Any]:
    """Yield what cannot stand in the place of a value."""
    yield 7 if isinstance(value, dict) else {"no": 1}
    if isinstance(value, str):
        yield ""
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield -value - 1


def complaint(pack: dict[str, Any], folder: Path) -> str:
    path = folder / "pack.toml"
    path.write_text("\n".join(f"{key} = {written(one)}" for key, one in pack.items()))
    with pytest.raises(PackError) as caught:
        load_pack(path)
    return str(caught.value)


@pytest.mark.parametrize("file", PACKS, ids=lambda path: path.stem)
def test_each_key_mistaken_in_turn_is_named(file: Path, tmp_path: Path) -> None:
    whole: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    for at in keys(whole):
        *above, name = at
        if at == ("description",):
            continue
        value: Any = whole
        for part in at:
            value = value[part]
        for other in mistaken(value):
            pack = deepcopy(whole)
            table: Any = pack
            for part in above:
                table = table[part]
            table[name] = other
            assert str(name) in complaint(pack, tmp_path), (at, other)


@pytest.mark.parametrize("file", PACKS, ids=lambda path: path.stem)
def test_each_key_misspelt_in_turn_is_named(file: Path, tmp_path: Path) -> None:
    whole: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    for at in keys(whole):
        *above, name = at
        pack = deepcopy(whole)
        table: Any = pack
        for part in above:
            table = table[part]
        table[f"{name}x"] = table.pop(name)
        assert str(name) in complaint(pack, tmp_path), at
