import json
import random
import re
from collections.abc import Mapping
from itertools import islice
from typing import cast

import pytest

from unison_agent.planning.numbers import canonical
from unison_agent.planning.planner import prompt_text
from unison_agent.planning.stated import read_stated
from unison_agent.training.planning_wrappers import DATA, Part
from unison_agent.training.tool_requests import (
    ToolRequest,
    load_requests,
    load_tools,
    tool_samples,
    tools_line,
)

PARTS: tuple[Part, Part] = ("train", "held_out")
KINDS = {"image", "video", "integer", "number", "words", "boolean"}
TOOLS = {name: tool for part in PARTS for name, tool in load_tools(part).items()}


def _fits(row: ToolRequest, kind: object, value: object) -> bool:
    """Whether an argument's value is of its kind, and in the request where it has to be."""
    if isinstance(kind, Mapping):
        return value in cast("Mapping[str, list[str]]", kind)["enum"]
    stated = read_stated(re.sub(r"\{m\d\}", "it", row["request"]))
    match kind:
        case "image" | "video":
            return isinstance(value, int) and row["media"][value] == kind
        case "integer" | "number":
            number = isinstance(value, int) or (kind == "number" and isinstance(value, float))
            return number and canonical(cast("float", value)) in stated.numbers
        case "words":
            return isinstance(value, str) and bool(stated.places(value))
        case _:
            return kind == "boolean" and isinstance(value, bool)


@pytest.mark.parametrize("part", PARTS)
def test_arguments_are_what_the_requests_say(part: Part):
    for row in load_requests(part):
        if row["tool"] is not None:
            given, arguments = row.get("arguments", {}), TOOLS[row["tool"]]["arguments"]
            needed = {name for name, one in arguments.items() if not one["optional"]}
            assert needed <= given.keys() <= arguments.keys(), row
            assert list(given) == [name for name in arguments if name in given], row
            for name, value in given.items():
                assert _fits(row, arguments[name]["kind"], value), (name, row)


def test_tools_have_names_and_one_line_descriptions_of_their_own():
    named = [
        one
        for tool in TOOLS.values()
        for one in [(tool["name"], tool["description"]), *tool["also"]]
    ]
    assert len({name for name, _ in named}) == len(named)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name, _ in named)
    assert all(0 < len(said) < 80 and "\n" not in said and ";" not in said for _, said in named)
    for tool in TOOLS.values():
        kinds = [argument["kind"] for argument in tool["arguments"].values()]
        assert all(isinstance(kind, Mapping) or kind in KINDS for kind in kinds)


def test_requests_are_distinct_and_name_tools_that_exist():
    rows = [row for part in PARTS for row in load_requests(part)]
    assert len({row["request"] for row in rows}) == len(rows)
    for row in rows:
        assert {*row.get("near", ()), *row.get("without", ())} <= TOOLS.keys()
        places = [int(place) for place in re.findall(r"\{m(\d)\}", row["request"])]
        assert all(place < len(row["media"]) for place in places), row


def test_no_request_is_one_of_the_evaluation():
    lines = [
        line
        for path in (DATA / "evaluation").glob("*.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    measured = {json.loads(line)["request"].lower() for line in lines}
    assert measured
    assert not measured & {row["request"].lower() for part in PARTS for row in load_requests(part)}


def test_a_quarter_of_the_tools_is_never_trained_on():
    train, held_out = (load_tools(part) for part in PARTS)
    assert 0.15 < len(held_out) / len(TOOLS) < 0.35
    said = {name for tool in held_out.values() for name in (tool["name"], *dict(tool["also"]))}
    for sample in islice(tool_samples("train", random.Random(0)), 600):
        names = re.findall(r"(?:^tools: |; )(\w+): ", sample.request.text.split("\n")[0])
        assert not said & set(names)
    assert train


@pytest.mark.parametrize("part", PARTS)
def test_calls_name_listed_tools_and_attached_media(part: Part):
    samples = list(islice(tool_samples(part, random.Random(1)), 600))
    for sample in samples:
        lines = prompt_text(sample.request).split("\n")
        assert lines[0].startswith("attachments: ")
        assert lines[1].startswith("tools: ")
        assert 1 <= lines[1].count("; ") + 1 <= 5
        answer = json.loads(sample.answer)
        assert (sample.task == "tool") == ("tool" in answer)
        if "tool" in answer:
            assert f" {answer['tool']}: " in lines[1]
            assert list(answer) == ["tool", "arguments"]
    share = sum(sample.task == "tool" for sample in samples) / len(samples)
    assert 0.5 < share < 0.85


def test_the_line_of_tools():
    line = tools_line([("crop", "Cut a region out of an image."), ("do_ocr", "OCR")])
    assert line == "tools: crop: Cut a region out of an image.; do_ocr: OCR"
