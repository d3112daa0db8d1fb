"""Schemas made whole and closed, as other models are given them; it knows no task and no tool."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from unison_agent.custom.schema import Schema, may_be_null

JsonSchema: TypeAlias = dict[str, object]

_HOW_MEDIA = 'A handle from an earlier result (such as "image-3f2a9c1b7d4e") or from the user'
_KIND = {"image": "an image", "video": "a video", "any": "an image or a video"}


def plain(schema: Schema) -> JsonSchema:
    """Return a schema whole and closed: references put in place, no defaults, no titles, no null."""
    return _plain(schema, schema)


def _plain(schema: Schema, root: Schema) -> JsonSchema:
    while isinstance(reference := schema.get("$ref"), str):
        found = root
        for part in reference.removeprefix("#/").split("/"):
            found = cast("Schema", found[part])
        schema = {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
    for union in ("anyOf", "allOf"):
        options = schema.get(union)
        if isinstance(options, list):
            kept = [one for one in cast("list[Schema]", options) if one != {"type": "null"}]
            if len(kept) == 1:
                rest = {name: value for name, value in schema.items() if name != union}
                return _plain({**kept[0], **rest}, root)
            schema = {**schema, union: kept}
    whole: JsonSchema = {}
    for key, value in schema.items():
        match key:
            case "$defs" | "definitions" | "$schema" | "$id" | "$comment" | "title" | "default":
                pass
            case "x-stated" | "deprecated" | "readOnly" | "writeOnly" | "additionalProperties":
                pass
            case "properties":
                named = cast("Mapping[str, Schema]", value)
                whole[key] = {name: _plain(one, root) for name, one in named.items()}
            case "items":
                whole[key] = _plain(cast("Schema", value), root)
            case "anyOf" | "allOf":
                whole[key] = [_plain(one, root) for one in cast("list[Schema]", value)]
            case "type" if isinstance(value, list):
                whole[key] = next(one for one in cast("list[object]", value) if one != "null")
            case "enum":
                whole[key] = [one for one in cast("list[object]", value) if one is not None]
            case "const":
                whole["enum"] = [value]
            case _:
                whole[key] = value
    words = cast("list[object]", whole.get("enum", []))
    if words and "type" not in whole and all(isinstance(one, str) for one in words):
        whole["type"] = "string"
    if "x-media" in whole:
        said = whole.get("description") or f"{_KIND[str(whole['x-media'])].capitalize()}."
        whole["description"] = f"{said} {_HOW_MEDIA}."
    if whole.get("type") == "object":
        whole.setdefault("properties", {})
        nullable = _nullable(schema)
        required = cast("Sequence[str]", schema.get("required") or ())
        whole["required"] = [name for name in required if name not in nullable]
        whole["additionalProperties"] = False
    return whole


def _nullable(schema: Schema) -> set[str]:
    """Return the arguments that may be null, which are left out instead, also where they are required."""
    named = cast("Mapping[str, object]", schema.get("properties") or {})
    return {name for name, one in named.items() if may_be_null(one)}


def medium(kind: str, meaning: str = "") -> JsonSchema:
    """Return the schema of an argument that stands for a picture or a clip."""
    said = f"{meaning}: {_KIND[kind]}." if meaning else f"{_KIND[kind].capitalize()}."
    return {"type": "string", "description": f"{said} {_HOW_MEDIA}.", "x-media": kind}
