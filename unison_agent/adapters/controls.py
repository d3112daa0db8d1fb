"""What a controlled call follows: its control as it is, or the map made of it; it runs no pipeline.

The map takes the control's place before anything reads it, so that the connector and the pipeline see the same,
and so that what cannot be made is refused before a model is loaded.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from unison_agent.adapters import frames
from unison_agent.adapters.frames import Pictures
from unison_agent.media import Image, MediaSet, Video
from unison_agent.preprocess.controls import ControlMaps, Wanted
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

# Every twelfth frame of the first two seconds or so: what a clip is does not need all of it decoded. They are
# looked at in their own size, for resizing blurs lines.
_LOOKED_AT = (48, 12)


class MapMaker(Protocol):
    """Makes control maps of ordinary footage."""

    def look(self, frames: Pictures, control_type: ControlType | None, /) -> Wanted | None:
        """Return which map is to be made of such footage; None when it is a map, or may be one."""
        ...

    def make(self, frames: Pictures, wanted: Wanted, progress: Progress, /) -> ControlMaps:
        """Return one map a frame."""
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
            image = media.image(call.control)
            seen = maker.look([image.rgb()], call.control_type)
            if seen is None:
                return Followed(media)
            shown = (frames.picture(image, (granted.width, granted.height)),)
            made = maker.make(shown, seen, progress)
            control = Image.from_pil(made.frames[0])
        case VideoControllableGeneration(), GrantedVideo():
            video = media.video(call.control)
            seen = maker.look(list(islice(video.frames(), 0, *_LOOKED_AT)), call.control_type)
            if seen is None:
                return Followed(media)
            shown = frames.clip(video, granted.num_frames, (granted.width, granted.height))
            made = maker.make(shown, seen, progress)
            control = Video.from_frames(made.frames, granted.fps)
        case _:
            return Followed(media)
    return Followed(media.with_replaced(call.control, control), (made.note,))
