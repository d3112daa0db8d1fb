"""What a tool pack says, as types: tools, their limits and defaults; it reads no files.

A pack names one profile: its understanding model, and its tools with the tasks, limits and defaults of
each. Packs are data: they name adapters of this library from a closed list, weights that are
safetensors, and never code. Every check here is about one pack standing on its own.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from unison_agent.file_specs import Repo, wrong
from unison_agent.limit_specs import Defaults, Limits
from unison_agent.model_specs import (
    ConnectorSpec,
    HasWeights,
    LoraSpec,
    PipelineSpec,
    UnderstandingSpec,
)
from unison_agent.pipeline_specs import (
    AdapterName,
    ClipPipelineSpec,
    ImagePipelineSpec,
    parts_of,
    serves,
)
from unison_agent.speed_specs import DistilledLora
from unison_agent.tasks import ControlType, Task, Wire

__all__ = [
    "ClipPipelineSpec",
    "ConnectorSpec",
    "Defaults",
    "Domain",
    "HasWeights",
    "ImagePipelineSpec",
    "Limits",
    "LoraSpec",
    "Pack",
    "PipelineSpec",
    "PreprocessSpec",
    "ToolSpec",
    "UnderstandingSpec",
]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Domain(Wire):
    """What a small model can draw at all; words that name none of it get a note beside their picture."""

    words: tuple[str, ...] = Field(min_length=1)
    note: str = Field(min_length=1, description="What the user should know, in a sentence.")

    def knows(self, prompt: str) -> bool:
        """Whether the prompt names something of the domain; plurals count."""
        known = {
            form
            for word in self.words
            for form in (word, f"{word}s", f"{word}es", f"{word.removesuffix('y')}ies")
        }
        return not known.isdisjoint(re.findall(r"[^\W\d_]+", prompt.lower()))


class PreprocessSpec(Wire):
    """What makes control maps and masks from ordinary footage; a key that is left out has no maker."""

    canny: Literal["builtin"] | None = Field(default=None, description="White edges on black.")
    gray: Literal["builtin"] | None = Field(default=None, description="The luma.")
    layout: Literal["builtin"] | None = Field(
        default=None, description="Boxes of the things on a flat ground."
    )
    scribble: Literal["hed"] | None = Field(default=None, description="Black lines on white.")
    pose: Literal["blazepose"] | None = Field(default=None, description="Sticks on black.")
    depth: Repo | None = Field(
        default=None, description="Repository on the hub of a Depth Anything model."
    )
    normal: Repo | None = Field(
        default=None, description="The same: normals are read off the depth."
    )
    salient: Literal["u2netp"] | None = Field(
        default=None, description="Mask of what a picture is about, and of its background."
    )
    grounding: Repo | None = Field(
        default=None, description="Repository of a Grounding DINO model: boxes of what words name."
    )
    segment: Repo | None = Field(
        default=None, description="Repository of a SAM 2 model: masks of what is in the boxes."
    )

    @model_validator(mode="after")
    def _words_need_both(self) -> Self:
        if (self.grounding is None) != (self.segment is None):
            msg = "grounding and segment go together"
            raise wrong(msg, "segment" if self.segment is None else "grounding")
        return self

    def makers(self) -> dict[ControlType, str]:
        """Return what makes each control map that can be made."""
        named: dict[ControlType, str | None] = {
            "canny": self.canny,
            "gray": self.gray,
            "layout": self.layout,
            "scribble": self.scribble,
            "pose": self.pose,
            "depth": self.depth,
            "normal": self.normal,
        }
        return {kind: name for kind, name in named.items() if name is not None}


_PARTS = ("pipeline", "image_pipeline", "clip_pipeline", "connector", "domain", "preprocess")


class ToolSpec(Wire):
    """One tool: the tasks it serves, by which adapter, within which limits."""

    name: Name
    tasks: tuple[Task, ...] = Field(min_length=1)
    adapter: AdapterName
    pipeline: PipelineSpec | None = None
    image_pipeline: ImagePipelineSpec | None = None
    clip_pipeline: ClipPipelineSpec | None = None
    connector: ConnectorSpec | None = None
    defaults: Defaults
    limits: Limits | None = None
    domain: Domain | None = None
    preprocess: PreprocessSpec | None = None

    @model_validator(mode="after")
    def _parts_of_adapter(self) -> Self:
        needed, others = parts_of(self.adapter)
        for task in self.tasks:
            if not serves(self.adapter, task):
                msg = f"adapter {self.adapter!r} does not serve {task}"
                raise wrong(msg, "tasks")
        for key in (*_PARTS, "limits"):
            if key not in (*needed, *others) and getattr(self, key) is not None:
                msg = f"adapter {self.adapter!r} takes no {key}"
                raise wrong(msg, key)
        for key in needed:
            if getattr(self, key) is None:
                msg = f"adapter {self.adapter!r} needs {key}"
                raise wrong(msg, key)
        if (
            self.connector
            and self.pipeline
            and self.connector.mode == "append"
            and not self.pipeline.text_encoder
        ):
            msg = "mode 'append' needs a pipeline with text_encoder = true"
            raise wrong(msg, "connector", "mode")
        if self.connector and self.pipeline is None and self.connector.max_sequence_length:
            msg = f"adapter {self.adapter!r} fills no text tokens with zeros"
            raise wrong(msg, "connector", "max_sequence_length")
        if self.adapter == "answer" and self.defaults.max_new_tokens is None:
            msg = "adapter 'answer' needs defaults.max_new_tokens"
            raise wrong(msg, "defaults", "max_new_tokens")
        if self.limits is not None:
            self._defaults_within(self.limits)
            if self.image_pipeline is not None:
                self.image_pipeline.check_serves(
                    self.tasks, self.limits.control_types, self.limits.references
                )
            if self.clip_pipeline is not None:
                self.clip_pipeline.check_serves(
                    self.tasks, self.limits.frame_rule, self.limits.multiple_of
                )
        return self

    @property
    def distilled(self) -> DistilledLora | None:
        """The LoRA whose steps and guidance are granted in place of all others."""
        switches = self.pipeline or self.image_pipeline or self.clip_pipeline
        return None if switches is None else switches.speed.distilled

    @property
    def switched(self) -> str:
        """What its pipeline is switched to, in words; see `Switches.switched`."""
        switches = self.pipeline or self.image_pipeline or self.clip_pipeline
        return "" if switches is None else switches.switched

    @property
    def usual(self) -> Defaults:
        """What is done where nothing is stated: the defaults, or what a distilled LoRA puts in their place."""
        lora = self.distilled
        if lora is None:
            return self.defaults
        own = {
            "steps": lora.steps,
            "image_steps": None,
            "guidance_scale": lora.guidance_scale,
        }
        return self.defaults.model_copy(update=own)

    def _defaults_within(self, limits: Limits) -> None:
        given = self.usual
        area = (given.width or 0) * (given.height or 0)
        allowed = {
            "width": given.width in limits.widths(),
            "height": given.height in limits.heights() and area <= limits.max_area,
            "steps": _within(given.steps, limits.steps),
            "image_steps": given.image_steps is None or _within(given.image_steps, limits.steps),
            "guidance_scale": _within(given.guidance_scale, limits.guidance_scale),
            "num_outputs": given.num_outputs <= limits.num_outputs,
        }
        if any("video" in task for task in self.tasks):
            volume = area * (given.num_frames or 0)
            allowed["num_frames"] = given.num_frames in limits.frame_counts() and (
                limits.max_volume is None or volume <= limits.max_volume
            )
            allowed["fps"] = limits.fps is not None and _within(given.fps, limits.fps)
        for key, fits in allowed.items():
            if not fits:
                msg = f"the default {key} {getattr(given, key)} is not within the limits"
                raise wrong(msg, "defaults", key)


def _within(value: float | None, pair: tuple[float, float]) -> bool:
    return value is not None and pair[0] <= value <= pair[1]


class Pack(Wire):
    """One profile: its understanding model and the tools that share its 12 tasks."""

    profile: Name
    description: str
    understanding: UnderstandingSpec
    tools: tuple[ToolSpec, ...] = Field(min_length=1)
    memory_budget_gb: float | None = Field(
        default=None, gt=0, description="Of all loaded pipelines together, 10^9 bytes each."
    )

    @model_validator(mode="after")
    def _one_tool_a_task(self) -> Self:
        serving: dict[Task, str] = {}
        for index, tool in enumerate(self.tools):
            if any(tool.name == other.name for other in self.tools[:index]):
                msg = f"two tools are named {tool.name!r}"
                raise wrong(msg, "tools", index, "name")
            for task in tool.tasks:
                if task in serving:
                    msg = f"{task} is already served by {serving[task]!r}"
                    raise wrong(msg, "tools", index, "tasks")
                serving[task] = tool.name
        return self
