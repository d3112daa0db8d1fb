"""What a tool will really do, every value concrete, and each change to what was asked; nothing is decided here."""

from typing import Annotated, Literal

from pydantic import Field

from unison_agent.tasks.calls import ToolName, Wire

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


class RejectedTool(Wire):
    """A tool that serves the task and was not chosen."""

    tool: str
    reason: str = Field(description="Why not, in a sentence or less.")


class Choice(Wire):
    """Why this one of the tools of several packs."""

    reason: str = Field(description="What decided, in one sentence.")
    rejected: tuple[RejectedTool, ...] = ()


Chosen = Annotated[Choice | None, Field(description="Where there are several packs.")]


class GrantedAnswer(Wire):
    """What an understanding tool will do."""

    output: Literal["text"]
    tool: str
    max_new_tokens: int = Field(ge=1)
    adjustments: tuple[Adjustment, ...] = ()
    choice: Chosen = None


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
    choice: Chosen = None


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
    choice: Chosen = None


class GrantedCustom(Wire):
    """What a custom tool has done: it grants what it is called with."""

    output: Literal["custom"]
    tool: ToolName
    num_outputs: int = Field(ge=0, description="Pictures and clips that it made.")
    adjustments: tuple[Adjustment, ...] = ()


GrantedTask = GrantedAnswer | GrantedImage | GrantedVideo
Granted = Annotated[GrantedTask | GrantedCustom, Field(discriminator="output")]


def granted_json(granted: Granted) -> dict[str, object]:
    """Return it as values of JSON; of one pack there is no choice to tell."""
    chosen = getattr(granted, "choice", None) is not None
    return granted.model_dump(mode="json", exclude=None if chosen else {"choice"})
