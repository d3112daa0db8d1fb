from pathlib import Path

import numpy as np
import pytest

from unison_agent.demo import REQUESTS, write_inputs
from unison_agent.demo.inputs import draw_inputs
from unison_agent.demo.sheet import Cell, contact_sheet
from unison_agent.media import Image, MediaSet, Video, open_medium
from unison_agent.tasks import TASKS

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_each_task_is_asked_for_once_and_what_it_needs_is_drawn() -> None:
    assert sorted(sample.task for sample in REQUESTS) == sorted(TASKS)
    assert {name for sample in REQUESTS for name in sample.attached} == set(draw_inputs())


def test_inputs_are_small_pictures_and_clips(tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "new" / "inputs")
    media = MediaSet.of(list(paths.values()))
    assert media.kinds == ("image", "video", "image", "video", "image", "image")
    for handle, _ in media.attachments:
        medium = media.medium(handle)
        assert (medium.width, medium.height) == (64, 64)
        if isinstance(medium, Video):
            assert (medium.num_frames, medium.fps) == (17, 8.0)
    assert all(path.stat().st_size < 12_000 for path in paths.values())


def test_the_circle_moves_right() -> None:
    clip = draw_inputs()["circle.mp4"]
    assert isinstance(clip, Video)
    first, last = (np.asarray(frame).astype(int) for frame in clip.sample(2))
    centres = [np.nonzero(f[..., 0] - f[..., 2] > 100)[1].mean() for f in (first, last)]
    assert centres[1] - centres[0] == pytest.approx(16, abs=0.5)


@pytest.mark.parametrize("name", sorted(draw_inputs()))
def test_the_shipped_examples_are_what_is_drawn(name: str) -> None:
    shipped, drawn = open_medium(EXAMPLES / name), draw_inputs()[name]
    if isinstance(drawn, Image):
        assert isinstance(shipped, Image)
        assert shipped.rgb().tobytes() == drawn.rgb().tobytes()
        return
    assert isinstance(shipped, Video)
    pairs = zip(shipped.frames(), drawn.frames(), strict=True)
    errors = [np.abs(np.asarray(a, int) - np.asarray(b, int)).mean() for a, b in pairs]
    assert max(errors) < 6  # yuv420p halves the colours


# --- the contact sheet ---------------------------------------------------------------------------


def test_the_sheet_has_a_cell_each_and_shows_the_media() -> None:
    red = Image.from_array(np.full((64, 64, 3), (250, 0, 0), np.uint8))
    frames = [np.full((48, 64, 3), (0, 0, value), np.uint8) for value in (90, 170, 250)]
    clip = Video.from_frames(frames, 8)
    cells = [
        Cell("image_to_video", "move it", (red,), (clip,), None, "64x48"),
        Cell("text_understanding", "Why?", answer="Because. " * 60),
        Cell("text_to_image", "word " * 90, (), (red, red, red, red), None, "x" * 200),
        Cell("image_understanding", "unbroken" * 40, (red,), answer="naïve → yes"),
    ]
    sheet = contact_sheet("Title", "subtitle", cells, columns=3)
    assert sheet.mode == "RGB"
    assert sheet.width > 3 * 500
    pixels = np.asarray(sheet)
    for color in ((250, 0, 0), (0, 0, 90), (0, 0, 170), (0, 0, 250)):
        assert (pixels == color).all(-1).any(), color
    one = contact_sheet("Title", "subtitle", cells[:1], columns=3)
    assert sheet.height > one.height  # two rows against one
