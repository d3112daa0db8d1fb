"""Controls made ready before anything is loaded or read."""

from pathlib import Path
from typing import cast

import numpy as np
import PIL.Image
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL.Image import Image as Picture

from unison_agent.adapters.controls import followed
from unison_agent.errors import MissingInputError, RequestError
from unison_agent.media import Image, MediaSet, Video
from unison_agent.packs import load_pack
from unison_agent.pipelines import PipelineStore
from unison_agent.preprocess.controls import ControlMaker
from unison_agent.preprocess.edges import canny_maps
from unison_agent.progress import ProgressEvent, silent
from unison_agent.router import GenerationTool, Router
from unison_agent.specs import PreprocessSpec, ToolSpec
from unison_agent.tasks import (
    TASK_CALL,
    Attachment,
    Generation,
    GrantedImage,
    GrantedVideo,
    Plan,
    Request,
)
from unison_agent.testing import ScriptedUnderstanding
from unison_agent.testing_wan import save_tiny_weights

_, NANO = load_pack("nano").tools
IMAGE = GrantedImage(
    output="image",
    tool="tiny",
    width=48,
    height=32,
    steps=1,
    guidance_scale=1,
    seed=0,
    num_outputs=1,
)
CLIP = GrantedVideo(
    output="video", tool="tiny", width=48, height=32, num_frames=5, fps=8, steps=1, guidance_scale=1,
    seed=0, num_outputs=1,
)  # fmt: skip
BUILTIN = PreprocessSpec(canny="builtin", gray="builtin")
COFFEE = cast("NDArray[np.uint8]", skimage.data.coffee())
CUP: Picture = PIL.Image.fromarray(COFFEE).resize((96, 64))


def call(task: str, control: str, control_type: str | None = None) -> Generation:
    made = TASK_CALL.validate_python(
        {
            "task": task,
            "prompt": "a star",
            "control": control,
            "control_type": control_type,
            "steps": 1,
        }
    )
    assert isinstance(made, Generation)
    return made


def test_a_photo_becomes_the_map_that_is_asked_for_at_the_granted_size() -> None:
    media = MediaSet.of([CUP])
    asked = call("image_controllable_generation", "image_1", "canny")
    ready = followed(asked, IMAGE, media, ControlMaker(BUILTIN), silent)
    assert ready.notes == ("control: raw image -> canny map by Canny's edges.",)
    made = np.asarray(ready.media.image("image_1").rgb())
    assert made.shape == (32, 48, 3)
    assert set(np.unique(made)) == {0, 255}
    assert media.image("image_1").width == 96  # what was given is left alone


def test_a_clip_becomes_as_many_maps_as_are_granted() -> None:
    media = MediaSet.of([Video.from_frames([CUP, CUP.rotate(9), CUP.rotate(18)], 12)])
    asked = call("video_controllable_generation", "video_1", "gray")
    ready = followed(asked, CLIP, media, ControlMaker(BUILTIN), silent)
    made = ready.media.video("video_1")
    assert (made.num_frames, made.fps, made.width, made.height) == (5, 8, 48, 32)
    assert ready.notes == ("control: raw video -> gray map by its luma.",)


def test_a_ready_map_and_other_calls_are_left_alone() -> None:
    media = MediaSet.of([canny_maps([CUP])[0], CUP])
    maker = ControlMaker(BUILTIN)
    asked = call("image_controllable_generation", "image_1", "scribble")
    assert followed(asked, IMAGE, media, maker, silent).media is media
    edit = TASK_CALL.validate_python(
        {"task": "image_editing", "prompt": "x", "source": "image_2", "target": "it"}
    )
    assert isinstance(edit, Generation)
    assert followed(edit, IMAGE, media, maker, silent).media is media


def test_media_of_one_kind_can_be_replaced() -> None:
    media = MediaSet.of([CUP])
    edges = Image.from_pil(canny_maps([CUP])[0])
    assert media.with_replaced("image_1", edges).image("image_1") == edges
    with pytest.raises(RequestError, match="image_1 is a image; a video cannot"):
        media.with_replaced("image_1", Video.from_frames([CUP], 8))
    with pytest.raises(MissingInputError):
        MediaSet.of_kinds("image").with_replaced("image_1", edges)


# --- in a tool ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nano")
    save_tiny_weights(folder)
    return folder


def router(weights: Path, spec: ToolSpec, model: ScriptedUnderstanding) -> Router:
    store = PipelineStore(weights, device="cpu")
    tool = GenerationTool(
        spec, pipelines=store, understanding=lambda _: model, weights_folder=weights
    )
    return Router([tool])


def plan(step: Generation) -> Plan:
    asked = Request(text="a star", attachments=(Attachment(handle="image_1", kind="image"),))
    return Plan.model_validate({"request": asked, "steps": (step,)})


def test_the_connector_and_the_pipeline_see_the_map_and_the_result_says_so(weights: Path) -> None:
    model = ScriptedUnderstanding()
    media = MediaSet.of([CUP])
    events: list[ProgressEvent] = []
    asked = call("image_controllable_generation", "image_1")
    result = router(weights, NANO, model).run(plan(asked), media, progress=events.append)
    assert result.notes == (
        "control: raw image -> canny map by Canny's edges; no control type was stated, edges were chosen.",
    )
    ((_, (seen,)),) = model.seen
    expected = canny_maps([CUP.resize((64, 64), PIL.Image.Resampling.LANCZOS)])[0]
    assert isinstance(seen, Image)
    assert seen.rgb().tobytes() == expected.tobytes()
    assert result.artifacts[0].record.media[0].sha256 == media.image("image_1").sha256
    assert "canny map" in {event.note for event in events}


def test_a_map_that_cannot_be_made_is_refused_before_anything_is_loaded(weights: Path) -> None:
    model = ScriptedUnderstanding()
    events: list[ProgressEvent] = []
    asked = call("image_controllable_generation", "image_1", "depth")
    with pytest.raises(RequestError, match=r"no depth map but ordinary footage \(colours"):
        router(weights, NANO, model).run(plan(asked), MediaSet.of([CUP]), progress=events.append)
    assert events == []
    assert model.seen == []


def test_without_the_pack_s_word_a_control_is_taken_as_it_is(weights: Path) -> None:
    model = ScriptedUnderstanding()
    spec = NANO.model_copy(update={"preprocess": None})
    media = MediaSet.of([CUP])
    result = router(weights, spec, model).run(
        plan(call("image_controllable_generation", "image_1", "depth")), media
    )
    assert result.notes == ()
    assert model.seen[0][1] == (media.image("image_1"),)
