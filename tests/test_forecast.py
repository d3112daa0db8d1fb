"""What a plan would be granted and cost, with nothing loaded."""

import json
from collections.abc import Mapping

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from unison_agent import Image, ImageHandle, MediaSet, Plan, Request, Unison, custom_tool
from unison_agent.errors import MissingInputError, NegotiationError
from unison_agent.forecast import Cost, forecast, machine_name, shipped_costs
from unison_agent.speed_specs import CacheSpec, MemorySpec, SpeedSpec, Switches
from unison_agent.tasks import TASK_CALL, Call, CustomCall, GrantedTask

HERE = "2 CPU cores"
TABLE = (
    Cost(tool="nano-video", machine=HERE, width=64, height=64, num_frames=1, step_seconds=0.05, other_seconds=0.2, peak_gib=1.4),
    Cost(tool="nano-video", machine=HERE, width=64, height=64, num_frames=17, step_seconds=0.21, other_seconds=0.36, peak_gib=1.6),
    Cost(tool="nano-video", machine="H200", width=64, height=64, num_frames=1, step_seconds=0.01, other_seconds=0.1, peak_gib=2),
    Cost(tool="nano-answer", machine=HERE, other_seconds=0.5, peak_gib=1.3),
)  # fmt: skip


class Crop(BaseModel):
    """Cut a region out of an image."""

    image: ImageHandle


def crop(wanted: Crop, media: MediaSet) -> Image:
    return media.image(wanted.image)


@pytest.fixture(scope="module")
def unison() -> Unison:
    return Unison.from_pretrained("nano", tools=[custom_tool(Crop, crop)])


def plan(*calls: Mapping[str, object] | CustomCall) -> Plan:
    steps: list[Call] = [
        one if isinstance(one, CustomCall) else TASK_CALL.validate_python(one) for one in calls
    ]
    return Plan(request=Request(text="x"), steps=tuple(steps))


PICTURE = {"task": "text_to_image", "prompt": "a star", "width": 512, "steps": 10}
CLIP = {"task": "image_to_video", "prompt": "move", "first_frame": "step_1", "steps": 10}


def granted(unison: Unison, of: Plan) -> list[GrantedTask | None]:
    return [step.granted for step in unison.dry_run(of).steps]


def test_each_step_is_granted_as_it_would_be_run(unison: Unison) -> None:
    picture, clip = granted(unison, plan(PICTURE, CLIP))
    assert picture is not None
    assert picture.output == "image"
    assert (picture.width, picture.height, picture.steps) == (64, 64, 10)
    assert [change.field for change in picture.adjustments] == ["width"]
    assert clip is not None
    assert clip.output == "video"
    assert (clip.width, clip.num_frames) == (64, 17)


def test_what_a_custom_tool_makes_is_not_known_before(unison: Unison) -> None:
    cut = CustomCall(tool="crop", arguments={"image": "image_1"})
    media = MediaSet.of([Image.from_array(np.zeros((9, 9, 3), np.uint8))])
    told = unison.dry_run(plan(cut, CLIP, PICTURE), media)
    assert [step.granted is None for step in told.steps] == [True, True, False]
    assert told.seconds is None
    assert "crop: not known before it runs" in str(told)
    assert "\n  width 512 -> 64: " in str(told)


def test_what_would_be_refused_is_refused(unison: Unison) -> None:
    with pytest.raises(NegotiationError):
        unison.dry_run(plan(PICTURE), mode="strict")
    edit = {"task": "image_editing", "prompt": "make it red", "source": "image_1"}
    media = MediaSet.of([Image.from_array(np.zeros((9, 9, 3), np.uint8))])
    with pytest.raises(MissingInputError):
        unison.dry_run(plan(edit), media)


def test_the_cost_is_that_of_the_measured_sizes_and_between_them(unison: Unison) -> None:
    calls = plan(PICTURE, {**CLIP, "num_frames": 9}, CLIP)
    told = forecast(calls, granted(unison, calls), machine=HERE, costs=TABLE)
    seconds = [step.seconds for step in told.steps]
    assert seconds == pytest.approx([0.7, 10 * 0.13 + 0.28, 2.46])
    assert told.seconds == pytest.approx(sum(second or 0 for second in seconds))
    assert told.peak_gib == 1.6
    assert "about 0.7 s and 1.4 GiB, as measured on 2 CPU cores" in str(told)


def test_beyond_the_measured_sizes_it_goes_on_in_proportion(unison: Unison) -> None:
    table = [cost.model_copy(update={"width": 32}) for cost in TABLE[:1]]
    calls = plan(PICTURE)
    told = forecast(calls, granted(unison, calls), machine=HERE, costs=table)
    assert told.seconds == pytest.approx(2 * 0.7)


def test_another_machine_is_named(unison: Unison) -> None:
    calls = plan(PICTURE, {"task": "text_understanding", "question": "why?"})
    grants = granted(unison, calls)
    on_gpu = forecast(calls, grants, machine="H200", costs=TABLE)
    assert [step.measured_on for step in on_gpu.steps] == ["H200", HERE]
    elsewhere = forecast(calls, grants, machine="64 CPU cores", costs=TABLE)
    assert elsewhere.steps[0].measured_on == HERE
    unknown = forecast(calls, grants, machine=HERE, costs=())
    assert unknown.seconds is unknown.peak_gib is None
    assert "its cost was not measured" in str(unknown)


def test_it_is_told_as_json(unison: Unison) -> None:
    calls = plan(PICTURE)
    told = forecast(calls, granted(unison, calls), machine=HERE, costs=TABLE)
    document = json.loads(told.to_json())
    assert document["seconds"] == pytest.approx(0.7)
    assert document["steps"][0]["granted"]["width"] == 64


def test_the_table_that_ships_knows_nano(unison: Unison) -> None:
    known = {cost.tool for cost in shipped_costs()}
    assert known == {spec.name for spec in unison.tools()} | {"tiny"}  # the tests' models
    assert machine_name()
    steps = [(c.volume, c.step_seconds) for c in shipped_costs() if c.tool == "nano-video"]
    assert len(steps) > 3
    assert sorted(steps) == sorted(steps, key=lambda step: step[1])  # larger takes longer


def test_the_table_that_ships_has_each_switch_that_a_cpu_can_make() -> None:
    rows = [cost for cost in shipped_costs() if cost.tool == "tiny"]
    switches = {cost.switches for cost in rows}
    for words in ("", "vae_tiling", "storage_dtype", "int8", "float8", "taylorseer", "compile"):
        assert any(words in one for one in switches), words
    tasks = {"text_to_image", "text_to_video", "image_editing"}
    assert {cost.task for cost in rows} == tasks
    assert len(rows) == len(switches) * len(tasks)


@pytest.mark.parametrize("key", ["step_seconds", "other_seconds", "peak_gib"])
def test_a_row_that_noise_has_spoilt_is_refused(key: str) -> None:
    row = {"tool": "t", "machine": "m", "other_seconds": 1.0, "peak_gib": 1.0, key: -0.1}
    with pytest.raises(ValidationError, match=key):
        Cost.model_validate(row)


def test_a_row_of_other_switches_says_nothing(unison: Unison) -> None:
    calls = plan(PICTURE)
    grants = granted(unison, calls)
    (spec,) = (tool for tool in unison.tools() if tool.name == "nano-video")
    assert spec.pipeline is not None
    assert spec.switched == ""
    other = spec.pipeline.model_copy(
        update={"memory": MemorySpec(offload="leaf", use_stream=True, vae_tiling=True)}
    )
    switched = spec.model_copy(update={"pipeline": other})
    assert switched.switched == "vae_tiling=True offload=leaf use_stream=True"
    words = {switched.name: switched.switched}
    assert forecast(calls, grants, switches=words, machine=HERE, costs=TABLE).seconds is None
    row = TABLE[0].model_copy(update={"switches": switched.switched, "step_seconds": 1.0})
    (step,) = forecast(calls, grants, switches=words, machine=HERE, costs=(*TABLE, row)).steps
    assert step.seconds == pytest.approx(10.2)


def test_switches_in_words() -> None:
    cache = CacheSpec(method="taylorseer", scope="model")
    assert Switches(speed=SpeedSpec(cache=cache)).switched == (
        "cache.method=taylorseer cache.scope=model"
    )
