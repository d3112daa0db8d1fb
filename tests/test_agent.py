import json
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import PIL.Image
import pytest

from unison_agent import Planned, Result, Unison
from unison_agent.errors import (
    MediaError,
    MissingInputError,
    NegotiationError,
    PlanningError,
    RequestError,
    RunCancelledError,
    UnknownProfileError,
)
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Calibration, Planner
from unison_agent.progress import Progress, ProgressEvent, Stage, silent
from unison_agent.router import AdapterTool, Lazy, Router
from unison_agent.tasks import Attachment, Plan, Request, TextToImage
from unison_agent.testing import EchoAdapter, ScriptedWriter

RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))
STAR = {"task": "text_to_image"}
TURN = {"task": "image_editing", "source": "image_1", "target": "the star"}


def make(*texts: object, progress: Progress = silent) -> tuple[Unison, EchoAdapter, ScriptedWriter]:
    adapter, writer = EchoAdapter(), ScriptedWriter(*texts)  # pyright: ignore[reportArgumentType]
    tools = [AdapterTool(spec, adapter) for spec in load_pack("nano").tools]
    unison = Unison(Planner(writer), Router(tools, profile="echo"), progress=progress)
    return unison, adapter, writer


def test_a_plan_is_looked_at_and_then_run() -> None:
    unison, adapter, writer = make(TURN)
    planned = unison.plan("Turn the star green", media=[RED])
    assert planned.steps[0].task == "image_editing"
    assert planned.missing is None
    assert planned.confidence is None
    assert adapter.calls == []
    result = unison.run(planned)
    assert isinstance(result, Result)
    assert result.plan == planned.plan
    assert len(writer.prompts) == 1
    assert result.timings.plan_seconds > 0
    assert result.timings.total_seconds > result.timings.plan_seconds


def test_a_plan_shows_itself() -> None:
    unison, _, _ = make(TURN)
    planned = unison.plan("Turn the star green", media=[RED])
    shown = (
        "step_1: image_editing(prompt='Turn the star green', source='image_1', target='the star')"
    )
    assert repr(planned) == shown
    bundle = planned._repr_mimebundle_()
    assert bundle["text/plain"] == shown
    assert bundle["text/html"] == planned.explain().html()
    assert Plan.model_validate_json(planned.to_json()) == planned.plan
    assert "width" not in json.loads(planned.to_json())["steps"][0]


def test_words_run_at_once() -> None:
    unison, _, _ = make(STAR)
    result = unison.run("Draw a red star")
    assert result.plan.request.text == "Draw a red star"
    assert result.image.width == 64


def test_what_is_missing_is_asked_for() -> None:
    unison, adapter, _ = make({"needs_input": "source"})
    planned = unison.plan("Turn the star green")
    assert planned.missing is not None
    assert planned.steps == ()
    assert repr(planned).startswith("missing source: Which image")
    with pytest.raises(MissingInputError) as caught:
        unison.run(planned)
    assert caught.value.slot == "source"
    assert caught.value.question in str(caught.value)
    assert adapter.calls == []


def test_planning_needs_the_kinds_only_and_running_the_files() -> None:
    unison, _, _ = make(TURN)
    planned = unison.plan("Turn the star green", MediaSet.of_kinds("image"))
    with pytest.raises(MissingInputError, match="image_1"):
        unison.run(planned)
    assert unison.run(planned, [RED]).image.height == 64


def test_several_requests_are_planned_at_once() -> None:
    unison, adapter, writer = make(STAR, TURN)
    first, second = unison.plan_batch(["a star", "Turn the star green"], [[], [RED]])
    assert [call.task for call in (*first.steps, *second.steps)] == [
        "text_to_image",
        "image_editing",
    ]
    assert len(writer.prompts) == 2
    assert adapter.calls == []
    assert first.timings == second.timings
    assert first.timings.plan_seconds > 0
    assert unison.run(second).image.height == 64
    assert unison.plan_batch([]) == []
    with pytest.raises(RequestError, match="as many lists of media"):
        unison.plan_batch("a star")
    with pytest.raises(RequestError, match="1 texts and 2 lists of media"):
        unison.plan_batch(["a star"], [[], []])
    with pytest.raises(RequestError, match="one set of media"):
        unison.plan_batch(["a star"], media=MediaSet.of_kinds("image"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(RequestError, match="Request 2 of 2: The request has no words"):
        unison.plan_batch(["a star", " "])


def test_an_unsure_plan_is_confirmed_and_run() -> None:
    writer = ScriptedWriter(STAR, confidence=0.1)
    tools = [AdapterTool(spec, EchoAdapter()) for spec in load_pack("nano").tools]
    unison = Unison(Planner(writer, Calibration(slope=1, intercept=0)), Router(tools))
    assert unison.plan("a star").missing is None
    planned = unison.plan("a star", min_confidence=0.5)
    assert planned.missing is not None
    assert "I read this as: make an image" in planned.missing.question
    with pytest.raises(MissingInputError, match="Is that what you mean"):
        unison.run(planned)
    assert unison.run(planned.confirmed()).image.width == 64
    assert unison.plan_batch(["a star"], min_confidence=0.5)[0].plan == planned.plan
    with pytest.raises(RequestError, match="no calibration"):
        make(STAR)[0].plan("a star", min_confidence=0.5)


@pytest.mark.parametrize("least", [2, -0.1, float("nan"), True, "0.5"])
def test_a_least_confidence_is_a_share_and_checked_before_planning(least: float) -> None:
    unison, _, writer = make(STAR)
    with pytest.raises(RequestError, match="min_confidence must be between 0 and 1"):
        unison.plan("a star", min_confidence=least)
    with pytest.raises(RequestError, match="min_confidence must be between 0 and 1"):
        unison.plan_batch(["a star"], min_confidence=least)
    assert writer.prompts == []


def test_forty_attachments() -> None:
    unison, _, _ = make({"task": "image_editing", "source": "image_40", "target": "star"})
    planned = unison.plan("Turn the star green", MediaSet.of_kinds(*("image",) * 40))
    assert len(planned.plan.request.attachments) == 40


def test_a_plan_of_ones_own() -> None:
    unison, _, writer = make()
    call = TextToImage(task="text_to_image", prompt="a star", num_outputs=2)
    result = unison.run(Plan(request=Request(text="two stars"), steps=(call,)))
    assert len(result.artifacts) == 2
    assert writer.prompts == []
    asked = Request(text="x", attachments=(Attachment(handle="image_1", kind="image"),))
    with pytest.raises(RequestError, match="names image_1"):
        unison.run(Plan(request=asked, steps=make(TURN)[0].plan("the star", [RED]).steps))


def test_the_seed_and_the_mode_of_a_run() -> None:
    unison, adapter, _ = make({"task": "text_to_image", "width": 640})
    text = "a star, 640 wide"
    unison.run(text, seed=8)
    unison.run(text)
    assert [granted.model_dump()["seed"] for _, granted in adapter.calls] == [8, 0]
    with pytest.raises(NegotiationError, match="width 640"):
        unison.run(text, mode="strict")
    with pytest.raises(NegotiationError, match="seed must be 0 or more, got -1"):
        unison.run(text, seed=-1)
    for wrong in (2**53, "7", 1.5, True):
        with pytest.raises(RequestError, match="seed must be a whole number of at most"):
            unison.run(text, seed=wrong)  # pyright: ignore[reportArgumentType]
        with pytest.raises(RequestError, match="seed must be a whole number of at most"):
            unison.dry_run(text, seed=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RequestError, match="max_new_tokens must be a whole number"):
        unison.run(text, max_new_tokens="5")  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        RequestError, match="mode must be one of nearest, strict, ask, got 'nearby'"
    ):
        unison.run(text, mode="nearby")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no words"),
        (" \n", "no words"),
        ("a" * 8193, "8193 characters; at most 8192"),
        ("a" * 100_000, "100000 characters; at most 8192"),
        ("a star\ud800", "half of a pair"),
        (b"a star", "A request is text, got bytes"),
        (None, "A request is text, got NoneType"),
        (["a star"], "A request is text, got list"),
    ],
)
def test_a_request_is_text(text: object, message: str) -> None:
    unison, adapter, _ = make(STAR)
    with pytest.raises(RequestError, match=message):
        unison.run(text)  # pyright: ignore[reportArgumentType]
    assert adapter.calls == []


@pytest.mark.parametrize(
    ("media", "error"),
    [("star.png", RequestError), (RED, RequestError), (["no such file.png"], MediaError)],
)
def test_media_are_checked_before_planning(media: Sequence[str], error: type[Exception]) -> None:
    unison, _, writer = make(TURN)
    with pytest.raises(error):
        unison.plan("Turn the star green", media)
    planned = Planned(make(STAR)[0].plan("a star").plan, MediaSet())
    with pytest.raises(error):
        unison.run(planned, media)
    assert writer.prompts == []


def test_text_in_place_of_a_picture(tmp_path: Path) -> None:
    note = tmp_path / "star.png"
    note.write_text("a red star", encoding="utf-8")
    unison, _, _ = make(TURN)
    with pytest.raises(MediaError, match=r"star\.png"):
        unison.run("Turn the star green", [note])


def test_what_is_no_plan_is_a_planning_error() -> None:
    unison, _, _ = make("once upon a time")
    with pytest.raises(PlanningError, match="once upon a time"):
        unison.run("Draw a red star")


def test_progress_is_told_to_the_listener_of_the_call_or_of_the_agent() -> None:
    own: list[Stage] = []
    general: list[Stage] = []
    unison, _, _ = make(STAR, progress=lambda event: general.append(event.stage))
    unison.run("Draw a red star", progress=lambda event: own.append(event.stage))
    assert own == ["plan", "plan", "denoise", "denoise"]
    assert general == []
    unison.run(unison.plan("Draw a red star"))
    assert general == own


def test_the_listener_can_stop_planning() -> None:
    def stop(event: ProgressEvent) -> None:
        raise RunCancelledError(event.stage)

    unison, _, writer = make(STAR)
    with pytest.raises(RunCancelledError, match="plan"):
        unison.run("Draw a red star", progress=stop)
    assert writer.prompts == []


def test_what_the_planner_needs_is_loaded_once_at_the_first_plan() -> None:
    loaded: list[str] = []

    def load(progress: Progress) -> str:
        progress(ProgressEvent("load", 0, 1))
        loaded.append("model")
        progress(ProgressEvent("load", 1, 1))
        return "model"

    tools = [AdapterTool(spec, EchoAdapter()) for spec in load_pack("nano").tools]
    unison = Unison(Planner(ScriptedWriter(STAR)), Router(tools), load=Lazy(load))
    own = Plan(request=Request(text="x"), steps=(TextToImage(task="text_to_image", prompt="x"),))
    unison.run(own)
    assert loaded == []
    planned: list[Planned] = []
    threads = [Thread(target=lambda: planned.append(unison.plan("a star"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["model"]
    assert planned[0].plan == planned[1].plan == planned[2].plan


# --- profiles ----------------------------------------------------------------------------------------


def test_a_profile_brings_its_tools_and_loads_nothing() -> None:
    unison = Unison.from_pretrained("nano")
    assert unison.profile == "nano"
    tasks = {task for spec in unison.tools() for task in spec.tasks}
    assert len(tasks) == 12


def test_an_unknown_profile() -> None:
    with pytest.raises(UnknownProfileError, match="no-such-profile"):
        Unison.from_pretrained("no-such-profile")
