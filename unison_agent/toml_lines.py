"""On which line of a TOML text a key stands; it does not know what the keys mean.

The standard parser gives values without places. This reads headers and keys only, well enough to point a
person at the line; the text has already been parsed, so it is known to be well-formed.
"""

import re

Loc = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*="""
)


def line_of(text: str, loc: Loc) -> int | None:
    """Return the 1-based line of the key at `loc`, or of the nearest table around it.

    Args:
        text: The TOML text.
        loc: Keys and array indices from the root, e.g. ``("tools", 1, "limits", "width")``.
    """
    lines = _places(text)
    for length in range(len(loc), 0, -1):
        if (line := lines.get(loc[:length])) is not None:
            return line
    return None


def _places(text: str) -> dict[Loc, int]:
    """Return the first line of every table and key."""
    table: Loc = ()
    elements: dict[Loc, int] = {}
    places: dict[Loc, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _resolve(_parts(header[2]), elements, is_array=header[1] == "[[")
            places.setdefault(table, number)
        elif key := _KEY.match(line):
            places.setdefault((*table, *_parts(key[1])), number)
    return places


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _resolve(parts: list[str], elements: dict[Loc, int], *, is_array: bool) -> Loc:
    """Insert the index of the current element after each array of tables on the way."""
    loc: Loc = ()
    for depth, part in enumerate(parts, start=1):
        loc = (*loc, part)
        if is_array and depth == len(parts):
            elements[loc] = elements.get(loc, -1) + 1
        if loc in elements:
            loc = (*loc, elements[loc])
    return loc
