"""What a controlled call follows: its control as it is, or the map made of it; it runs no pipeline.

The map takes the control's place before anything reads it, so that the connector and the pipeline see the same,
and so that what cannot be made is refused before a model is loaded.
"""

from dataclasses import dataclass
from typing import Protocol

from unison_agent.adapters import frames
from unison_agent.media import Image, MediaSet, Video
from unison_agent.preprocess.controls import ControlMaps
from unison_agent.progress import Progress
from unison_agent.tasks import (
    ControlType,
    Generation,
    GrantedImage,
    GrantedTask,
    GrantedVideo,
    ImageControllableGeneration,
    VideoControllableGeneration,
)


class MapMaker(Protocol):
    """Makes control maps of ordinary footage."""

    def make(
        self, frames: frames.Pictures, control_type: ControlType | None, progress: Progress, /
    ) -> ControlMaps:
        """Return one map a frame; the frames themselves where they are maps."""
        ...


@dataclass(frozen=True, slots=True)
class Followed:
    """The media of a call with its control made ready.

    Attributes:
        media: As given, the control's handle standing for the map.
        notes: How the map was made, in sentences; empty when the control is a map itself.
    """

    media: MediaSet
    notes: tuple[str, ...] = ()


def followed(
    call: Generation, granted: GrantedTask, media: MediaSet, maker: MapMaker, progress: Progress
) -> Followed:
    """Return the media of `call` with a map for its control; other calls keep theirs.

    Raises:
        RequestError: The control is ordinary footage of which no such map can be made.
        MissingDependencyError: The package that makes it is not installed.
        WeightsError: The weights that make it are missing or damaged.
    """
    match call, granted:
        case ImageControllableGeneration(), GrantedImage():
            shown = (frames.picture(media.image(call.control), (granted.width, granted.height)),)
        case VideoControllableGeneration(), GrantedVideo():
            size = (granted.width, granted.height)
            shown = frames.clip(media.video(call.control), granted.num_frames, size)
        case _:
            return Followed(media)
    made = maker.make(shown, call.control_type, progress)
    if made.note is None:
        return Followed(media)
    if isinstance(granted, GrantedVideo):
        control = Video.from_frames(made.frames, granted.fps)
    else:
        control = Image.from_pil(made.frames[0])
    return Followed(media.with_replaced(call.control, control), (made.note,))
