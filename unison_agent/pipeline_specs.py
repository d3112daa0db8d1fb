"""What a tool pack says of image pipelines and of adapters: which class runs which task; it reads no files."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from unison_agent.file_specs import Dtype, Files, wrong
from unison_agent.speed_specs import Switches
from unison_agent.tasks import ControlType, Task

DrawingClass = Literal["StableDiffusionXLPipeline", "FluxPipeline", "QwenImagePipeline"]
EditingClass = Literal[
    "StableDiffusionXLInpaintPipeline", "FluxKontextPipeline", "QwenImageEditPipeline"
]
ControlledClass = Literal["StableDiffusionXLControlNetPipeline"]
ReferenceClass = Literal[
    "StableDiffusionXLPipeline", "FluxKontextPipeline", "QwenImageEditPipeline"
]
ImageClass = Literal[DrawingClass, EditingClass, ControlledClass]
ClipClass = Literal["LTXPipeline", "LTXImageToVideoPipeline", "LTXConditionPipeline"]
AdapterName = Literal["video", "clips", "image", "answer"]
Family = Literal["SDXL", "FLUX", "Qwen-Image", "Qwen-Image-Edit"]
_PART = r"[A-Za-z0-9_][\w.-]*"
Subfolder = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$")]
Share = Annotated[float, Field(ge=0, le=1)]
WeightFile = Annotated[str, Field(pattern=rf"^{_PART}\.safetensors$")]


class Place(Files):
    """Where weights lie: in a repository of the hub, or in a folder of one's own."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.repo is None) == (self.path is None):
            raise wrong("needs either repo or path", "repo")
        if (self.repo is None) != (self.revision is None):
            raise wrong("repo goes with revision, path goes without", "revision")
        return self

    @property
    def place(self) -> str:
        """What to call it in messages."""
        return self.path if self.path is not None else f"{self.repo}@{self.revision}"


class Checkpoint(Place):
    """Weights in the layout of diffusers."""

    variant: Literal["fp16"] | None = Field(
        default=None, description="Of the files' names, where the repository has such."
    )


class ControlNetSpec(Checkpoint):
    """A ControlNet for one type of control."""

    control_type: ControlType
    scale: float = Field(default=1.0, gt=0, le=2, description="controlnet_conditioning_scale.")


class IpAdapterSpec(Place):
    """An IP-Adapter, by which a pipeline sees references, and the CLIP image encoder that it was trained with."""

    subfolder: Subfolder | None = Field(default=None, description="Folder of `file`.")
    file: WeightFile = Field(description="Its weights.")
    image_encoder: Subfolder = Field(description="Folder of the encoder, from the same root.")
    scale: float = Field(default=1.0, gt=0, le=1, description="How much the references count.")

    @property
    def place(self) -> str:
        """What to call it in messages."""
        return f"{super().place}/{self.weights}"

    @property
    def weights(self) -> str:
        """Its file from the root."""
        return self.file if self.subfolder is None else f"{self.subfolder}/{self.file}"


Addition = ControlNetSpec | IpAdapterSpec
"""What a pipeline has beside the models of its checkpoint."""


class ImagePipelineSpec(Checkpoint, Switches):
    """A diffusers checkpoint of images, and the pipeline class that runs each task on it.

    All classes of one spec share its models. Tools with equal specs share them too.
    """

    dtype: Dtype = "float32"
    text_to_image: DrawingClass | None = None
    image_editing: EditingClass | None = None
    image_controllable_generation: ControlledClass | None = None
    image_reference_generation: ReferenceClass | None = None
    controlnets: tuple[ControlNetSpec, ...] = ()
    ip_adapter: IpAdapterSpec | None = None

    @model_validator(mode="after")
    def _one_family(self) -> Self:
        bound = self.classes()
        if not bound:
            raise wrong("needs the class of a task", "text_to_image")
        first = next(iter(bound.values()))
        for task, name in bound.items():
            if family_of(name) != family_of(first):
                msg = f"{name} and {first} cannot share one checkpoint"
                raise wrong(msg, task)
        if (self.image_controllable_generation is None) != (not self.controlnets):
            msg = "image_controllable_generation goes with controlnets"
            raise wrong(msg, "controlnets")
        if self._references_by_adapter != (self.ip_adapter is not None):
            msg = "image_reference_generation by StableDiffusionXLPipeline goes with ip_adapter"
            raise wrong(msg, "ip_adapter")
        kinds = [net.control_type for net in self.controlnets]
        for index, kind in enumerate(kinds):
            if kind in kinds[:index]:
                raise wrong(f"two of them follow {kind}", "controlnets", index, "control_type")
        self.check_switches(self.dtype, family_of(first))
        for key in ("storage_dtype", "quantization"):
            if self.ip_adapter and getattr(self.memory, key):
                msg = f"memory.{key} and ip_adapter do not go together: its loader brings all weights to one dtype"
                raise wrong(msg, "memory", key)
        return self

    def classes(self) -> dict[Task, ImageClass]:
        """Return the class of each task that has one."""
        named: dict[Task, ImageClass | None] = {
            "text_to_image": self.text_to_image,
            "image_editing": self.image_editing,
            "image_controllable_generation": self.image_controllable_generation,
            "image_reference_generation": self.image_reference_generation,
        }
        return {task: name for task, name in named.items() if name is not None}

    @property
    def _references_by_adapter(self) -> bool:
        return self.image_reference_generation == "StableDiffusionXLPipeline"

    def check_serves(
        self, tasks: tuple[Task, ...], follows: tuple[ControlType, ...], references: int
    ) -> None:
        """Check that each task of a tool has its class, each control type its ControlNet, each reference its place.

        Raises:
            PydanticCustomError: One has none, or one too many is named.
        """
        _check_bound(tasks, self.classes(), "image_pipeline")
        kinds = {net.control_type for net in self.controlnets}
        if kinds and kinds != set(follows):
            msg = f"control_types must be those of the controlnets: {', '.join(sorted(kinds))}"
            raise wrong(msg, "limits", "control_types")
        shown = self.image_reference_generation
        if shown and (references < 1 or (references > 1 and not self._references_by_adapter)):
            count = "1 or more references" if self._references_by_adapter else "1 reference"
            msg = f"{shown} takes {count}, not {references}"
            raise wrong(msg, "limits", "references")


class ClipPipelineSpec(Checkpoint, Switches):
    """A diffusers checkpoint of clips, and the pipeline class that runs each task on it; they share its models.

    LTXImageToVideoPipeline starts from a first frame; LTXConditionPipeline takes a last one as well, or none.
    """

    dtype: Dtype = "float32"
    text_to_video: Literal["LTXPipeline", "LTXConditionPipeline"] | None = None
    image_to_video: Literal["LTXImageToVideoPipeline", "LTXConditionPipeline"] | None = None
    decode_timestep: Share = Field(default=0.0, description="Where the VAE denoises last.")
    decode_noise_scale: Share | None = Field(
        default=None, description="Noise that it takes off there; as much as decode_timestep."
    )
    image_cond_noise_scale: Share = Field(
        default=0.15, description="Noise on given frames, of LTXConditionPipeline."
    )

    def classes(self) -> dict[Task, ClipClass]:
        """Return the class of each task that has one."""
        named: dict[Task, ClipClass | None] = {
            "text_to_video": self.text_to_video,
            "image_to_video": self.image_to_video,
        }
        return {task: name for task, name in named.items() if name is not None}

    def check_serves(self, tasks: tuple[Task, ...], frame_rule: str, multiple_of: int) -> None:
        """Check that each task of a tool has its class, and that its limits are those of LTX-Video.

        Raises:
            PydanticCustomError: One has none, one too many is named, or a limit is another.
        """
        _check_bound(tasks, self.classes(), "clip_pipeline")
        self.check_switches(self.dtype, "LTX-Video")
        if frame_rule != "8n+1":
            msg = f"LTX-Video makes 8n+1 frames, got the rule {frame_rule}"
            raise wrong(msg, "limits", "frame_rule")
        if multiple_of % 32:
            msg = f"LTX-Video makes sides that are multiples of 32, got {multiple_of}"
            raise wrong(msg, "limits", "multiple_of")


def _check_bound(tasks: tuple[Task, ...], bound: Mapping[Task, str], key: str) -> None:
    for task in tasks:
        if task not in bound:
            raise wrong(f"{task} is served, and needs its class here", key, task)
    for task in bound:
        if task not in tasks:
            raise wrong(f"the tool does not serve {task}", key, task)


def family_of(name: ImageClass) -> Family:
    """Return which models a pipeline class runs on."""
    match name:
        case (
            "StableDiffusionXLPipeline"
            | "StableDiffusionXLInpaintPipeline"
            | "StableDiffusionXLControlNetPipeline"
        ):
            return "SDXL"
        case "FluxPipeline" | "FluxKontextPipeline":
            return "FLUX"
        case "QwenImagePipeline":
            return "Qwen-Image"
        case "QwenImageEditPipeline":
            return "Qwen-Image-Edit"


def serves(adapter: AdapterName, task: Task) -> bool:
    """Return whether there is anything of this adapter that serves a task."""
    match adapter:
        case "answer":
            return task.endswith("_understanding")
        case "image":
            return "video" not in task and not task.endswith("_understanding")
        case "clips":
            return task in ("text_to_video", "image_to_video")
        case "video":
            return not task.endswith("_understanding")


def parts_of(adapter: AdapterName) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys that a tool of this adapter needs, and those that it may have."""
    match adapter:
        case "answer":
            return (), ()
        case "image":
            return ("image_pipeline", "limits"), ("connector", "domain", "preprocess")
        case "clips":
            return ("clip_pipeline", "limits"), ("connector",)
        case "video":
            return ("pipeline", "limits"), ("connector", "domain", "preprocess")
