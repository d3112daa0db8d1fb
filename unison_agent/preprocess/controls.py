"""From ordinary footage to the control map that is asked for; it knows no calls and no pipeline.

A map that is ready is left as it is. What makes which map is said by the tool pack; networks are loaded, and
their weights fetched, at the first need.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from unison_agent.errors import RequestError
from unison_agent.media import Image, MediaSource, Video
from unison_agent.media.media_set import open_medium
from unison_agent.preprocess.boxes import layout_maps
from unison_agent.preprocess.control_probe import look
from unison_agent.preprocess.edges import canny_maps, gray_maps
from unison_agent.preprocess.weight_files import BLAZEPOSE, HED, fetch_weights
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.specs import PreprocessSpec
from unison_agent.tasks import ControlType
from unison_agent.weights import sha256_file

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image as Picture

Extractor = Callable[[Sequence["Picture"]], list["Picture"]]
"""Makes one map, RGB and of the same size, of each RGB frame."""

DEFAULT = PreprocessSpec(
    canny="builtin",
    gray="builtin",
    layout="builtin",
    scribble="hed",
    pose="blazepose",
    depth="depth-anything/Depth-Anything-V2-Small-hf",
    normal="depth-anything/Depth-Anything-V2-Small-hf",
)
_UNSAID: ControlType = "canny"  # what is followed of footage when nothing is said
_FRAME_BY_FRAME = ("canny", "gray", "layout", "scribble")  # the others look at the clip as one
_MADE_BY: dict[ControlType, str] = {
    "canny": "Canny's edges",
    "gray": "its luma",
    "layout": "the boxes of its things",
    "scribble": "HED",
    "pose": "BlazePose (33 points)",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A map that is to be made of ordinary footage.

    Attributes:
        control_type: What it shows.
        stated: Whether that was said; if not, edges were chosen.
    """

    control_type: ControlType
    stated: bool


@dataclass(frozen=True, slots=True)
class ControlMaps:
    """What is to be followed.

    Attributes:
        frames: One map a frame.
        note: How they were made, in a sentence.
    """

    frames: "tuple[Picture, ...]"
    note: str


class ControlMaker:
    """Makes control maps; safe to call from threads.

    Args:
        spec: What makes which map.
    """

    def __init__(self, spec: PreprocessSpec) -> None:
        self._makers = spec.makers()
        self._extractors: dict[str, Extractor] = {}
        self._lock = Lock()
        self.hashes: dict[str, str] = {}  # of the weights that were loaded, by file name

    def look(self, frames: "Sequence[Picture]", control_type: ControlType | None) -> Wanted | None:
        """Return which map is to be made of such footage; None when it is a map, or may be one.

        Args:
            frames: A few of the clip, RGB, in their own size; at least one.
            control_type: What is to be followed; None takes Canny's edges of ordinary footage.

        Raises:
            RequestError: Nothing makes such a map.
        """
        seen = look(frames)
        if not seen.is_raw(control_type):
            return None
        kind = control_type or _UNSAID
        if kind not in self._makers:
            known = ", ".join(self._makers) or "none"
            msg = f"The control is no {kind} map but ordinary footage ({seen.why}), and nothing here makes one."
            hint = f"Attach a {kind} map; maps that can be made from footage: {known}."
            raise RequestError(msg, hint=hint)
        return Wanted(kind, stated=control_type is not None)

    def make(
        self, frames: "Sequence[Picture]", wanted: Wanted, progress: Progress = silent
    ) -> ControlMaps:
        """Return the maps of `frames`.

        Args:
            frames: RGB, of one size, at least one.
            wanted: What `look` returned.
            progress: Told of downloads, loading and frames.

        Raises:
            RequestError: The footage shows nothing to make such a map of.
            MissingDependencyError: The package that runs the network is not installed.
            WeightsError: The network's weights are missing or damaged.
        """
        kind = wanted.control_type
        with self._lock:
            extract = self._extractor(kind, progress)
            parts = [[frame] for frame in frames] if kind in _FRAME_BY_FRAME else [frames]
            made: list[Picture] = []
            for part in parts:
                progress(ProgressEvent("encode", len(made), len(frames), f"{kind} map"))
                made += extract(part)
            progress(ProgressEvent("encode", len(made), len(frames), f"{kind} map"))
        return ControlMaps(tuple(made), self._note(wanted, made))

    def _note(self, wanted: Wanted, made: "Sequence[Picture]") -> str:
        kind = wanted.control_type
        footage = "raw image" if len(made) == 1 else "raw video"
        note = f"control: {footage} -> {kind} map by {_MADE_BY.get(kind, self._makers[kind])}"
        if not wanted.stated:
            note += "; no control type was stated, edges were chosen"
        empty = sum(frame.getbbox() is None for frame in made)
        if empty and kind == "pose":
            note += f"; no person is seen on {empty} of {len(made)} frames"
        return f"{note}."

    def _extractor(self, kind: ControlType, progress: Progress) -> Extractor:
        """Return what makes such maps, loading it the first time."""
        if kind not in self._extractors:
            self._extractors[kind] = self._load(kind, progress)
        return self._extractors[kind]

    def _load(self, kind: ControlType, progress: Progress) -> Extractor:
        match kind:
            case "canny":
                return canny_maps
            case "gray":
                return gray_maps
            case "layout":
                return layout_maps
            case "scribble":
                from unison_agent.preprocess.hed import Hed, hed_sketches

                return hed_sketches(Hed.load(*self._files(fetch_weights(HED, progress))))
            case "pose":
                from unison_agent.preprocess.blazepose import BlazePose, pose_maps

                return pose_maps(BlazePose(*self._files(fetch_weights(BLAZEPOSE, progress))))
            case "depth" | "normal":
                from unison_agent.preprocess.depth import DepthModel, depth_maps, normal_maps

                model = DepthModel.load(self._makers[kind], progress)
                self.hashes |= model.hashes
                return depth_maps(model) if kind == "depth" else normal_maps(model)

    def _files(self, paths: "tuple[Path, ...]") -> "tuple[Path, ...]":
        self.hashes |= {path.name: sha256_file(path) for path in paths}
        return paths


def control_map(
    source: MediaSource,
    control_type: ControlType,
    *,
    progress: Progress = silent,
    spec: PreprocessSpec = DEFAULT,
) -> Image | Video:
    """Return the control map of a photo or clip, at its size; a map that is ready comes back as it is.

    Args:
        source: A path, bytes, a Pillow image, an array, an Image or a Video.
        control_type: What the map shows: canny, gray, layout, scribble, pose, depth or normal.
        progress: Told of downloads, loading and frames.
        spec: What makes which map.

    Raises:
        MediaError: The source cannot be used.
        RequestError: Nothing makes such a map, or the source shows nothing to make it of.
        MissingDependencyError: The package that runs the network is not installed.
        WeightsError: The network's weights are missing or damaged.
    """
    medium = open_medium(source)
    frames = list(medium.frames()) if isinstance(medium, Video) else [medium.rgb()]
    maker = ControlMaker(spec)
    wanted = maker.look(frames, control_type)
    if wanted is None:
        return medium
    made = maker.make(frames, wanted, progress)
    if isinstance(medium, Video):
        return Video.from_frames(made.frames, medium.fps)
    return Image.from_pil(made.frames[0])
