"""The pictures and clips that the demo's requests are about, drawn here; it does not know the requests."""

from collections.abc import Mapping
from pathlib import Path

from unison_agent.media import Image, Video
from unison_agent.scenes.sprites import SIZES, Color, Size
from unison_agent.scenes.world import CANVAS, Motion, Scene, Thing, draw, draw_clip, edge_map

FPS = 8.0
NUM_FRAMES = 17


def draw_inputs() -> Mapping[str, Image | Video]:
    """Return the media by file name: 64x64 pixels, clips of 17 frames at 8 fps."""
    star = _scene("star", "red", "large", "blue")
    # It starts left of the middle and ends right of it.
    circle = _scene("circle", "yellow", "medium", "purple", motion="right", x=CANVAS // 2 - 8)
    heart = _scene("heart", "pink", "large", "white")
    ball = _scene("circle", "orange", "medium", "white", motion="down", y=CANVAS // 2 - 8)
    return {
        "star.png": Image.from_array(draw(star)),
        "circle.mp4": Video.from_frames(list(draw_clip(circle, NUM_FRAMES)), FPS),
        "outline.png": Image.from_array(edge_map(draw(heart))),
        "outline.mp4": Video.from_frames(
            [edge_map(frame) for frame in draw_clip(ball, NUM_FRAMES)], FPS
        ),
        "penguin.png": Image.from_array(draw(_scene("penguin", None, "large", "white"))),
        "fox.png": Image.from_array(draw(_scene("fox", None, "large", "white"))),
    }


def write_inputs(folder: Path) -> Mapping[str, Path]:
    """Write the media into `folder`; return the paths by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Path] = {}
    for name, medium in draw_inputs().items():
        data = medium.mp4_bytes() if isinstance(medium, Video) else medium.png_bytes()
        paths[name] = folder / name
        paths[name].write_bytes(data)
    return paths


def _scene(
    name: str,
    color: Color | None,
    size: Size,
    ground: Color,
    *,
    motion: Motion | None = None,
    x: int = CANVAS // 2,
    y: int = CANVAS // 2,
) -> Scene:
    """Return one thing, in the centre unless said otherwise."""
    return Scene(ground, (Thing(name, color, size, "center", x, y, SIZES[size], motion),))
