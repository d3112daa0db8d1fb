"""The pack of LTX-Video, each of its tasks run end to end on tiny checkpoints of the same classes."""

from pathlib import Path
from shutil import copytree

import numpy as np
import PIL.Image
import pytest
import torch
from huggingface_hub import constants
from numpy.typing import NDArray
from tiny_packs import (
    ARRAYS_OF_TENSORS,
    TOOLS,
    Stop,
    asked,
    assert_pins_hold,
    changed,
    hashes,
    opened,
    refusal,
    run,
    small,
)

from unison_agent import Unison
from unison_agent.adapters.clips import DiffusersClipAdapter
from unison_agent.errors import (
    GenerationError,
    RequestError,
    RunCancelledError,
    WeightsError,
)
from unison_agent.media import MediaSet, Video
from unison_agent.packs import load_pack, parse_pack
from unison_agent.pipelines import ClipPipelineStore
from unison_agent.progress import ProgressEvent, silent
from unison_agent.result import Result
from unison_agent.specs import Limits
from unison_agent.tasks import (
    TASK_CALL,
    GrantedImage,
    GrantedVideo,
)
from unison_agent.testing_clips import save_tiny_ltx
from unison_agent.timing import seconds_of

pytestmark = ARRAYS_OF_TENSORS

PACK = TOOLS / "ltx_video.toml"
RED, BLUE = (220, 30, 30), (20, 40, 200)
REPO = 'repo = "Lightricks/LTX-Video-0.9.5"\nrevision = "main"'
BOTH = 'text_to_video = "LTXConditionPipeline"\nimage_to_video = "LTXConditionPipeline"'
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OLDER = 'text_to_video = "LTXPipeline"\nimage_to_video = "LTXImageToVideoPipeline"'


def tiny(models: Path, pack: Path, *changes: tuple[str, str]) -> Unison:
    """Open the shipped pack with a folder for its repository, and with small and short clips."""
    text = changed(PACK.read_text(encoding="utf-8"), (REPO, f"path = '{models}'"))
    text = small(text, "clip_pipeline", (32, 64), width=64, height=32, num_frames=9, steps=2)
    return opened(changed(text, *changes), pack)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_ltx(tmp_path_factory.mktemp("ltx") / "models")


@pytest.fixture(scope="module")
def older_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_ltx(tmp_path_factory.mktemp("older") / "models", last_frames=False)


@pytest.fixture(scope="module")
def ltx(models: Path) -> Unison:
    return tiny(models, models.parent / "ltx.toml")


@pytest.fixture(scope="module")
def older(older_models: Path) -> Unison:
    return tiny(older_models, older_models.parent / "older.toml", (BOTH, OLDER))


def flat(color: tuple[int, int, int], size: tuple[int, int] = (64, 32)) -> PIL.Image.Image:
    return PIL.Image.new("RGB", size, color)


def clip(result: Result, index: int = 0) -> Video:
    medium = result.steps[0].artifacts[index].medium
    assert isinstance(medium, Video)
    return medium


def pixels(result: Result, index: int = 0) -> NDArray[np.uint8]:
    return np.stack([np.asarray(frame) for frame in clip(result, index).frames()])


# --- what it makes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["ltx", "older"])
def test_words_become_a_clip_as_granted(family: str, request: pytest.FixtureRequest) -> None:
    unison: Unison = request.getfixturevalue(family)
    fields = {"width": 32, "height": 64, "num_frames": 17, "fps": 12}
    made = run(unison, "text_to_video", **fields, num_outputs=2, seed=3)
    assert pixels(made).shape == (17, 64, 32, 3)
    assert clip(made).fps == 12
    assert pixels(made).std() > 1
    again = run(unison, "text_to_video", **fields, seed=4)
    assert (pixels(made, 1) == pixels(again)).all()
    assert (pixels(made, 0) != pixels(made, 1)).any()


def test_the_file_has_the_granted_speed(ltx: Unison, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    run(ltx, "text_to_video", fps=12).save(path)
    saved = Video.open(path)
    assert (saved.fps, saved.num_frames, saved.width, saved.height) == (12, 9, 64, 32)


def test_prompt_negative_prompt_guidance_and_speed_all_count(ltx: Unison) -> None:
    plain = pixels(run(ltx, "text_to_video"))
    for fields in (
        {"prompt": "two dogs"},
        {"negative_prompt": "blur"},
        {"guidance_scale": 9.0},
        {"fps": 12},
    ):
        assert (pixels(run(ltx, "text_to_video", **fields)) != plain).any()


def test_first_and_last_frame_both_count(ltx: Unison) -> None:
    def between(*media: PIL.Image.Image, **handles: str) -> NDArray[np.uint8]:
        return pixels(run(ltx, "image_to_video", *media, width=64, height=32, **handles))

    none = pixels(run(ltx, "text_to_video"))
    first = between(flat(RED, (90, 70)), first_frame="image_1")
    last = between(flat(RED), last_frame="image_1")
    both = between(flat(RED), flat(RED), first_frame="image_1", last_frame="image_2")
    other = between(flat(RED), flat(BLUE), first_frame="image_1", last_frame="image_2")
    made = (none, first, last, both, other)
    assert all(one.shape == (9, 32, 64, 3) for one in made)
    assert all((one != two).any() for i, one in enumerate(made) for two in made[:i])


def test_a_first_frame_counts_in_checkpoints_before_0_9_5(older: Unison) -> None:
    red, blue = (
        pixels(run(older, "image_to_video", flat(color), first_frame="image_1"))
        for color in (RED, BLUE)
    )
    assert red.shape == (9, 32, 64, 3)
    assert (red != blue).any()


def test_frames_are_rounded_to_8n_plus_1_and_sides_to_32(ltx: Unison) -> None:
    made = run(ltx, "text_to_video", num_frames=14, width=50)
    assert pixels(made).shape[0] == 17
    rules = {change.field: change.rule for change in made.adjustments}
    assert rules["num_frames"] == "frame_rule"
    assert rules["width"] == "multiple_of"


def test_a_run_is_stopped_within_a_step_and_the_next_is_as_before(ltx: Unison) -> None:
    stop = Stop()
    before = pixels(run(ltx, "text_to_video"))
    with pytest.raises(RunCancelledError):
        ltx.run(*asked("text_to_video", steps=9), progress=stop)
    assert stop.seen == [0, 1, 2]
    assert (pixels(run(ltx, "text_to_video")) == before).all()


def test_progress_counts_the_steps_of_all_outputs(ltx: Unison) -> None:
    events: list[ProgressEvent] = []
    ltx.run(*asked("text_to_video", steps=3, num_outputs=2), progress=events.append)
    assert [e.done for e in events if e.stage == "denoise"] == [0, 1, 2, 3, 3, 4, 5, 6]


def test_the_classes_of_a_checkpoint_share_its_models(older_models: Path) -> None:
    spec = parse_pack(PACK.read_text("utf-8"), file="x").tools[1].clip_pipeline
    assert spec is not None
    spec = spec.model_copy(update={"path": str(older_models), "repo": None, "revision": None})
    store = ClipPipelineStore(device="cpu")
    words, image = store.get(spec, "LTXPipeline"), store.get(spec, "LTXImageToVideoPipeline")
    assert words.pipe.components["transformer"] is image.pipe.components["transformer"]
    assert words.lock is image.lock
    assert (words.size_multiple, words.frame_multiple) == (32, 8)


def test_its_files_are_recorded_and_held_to_the_pack_s_pins(models: Path, ltx: Unison) -> None:
    files = ("text_encoder/model", "transformer/{}", "vae/{}")
    kept = [f"pipeline/{file.format('diffusion_pytorch_model')}.safetensors" for file in files]
    used = hashes(run(ltx, "text_to_video"))
    assert list(used) == kept
    pack = models.parent / "ltx.toml"
    assert_pins_hold(pack, models, "text_to_video", kept[1], used[kept[1]])


def test_files_of_the_hub_are_recorded_with_their_commit(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--Lightricks--LTX-Video-0.9.5"
    copytree(models, cached / "snapshots" / COMMIT)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    hub = tiny(models, tmp_path / "hub.toml", (f"path = '{models}'", REPO))
    made = run(hub, "text_to_video").steps[0].artifacts[0]
    sources = [one.source for one in made.record.weights]
    assert sources == [f"Lightricks/LTX-Video-0.9.5@{COMMIT}"] * 3


# --- what goes wrong ---------------------------------------------------------------------------------


def test_a_last_frame_is_refused_before_the_run_where_the_class_takes_none(older: Unison) -> None:
    events: list[ProgressEvent] = []
    for handles in (
        {"last_frame": "image_1"},
        {"first_frame": "image_1", "last_frame": "image_2"},
    ):
        plan, media = asked("image_to_video", flat(RED), flat(BLUE), **handles)
        with pytest.raises(RequestError, match="takes no last one") as caught:
            older.run(plan, media, progress=events.append)
        assert "LTXConditionPipeline" in (caught.value.hint or "")
    assert not [event for event in events if event.stage in {"load", "denoise"}]


def test_other_tasks_are_not_served(ltx: Unison) -> None:
    with pytest.raises(RequestError, match="No tool of 'ltx-video' serves text_to_image"):
        run(ltx, "text_to_image")


def test_the_adapter_makes_clips_alone() -> None:
    adapter = DiffusersClipAdapter("LTXPipeline", lambda _: pytest.fail("it was loaded"))
    granted = GrantedImage(
        output="image", tool="x", width=32, height=32, steps=1, guidance_scale=3, seed=0, num_outputs=1
    )  # fmt: skip
    call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "x"})
    with pytest.raises(RequestError, match="makes clips"):
        adapter.run(call, granted, MediaSet(), None, silent)


def test_the_condition_class_needs_a_checkpoint_that_it_can_run(
    older_models: Path, tmp_path: Path
) -> None:
    wrong = tiny(older_models, tmp_path / "wrong.toml")
    with pytest.raises(WeightsError, match="shifts by size, which LTXConditionPipeline") as caught:
        run(wrong, "text_to_video")
    assert "LTXPipeline and LTXImageToVideoPipeline" in (caught.value.hint or "")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no folder /nowhere"):
        run(tiny(Path("/nowhere"), tmp_path / "lost.toml"), "text_to_video")


@pytest.mark.parametrize(
    ("value", "words"), [(float("nan"), "not numbers"), (0.0, "one flat colour")]
)
def test_a_clip_that_shows_nothing_is_an_error(
    models: Path, tmp_path: Path, value: float, words: str
) -> None:
    unison = tiny(models, tmp_path / "blank.toml")
    spec = load_pack(tmp_path / "blank.toml").tools[1].clip_pipeline
    assert spec is not None
    store = ClipPipelineStore(device="cpu")
    loaded = store.get(spec, "LTXConditionPipeline")
    vae = loaded.pipe.components["vae"]
    assert isinstance(vae, torch.nn.Module)
    with torch.no_grad():
        for name, weight in vae.named_parameters():
            if name.startswith("decoder.conv_out"):
                weight.fill_(value)
    adapter = DiffusersClipAdapter("LTXConditionPipeline", lambda _: loaded)
    granted = run(unison, "text_to_video").granted
    assert isinstance(granted, GrantedVideo)
    call = TASK_CALL.validate_python({"task": "text_to_video", "prompt": "x"})
    with pytest.raises(GenerationError, match=words):
        adapter.run(call, granted, MediaSet(), None, silent)


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('adapter = "clips"', 'adapter = "image"', "tasks", "does not serve text_to_video"),
        ('adapter = "clips"', 'adapter = "video"', "clip_pipeline", "takes no clip_pipeline"),
        ('adapter = "clips"', 'adapter = "films"', "adapter", "'clips'"),
        ('"image_to_video"]', '"image_to_video", "video_editing"]', "tasks", "does not serve video_editing"),
        ('image_to_video = "LTX', '#', "clip_pipeline.image_to_video", "needs its class"),
        (', "image_to_video"]', ']', "clip_pipeline.image_to_video", "does not serve image_to_video"),
        ('text_to_video = "LTXCondition', 'text_to_video = "LTXLatentUpsample', "clip_pipeline.text_to_video", "LTXPipeline"),
        ('text_to_video = "LTXCondition', 'text_to_video = "LTXImageToVideo', "clip_pipeline.text_to_video", "LTXPipeline"),
        ('decode_timestep = 0.05', 'decode_timestep = 50', "clip_pipeline.decode_timestep", "less than or equal"),
        ('decode_timestep =', 'decode_timesteps =', "clip_pipeline.decode_timesteps", "no such key"),
        ('revision = "main"\n', '', "clip_pipeline.revision", "goes with revision"),
        ('frame_rule = "8n+1"', 'frame_rule = "4n+1"', "limits.frame_rule", "8n+1"),
        ('multiple_of = 32', 'multiple_of = 16', "limits.multiple_of", "multiples of 32"),
        ('num_frames = 161', 'num_frames = 160', "defaults.num_frames", "not within"),
        ('[9, 257]', '[10, 16]', "limits.num_frames", "8n+1"),
    ],
)  # fmt: skip
def test_bad_packs_name_the_key(old: str, new: str, key: str, words: str) -> None:
    text = PACK.read_text(encoding="utf-8")
    error = refusal(text, old, new)
    assert error.key == f"tools[1].{key}"
    assert words in error.message
    assert error.line is not None


def test_8n_plus_1_frames_start_at_0_seconds() -> None:
    limits = load_pack("ltx-video").tools[1].limits
    assert isinstance(limits, Limits)
    assert list(limits.frame_counts())[:3] == [9, 17, 25]
    assert limits.frame_counts()[-1] == 257
    assert seconds_of(121, 24, limits) == 5
