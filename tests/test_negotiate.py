from collections.abc import Mapping
from typing import Literal, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from unison_agent.errors import NegotiationError, RequestError
from unison_agent.negotiate import Basis, negotiate
from unison_agent.packs import Defaults, Limits, PipelineSpec, ToolSpec, load_pack
from unison_agent.sizing import fits_lines, fits_ratio
from unison_agent.tasks import (
    TASK_CALL,
    Adjustment,
    Granted,
    GrantedAnswer,
    GrantedImage,
    GrantedVideo,
    TaskCall,
    VideoGeneration,
)

NANO_ANSWER, NANO = load_pack("nano").tools
_, WAN = load_pack("wan-vace").tools
ROLES: Mapping[str, Mapping[str, object]] = {
    "text_to_image": {},
    "text_to_video": {},
    "image_to_video": {"first_frame": "image_1"},
    "image_editing": {"source": "image_1"},
    "video_editing": {"source": "video_1"},
    "image_controllable_generation": {"control": "image_1"},
    "video_controllable_generation": {"control": "video_1"},
    "image_reference_generation": {"references": ("image_1",)},
    "video_reference_generation": {"references": ("image_1",)},
}


def call_of(task: str, **stated: object) -> TaskCall:
    return TASK_CALL.validate_python({"task": task, "prompt": "a star", **ROLES[task], **stated})


def grant(tool: ToolSpec, call: TaskCall, basis: Basis | None = None) -> GrantedVideo:
    """Negotiate to the nearest; images have no num_frames, which the tests of images do not read."""
    return cast("GrantedVideo", negotiate(call, tool, basis=basis))


def changes(granted: Granted) -> list[tuple[str, object, object, str]]:
    return [(a.field, a.asked, a.granted, a.rule) for a in granted.adjustments]


# --- properties -----------------------------------------------------------------------------------


@st.composite
def tools(draw: st.DrawFn) -> ToolSpec:
    """Any possible tool, with defaults inside its limits."""
    step = draw(st.sampled_from([1, 2, 8, 16, 64]))
    sides = [sorted(draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))) for _ in range(2)]
    width, height = [
        (least * step, most * step + draw(st.integers(0, step - 1))) for least, most in sides
    ]
    area = draw(st.integers(width[0] * height[0], width[1] * height[1]))
    counts = draw(st.sampled_from([(1, 1), (5, 17), (3, 30), (5, 129), (2, 5)]))
    rules: list[Literal["any", "4n+1"]] = ["any", "4n+1"]
    default_frames = 5 if counts[0] > 1 else 1
    default_width = draw(st.sampled_from(range(width[0], width[1] + 1, step)))
    highest = min(height[1], area // default_width)
    assume(highest >= height[0])
    default_height = draw(st.sampled_from(range(height[0], highest + 1, step)))
    volume = default_width * default_height * default_frames * draw(st.integers(1, 40))
    limits = Limits(
        width=width,
        height=height,
        multiple_of=step,
        max_area=area,
        num_frames=counts,
        frame_rule=draw(st.sampled_from(rules)),
        max_volume=draw(st.none() | st.just(volume)),
        fps=(4, 30),
        native_fps=8,
        steps=(2, 50),
        guidance_scale=(1, 10),
        num_outputs=4,
        references=1,
    )
    return ToolSpec(
        name="any",
        tasks=tuple(ROLES),  # pyright: ignore[reportArgumentType]
        adapter="video",
        pipeline=PipelineSpec(
            source="nano", folder="pipeline", text_encoder=False, vae_spatial=4, vae_temporal=1
        ),
        defaults=Defaults(
            width=default_width,
            height=default_height,
            num_frames=default_frames,
            fps=8,
            steps=12,
            guidance_scale=3,
        ),
        limits=limits,
    )


@st.composite
def calls(draw: st.DrawFn) -> TaskCall:
    """Any call that generates, with any of what can be stated."""
    task = draw(st.sampled_from(list(ROLES)))
    number = st.integers(1, 100) | st.integers(1, 3000)
    stated: dict[str, st.SearchStrategy[object]] = {
        "width": number,
        "height": number,
        "resolution": st.sampled_from(["100p", "144p", "480p", "720p", "1080p"]),
        "aspect_ratio": st.sampled_from(
            ["16:9", "9:16", "4:3", "1:1", "square", "portrait", "landscape", "2.39:1", "999:1"]
        ),
        "seed": st.integers(0, 2**53 - 1),
        "steps": number,
        "guidance_scale": st.floats(0, 1000),
        "num_outputs": st.integers(1, 10),
    }
    if "video" in task:
        stated["num_frames"] = number
        stated["duration_seconds"] = st.floats(0.01, 60)
        stated["fps"] = st.floats(0.1, 120)
    chosen = draw(st.sets(st.sampled_from(sorted(stated)), max_size=5))
    return call_of(task, **{field: draw(stated[field]) for field in sorted(chosen)})


sizes = st.integers(1, 4000)
bases = st.none() | st.builds(
    Basis,
    width=sizes,
    height=sizes,
    num_frames=st.none() | st.integers(1, 300),
    fps=st.none() | st.floats(1, 120),
)


def within(granted: Granted, limits: Limits) -> bool:
    assert isinstance(granted, GrantedImage | GrantedVideo)
    area = granted.width * granted.height
    fits = (
        granted.width in limits.widths()
        and granted.height in limits.heights()
        and area <= limits.max_area
        and limits.steps[0] <= granted.steps <= limits.steps[1]
        and limits.guidance_scale[0] <= granted.guidance_scale <= limits.guidance_scale[1]
        and granted.num_outputs <= limits.num_outputs
    )
    if isinstance(granted, GrantedVideo):
        assert limits.fps is not None
        fits = fits and limits.fps[0] <= granted.fps <= limits.fps[1]
        fits = fits and granted.num_frames in limits.frame_counts()
        fits = fits and area * granted.num_frames <= (
            limits.max_volume or area * granted.num_frames
        )
    return fits


@given(tools(), calls(), bases)
def test_granted_always_satisfies_the_limits(
    tool: ToolSpec, call: TaskCall, basis: Basis | None
) -> None:
    assert tool.limits is not None
    assert within(negotiate(call, tool, basis=basis), tool.limits)


@given(tools(), calls(), bases)
def test_nothing_stated_changes_without_an_adjustment(
    tool: ToolSpec, call: TaskCall, basis: Basis | None
) -> None:
    granted = negotiate(call, tool, basis=basis, default_seed=7)
    assert isinstance(granted, GrantedImage | GrantedVideo)
    assert tool.limits is not None
    changed = {a.field for a in granted.adjustments}
    assert len(changed) == len(granted.adjustments)
    stated = call.model_dump(exclude_none=True)
    step = tool.limits.multiple_of
    for field in granted.model_dump(exclude={"output", "tool", "adjustments", "choice"}):
        if field in stated:
            assert (getattr(granted, field) != stated[field]) == (field in changed)
    if "resolution" in stated:
        lines = int(stated["resolution"][:-1])
        kept = fits_lines(granted.width, granted.height, lines, step)
        assert kept != ("resolution" in changed)
    if ":" in stated.get("aspect_ratio", ""):
        width, height = map(float, stated["aspect_ratio"].split(":"))
        kept = fits_ratio(granted.width, granted.height, width / height, step)
        assert kept != ("aspect_ratio" in changed)
    if "duration_seconds" in stated:
        assert isinstance(granted, GrantedVideo)
        first = tool.limits.frame_rule == "4n+1"
        ideal = round(stated["duration_seconds"] * granted.fps) + first
        kept = abs(granted.num_frames - ideal) <= (2 if first else 0.5)
        assert kept != ("duration_seconds" in changed)
    if basis is None:
        assert changed <= stated.keys()
    elif not stated.keys() & {"width", "height", "resolution", "aspect_ratio"}:
        kept = (granted.width, granted.height) == (basis.width, basis.height)
        assert kept != ("size" in changed)


@given(tools(), calls(), bases)
def test_strict_and_ask_refuse_exactly_when_nearest_would_adjust(
    tool: ToolSpec, call: TaskCall, basis: Basis | None
) -> None:
    nearest = negotiate(call, tool, basis=basis)
    for mode in ("strict", "ask"):
        if not nearest.adjustments:
            assert negotiate(call, tool, mode=mode, basis=basis) == nearest
            continue
        with pytest.raises(NegotiationError) as caught:
            negotiate(call, tool, mode=mode, basis=basis)
        fields = [field for field, _, _ in caught.value.changes]
        assert fields == [a.field for a in nearest.adjustments]


@given(tools(), calls(), bases)
def test_stating_what_was_granted_grants_the_same(
    tool: ToolSpec, call: TaskCall, basis: Basis | None
) -> None:
    first = negotiate(call, tool, basis=basis, default_seed=3)
    kept = first.model_dump(exclude={"output", "tool", "adjustments", "choice"})
    unstated = dict.fromkeys(("resolution", "aspect_ratio", "duration_seconds"))
    if not isinstance(call, VideoGeneration):
        del unstated["duration_seconds"]
    again = TASK_CALL.validate_python({**call.model_dump(), **unstated, **kept})
    second = negotiate(again, tool, mode="strict", basis=basis)
    assert second == first.model_copy(update={"adjustments": ()})


# --- examples on the shipped packs -----------------------------------------------------------------


@pytest.mark.parametrize("tool", [NANO, WAN])
@pytest.mark.parametrize("task", list(ROLES))
def test_nothing_stated_grants_the_defaults(tool: ToolSpec, task: str) -> None:
    granted = negotiate(call_of(task), tool, mode="strict", default_seed=5)
    assert isinstance(
        granted, GrantedVideo if "to_video" in task or task[0] == "v" else GrantedImage
    )
    kept = granted.model_dump(exclude={"output", "tool", "seed", "adjustments", "choice"})
    defaults = {field: getattr(tool.defaults, field) for field in kept}
    assert kept == {**defaults, "steps": tool.defaults.steps_for(granted.output)}
    assert granted.seed == 5


@pytest.mark.parametrize("task", NANO_ANSWER.tasks)
def test_understanding_grants_an_answer(task: str) -> None:
    call = TASK_CALL.validate_python({"task": task, "question": "What is it?"})
    tokens = NANO_ANSWER.defaults.max_new_tokens
    assert tokens is not None
    expected = GrantedAnswer(output="text", tool="nano-answer", max_new_tokens=tokens)
    assert negotiate(call, NANO_ANSWER, mode="strict") == expected


@pytest.mark.parametrize(
    ("stated", "size"),
    [
        ({"width": 640}, (640, 480)),
        ({"height": 480}, (832, 480)),
        ({"width": 1280}, (1280, 720)),
        ({"resolution": "480p"}, (832, 480)),
        ({"resolution": "720p"}, (1248, 720)),
        ({"resolution": "720p", "aspect_ratio": "16:9"}, (1280, 720)),
        ({"resolution": "480p", "aspect_ratio": "portrait"}, (480, 832)),
        ({"resolution": "480p", "aspect_ratio": "9:16"}, (480, 848)),
        ({"width": 640, "resolution": "480p"}, (640, 480)),
        ({"aspect_ratio": "16:9"}, (848, 480)),
        ({"aspect_ratio": "square"}, (640, 640)),
        ({"aspect_ratio": "portrait"}, (480, 832)),
        ({"aspect_ratio": "landscape"}, (832, 480)),
    ],
)
def test_part_of_a_size_leaves_the_rest_to_the_default(
    stated: dict[str, object], size: tuple[int, int]
) -> None:
    granted = negotiate(call_of("text_to_image", **stated), WAN, mode="strict")
    assert isinstance(granted, GrantedImage)
    assert (granted.width, granted.height) == size


@pytest.mark.parametrize(
    ("stated", "size", "expected"),
    [
        ({"width": 500, "height": 500}, (496, 496),
         [("width", 500, 496, "multiple_of"), ("height", 500, 496, "multiple_of")]),
        ({"width": 2560, "height": 1440}, (1280, 720),
         [("width", 2560, 1280, "size_range"), ("height", 1440, 720, "size_range")]),
        ({"width": 1280, "height": 1280}, (960, 960),
         [("width", 1280, 960, "area_cap"), ("height", 1280, 960, "area_cap")]),
        ({"width": 5000}, (1280, 720), [("width", 5000, 1280, "size_range")]),
        ({"resolution": "1080p"}, (1248, 720), [("resolution", "1080p", "720p", "resolution")]),
        ({"resolution": "1080p", "aspect_ratio": "16:9"}, (1280, 720),
         [("resolution", "1080p", "720p", "resolution")]),
        ({"aspect_ratio": "10:1"}, (1280, 480),
         [("aspect_ratio", "10:1", "8:3", "aspect_ratio")]),
        ({"width": 640, "aspect_ratio": "16:9"}, (848, 480),
         [("width", 640, 848, "aspect_ratio")]),
        ({"width": 640, "height": 480, "aspect_ratio": "16:9"}, (640, 480),
         [("aspect_ratio", "16:9", "4:3", "aspect_ratio")]),
        ({"width": 2000, "height": 960}, (1280, 608),
         [("width", 2000, 1280, "size_range"), ("height", 960, 608, "area_cap")]),
    ],
)  # fmt: skip
def test_sizes_out_of_reach_keep_their_shape(
    stated: dict[str, object],
    size: tuple[int, int],
    expected: list[tuple[str, object, object, str]],
) -> None:
    granted = grant(WAN, call_of("text_to_image", **stated))
    assert (granted.width, granted.height) == size
    assert changes(granted) == expected


def test_nano_says_that_it_draws_64_by_64_only() -> None:
    granted = grant(NANO, call_of("text_to_image", resolution="480p", aspect_ratio="portrait"))
    assert (granted.width, granted.height) == (64, 64)
    assert changes(granted) == [
        ("resolution", "480p", "64p", "resolution"),
        ("aspect_ratio", "portrait", "1:1", "aspect_ratio"),
    ]
    assert not negotiate(call_of("text_to_image", width=64, height=64), NANO).adjustments


@pytest.mark.parametrize(
    ("stated", "num_frames", "fps"),
    [
        ({"duration_seconds": 2}, 17, 8),
        ({"duration_seconds": 1}, 9, 8),
        ({"duration_seconds": 4, "fps": 4}, 17, 4),
        ({"num_frames": 9}, 9, 8),
        ({"num_frames": 9, "duration_seconds": 2}, 9, 4),
        ({"num_frames": 9, "duration_seconds": 1}, 9, 8),
        ({"fps": 12.5}, 17, 12.5),
    ],
)
def test_times_that_nano_can_do(stated: dict[str, object], num_frames: int, fps: float) -> None:
    granted = negotiate(call_of("text_to_video", **stated), NANO, mode="strict")
    assert isinstance(granted, GrantedVideo)
    assert (granted.num_frames, granted.fps) == (num_frames, fps)


@pytest.mark.parametrize(
    ("stated", "num_frames", "expected"),
    [
        ({"num_frames": 16}, 17, [("num_frames", 16, 17, "frame_rule")]),
        ({"num_frames": 7}, 9, [("num_frames", 7, 9, "frame_rule")]),
        ({"num_frames": 1}, 5, [("num_frames", 1, 5, "frame_range")]),
        ({"num_frames": 1_000_000}, 17, [("num_frames", 1_000_000, 17, "frame_range")]),
        ({"duration_seconds": 5}, 17, [("duration_seconds", 5.0, 2.0, "duration")]),
        ({"num_frames": 17, "duration_seconds": 0.5}, 17,
         [("duration_seconds", 0.5, 1.0, "duration")]),
        ({"fps": 60}, 17, [("fps", 60.0, 16.0, "native_fps")]),
    ],
)  # fmt: skip
def test_times_out_of_reach(
    stated: dict[str, object], num_frames: int, expected: list[tuple[str, object, object, str]]
) -> None:
    granted = grant(NANO, call_of("text_to_video", **stated))
    assert granted.num_frames == num_frames
    assert changes(granted) == expected


@pytest.mark.parametrize(
    ("task", "stated", "steps"),
    [
        ("text_to_image", {}, 8),
        ("image_editing", {}, 8),
        ("text_to_image", {"steps": 3}, 3),
        ("text_to_video", {}, 6),
    ],
)
def test_an_image_may_take_other_steps_than_a_clip(
    task: str, stated: Mapping[str, object], steps: int
) -> None:
    tool = NANO.model_copy(
        update={"defaults": NANO.defaults.model_copy(update={"steps": 6, "image_steps": 8})}
    )
    alike = NANO.model_copy(
        update={"defaults": tool.defaults.model_copy(update={"image_steps": None})}
    )
    granted = grant(tool, call_of(task, **stated))
    assert (granted.steps, granted.adjustments) == (steps, ())
    assert grant(alike, call_of(task, **stated)).steps == (3 if stated else 6)


def test_steps_of_images_lie_within_the_limits() -> None:
    defaults = {**NANO.defaults.model_dump(), "image_steps": 80}
    with pytest.raises(ValidationError, match="the default image_steps 80 is not within"):
        ToolSpec.model_validate({**NANO.model_dump(), "defaults": defaults})


def test_other_numbers_are_held_in_their_ranges() -> None:
    stated = {"steps": 10_000, "guidance_scale": 1000, "num_outputs": 9, "seed": 11}
    granted = grant(NANO, call_of("text_to_image", **stated))
    assert (granted.steps, granted.guidance_scale, granted.num_outputs) == (50, 10, 4)
    assert granted.seed == 11
    assert [a.rule for a in granted.adjustments] == [
        "steps_range",
        "guidance_range",
        "outputs_range",
    ]
    assert granted.adjustments[0].reason == "steps is 1 to 50"


def test_area_times_frames_gives_way_where_nothing_is_stated() -> None:
    size = {"width": 1280, "height": 720}
    assert grant(WAN, call_of("text_to_video", **size)).num_frames == 81
    assert changes(grant(WAN, call_of("text_to_video", **size, num_frames=129))) == [
        ("num_frames", 129, 81, "volume_cap")
    ]
    long = negotiate(call_of("text_to_video", num_frames=129), WAN, mode="strict")
    assert isinstance(long, GrantedVideo)
    assert (long.width, long.height, long.num_frames) == (832, 480, 129)


def test_a_size_gives_way_where_not_even_the_shortest_clip_fits() -> None:
    assert WAN.limits is not None
    limits = WAN.limits.model_copy(update={"max_volume": 640 * 480 * 5})
    tool = WAN.model_copy(update={"limits": limits})
    granted = grant(tool, call_of("text_to_video", width=960, height=640))
    assert granted.width * granted.height * granted.num_frames <= 640 * 480 * 5
    assert {a.rule for a in granted.adjustments} == {"volume_cap"}


def test_a_side_that_fits_alone_follows_the_other_to_keep_the_shape() -> None:
    granted = grant(WAN, call_of("text_to_image", width=1600, height=528))
    assert changes(granted)[0] == ("width", 1600, 1280, "size_range")
    assert [a.rule for a in granted.adjustments] == ["size_range", "aspect_ratio"]


def test_a_long_clip_of_a_large_source_keeps_its_frames_and_shrinks() -> None:
    source = Basis(1280, 720, num_frames=81, fps=16)
    granted = grant(WAN, call_of("video_editing", num_frames=129), source)
    assert granted.num_frames == 129
    assert granted.width * granted.height * 129 <= 74_649_600
    assert [a.rule for a in granted.adjustments] == ["source_size"]


@pytest.mark.parametrize(
    ("frames", "fps", "num_frames", "granted_fps"),
    [
        (48, 24, 49, 24),  # as it is, but for the rule
        (300, 30, 129, 12.9),  # 10 s: fewer frames a second
        (600, 60, 129, 12.9),
        (120, 60, 61, 30),  # a speed that no file may have
        (10, 5, 17, 8),
        (81, 16, 81, 16),
    ],
)
def test_a_source_is_resampled_so_that_it_lasts_as_long(
    frames: int, fps: float, num_frames: int, granted_fps: float
) -> None:
    granted = grant(WAN, call_of("video_editing"), Basis(832, 480, frames, fps))
    assert isinstance(granted, GrantedVideo)
    assert (granted.num_frames, granted.fps) == (num_frames, granted_fps)
    assert granted.num_frames / granted.fps == pytest.approx(frames / fps, abs=0.15)
    told = {field for field, *_ in changes(granted)}
    assert told == {
        name
        for name, was, now in (("num_frames", frames, num_frames), ("fps", fps, granted_fps))
        if was != now
    }


def test_a_source_too_long_for_any_speed_is_shown_faster_and_that_is_told() -> None:
    granted = grant(WAN, call_of("video_editing"), Basis(832, 480, 600, 30))
    assert isinstance(granted, GrantedVideo)
    assert (granted.num_frames, granted.fps) == (129, 8)
    assert changes(granted)[-1] == ("duration_seconds", "20 (source)", 16.125, "duration")
    assert granted.adjustments[-1].reason.endswith("all of the source is shown, 1.24 times as fast")


def test_a_stated_speed_keeps_the_length_of_the_source() -> None:
    granted = grant(WAN, call_of("video_editing", fps=12), Basis(832, 480, 96, 24))
    assert isinstance(granted, GrantedVideo)
    assert (granted.num_frames, granted.fps) == (49, 12)
    stated = grant(WAN, call_of("video_editing", num_frames=81), Basis(832, 480, 600, 30))
    assert isinstance(stated, GrantedVideo)
    assert (stated.num_frames, stated.fps) == (81, 30)


def test_a_source_that_is_not_kept_is_told() -> None:
    granted = grant(NANO, call_of("video_editing"), Basis(300, 200, num_frames=33, fps=30))
    assert changes(granted) == [
        ("size", "300x200 (source)", "64x64", "source_size"),
        ("num_frames", "33 (source)", 17, "frame_range"),
        ("fps", "30 (source)", 16.0, "native_fps"),
    ]


def test_a_source_that_fits_is_kept() -> None:
    source = Basis(64, 64, num_frames=9, fps=10)
    granted = negotiate(call_of("video_editing"), NANO, mode="strict", basis=source)
    assert isinstance(granted, GrantedVideo)
    assert (granted.num_frames, granted.fps) == (9, 10)


def test_a_source_gives_its_shape_to_one_stated_side() -> None:
    granted = negotiate(
        call_of("image_editing", width=960), WAN, mode="strict", basis=Basis(3000, 2000)
    )
    assert isinstance(granted, GrantedImage)
    assert (granted.width, granted.height) == (960, 640)
    changed = grant(NANO, call_of("image_editing", width=64), Basis(300, 200))
    assert [a.rule for a in changed.adjustments] == ["source_size"]


def test_asking_for_another_shape_than_the_source_is_no_adjustment() -> None:
    call = call_of("image_editing", aspect_ratio="square")
    assert not negotiate(call, NANO, mode="strict", basis=Basis(300, 200)).adjustments


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nearest", "strict", "ask"])
@pytest.mark.parametrize("stated", [{"width": 100_000, "height": 100_000}, {"height": 16_385}])
def test_an_absurd_side_is_refused_in_every_mode(mode: str, stated: dict[str, object]) -> None:
    call = call_of("text_to_image", **stated)
    with pytest.raises(NegotiationError, match=r"(100000|16385) is refused.*above 16384"):
        negotiate(call, NANO, mode=mode)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("mode", ["nearest", "strict", "ask"])
@pytest.mark.parametrize("task", ["image_reference_generation", "video_reference_generation"])
def test_too_many_references_name_both_numbers(mode: str, task: str) -> None:
    call = call_of(task, references=("image_1", "image_2", "image_3"))
    with pytest.raises(NegotiationError, match=r"3 references were given.*at most 1"):
        negotiate(call, NANO, mode=mode)  # pyright: ignore[reportArgumentType]


def test_a_control_the_tool_does_not_follow() -> None:
    assert NANO.limits is not None
    limits = NANO.limits.model_copy(update={"control_types": ("canny",)})
    tool = NANO.model_copy(update={"limits": limits})
    call = call_of("image_controllable_generation", control_type="pose")
    with pytest.raises(NegotiationError, match=r"pose is not one that nano-video follows: canny"):
        negotiate(call, tool)


@pytest.mark.parametrize("aspect", ["0:5", "5:0", "0:0.0"])
def test_a_shape_that_is_none(aspect: str) -> None:
    with pytest.raises(NegotiationError, match="no shape"):
        negotiate(call_of("text_to_image", aspect_ratio=aspect), NANO)


def test_a_negative_default_seed() -> None:
    with pytest.raises(NegotiationError, match="seed must be 0 or more, got -1"):
        negotiate(call_of("text_to_image"), NANO, default_seed=-1)


def test_a_task_of_another_tool() -> None:
    with pytest.raises(RequestError, match="nano-answer does not serve text_to_image"):
        negotiate(call_of("text_to_image"), NANO_ANSWER)


def test_strict_says_the_limit_and_ask_is_a_question() -> None:
    call = call_of("text_to_video", width=100, num_frames=16)
    with pytest.raises(NegotiationError, match=r"width 100 \(width is always 64 pixels\)"):
        negotiate(call, NANO, mode="strict")
    with pytest.raises(
        NegotiationError, match=r"go on with width 64 instead of 100, .*\?"
    ) as caught:
        negotiate(call, NANO, mode="ask")
    assert caught.value.changes == (("width", "100", "64"), ("num_frames", "16", "17"))


def test_adjustments_go_through_json() -> None:
    (change,) = grant(NANO, call_of("text_to_image", width=100)).adjustments
    assert Adjustment.model_validate_json(change.model_dump_json()) == change
