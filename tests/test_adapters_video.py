from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray

from unison_agent.adapters import frames, seams
from unison_agent.adapters.step_report import StepReport
from unison_agent.adapters.video import (
    NO_CONNECTOR,
    VaceInputs,
    WanVaceAdapter,
    _checked,
    check_inputs,
    vace_inputs,
)
from unison_agent.connector import Conditioning
from unison_agent.errors import (
    ConnectorMismatchError,
    GenerationError,
    MissingDependencyError,
    MissingInputError,
    RequestError,
    RunCancelledError,
    WeightsError,
)
from unison_agent.media import Image, MediaSet, Video
from unison_agent.pipelines import LoadedPipeline, VacePipe
from unison_agent.preprocess.target import ClipMasks, find_masks
from unison_agent.progress import ProgressEvent, silent
from unison_agent.tasks import (
    TASK_CALL,
    GenerationCall,
    GrantedAnswer,
    GrantedImage,
    GrantedVideo,
    TaskCall,
)
from unison_agent.testing_parts import seeded_noise
from unison_agent.testing_wan import tiny_conditioning, tiny_pipeline

SIZE = (32, 16)
IMAGE = GrantedImage(
    output="image",
    tool="tiny",
    width=32,
    height=16,
    steps=2,
    guidance_scale=3,
    seed=5,
    num_outputs=1,
)
CLIP = GrantedVideo(
    output="video",
    tool="tiny",
    width=32,
    height=16,
    num_frames=5,
    fps=8,
    steps=2,
    guidance_scale=3,
    seed=5,
    num_outputs=1,
)
RED, GREEN, GRAY = (255, 0, 0), (0, 255, 0), (128, 128, 128)


def flat(color: tuple[int, ...], size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    return PIL.Image.new("RGB" if len(color) == 3 else "RGBA", size, color)


def mask(size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    """Return black with a white left half."""
    drawn = PIL.Image.new("RGB", size)
    drawn.paste((255, 255, 255), (0, 0, size[0] // 2, size[1]))
    return drawn


def ramp(count: int, size: tuple[int, int] = SIZE) -> Video:
    return Video.from_frames([flat((10 * i, 0, 0), size) for i in range(count)], fps=8)


def call(task: str, **fields: object) -> GenerationCall:
    made: TaskCall = TASK_CALL.validate_python({"task": task, "prompt": "a red star", **fields})
    return made  # pyright: ignore[reportReturnType]


def colors(pictures: Sequence[PIL.Image.Image] | None) -> list[tuple[int, ...]]:
    """Return the one colour of each picture."""
    found: list[tuple[int, ...]] = []
    for picture in pictures or ():
        values = np.asarray(picture).reshape(-1, len(picture.getbands()))
        assert (values == values[0]).all()
        found.append(tuple(int(v) for v in values[0]))
    return found


# --- what each task gives the pipeline -------------------------------------------------------------


def test_text_to_image() -> None:
    assert vace_inputs(call("text_to_image"), IMAGE, MediaSet()) == VaceInputs(32, 16, 1)


def test_text_to_video() -> None:
    assert vace_inputs(call("text_to_video"), CLIP, MediaSet()) == VaceInputs(32, 16, 5)


@pytest.mark.parametrize("task", ["text_to_video", "video_reference_generation", "image_to_video"])
def test_frames_to_be_made_say_when_they_are_where_the_pipeline_wants_it(task: str):
    given = {"first_frame": "image_1"} if task == "image_to_video" else {}
    given = {"references": ("image_1",)} if "reference" in task else given
    media = MediaSet.of([Image.from_pil(PIL.Image.new("RGB", (32, 16), RED))])
    made = vace_inputs(call(task, **given), CLIP, media, blank_ramp=10)
    assert made.video is not None
    levels = [frame.getpixel((0, 0)) for frame in made.video]
    assert levels[2:] == [(68,) * 3, (78,) * 3, (88,) * 3]
    assert levels[0] == (RED if task == "image_to_video" else (48,) * 3)


def test_a_picture_has_no_ramp():
    assert vace_inputs(call("text_to_image"), IMAGE, MediaSet(), blank_ramp=10).video is None


def test_image_to_video_from_the_first_frame() -> None:
    media = MediaSet.of([flat(RED, (64, 64))])
    made = vace_inputs(call("image_to_video", first_frame="image_1"), CLIP, media)
    assert colors(made.video) == [RED, GRAY, GRAY, GRAY, GRAY]
    assert colors(made.mask) == [(0,), (255,), (255,), (255,), (255,)]
    assert made.reference_images is None
    assert {picture.size for picture in (*(made.video or ()), *(made.mask or ()))} == {SIZE}
    assert not made.keep


def test_image_to_video_to_the_last_frame() -> None:
    media = MediaSet.of([flat(RED)])
    made = vace_inputs(call("image_to_video", last_frame="image_1"), CLIP, media)
    assert colors(made.video) == [GRAY, GRAY, GRAY, GRAY, RED]
    assert colors(made.mask) == [(255,), (255,), (255,), (255,), (0,)]


def test_image_to_video_between_two_frames() -> None:
    media = MediaSet.of([flat(RED), flat(GREEN)])
    asked = call("image_to_video", first_frame="image_2", last_frame="image_1")
    made = vace_inputs(asked, CLIP, media)
    assert colors(made.video) == [GREEN, GRAY, GRAY, GRAY, RED]
    assert colors(made.mask) == [(0,), (255,), (255,), (255,), (0,)]


def test_a_clip_of_one_frame_cannot_start_from_an_image() -> None:
    granted = CLIP.model_copy(update={"num_frames": 1})
    with pytest.raises(RequestError, match="granted 1 frame"):
        vace_inputs(
            call("image_to_video", first_frame="image_1"), granted, MediaSet.of([flat(RED)])
        )


def test_image_editing_with_a_mask() -> None:
    media = MediaSet.of([flat((255, 0, 0, 0), (64, 64)), mask((64, 64))])
    made = vace_inputs(call("image_editing", source="image_1", mask="image_2"), IMAGE, media)
    assert colors(made.video) == [(255, 255, 255)]  # transparent: over white
    assert made.mask is not None
    assert made.mask[0].size == SIZE
    assert set(np.unique(np.asarray(made.mask[0]))) == {0, 255}
    assert np.asarray(made.mask[0])[:, :16].all()
    assert not np.asarray(made.mask[0])[:, 16:].any()
    assert made.keep


def test_image_editing_finds_the_mask_of_its_target() -> None:
    picture = flat((255, 255, 255))
    picture.paste(RED, (8, 4, 16, 12))
    asked = call("image_editing", source="image_1", target="the red square")
    made = vace_inputs(asked, IMAGE, MediaSet.of([picture]), find_masks)
    assert made.mask is not None
    found = np.asarray(made.mask[0]) > 0
    assert found[4:12, 8:16].all()
    assert not found[:, 24:].any()


@pytest.mark.parametrize("target", [None, "the green dog"])
@pytest.mark.parametrize("task", ["image_editing", "video_editing"])
def test_an_edit_of_nothing_asks_for_the_mask(task: str, target: str | None) -> None:
    kind = "image_1" if task == "image_editing" else "video_1"
    picture = flat((255, 255, 255))
    picture.paste(RED, (8, 4, 16, 12))
    media = MediaSet.of([picture, Video.from_frames([picture] * 5, 8)])
    granted = IMAGE if task == "image_editing" else CLIP
    with pytest.raises(MissingInputError) as caught:
        vace_inputs(call(task, source=kind, target=target), granted, media, find_masks)
    assert caught.value.slot == "mask"
    assert caught.value.question.endswith(("?", "there.", "change."))


def test_video_editing_with_an_image_as_mask_of_all_frames() -> None:
    media = MediaSet.of([ramp(9, (64, 64)), mask((64, 32))])
    made = vace_inputs(call("video_editing", source="video_1", mask="image_1"), CLIP, media)
    assert colors(made.video) == [(0, 0, 0), (20, 0, 0), (40, 0, 0), (60, 0, 0), (80, 0, 0)]
    assert made.mask is not None
    assert len({picture.tobytes() for picture in made.mask}) == 1
    assert len(made.mask) == 5
    assert made.keep


def test_video_editing_with_a_mask_of_its_own_for_each_frame() -> None:
    halves = [mask() if i % 2 else flat((255, 255, 255)) for i in range(5)]
    media = MediaSet.of([ramp(5), Video.from_frames(halves, 8)])
    made = vace_inputs(call("video_editing", source="video_1", mask="video_2"), CLIP, media)
    assert made.mask is not None
    white = [(np.asarray(picture) > 0).mean() for picture in made.mask]
    assert white == [1, 0.5, 1, 0.5, 1]


def test_video_editing_finds_the_mask_on_every_frame() -> None:
    pictures = [flat((255, 255, 255)) for _ in range(5)]
    for i, picture in enumerate(pictures):
        if i != 2:
            picture.paste(RED, (4 * i, 4, 4 * i + 8, 12))
    media = MediaSet.of([Video.from_frames(pictures, 8)])
    asked = call("video_editing", source="video_1", target="red square")
    made = vace_inputs(asked, CLIP, media, find_masks)
    assert made.mask is not None
    for i in (0, 1, 3, 4):
        assert np.asarray(made.mask[i])[4:12, 4 * i : 4 * i + 8].all()
    assert made.notes == (
        "'red square' was not seen on 1 of 5 frames; the nearest mask was used there.",
    )


def test_image_controllable_generation_gives_the_map_as_one_frame() -> None:
    media = MediaSet.of([flat(GREEN, (100, 50))])
    made = vace_inputs(call("image_controllable_generation", control="image_1"), IMAGE, media)
    assert made == VaceInputs(32, 16, 1, made.video)
    assert colors(made.video) == [GREEN]
    assert made.video is not None
    assert made.video[0].size == SIZE


def test_video_controllable_generation_gives_the_maps() -> None:
    made = vace_inputs(
        call("video_controllable_generation", control="video_1"), CLIP, MediaSet.of([ramp(3)])
    )
    # A shorter clip has frames repeated.
    assert [red for red, _, _ in colors(made.video)] == [0, 0, 10, 20, 20]
    assert made.mask is None


@pytest.mark.parametrize("task", ["image_reference_generation", "video_reference_generation"])
def test_references_are_letterboxed_on_white(task: str) -> None:
    granted = IMAGE if task.startswith("image") else CLIP
    media = MediaSet.of([flat((0, 0, 255, 255), (10, 10))])
    made = vace_inputs(call(task, references=("image_1",)), granted, media)
    assert made.video is None
    assert made.mask is None
    assert made.reference_images is not None
    pixels = np.asarray(made.reference_images[0])
    assert pixels.shape == (16, 32, 3)
    assert (pixels[:, 8:24] == (0, 0, 255)).all()
    assert (pixels[:, :8] == 255).all()
    assert (pixels[:, 24:] == 255).all()


def test_a_handle_of_the_wrong_kind_is_a_request_error() -> None:
    media = MediaSet.of([flat(RED), ramp(5)])
    for asked, granted in (
        (call("image_editing", source="video_1", mask="image_1"), IMAGE),
        (call("image_editing", source="image_1", mask="video_1"), IMAGE),
        (call("video_editing", source="image_1", mask="image_1"), CLIP),
        (call("video_controllable_generation", control="image_1"), CLIP),
        (call("image_reference_generation", references=("video_1",)), IMAGE),
        (call("image_controllable_generation", control="step_1"), IMAGE),
    ):
        with pytest.raises(RequestError):
            vace_inputs(asked, granted, media)


def test_a_mask_without_white_is_a_request_error() -> None:
    media = MediaSet.of([flat(RED), flat((0, 0, 0))])
    with pytest.raises(RequestError, match="black all over at 32x16"):
        vace_inputs(call("image_editing", source="image_1", mask="image_2"), IMAGE, media)


def test_what_is_transparent_in_a_mask_is_black() -> None:
    clear = flat((255, 255, 255, 0))
    clear.paste((255, 255, 255, 255), (0, 0, 8, 16))
    (drawn,) = frames.masks(Image.from_pil(clear), 1, SIZE)
    assert (np.asarray(drawn) > 0).mean() == 0.25


# --- what the pipeline cannot do --------------------------------------------------------------------


@pytest.fixture(scope="module")
def pipeline() -> LoadedPipeline:
    return tiny_pipeline()


@pytest.fixture(scope="module")
def pipeline_of_4() -> LoadedPipeline:
    return tiny_pipeline(vae_temporal=4)


def test_what_would_crash_or_misalign_is_refused_before(
    pipeline: LoadedPipeline, pipeline_of_4: LoadedPipeline
) -> None:
    check_inputs(VaceInputs(32, 16, 5), pipeline)
    with pytest.raises(GenerationError, match="multiples of 8, granted 36x16"):
        check_inputs(VaceInputs(36, 16, 5), pipeline)
    with pytest.raises(GenerationError, match=r"4n \+ 1 frames, granted 16"):
        check_inputs(VaceInputs(32, 16, 16), pipeline)
    two = (flat(RED), flat(RED))
    with pytest.raises(RequestError, match=r"2 references for 1 frame\(s\): this model takes 1"):
        check_inputs(VaceInputs(32, 16, 1, reference_images=two), pipeline)
    check_inputs(VaceInputs(32, 16, 5, reference_images=two), pipeline)
    check_inputs(VaceInputs(32, 16, 5, reference_images=two), pipeline_of_4)
    with pytest.raises(RequestError, match="takes 2 at most"):
        check_inputs(VaceInputs(32, 16, 5, reference_images=(*two, *two)), pipeline_of_4)


# --- runs on a tiny pipeline ------------------------------------------------------------------------


def array(medium: Image | Video) -> NDArray[np.uint8]:
    if isinstance(medium, Image):
        return np.asarray(medium.pil)
    return np.stack([np.asarray(frame) for frame in medium.frames()])


EVERY_TASK: list[tuple[str, dict[str, object]]] = [
    ("text_to_image", {}),
    ("text_to_video", {}),
    ("image_to_video", {"first_frame": "image_1", "last_frame": "image_1"}),
    ("image_editing", {"source": "image_1", "mask": "image_2"}),
    ("video_editing", {"source": "video_1", "mask": "image_2"}),
    ("image_controllable_generation", {"control": "image_1"}),
    ("video_controllable_generation", {"control": "video_1"}),
    ("image_reference_generation", {"references": ("image_1",)}),
    ("video_reference_generation", {"references": ("image_1", "image_2")}),
]


@pytest.mark.parametrize(("task", "fields"), EVERY_TASK, ids=[task for task, _ in EVERY_TASK])
@pytest.mark.parametrize("vae_temporal", [1, 4])
def test_every_task_runs_and_gives_what_was_granted(
    pipeline: LoadedPipeline,
    pipeline_of_4: LoadedPipeline,
    task: str,
    fields: dict[str, object],
    vae_temporal: int,
) -> None:
    media = MediaSet.of([flat(RED, (50, 50)), mask(), ramp(7)])
    asked = call(task, **fields)
    granted = IMAGE if task.startswith("image_") and task != "image_to_video" else CLIP
    granted = IMAGE if task == "text_to_image" else granted
    adapter = WanVaceAdapter(pipeline if vae_temporal == 1 else pipeline_of_4)
    output = adapter.run(asked, granted, media, tiny_conditioning(), silent)
    (medium,) = output.media
    assert (medium.width, medium.height) == SIZE
    assert medium.kind == granted.output
    if isinstance(medium, Video):
        assert (medium.num_frames, medium.fps) == (5, 8)
    assert output.notes == ()
    assert output.text is None


def test_untouched_pixels_of_an_edit_come_out_exactly(pipeline: LoadedPipeline) -> None:
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 256, (16, 32, 3), np.uint8) for _ in range(5)]
    media = MediaSet.of([noisy[0], mask(), Video.from_frames(noisy, 8)])
    adapter = WanVaceAdapter(pipeline)
    for source, task, granted in (
        ("image_1", "image_editing", IMAGE),
        ("video_1", "video_editing", CLIP),
    ):
        asked = call(task, source=source, mask="image_2")
        output = adapter.run(asked, granted, media, tiny_conditioning(), silent)
        (made,) = output.media
        assert output.kept_db is not None
        assert 0 < output.kept_db < 15  # random weights keep nothing by themselves
        given = noisy[0] if task == "image_editing" else np.stack(noisy)
        assert (array(made)[..., 16:, :] == given[..., 16:, :]).all()
        assert (array(made)[..., :16, :] != given[..., :16, :]).mean() > 0.5


def test_how_near_the_kept_pixels_are_is_a_psnr() -> None:
    kept, half = [PIL.Image.new("RGB", (4, 2), (100, 100, 100))], PIL.Image.new("L", (4, 2), 0)
    half.paste(255, (0, 0, 2, 2))
    made = np.full((1, 2, 4, 3), 100, np.uint8)
    made[:, :, :2] = 0  # to be changed, so it does not count
    assert seams.kept_db(made, kept, [half]) == 100
    made[:, :, 2:] = 110
    assert seams.kept_db(made, kept, [half]) == pytest.approx(28.13, abs=0.01)
    assert seams.kept_db(made, kept, [PIL.Image.new("L", (4, 2), 255)]) is None


def test_the_inputs_reach_the_pixels(pipeline: LoadedPipeline) -> None:
    adapter = WanVaceAdapter(pipeline)
    made: set[bytes] = set()
    for color in (RED, GREEN):
        media = MediaSet.of([flat(color)])
        for task, role in (
            ("image_controllable_generation", {"control": "image_1"}),
            ("image_reference_generation", {"references": ("image_1",)}),
        ):
            output = adapter.run(call(task, **role), IMAGE, media, tiny_conditioning(), silent)
            made.add(array(output.media[0]).tobytes())
    assert len(made) == 4


def test_a_seed_decides_everything(pipeline: LoadedPipeline) -> None:
    def run(seed: int, prompt: str = "a red star") -> NDArray[np.uint8]:
        granted = IMAGE.model_copy(update={"seed": seed})
        conditioning = tiny_conditioning(prompt)
        output = WanVaceAdapter(pipeline).run(
            call("text_to_image"), granted, MediaSet(), conditioning, silent
        )
        return array(output.media[0])

    torch.manual_seed(1)
    first = run(5)
    torch.manual_seed(2)
    assert (run(5) == first).all()
    assert (run(6) != first).any()
    assert (run(5, "a blue dog") != first).any()


def test_several_outputs_have_one_seed_each(pipeline: LoadedPipeline) -> None:
    adapter = WanVaceAdapter(pipeline)
    granted = IMAGE.model_copy(update={"num_outputs": 3})
    made = adapter.run(
        call("text_to_image"), granted, MediaSet(), tiny_conditioning(), silent
    ).media
    assert len(made) == 3
    alone = IMAGE.model_copy(update={"seed": 7})
    (third,) = adapter.run(
        call("text_to_image"), alone, MediaSet(), tiny_conditioning(), silent
    ).media
    assert (array(made[2]) == array(third)).all()
    assert (array(made[0]) != array(made[1])).any()


def test_progress_tells_the_time_left_of_all_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 7.0, 9.0])  # the first step is slow
    monkeypatch.setattr("unison_agent.adapters.step_report.perf_counter", lambda: next(clock))
    events: list[ProgressEvent] = []
    report = StepReport(events.append, 4, 2, 0)
    report.start()
    for step in range(3):
        report(None, step, None, {})
    assert [event.seconds_left for event in events] == [None, 35.0, 12.0, 10.0]


def test_progress_counts_the_steps_of_all_outputs(pipeline: LoadedPipeline) -> None:
    events: list[ProgressEvent] = []
    granted = IMAGE.model_copy(update={"num_outputs": 2})
    WanVaceAdapter(pipeline).run(
        call("text_to_image"), granted, MediaSet(), tiny_conditioning(), events.append
    )
    assert [(e.stage, e.done, e.total) for e in events] == [
        ("denoise", 0, 4), ("denoise", 1, 4), ("denoise", 2, 4), ("decode", 0, 2), ("decode", 1, 2),
        ("denoise", 2, 4), ("denoise", 3, 4), ("denoise", 4, 4), ("decode", 1, 2), ("decode", 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "error", [RunCancelledError("stop"), KeyboardInterrupt(), ValueError("mine")]
)
def test_whatever_the_listener_raises_stops_the_run_and_leaves_the_pipeline_usable(
    pipeline: LoadedPipeline, error: BaseException
) -> None:
    adapter = WanVaceAdapter(pipeline)

    def run(progress: object) -> NDArray[np.uint8]:
        output = adapter.run(
            call("text_to_video"),
            CLIP,
            MediaSet(),
            tiny_conditioning(),
            progress,  # pyright: ignore[reportArgumentType]
        )
        return array(output.media[0])

    def stop(event: ProgressEvent) -> None:
        if event.done == 1:
            raise error

    before = run(silent)
    with pytest.raises(type(error)) as caught:
        run(stop)
    assert caught.value is error
    assert not pipeline.lock.locked()
    assert (run(silent) == before).all()


def test_without_conditioning_or_text_encoder_nothing_runs(pipeline: LoadedPipeline) -> None:
    with pytest.raises(
        WeightsError, match="tiny has no text encoder, and its tool has no connector"
    ):
        WanVaceAdapter(pipeline).run(call("text_to_image"), IMAGE, MediaSet(), None, silent)


def test_conditioning_of_another_width_is_a_mismatch(pipeline: LoadedPipeline) -> None:
    with pytest.raises(ConnectorMismatchError, match="gives 24 channels; tiny reads 16"):
        WanVaceAdapter(pipeline).run(
            call("text_to_image"), IMAGE, MediaSet(), tiny_conditioning(text_dim=24), silent
        )


def test_an_answer_is_not_its_business(pipeline: LoadedPipeline) -> None:
    asked = TASK_CALL.validate_python({"task": "text_understanding", "question": "why?"})
    granted = GrantedAnswer(output="text", tool="tiny", max_new_tokens=9)
    with pytest.raises(RequestError, match="text_understanding granted as text"):
        WanVaceAdapter(pipeline).run(asked, granted, MediaSet(), None, silent)


def test_numbers_that_are_none_are_an_error(pipeline: LoadedPipeline) -> None:
    broken = Conditioning(torch.full((1, 2, 16), float("nan")), torch.zeros(1, 2, 16))
    with pytest.raises(GenerationError, match="not numbers"):
        WanVaceAdapter(pipeline).run(call("text_to_image"), IMAGE, MediaSet(), broken, silent)


def test_a_failing_pipeline_is_a_generation_error(pipeline: LoadedPipeline) -> None:
    twice = Conditioning(seeded_noise("a", 2, 2, 16), seeded_noise("b", 2, 2, 16))
    with pytest.raises(
        GenerationError, match="tiny failed: ValueError: Generating with more than one video"
    ):
        WanVaceAdapter(pipeline).run(call("text_to_image"), IMAGE, MediaSet(), twice, silent)
    assert not pipeline.lock.locked()


def test_a_wrong_temporal_factor_is_an_error(pipeline: LoadedPipeline) -> None:
    lying = replace(pipeline, vae_temporal=4)
    with pytest.raises(GenerationError, match="tiny failed: RuntimeError: Sizes of tensors"):
        WanVaceAdapter(lying).run(
            call("text_to_image"), IMAGE, MediaSet(), tiny_conditioning(), silent
        )


def test_another_shape_than_granted_is_an_error() -> None:
    with pytest.raises(
        GenerationError, match=r"shape \(1, 2, 16, 32, 3\), expected \(1, 1, 16, 32, 3\)"
    ):
        _checked(np.zeros((1, 2, 16, 32, 3)), VaceInputs(32, 16, 1), "tiny")


def test_a_picture_that_shows_nothing_is_an_error(pipeline: LoadedPipeline) -> None:
    pipe = Recording(pipeline.pipe)
    pipe.frames = np.zeros((1, 1, 16, 32, 3), np.float32)
    adapter = WanVaceAdapter(replace(pipeline, pipe=pipe, vae_temporal=4))
    with pytest.raises(GenerationError, match="tiny made a picture of one flat colour"):
        adapter.run(call("text_to_image"), IMAGE, MediaSet(), tiny_conditioning(), silent)
    media = MediaSet.of([flat(RED), flat((255, 255, 255))])  # an empty ground may be meant
    asked = call("image_editing", source="image_1", mask="image_2")
    (made,) = adapter.run(asked, IMAGE, media, tiny_conditioning(), silent).media
    assert not array(made).any()


class Recording:
    """A pipeline with a text encoder, which cannot run here: it notes what it is given."""

    def __init__(self, pipe: VacePipe, *, fails: bool = False) -> None:
        self.transformer = pipe.transformer
        self.text_encoder = object()
        self.device = torch.device("cpu")
        self.vae_scale_factor_spatial = self.vae_scale_factor_temporal = 4
        self.video_processor = None
        self.frames = np.full((1, 1, 16, 32, 3), 0.5, np.float32)
        self.frames[..., 0, 0, :] = 0
        self.given: dict[str, object] = {}
        self.freed = 0
        self._fails = fails

    def __call__(self, **given: object) -> "Recording":
        self.given = given
        if self._fails:
            raise RuntimeError("out of memory.")
        return self

    def encode_prompt(self, **given: object) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError(given)

    def maybe_free_model_hooks(self) -> None:
        self.freed += 1


def test_a_pipeline_that_reads_its_own_prompt_needs_ftfy(
    pipeline: LoadedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = Recording(pipeline.pipe)
    adapter = WanVaceAdapter(replace(pipeline, pipe=pipe, vae_temporal=4))
    asked = call("text_to_image", negative_prompt="dots")
    monkeypatch.setattr("unison_agent.adapters.prompts.find_spec", dict[str, object]().get)
    with pytest.raises(MissingDependencyError, match="ftfy"):
        adapter.run(asked, IMAGE, MediaSet(), None, silent)
    monkeypatch.setattr("unison_agent.adapters.prompts.find_spec", {"ftfy": True}.get)
    output = adapter.run(asked, IMAGE, MediaSet(), None, silent)
    assert output.notes == (NO_CONNECTOR,)
    assert (array(output.media[0])[1:] == 128).all()
    assert (pipe.given["prompt"], pipe.given["negative_prompt"]) == ("a red star", "dots")
    assert pipe.given["prompt_embeds"] is pipe.given["negative_prompt_embeds"] is None
    assert (pipe.given["num_frames"], pipe.freed) == (1, 0)


def test_a_failure_frees_what_was_brought_to_the_device(pipeline: LoadedPipeline) -> None:
    pipe = Recording(pipeline.pipe, fails=True)
    adapter = WanVaceAdapter(replace(pipeline, pipe=pipe))
    with pytest.raises(GenerationError, match=r"out of memory\. Ask for a smaller size"):
        adapter.run(call("text_to_image"), IMAGE, MediaSet(), tiny_conditioning(), silent)
    assert pipe.freed == 1


def test_the_mask_finder_is_given_the_granted_frames() -> None:
    given: list[tuple[int, int]] = []

    def find(pictures: Sequence[PIL.Image.Image], target: str, /) -> ClipMasks:
        given.extend(picture.size for picture in pictures)
        assert target == "star"
        return ClipMasks(tuple(PIL.Image.new("L", SIZE, 255) for _ in pictures))

    media = MediaSet.of([ramp(20, (64, 64))])
    made = vace_inputs(call("video_editing", source="video_1", target="star"), CLIP, media, find)
    assert given == [SIZE] * 5
    assert made.notes == ()
    assert NO_CONNECTOR.startswith("No connector")


@pytest.mark.parametrize(("share", "calls"), [(1.0, 8), (0.5, 6), (0.6, 7), (0.01, 5)])
def test_guidance_steers_the_first_steps(share: float, calls: int):
    pipeline = replace(tiny_pipeline(), guided_share=share)
    counted: list[object] = []

    def count(module: torch.nn.Module, _given: object, _made: object) -> None:
        counted.append(module)

    transformer = cast("torch.nn.Module", pipeline.pipe.transformer)
    handle = transformer.register_forward_hook(count)
    call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "a red star"})
    granted = IMAGE.model_copy(update={"steps": 4})
    for _ in range(2):  # the second run is guided anew
        counted.clear()
        WanVaceAdapter(pipeline).run(call, granted, MediaSet(), tiny_conditioning(), silent)
        assert len(counted) == calls
    handle.remove()
