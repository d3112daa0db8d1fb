"""What a tool pack says of sizes, lengths and numbers: what a tool can do, and what it does by default; it reads no files."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from unison_agent.file_specs import Count, wrong
from unison_agent.tasks import ControlType, MediaKind, Wire

Sides = tuple[Count, Count]
GivenFrame = Literal["first_frame", "last_frame"]


class Limits(Wire):
    """What a generating tool can do; pairs are (least, most), both allowed."""

    width: Sides = Field(description="Pixels.")
    height: Sides = Field(description="Pixels.")
    multiple_of: Count = Field(default=1, description="Of width and height, in pixels.")
    max_area: Count = Field(description="Pixels of one frame.")
    refuse_side_above: Count = Field(default=16384, description="Asking for more is refused.")
    num_frames: Sides | None = Field(default=None, description="None: images only.")
    frame_rule: Literal["any", "4n+1", "8n+1"] = "any"
    max_volume: Count | None = Field(default=None, description="Area times frames.")
    fps: tuple[float, float] | None = Field(default=None, description="Speeds a file may have.")
    native_fps: float | None = Field(default=None, gt=0, description="Speed of the motion.")
    steps: Sides
    guidance_scale: tuple[float, float]
    num_outputs: Count = Field(description="The most of one call.")
    references: int = Field(default=0, ge=0, description="The most images of a subject.")
    control_types: tuple[ControlType, ...] = get_args(ControlType)
    frames: tuple[GivenFrame, ...] = Field(
        default=get_args(GivenFrame), description="Which of them image_to_video may be given."
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for key in ("width", "height", "num_frames", "fps", "steps", "guidance_scale"):
            pair: tuple[float, float] | None = getattr(self, key)
            if pair is not None and not 0 <= pair[0] <= pair[1]:
                msg = f"{key} must be [least, most], got {list(pair)}"
                raise wrong(msg, key)
        for key, lengths in (("width", self.widths()), ("height", self.heights())):
            if not lengths:
                msg = f"no {key} in range is a multiple of {self.multiple_of}"
                raise wrong(msg, key)
        least_area = self.widths()[0] * self.heights()[0]
        if least_area > self.max_area:
            msg = f"max_area {self.max_area} is below the smallest size, {least_area} pixels"
            raise wrong(msg, "max_area")
        if self.num_frames is not None:
            self._possible_video(least_area)
        return self

    def _possible_video(self, least_area: int) -> None:
        if self.fps is None or self.fps[0] <= 0 or self.native_fps is None:
            msg = "num_frames goes with native_fps and with fps above 0"
            raise wrong(msg, "fps")
        if not self.fps[0] <= self.native_fps <= self.fps[1]:
            msg = f"native_fps {self.native_fps} is not within fps {list(self.fps)}"
            raise wrong(msg, "native_fps")
        counts = self.frame_counts()
        if not counts:
            msg = f"no num_frames in range follows the rule {self.frame_rule}"
            raise wrong(msg, "num_frames")
        if self.max_volume is not None and least_area * counts[0] > self.max_volume:
            msg = f"max_volume {self.max_volume} is below the smallest clip"
            raise wrong(msg, "max_volume")

    def widths(self) -> range:
        """Return the allowed widths in pixels."""
        return _multiples(self.width, self.multiple_of)

    def heights(self) -> range:
        """Return the allowed heights in pixels."""
        return _multiples(self.height, self.multiple_of)

    def frame_counts(self) -> range:
        """Return the allowed frame counts; empty for a tool of images only."""
        if self.num_frames is None:
            return range(0)
        least, most = self.num_frames
        match self.frame_rule:
            case "any":
                return range(least, most + 1)
            case "4n+1":
                return range(least + (1 - least) % 4, most + 1, 4)
            case "8n+1":
                return range(least + (1 - least) % 8, most + 1, 8)


def _multiples(pair: Sides, step: int) -> range:
    return range(-(-pair[0] // step) * step, pair[1] + 1, step)


class Defaults(Wire):
    """What is done where nothing is stated; a tool states those its tasks need."""

    width: Count | None = None
    height: Count | None = None
    num_frames: Count | None = None
    fps: float | None = None
    steps: Count | None = None
    image_steps: Count | None = Field(
        default=None, description="Of denoising where an image is made; as `steps` when left out."
    )
    guidance_scale: float | None = None
    num_outputs: Count = 1
    max_new_tokens: Count | None = None

    def steps_for(self, output: MediaKind) -> int | None:
        """Return the steps of denoising of an image, or of a clip."""
        return self.steps if output == "video" else self.image_steps or self.steps
