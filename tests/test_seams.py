"""Masks of any softness, and how what is made is laid into what is kept."""

import io

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from unison_agent.adapters import seams
from unison_agent.adapters.image_inputs import image_inputs
from unison_agent.adapters.vace_inputs import vace_inputs
from unison_agent.adapters.video import WanVaceAdapter
from unison_agent.media import Image, MediaSet, Video
from unison_agent.progress import silent
from unison_agent.tasks import TASK_CALL, Generation, GenerationCall, GrantedImage, GrantedVideo
from unison_agent.testing_wan import tiny_conditioning, tiny_pipeline

SIZE = (64, 32)
IMAGE = GrantedImage(
    output="image", tool="t", width=64, height=32, steps=1, guidance_scale=1, seed=5, num_outputs=1
)
CLIP = GrantedVideo.model_validate({**IMAGE.model_dump(), "output": "video", "num_frames": 5, "fps": 8})  # fmt: skip


def half(value: int = 255, size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    """Return black with a left half of `value`."""
    drawn = PIL.Image.new("L", size)
    drawn.paste(value, (0, 0, size[0] // 2, size[1]))
    return drawn


def ramp(size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    """Return a mask from white at the left to black at the right."""
    values = np.linspace(255, 0, size[0]).round().astype(np.uint8)
    return PIL.Image.fromarray(np.broadcast_to(values, (size[1], size[0])).copy())


def noise(seed: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


def call(task: str, **fields: object) -> GenerationCall:
    made = TASK_CALL.validate_python({"task": task, "prompt": "a red star", **fields})
    assert isinstance(made, Generation)
    return made


def test_a_mask_of_two_values_stays_one_at_any_size() -> None:
    for size in (SIZE, (16, 8), (200, 90)):
        share = np.asarray(seams.share_of(half(size=(50, 30)), size))
        assert share.shape == size[::-1]
        assert set(np.unique(share)) == {0, 255}


def test_compression_leaves_no_grays_and_no_holes() -> None:
    buffer = io.BytesIO()
    half(size=(256, 128)).save(buffer, "JPEG", quality=40)
    share = np.asarray(seams.share_of(PIL.Image.open(buffer), (256, 128)))
    assert (share[:, :120] == 255).all()
    assert (share[:, 136:] == 0).all()


def test_grays_are_shares() -> None:
    share = np.asarray(seams.share_of(ramp(), SIZE))
    assert (np.diff(share[0].astype(int)) <= 0).all()
    assert len(np.unique(share)) > 30
    assert np.asarray(seams.hard(PIL.Image.fromarray(share))).tolist() == (
        np.where(share > 0, 255, 0).tolist()
    )


@pytest.mark.parametrize("fade", [None, 0, 3])
def test_what_is_black_is_kept_to_the_pixel_whatever_the_seam(fade: int | None) -> None:
    size = (640, 480)
    made, source = noise(1, size)[None], noise(2, size)
    joined = seams.composited(made, [PIL.Image.fromarray(source)], [half(size=size)], fade=fade)
    assert (joined[0, :, 320:] == source[:, 320:]).all()
    width = 2 if fade is None else fade
    assert (joined[0, :, : 320 - width] == made[0, :, : 320 - width]).all()


def test_a_seam_fades_within_the_white_and_not_at_the_border_of_the_picture() -> None:
    made = np.full((1, *SIZE[::-1], 3), 200, np.uint8)
    kept = PIL.Image.new("RGB", SIZE)
    (joined,) = seams.composited(made, [kept], [half()], fade=3)
    assert joined[5, :, 0].tolist() == [200] * 29 + [150, 100, 50] + [0] * 32
    assert (joined == joined[5]).all()
    everything = PIL.Image.new("L", SIZE, 255)
    assert (seams.composited(made, [kept], [everything], fade=3) == made).all()


def test_a_soft_mask_blends_by_its_grays() -> None:
    made = np.full((1, *SIZE[::-1], 3), 200, np.uint8)
    (joined,) = seams.composited(made, [PIL.Image.new("RGB", SIZE)], [half(51)])
    assert joined[0, :, 0].tolist() == [40] * 32 + [0] * 32


def test_small_pictures_have_no_seam() -> None:
    made, source = noise(1)[None], noise(2)
    (joined,) = seams.composited(made, [PIL.Image.fromarray(source)], [half()])
    assert (joined[:, :32] == made[0, :, :32]).all()


@pytest.mark.parametrize("task", ["image_editing", "video_editing"])
def test_an_edit_under_a_soft_mask(task: str) -> None:
    """The model is shown where anything changes; how much, the result shows, to the pixel where nothing does."""
    source, granted = (noise(3), IMAGE) if task == "image_editing" else (noise(4), CLIP)
    handle = "image_1" if task == "image_editing" else "video_1"
    mask = "image_2" if task == "image_editing" else "image_1"
    given = source if task == "image_editing" else Video.from_frames([source] * 5, 8)
    media = MediaSet.of([given, ramp()])
    asked = call(task, source=handle, mask=mask)
    inputs = vace_inputs(asked, granted, media)
    assert inputs.mask is not None
    assert inputs.keep is not None
    assert set(np.unique(np.asarray(inputs.mask[0]))) == {0, 255}
    share = np.asarray(inputs.keep[0])
    assert len(np.unique(share)) > 30
    output = WanVaceAdapter(tiny_pipeline()).run(asked, granted, media, tiny_conditioning(), silent)
    (made,) = output.media
    shown = [made.rgb()] if isinstance(made, Image) else list(made.frames())
    for frame in shown:
        pixels = np.asarray(frame)
        assert (pixels[share == 0] == source[share == 0]).all()
        near, far = (share > 0) & (share < 40), share > 200
        error = np.abs(pixels.astype(int) - source).mean(-1)
        assert error[near].mean() < error[far].mean() / 3


def test_image_pipelines_are_shown_hard_masks_too() -> None:
    media = MediaSet.of([noise(3), ramp()])
    asked = call("image_editing", source="image_1", mask="image_2")
    made = image_inputs(asked, "StableDiffusionXLInpaintPipeline", IMAGE, media)
    assert made.mask is not None
    assert made.keep is not None
    assert set(np.unique(np.asarray(made.mask))) == {0, 255}
    assert len(np.unique(np.asarray(made.keep))) > 30
