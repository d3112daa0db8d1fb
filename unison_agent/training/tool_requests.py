"""Samples of requests that come with tools of the user's own; knows the planner's prompt, but no grammar and no model.

A fixed quarter of the tools, chosen by the hash of their names, is never trained on, nor are their requests.
Other tools are listed beside the right one by chance, and some requests are for none of those listed.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NotRequired, TypeAlias, TypedDict, cast

from unison_agent.planning.written import call_text
from unison_agent.tasks import MediaKind, Request
from unison_agent.training.planning_data import Sample, fill, name_attachments
from unison_agent.training.planning_wrappers import DATA, Part, Wrapper, load_contents

FOLDER = DATA / "tools"
_HELD_OUT_BELOW = 64  # of the first byte of a hash
_HOW_MANY = (2, 3, 3, 2, 1)  # how often 1 to 5 tools are listed
_UNLISTED = 0.15  # share of the requests with `otherwise` that come without their tool
_ANY_SORT = 0.5  # share of those with their tool beside which tools of every sort can be listed
_SOUNDS_RIGHT = 0.7  # share of those for none that come with a tool that only sounds right
_EMPTY_NAMES = 0.1  # share of names that say nothing, so that the description has to be read
_EMPTY = ("tool", "fn", "x", "cmd", "ext", "plugin")


Named: TypeAlias = tuple[str, str]  # a tool as it is listed: a name and a description


class Tool(TypedDict):
    """One tool, `also` by other names; the task `otherwise` where it is missing; some that are `like` it could do the same."""

    name: str
    description: str
    arguments: dict[str, dict[str, object]]
    also: list[Named]
    like: NotRequired[str]
    otherwise: NotRequired[str]


class ToolRequest(TypedDict):
    """One request; for no tool it is a wrapper too, with tools `near` it in sound and those that it goes `without`."""

    request: str
    media: list[MediaKind]
    tool: str | None
    arguments: NotRequired[dict[str, str | int | float | bool]]
    lang: str
    task: NotRequired[str]
    near: NotRequired[list[str]]
    without: NotRequired[list[str]]


def tools_line(tools: Sequence[Named]) -> str:
    """Return the line of the planner's prompt that lists tools."""
    return "tools: " + "; ".join(f"{name}: {description}" for name, description in tools)


def load_tools(part: Part) -> dict[str, Tool]:
    """Return the tools of one part by name."""
    text = (FOLDER / "tools.json").read_text(encoding="utf-8")
    tools = cast("list[Tool]", json.loads(text))
    return {one["name"]: one for one in tools if _in_part(one["name"], part)}


def load_requests(part: Part) -> list[ToolRequest]:
    """Return the requests for the tools of one part, and its share of those for no tool."""
    text = (FOLDER / "requests.jsonl").read_text(encoding="utf-8")
    rows = [cast("ToolRequest", json.loads(line)) for line in text.splitlines()]
    return [row for row in rows if _in_part(row["tool"] or row["request"], part)]


def tool_samples(part: Part, rng: random.Random) -> Iterator[Sample]:
    """Yield samples with listed tools without end, in a new order each round."""
    tools, rows, contents = load_tools(part), load_requests(part), load_contents()
    rows += [row for row in rows if row["tool"] is None]  # twice a round
    while True:
        rng.shuffle(rows)
        for row in rows:
            right, media = tools[row["tool"]] if row["tool"] else None, bool(row["media"])
            if right is None:
                sample = fill(cast("Wrapper", row), contents, rng, "tool_requests")
                listed = _listed(*_near(row, tools, rng), rng=rng)
            elif "otherwise" in right and rng.random() < _UNLISTED:
                sample = _sample(row, call_text(right["otherwise"], {}), right["otherwise"])
                # What takes other media, or none, cannot do it instead.
                others = [one for one in tools.values() if bool(_media_of(one)) != media]
                listed = _listed([], others, rng)
            else:
                # Often of its own sort, so that what is attached does not give it away.
                sorts = (True, False) if rng.random() < _ANY_SORT else (media,)
                alike = (right.get("like"), right["name"])
                others = [one for one in tools.values() if bool(_media_of(one)) in sorts]
                others = [one for one in others if one.get("like", one["name"]) not in alike]
                listed = _listed([right], others, rng)
                sample = _sample(row, _call(row, right, listed[0][0]), "tool")
            rng.shuffle(listed)
            # The prompt is the attachments and then the request's words: here the tools go before them.
            text = f"{tools_line(listed)}\n{sample.request.text}"
            yield replace(sample, request=sample.request.model_copy(update={"text": text}))


def _in_part(text: str, part: Part) -> bool:
    first = hashlib.sha256(text.encode()).digest()[0]
    return (first < _HELD_OUT_BELOW) == (part == "held_out")


def _call(row: ToolRequest, tool: Tool, name: str) -> str:
    handles = [one.handle for one in name_attachments(tuple(row["media"]))]
    arguments = dict(row.get("arguments", {}))
    for key in arguments.keys() & _media_of(tool):
        arguments[key] = handles[int(arguments[key])]
    call = {"tool": name, "arguments": arguments}
    return json.dumps(call, ensure_ascii=False, separators=(",", ":"))


def _sample(row: ToolRequest, answer: str, task: str) -> Sample:
    attachments = name_attachments(tuple(row["media"]))
    text = re.sub(r"\{m(\d)\}", lambda slot: attachments[int(slot[1])].handle, row["request"])
    return Sample(Request(text=text, attachments=attachments), answer, task, 1, "tool_requests")


def _listed(first: Sequence[Tool], others: Sequence[Tool], rng: random.Random) -> list[Named]:
    """Return names and descriptions, by chance among what they go by: of the first tools, then of some others."""
    count = rng.choices(range(1, len(_HOW_MANY) + 1), _HOW_MANY)[0] - len(first)
    listed: list[Named] = []
    for tool in [*first, *rng.sample(others, min(count, len(others)))]:
        name, description = rng.choice([(tool["name"], tool["description"]), *tool["also"]])
        if rng.random() < _EMPTY_NAMES:
            name = f"{rng.choice(_EMPTY)}_{10 * rng.randrange(10) + len(listed)}"
        listed.append((name, description))
    return listed


def _near(row: ToolRequest, tools: Mapping[str, Tool], rng: random.Random) -> list[list[Tool]]:
    """Return a tool that only sounds right, if any, and the others that can be listed with a request for none."""
    near = [name for name in row.get("near", ()) if name in tools]
    first = [rng.choice(near)] if near and rng.random() < _SOUNDS_RIGHT else []
    names = [name for name in tools if name not in (*first, *row.get("without", ()))]
    if row.get("task") == "text_understanding":  # which those that look things up could answer
        names = [name for name in names if tools[name].get("like") != "lookup"]
    return [[tools[name] for name in chosen] for chosen in (first, names)]


def _media_of(tool: Tool) -> set[str]:
    return {name for name, one in tool["arguments"].items() if one["kind"] in ("image", "video")}
