"""The language of tasks: requests, the 12 task calls and those of custom tools, plans and what was granted.

It does not know how a plan is found, what a tool can do, or how pixels are made. Every model here is
frozen and goes over the wire as JSON. A call carries only what a user can state; what is unstated is
``None`` here and left out of the JSON the understanding model writes.
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

from unison_agent.errors import RequestError

MediaKind = Literal["image", "video"]
OutputKind = Literal["text", "image", "video"]
Task = Literal[
    "text_understanding",
    "image_understanding",
    "video_understanding",
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
TASKS: tuple[Task, ...] = get_args(Task)
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


# --- what a user can state -----------------------------------------------------------------------


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
    seed: int | None = Field(default=None, ge=0, le=2**53 - 1)
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


# --- from a request to a plan --------------------------------------------------------------------


class Attachment(Wire):
    """One attached medium as the planner sees it: its handle and kind, no pixels."""

    handle: Handle
    kind: MediaKind


class Request(Wire):
    """What came in: the user's words and the kinds of what is attached, in order."""

    text: Words
    attachments: tuple[Attachment, ...] = ()


class Evidence(Wire):
    """The characters of the request that state one value of one step.

    Where several places state it equally well, each of them is an evidence of its own.
    """

    step: int = Field(ge=1, description="The step whose value it is, from 1.")
    field: str = Field(description='The field of that step, e.g. "width".')
    start: int = Field(ge=0, description="The first character.")
    end: int = Field(ge=1, description="Behind the last character.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.end <= self.start:
            msg = f"evidence ends behind its start, got {self.start} to {self.end}"
            raise ValueError(msg)
        return self


class MissingInput(Wire):
    """What must be attached or said before the request can run."""

    slot: str = Field(description='The empty role, e.g. "source".')
    question: str = Field(description="A sentence a user can answer.")


class Plan(Wire):
    """One or more calls, or what is missing; never both."""

    request: Request
    steps: tuple[Call, ...] = ()
    missing: MissingInput | None = None
    unsure: tuple[Call, ...] = Field(
        default=(), description="What was understood, where missing asks whether it is meant."
    )
    evidence: tuple[Evidence, ...] = ()
    confidence: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _steps_or_missing(self) -> Self:
        if bool(self.steps) == (self.missing is not None):
            msg = "a plan has steps or says what is missing: one of the two"
            raise ValueError(msg)
        if self.unsure and self.steps:
            msg = "a plan that is sure of its steps is not unsure of others"
            raise ValueError(msg)
        return self

    def confirmed(self) -> Self:
        """Return the plan of somebody who says yes to what was understood; a sure plan is itself.

        Raises:
            RequestError: Something is missing that a yes does not give.
        """
        if self.steps:
            return self
        if not self.unsure:
            slot = "nothing" if self.missing is None else self.missing.slot
            msg = f"The plan has no steps to confirm; missing: {slot}."
            raise RequestError(msg, hint="Give what is missing and plan again.")
        return self.model_copy(update={"steps": self.unsure, "unsure": (), "missing": None})


# --- what a tool will do -------------------------------------------------------------------------

Rule = Literal[
    "size_range",
    "multiple_of",
    "area_cap",
    "aspect_ratio",
    "resolution",
    "source_size",
    "frame_range",
    "frame_rule",
    "volume_cap",
    "duration",
    "native_fps",
    "steps_range",
    "guidance_range",
    "outputs_range",
    "unsupported",
]


class Adjustment(Wire):
    """One stated value that the tool cannot do, what it does instead, and by which rule."""

    field: str
    asked: int | float | str
    granted: int | float | str | None
    rule: Rule
    reason: str = Field(description="The limit in plain words.")


class GrantedAnswer(Wire):
    """What an understanding tool will do."""

    output: Literal["text"]
    tool: str
    max_new_tokens: int = Field(ge=1)
    adjustments: tuple[Adjustment, ...] = ()


class GrantedImage(Wire):
    """What an image tool will do: every value concrete."""

    output: Literal["image"]
    tool: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    steps: int = Field(ge=1)
    guidance_scale: float = Field(ge=0)
    seed: int = Field(ge=0)
    num_outputs: int = Field(ge=1)
    adjustments: tuple[Adjustment, ...] = ()


class GrantedVideo(Wire):
    """What a video tool will do: every value concrete."""

    output: Literal["video"]
    tool: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    num_frames: int = Field(ge=1)
    fps: float = Field(gt=0)
    steps: int = Field(ge=1)
    guidance_scale: float = Field(ge=0)
    seed: int = Field(ge=0)
    num_outputs: int = Field(ge=1)
    adjustments: tuple[Adjustment, ...] = ()


class GrantedCustom(Wire):
    """What a custom tool has done: it grants what it is called with."""

    output: Literal["custom"]
    tool: ToolName
    num_outputs: int = Field(ge=0, description="Pictures and clips that it made.")
    adjustments: tuple[Adjustment, ...] = ()


GrantedTask = GrantedAnswer | GrantedImage | GrantedVideo
Granted = Annotated[GrantedTask | GrantedCustom, Field(discriminator="output")]
