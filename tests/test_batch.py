import json
from collections.abc import Callable, Mapping, Sequence

import pytest
from pydantic import JsonValue

from unison_agent.batch import TOGETHER, Line, Refused, plan_lines, read_line
from unison_agent.errors import PlanningError
from unison_agent.progress import ProgressEvent
from unison_agent.tasks import TASK_CALL, CustomCall, MissingInput, Plan, Request

Fields = Mapping[str, object]


def planned(request: Request, *calls: Fields) -> Plan:
    steps = tuple(TASK_CALL.validate_python(call) for call in calls)
    return Plan(request=request, steps=steps)


class Scripted:
    """Plans one request at a time, by a function."""

    def __init__(self, plan: Callable[[Request], Plan]) -> None:
        self._plan = plan

    def plan(self, request: Request) -> Plan:
        return self._plan(request)


class Together(Scripted):
    """Plans several at once, and remembers how many."""

    def __init__(self, plan: Callable[[Request], Plan]) -> None:
        super().__init__(plan)
        self.sizes: list[int] = []

    def plan_batch(self, requests: Sequence[Request]) -> list[Plan]:
        self.sizes.append(len(requests))
        return [self.plan(request) for request in requests]


def draws(request: Request) -> Plan:
    if request.text == "fail":
        raise PlanningError("It wrote nothing.", hint="Say it in other words.")
    return planned(request, {"task": "text_to_image", "prompt": request.text})


def line(**fields: object) -> str:
    return json.dumps({"id": 1, "request": "a star", "media": [], **fields})


def answers(planner: Scripted, *lines: str) -> list[dict[str, object]]:
    batch = plan_lines("\n".join(lines).encode(), planner)
    entries = [json.loads(text) for text in batch.text.splitlines()]
    assert batch.lines == len(entries)
    assert batch.failed == sum("error" in entry for entry in entries)
    return entries


def test_a_call_has_media_as_places_and_only_what_is_stated():
    def edits(request: Request) -> Plan:
        assert [a.handle for a in request.attachments] == ["image_1", "video_1", "image_2"]
        return planned(
            request,
            {
                "task": "video_editing",
                "source": "video_1",
                "mask": "image_2",
                "prompt": request.text,
                "fps": 8,
                "target": "car",
            },
        )

    (entry,) = answers(
        Scripted(edits), line(id="a", request="recolor the car", media=["image", "video", "image"])
    )
    assert '"fps": 8.0' not in json.dumps(entry)
    assert entry == {
        "id": "a",
        "task": "video_editing",
        "fields": {"source": 1, "mask": 2, "target": "car", "fps": 8},
    }


def test_references_are_a_list_and_words_that_were_cut_are_there():
    def refers(request: Request) -> Plan:
        call = {
            "task": "image_reference_generation",
            "references": ["image_1", "image_2"],
            "prompt": "both on grass",
        }
        return planned(request, call)

    (entry,) = answers(Scripted(refers), line(request="draw both on grass", media=["image"] * 2))
    assert entry["fields"] == {"references": [0, 1], "prompt": "both on grass"}


def test_several_steps_are_all_told_and_outputs_keep_their_names():
    def two(request: Request) -> Plan:
        return planned(
            request,
            {"task": "text_to_image", "prompt": "a cat"},
            {"task": "image_to_video", "first_frame": "step_1", "prompt": "animate it"},
        )

    (entry,) = answers(Scripted(two), line(request="draw a cat, then animate it"))
    first = {"task": "text_to_image", "fields": {"prompt": "a cat"}}
    then = {"task": "image_to_video", "fields": {"first_frame": "step_1", "prompt": "animate it"}}
    assert entry == {"id": 1, **first, "steps": [first, then]}


def test_a_custom_tool_stands_under_its_name_with_its_arguments():
    def crops(request: Request) -> Plan:
        arguments: dict[str, JsonValue] = {"of": ["image_1", "step_1"], "size": {"width": 64.0}}
        return Plan(request=request, steps=(CustomCall(tool="crop", arguments=arguments),))

    (entry,) = answers(Scripted(crops), line(media=["video", "image"]))
    fields = {"of": [1, "step_1"], "size": {"width": 64.0}}
    assert entry == {"id": 1, "task": "crop", "fields": fields}


def test_missing_input_names_the_slot():
    def asks(request: Request) -> Plan:
        return Plan(request=request, missing=MissingInput(slot="source", question="Which?"))

    (entry,) = answers(Scripted(asks), line())
    assert entry == {"id": 1, "task": "needs_input", "fields": {"slot": "source"}}


def test_marks_become_handles_and_come_back_as_marks():
    read: list[str] = []

    def edits(request: Request) -> Plan:
        read.append(request.text)
        call = {
            "task": "image_editing",
            "source": "image_1",
            "prompt": "put the hat of image_2 on the man in image_1",
            "target": "man in image_1",
        }
        return planned(request, call)

    # The k-th mark is the k-th attachment of its kind, whatever the order of the kinds.
    said = "<IMGPAD>: put the hat of <IMGPAD> on the man in image_1"
    (entry,) = answers(Scripted(edits), line(request=said, media=["video", "image", "image"]))
    assert read == ["image_1: put the hat of image_2 on the man in image_1"]
    assert entry["fields"] == {
        "source": 1,
        "target": "man in image_1",
        "prompt": "put the hat of <IMGPAD> on the man in image_1",
    }


def test_words_come_back_as_they_were_said():
    found = read_line(
        line(request="put  the hat<IMGPAD>on <VIDPAD>, now", media=["image", "video"]).encode(), 1
    )
    assert isinstance(found, Line)
    assert found.request.text == "put  the hat image_1 on video_1, now"
    assert found.as_said("the hat image_1 on") == "the hat<IMGPAD>on"
    assert found.as_said("put the hat") == "put  the hat"
    assert found.as_said("on video_1") == "on <VIDPAD>"
    assert found.as_said("not there") == "not there"
    assert found.as_said("") == ""


def test_media_may_be_left_to_the_marks():
    data = json.dumps({"id": 1, "request": "<VIDPAD> like <IMGPAD>"}).encode()
    found = read_line(data, 1)
    assert isinstance(found, Line)
    assert [a.handle for a in found.request.attachments] == ["video_1", "image_1"]


@pytest.mark.parametrize(
    ("data", "id_", "said"),
    [
        (b"{", None, "line 3 is not JSON"),
        (b'{"id": 1, "request": "\xff"}', None, "line 3 is not JSON in UTF-8"),
        (b"[" * 100_000, None, "line 3 is not JSON"),
        (b"[1]", None, "line 3 is no object, but list"),
        (b'{"request": "x"}', None, "id must be text or a whole number"),
        (b'{"id": true, "request": "x"}', None, "got True"),
        (b'{"id": 5}', 5, "request must be text, got NoneType"),
        (b'{"id": 5, "request": ""}', 5, "no words"),
        (b'{"id": 5, "request": " \\n "}', 5, "no words"),
        (b'{"id": 5, "request": "x", "media": "image"}', 5, "must be a list of kinds, got str"),
        (b'{"id": 5, "request": "x", "media": ["image", "sound"]}', 5, "media[1] must be image"),
        (b'{"id": 5, "request": "x", "media": [["image"]]}', 5, "media[0] must be image"),
        (b'{"id": 5, "request": "<IMGPAD>", "media": ["video"]}', 5, "marks 1, media names 0"),
        (b'{"id": 5, "request": "\\ud800 x", "media": []}', 5, "half of a pair"),
        (json.dumps({"id": 5, "request": "x" * 100_000}).encode(), 5, "100000 characters"),
    ],
)
def test_lines_that_cannot_be_planned(data: bytes, id_: object, said: str):
    found = read_line(data, 3)
    assert isinstance(found, Refused)
    assert found.id == id_
    assert said in found.reason


def test_one_bad_line_does_not_stop_the_others():
    entries = answers(Scripted(draws), line(id=1), "{", "", line(id=2, request="fail"), line(id=3))
    assert [entry["id"] for entry in entries] == [1, None, 2, 3]
    assert entries[2] == {"id": 2, "error": "It wrote nothing. Say it in other words."}
    assert [("error" in entry) for entry in entries] == [False, True, True, False]


def test_together_when_the_planner_can_and_one_by_one_when_one_of_them_fails():
    planner = Together(draws)
    seen: list[ProgressEvent] = []
    lines = [line(id=i, request="fail" if i == 3 else f"star {i}") for i in range(TOGETHER + 2)]
    batch = plan_lines("\n".join(lines).encode(), planner, progress=seen.append)
    assert planner.sizes == [TOGETHER, 2]
    assert batch.failed == 1
    assert [json.loads(text)["id"] for text in batch.text.splitlines()] == list(range(TOGETHER + 2))
    assert [event.done for event in seen] == [0, TOGETHER, TOGETHER + 2]


def test_marks_of_byte_order_and_line_ends_do_not_matter():
    data = b"\xef\xbb\xbf" + line(request="ein Stern \u2028 \u00fc").encode() + b"\r\n"
    batch = plan_lines(data, Scripted(draws))
    assert (batch.lines, batch.failed) == (1, 0)


def test_an_id_that_is_no_utf8_is_written_escaped():
    batch = plan_lines(b'{"id": "\\ud800", "request": "\xc3\xbc", "media": []}', Scripted(draws))
    assert batch.text.encode("utf-8")
    assert json.loads(batch.text)["id"] == "\ud800"


def test_nothing_in_is_nothing_out():
    assert plan_lines(b"\n\n", Scripted(draws)).text == ""
