"""Several packs: which of their tools runs a call, and why; on real packs, and on tiny models of them."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tiny_packs import ARRAYS_OF_TENSORS, TOOLS

from unison_agent import Image, MediaSet, Plan, Request, Unison
from unison_agent.errors import (
    MissingInputError,
    NegotiationError,
    OutputError,
    PackError,
    RequestError,
)
from unison_agent.forecast import Cost
from unison_agent.negotiate import Basis
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.remake import remake
from unison_agent.router import AdapterTool, Router
from unison_agent.router.choosing import choose
from unison_agent.saved_files import also_of, read_saved
from unison_agent.specs import ToolSpec
from unison_agent.tasks import TASK_CALL, Attachment, Choice, GrantedImage, RejectedTool, TaskCall
from unison_agent.testing import EchoAdapter, ScriptedWriter
from unison_agent.testing_images import save_tiny_sdxl, save_tiny_sdxl_controlnet
from unison_agent.vlm import UnderstandingModel

pytestmark = ARRAYS_OF_TENSORS

NANO, WAN = load_pack("nano").tools[1], load_pack("wan-vace").tools[1]
SDXL, FLUX = load_pack("sdxl").tools[1], load_pack("flux-kontext").tools[1]
HERE = "2 CPU cores"


def call(task: str, **fields: object) -> TaskCall:
    return TASK_CALL.validate_python({"task": task, "prompt": "a red star", **fields})


def plan(*calls: TaskCall, media: MediaSet | None = None) -> Plan:
    attached = () if media is None else media.attachments
    attachments = tuple(Attachment(handle=handle, kind=kind) for handle, kind in attached)
    return Plan(request=Request(text="a red star", attachments=attachments), steps=calls)


def cost(tool: str, seconds: float, machine: str = HERE) -> Cost:
    return Cost(
        tool=tool,
        machine=machine,
        width=64,
        height=64,
        num_frames=1,
        step_seconds=0,
        other_seconds=seconds,
        peak_gib=1,
    )


def chosen(of: TaskCall, *specs: ToolSpec, basis: Basis | None = None) -> tuple[str, Choice]:
    granted = choose(of, specs, basis=basis, costs=())
    assert granted.choice is not None
    return granted.tool, granted.choice


# --- by what a tool can do -----------------------------------------------------------------------


def test_who_cannot_take_as_many_references_is_rejected() -> None:
    three = call("image_reference_generation", references=["image_1", "image_2", "image_3"])
    tool, choice = chosen(three, NANO, WAN)
    assert tool == "wan-vace-video"
    assert choice.reason == "wan-vace-video alone can do this."
    (rejected,) = choice.rejected
    assert rejected.tool == "nano-video"
    assert rejected.reason == "3 references were given, nano-video takes at most 1."


def test_who_does_not_follow_the_control_type_is_rejected() -> None:
    pose = call("image_controllable_generation", control="image_1", control_type="pose")
    tool, choice = chosen(pose, SDXL, WAN)
    assert tool == "wan-vace-video"
    assert "control_type pose is not one that sdxl follows" in choice.rejected[0].reason


def test_who_takes_no_last_frame_is_rejected() -> None:
    assert NANO.limits is not None
    limits = NANO.limits.model_copy(update={"frames": ("first_frame",)})
    starts = NANO.model_copy(update={"name": "starts", "limits": limits})
    between = call("image_to_video", first_frame="image_1", last_frame="image_2")
    tool, choice = chosen(between, starts, NANO)
    assert tool == "nano-video"
    assert choice.rejected[0].reason == "a last_frame was given, starts takes first_frame."
    assert chosen(call("image_to_video", first_frame="image_1"), starts, NANO)[0] == "starts"


def test_an_edit_that_names_nothing_goes_to_who_edits_by_words() -> None:
    edit = call("image_editing", source="image_1")
    tool, choice = chosen(edit, SDXL, FLUX)
    assert tool == "flux-kontext"
    assert "does not name what to change" in choice.rejected[0].reason
    with pytest.raises(MissingInputError) as caught:
        choose(edit, [NANO, SDXL])
    assert caught.value.slot == "mask"


def test_who_draws_other_things_comes_after_who_draws_these() -> None:
    tool, choice = chosen(call("text_to_image", prompt="a giraffe"), NANO, SDXL)
    assert tool == "sdxl"
    assert choice.reason == "sdxl can draw what the prompt names."
    assert choice.rejected[0].reason == "the prompt names nothing that it draws."
    # What is attached may be anything: there the words say nothing of it.
    edit = call("image_editing", prompt="make it red", source="image_1", target="it")
    assert chosen(edit, NANO, SDXL, basis=Basis(64, 64))[0] == "nano-video"


# --- by what would change ------------------------------------------------------------------------


def test_the_fewest_changes_win() -> None:
    tool, choice = chosen(call("text_to_image", width=1024, height=512), NANO, SDXL)
    assert tool == "sdxl"
    assert choice.reason == "sdxl can do all that is asked."
    told = "it would change width 1024 to 64, height 512 to 64."
    assert choice.rejected == (RejectedTool(tool="nano-video", reason=told),)


def test_of_as_many_changes_the_smallest_win() -> None:
    wide = call("text_to_image", width=2048)
    tool, choice = chosen(wide, WAN, SDXL)
    assert tool == "sdxl"
    assert choice.reason == "sdxl changes what is asked by the least."
    assert choice.rejected[0].reason == "it would change width 2048 to 1280."
    # A source that keeps its size is a change less.
    edit = call("image_editing", source="image_1", target="star")
    assert chosen(edit, SDXL, NANO, basis=Basis(64, 64))[0] == "nano-video"
    assert chosen(edit, NANO, SDXL, basis=Basis(768, 768))[0] == "sdxl"


def test_where_nothing_may_change_who_changes_nothing_comes_first() -> None:
    # By its domain sdxl would be the one, in strict mode it cannot be.
    small = call("text_to_image", prompt="a giraffe", width=64, height=64)
    assert choose(small, [SDXL, NANO]).tool == "sdxl"
    strict = choose(small, [SDXL, NANO], mode="strict")
    assert strict.tool == "nano-video"
    assert strict.choice is not None
    assert strict.choice.reason == "nano-video can do it exactly as stated."
    with pytest.raises(NegotiationError, match="sdxl cannot do this as stated"):
        choose(call("text_to_image", width=300), [SDXL, NANO], mode="strict")
    with pytest.raises(NegotiationError, match=r"Shall .* go on") as caught:
        choose(call("text_to_image", width=300), [SDXL, NANO], mode="ask")
    assert caught.value.changes


# --- by what it costs, and by order --------------------------------------------------------------


def test_the_quickest_wins_where_all_were_measured_on_such_a_machine() -> None:
    star, other = call("text_to_image"), NANO.model_copy(update={"name": "other"})
    table = (cost("nano-video", 2.0), cost("other", 0.5))
    granted = choose(star, [NANO, other], machine=HERE, costs=table)
    assert granted.tool == "other"
    assert granted.choice is not None
    said = "other is the quickest that can do it, about 0.5 s as measured on such a machine."
    assert granted.choice.reason == said
    assert granted.choice.rejected[0].reason == "it would take about 2.0 s."
    for incomparable in (table[1:], (cost("nano-video", 2.0, "H200"), table[1])):
        first = choose(star, [NANO, other], machine=HERE, costs=incomparable)
        assert first.tool == "nano-video"
        assert first.choice is not None
        assert "comes first of the packs" in first.choice.reason


def test_each_rejected_tool_has_the_reason_that_told_it_apart() -> None:
    large = call("text_to_image", width=1024, height=1024)
    tool, choice = chosen(large, NANO, SDXL, FLUX)
    assert tool == "sdxl"
    assert "comes first of the packs" in choice.reason
    assert [one.tool for one in choice.rejected] == ["nano-video", "flux-kontext"]
    assert choice == chosen(large, NANO, SDXL, FLUX)[1]


# --- who cannot be chosen ------------------------------------------------------------------------


def echo_router(*others: str, profile: str = "nano") -> tuple[Router, EchoAdapter]:
    adapter = EchoAdapter()

    def tools(name: str, first: int = 0) -> list[AdapterTool]:
        return [AdapterTool(spec, adapter) for spec in load_pack(name).tools[first:]]

    also = {name: tools(name, 1) for name in others}
    return Router(tools(profile), profile=profile, also=also), adapter


def test_that_no_pack_can_do_it_is_one_error_with_the_reason_of_each() -> None:
    router, adapter = echo_router("flux-kontext", "ltx-video")
    two = call("image_reference_generation", references=["image_1", "image_2"])
    media = MediaSet.of([np.zeros((64, 64, 3), np.uint8)] * 2)
    with pytest.raises(NegotiationError) as caught:
        router.run(plan(call("text_to_image"), two, media=media), media)
    said = str(caught.value)
    assert "nano-video: 2 references were given, nano-video takes at most 1;" in said
    assert "flux-kontext: 2 references were given" in said
    assert "ltx-video: it serves no image_reference_generation." in said
    assert not adapter.calls  # not even the step before
    images = Router([AdapterTool(SDXL, adapter)], also={"flux": [AdapterTool(FLUX, adapter)]})
    with pytest.raises(RequestError, match=r"No pack serves text_to_video: custom serves image_.*flux serves"):  # fmt: skip
        images.grants(plan(call("text_to_video")), MediaSet())


def test_packs_that_do_not_go_together_are_refused() -> None:
    one, other = AdapterTool(SDXL, EchoAdapter()), AdapterTool(SDXL, EchoAdapter())
    with pytest.raises(PackError, match="another pack has a tool named 'sdxl' too"):
        Router([one], also={"mine": [other]})
    assert Router([one], also={"mine": [one]}).tools == (SDXL,)
    with pytest.raises(PackError, match="two packs are named 'nano'"):
        Unison.from_pretrained("nano", also=["sdxl", "nano"])


# --- who is named --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nano", "nano-video"])
def test_a_tool_or_a_pack_can_be_named(name: str) -> None:
    router, adapter = echo_router("sdxl")
    large = plan(call("text_to_image", width=1024))
    assert router.run(large, MediaSet()).granted.tool == "sdxl"
    granted = router.run(large, MediaSet(), tool=name).granted
    assert isinstance(granted, GrantedImage)
    assert (granted.tool, granted.width) == ("nano-video", 64)
    assert granted.choice == Choice(reason="nano-video was named.")
    assert len(adapter.calls) == 2


def test_a_call_and_a_turn_of_a_session_take_the_name_too() -> None:
    router, adapter = echo_router("sdxl")
    unison = Unison(Planner(ScriptedWriter({"task": "text_to_image", "width": 1024})), router)
    large = {"prompt": "a red star", "width": 1024}
    assert unison.call("text_to_image", large).artifacts[0].width == 1024
    assert unison.call("text_to_image", large, tool="nano").artifacts[0].width == 64
    assert (
        unison.call("unison", {"request": "a star, 1024 pixels wide"}, tool="nano")
        .artifacts[0]
        .width
        == 64
    )
    session = unison.session()
    assert session.run("a star, 1024 pixels wide", tool="nano").granted.tool == "nano-video"
    assert session.run("a star, 1024 pixels wide").granted.tool == "sdxl"
    wrong = unison.call("text_to_image", large, tool="dall-e")
    assert wrong.error is not None
    assert (wrong.error.code, "dall-e" in wrong.error.message) == ("request", True)
    count = len(adapter.calls)
    named = [
        unison.call("text_to_image", large, tool=tool, call_id="1") for tool in ("nano", "sdxl")
    ]
    assert [one.artifacts[0].width for one in named] == [64, 1024]  # two calls, under one name
    assert len(adapter.calls) == count + 2


def test_a_call_takes_where_an_answer_is_cut() -> None:
    router, adapter = echo_router()
    unison = Unison(Planner(ScriptedWriter({"task": "text_understanding"})), router)
    asked = {"question": "Why is the sky blue?"}
    unison.call("text_understanding", asked, max_new_tokens=7)
    unison.session().run("Why is the sky blue?", max_new_tokens=8)
    unison.call("text_understanding", asked)
    granted = [one for _, one in adapter.calls]
    assert [getattr(one, "max_new_tokens", None) for one in granted] == [7, 8, 512]


def test_what_is_named_does_only_what_it_serves() -> None:
    router, _ = echo_router("sdxl")
    clip = plan(call("text_to_image"), call("image_to_video", first_frame="step_1"))
    steps = router.grants(clip, MediaSet(), tool="sdxl")
    assert [step and step.tool for step in steps] == ["sdxl", "nano-video"]
    steps = router.grants(clip, MediaSet(), tool=["sdxl", None])
    assert [step and step.tool for step in steps] == ["sdxl", "nano-video"]
    for tool, message in (
        ("dall-e", r"no tool or pack named 'dall-e'. There are: nano \(nano-answer, nano-video\)"),
        ("nano-answer", "nano-answer was named, and does not serve text_to_image. It serves"),
        (["sdxl", "sdxl"], "sdxl was named, and does not serve image_to_video"),
        (["sdxl"], "1 tools were named for 2 steps"),
    ):
        with pytest.raises(RequestError, match=message):
            router.grants(clip, MediaSet(), tool=tool)


def test_of_one_pack_there_is_no_choice_to_tell() -> None:
    router, _ = echo_router()
    result = router.run(plan(call("text_to_image")), MediaSet(), tool="nano")
    assert isinstance(result.granted, GrantedImage)
    assert result.granted.choice is None
    assert '"choice"' not in result.to_json()
    assert result.artifacts[0].record.also == ()


# --- on models -----------------------------------------------------------------------------------


def tiny_sdxl(folder: Path) -> Path:
    """Write the pack sdxl for tiny checkpoints of 16 to 64 pixels."""
    text = (TOOLS / "sdxl.toml").read_text(encoding="utf-8")
    places = (
        save_tiny_sdxl(folder / "base"),
        save_tiny_sdxl_controlnet(folder / "canny"),
        save_tiny_sdxl_controlnet(folder / "depth", seed=2),
    )
    for place in places:
        text = re.sub(r'repo = "[^"]+"\nrevision = "main"(\nvariant = "fp16")?', f"path = '{place}'", text, count=1)  # fmt: skip
    text = text.replace('"float16"', '"float32"').replace("steps = 50", "steps = 2")
    text = re.sub(r"(width|height) = \[.*", r"\1 = [16, 64]", text)
    text = re.sub(r"(width|height) = \d+", r"\1 = 32", text)
    path = folder / "sdxl.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sdxl(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def both(pack: Path) -> Unison:
    return Unison.from_pretrained("nano", also=pack, device="cpu")


def test_only_what_is_chosen_is_loaded(both: Unison, monkeypatch: pytest.MonkeyPatch) -> None:
    def loads(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(UnderstandingModel, "load_nano", loads)
    assert both.packs == ("nano", "sdxl")
    result = both.run(plan(call("text_to_image", width=32, height=32)))
    assert result.granted.tool == "sdxl"
    assert result.image.width == 32
    assert not result.adjustments
    assert "sdxl: sdxl can do all that is asked." in result.summary()
    with pytest.raises(AssertionError):
        both.run(plan(call("text_to_image", width=64, height=64)), tool="nano")


def test_each_step_has_its_own_tool_and_is_made_again_with_it(both: Unison, tmp_path: Path) -> None:
    two = plan(
        call("text_to_image", width=32, height=32),
        call("image_to_video", first_frame="step_1", num_frames=5, steps=1),
    )
    forecast = both.dry_run(two)
    result = both.run(two)
    tools = [step.granted.tool for step in result.steps]
    assert tools == ["sdxl", "nano-video"]
    assert [step.granted for step in forecast.steps] == [step.granted for step in result.steps]
    picture = result.steps[0].artifacts[0].save(tmp_path / "a.png")
    saved = read_saved(picture)
    assert saved.record.also == ("sdxl",)
    assert saved.record.granted == tuple(step.granted for step in result.steps)
    # This one would choose nano: the recorded tool is used all the same.
    other = plan(call("text_to_image", width=64, height=64))
    assert both.dry_run(other).steps[0].granted is not None
    forced = both.run(other, tool="sdxl").artifacts[0].save(tmp_path / "b.png")
    again = remake(forced, agent=both)
    assert again.result.granted.tool == "sdxl"
    assert again.identical
    assert not again.differences


def test_a_pack_that_does_not_ship_is_not_taken_from_a_record(both: Unison, tmp_path: Path) -> None:
    result = both.run(plan(call("text_to_image", width=32, height=32)))
    (artifact,) = result.artifacts
    saved = read_saved(artifact.save(tmp_path / "a.png"))
    assert also_of(saved) == ("sdxl",)
    record = saved.record.model_copy(update={"also": ("../mine",)})
    strange = type(saved)("a.png", (type(saved.outputs[0])(record, blob=saved.outputs[0].blob),))
    with pytest.raises(OutputError, match=r"made with a tool of the pack '../mine'"):
        also_of(strange)


def test_the_functions_for_other_models_tell_what_any_pack_can_do() -> None:
    def described(unison: Unison) -> Mapping[str, Mapping[str, object]]:
        tools = {one["function"]["name"]: one["function"] for one in unison.tools(format="openai")}
        return tools["image_controllable_generation"]["parameters"]["properties"]

    alone = described(Unison.from_pretrained("sdxl"))
    assert "Possible here: 512 to 1536 in steps of 8." in str(alone["width"]["description"])
    together = described(Unison.from_pretrained("sdxl", also="nano"))
    said = str(together["width"]["description"])
    assert "Possible here: 512 to 1536 in steps of 8 or 64." in said
    assert "pose" in str(together["control_type"])
    assert "pose" not in str(alone["control_type"])


def test_one_picture_is_not_taken_for_a_list_of_packs() -> None:
    named = Unison.from_pretrained("nano", also="sdxl")
    assert named.packs == ("nano", "sdxl")
    picture = Image.from_array(np.zeros((64, 64, 3), np.uint8))
    edit = plan(
        call("image_editing", source="image_1", target="star"), media=MediaSet.of([picture])
    )
    (step,) = named.dry_run(edit, [picture]).steps
    assert step.granted is not None
    assert step.granted.tool == "nano-video"
