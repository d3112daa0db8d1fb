"""The 12 task calls and those of custom tools; they know neither requests nor plans.

A call carries only what a user can state; what is unstated is ``None`` here and left out of the JSON the
understanding model writes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self, cast, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    TypeAdapter,
    model_validator,
)

MediaKind = Literal["image", "video"]
OutputKind = Literal["text", "image", "video"]
UnderstandingTask = Literal["text_understanding", "image_understanding", "video_understanding"]
GenerationTask = Literal[
    "text_to_image",
    "text_to_video",
    "image_to_video",
    "image_editing",
    "video_editing",
    "image_controllable_generation",
    "video_controllable_generation",
    "image_reference_generation",
    "video_reference_generation",
]
Task = Literal[UnderstandingTask, GenerationTask]
TASKS: tuple[Task, ...] = get_args(Task)
LARGEST_SEED = 2**53 - 1  # what JSON holds exactly, wherever it is read
UNDERSTANDING_TASKS: tuple[UnderstandingTask, ...] = get_args(UnderstandingTask)
GENERATION_TASKS: tuple[GenerationTask, ...] = get_args(GenerationTask)
ControlType = Literal["depth", "pose", "canny", "scribble", "gray", "layout", "normal"]
Mode = Literal["nearest", "strict", "ask"]

Handle = Annotated[
    str,
    Field(
        pattern=r"^(image|video|step)_[1-9][0-9]*$",
        description="An attachment (image_1, video_1) or the output of an earlier step (step_1).",
        examples=["image_1"],
    ),
]
Words = Annotated[str, Field(min_length=1, max_length=8192)]
ToolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["crop"])]
_HANDLE = re.compile(r"(image|video|step)_[1-9][0-9]*")


class Wire(BaseModel):
    """Base of all wire models: immutable, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TextUnderstanding(Wire):
    """Answer in words; nothing is attached or the attachments do not matter."""

    task: Literal["text_understanding"]
    question: Words


class ImageUnderstanding(Wire):
    """Answer in words about the attached images."""

    task: Literal["image_understanding"]
    question: Words


class VideoUnderstanding(Wire):
    """Answer in words about the attached videos (and images)."""

    task: Literal["video_understanding"]
    question: Words


class Generation(Wire):
    """What can be stated about any generated picture or clip; None means unstated."""

    prompt: Words
    negative_prompt: Words | None = None
    width: int | None = Field(default=None, ge=1, le=1_000_000, description="Pixels.")
    height: int | None = Field(default=None, ge=1, le=1_000_000, description="Pixels.")
    resolution: str | None = Field(
        default=None, pattern=r"^[1-9][0-9]{2,3}p$", description='Lines, e.g. "480p".'
    )
    aspect_ratio: str | None = Field(
        default=None,
        pattern=r"^([0-9]{1,3}(\.[0-9]+)?:[0-9]{1,3}(\.[0-9]+)?|square|portrait|landscape)$",
        description='"16:9", "square", "portrait" or "landscape".',
    )
    seed: int | None = Field(default=None, ge=0, le=LARGEST_SEED)
    steps: int | None = Field(default=None, ge=1, le=10_000)
    guidance_scale: float | None = Field(default=None, ge=0, le=1000)
    num_outputs: int | None = Field(default=None, ge=1, le=1000)


class VideoGeneration(Generation):
    """What can be stated about a generated clip."""

    num_frames: int | None = Field(default=None, ge=1, le=1_000_000)
    duration_seconds: float | None = Field(default=None, gt=0, le=86_400)
    fps: float | None = Field(default=None, gt=0, le=1000)


class TextToImage(Generation):
    """Make an image from words."""

    task: Literal["text_to_image"]


class TextToVideo(VideoGeneration):
    """Make a clip from words."""

    task: Literal["text_to_video"]


class ImageToVideo(VideoGeneration):
    """Make a clip that starts from, ends in, or goes between given images."""

    task: Literal["image_to_video"]
    first_frame: Handle | None = None
    last_frame: Handle | None = None

    @model_validator(mode="after")
    def _one_frame_at_least(self) -> Self:
        if self.first_frame is None and self.last_frame is None:
            msg = "image_to_video needs first_frame, last_frame or both"
            raise ValueError(msg)
        return self


class ImageEditing(Generation):
    """Change something in an image and keep the rest."""

    task: Literal["image_editing"]
    source: Handle
    mask: Handle | None = Field(default=None, description="White = what to change.")
    target: Words | None = Field(
        default=None, description="The words of the request that name what to edit."
    )


class VideoEditing(VideoGeneration):
    """Change something in a clip and keep the rest."""

    task: Literal["video_editing"]
    source: Handle
    mask: Handle | None = Field(default=None, description="White = what to change.")
    target: Words | None = Field(
        default=None, description="The words of the request that name what to edit."
    )


class ImageControllableGeneration(Generation):
    """Make a new image that follows the structure of a given one."""

    task: Literal["image_controllable_generation"]
    control: Handle
    control_type: ControlType | None = None


class VideoControllableGeneration(VideoGeneration):
    """Make a new clip that follows the structure of a given one."""

    task: Literal["video_controllable_generation"]
    control: Handle
    control_type: ControlType | None = None


class ImageReferenceGeneration(Generation):
    """Make a new image with the subject of the given images."""

    task: Literal["image_reference_generation"]
    references: tuple[Handle, ...] = Field(min_length=1)


class VideoReferenceGeneration(VideoGeneration):
    """Make a new clip with the subject of the given images."""

    task: Literal["video_reference_generation"]
    references: tuple[Handle, ...] = Field(min_length=1)


UnderstandingCall = TextUnderstanding | ImageUnderstanding | VideoUnderstanding
ImageCall = TextToImage | ImageEditing | ImageControllableGeneration | ImageReferenceGeneration
VideoCall = (
    TextToVideo
    | ImageToVideo
    | VideoEditing
    | VideoControllableGeneration
    | VideoReferenceGeneration
)
GenerationCall = ImageCall | VideoCall
TaskCall = Annotated[UnderstandingCall | ImageCall | VideoCall, Field(discriminator="task")]
TASK_CALL: TypeAdapter[TaskCall] = TypeAdapter(TaskCall)
TASK_MODELS: dict[Task, type[BaseModel]] = {
    get_args(model.model_fields["task"].annotation)[0]: model
    for model in get_args(get_args(TaskCall)[0])
}


class CustomCall(Wire):
    """Run a tool that the user has registered."""

    tool: ToolName
    arguments: dict[str, JsonValue] = Field(
        description="As the tool's own schema has them; media stand as handles."
    )

    @property
    def task(self) -> str:
        """The tool's name, where the other calls have their task."""
        return self.tool

    @property
    def handles(self) -> tuple[str, ...]:
        """All that reads like a handle in the arguments."""
        return tuple(_handles(self.arguments))


def _handles(value: object) -> Iterator[str]:
    match value:
        case str():
            if _HANDLE.fullmatch(value):
                yield value
        case Mapping():
            for one in cast("Mapping[str, object]", value).values():
                yield from _handles(one)
        case list() | tuple():
            for one in cast("list[object]", value):
                yield from _handles(one)
        case _:
            pass


def _form(value: object) -> str:
    return "tool" if isinstance(value, CustomCall) or _names_tool(value) else "task"


def _names_tool(value: object) -> bool:
    return isinstance(value, Mapping) and "tool" in value and "task" not in value


Call = Annotated[
    Annotated[TaskCall, Tag("task")] | Annotated[CustomCall, Tag("tool")], Discriminator(_form)
]


def handles_of(call: Call) -> tuple[str, ...]:
    """Return all handles that a call names; an understanding task sees media without naming them."""
    if isinstance(call, CustomCall):
        return call.handles
    fields = call.model_dump(include={"source", "mask", "control", "first_frame", "last_frame"})
    single = (handle for handle in fields.values() if handle is not None)
    return (*single, *getattr(call, "references", ()))
