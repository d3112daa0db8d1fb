"""What a tool pack says of image pipelines and of adapters: which class runs which task; it reads no files."""

from typing import Literal, Self

from pydantic import Field, model_validator

from unison_agent.file_specs import Dtype, Repo, wrong
from unison_agent.speed_specs import Switches
from unison_agent.tasks import ControlType, Task, Wire

DrawingClass = Literal["StableDiffusionXLPipeline", "FluxPipeline", "QwenImagePipeline"]
EditingClass = Literal[
    "StableDiffusionXLInpaintPipeline", "FluxKontextPipeline", "QwenImageEditPipeline"
]
ControlledClass = Literal["StableDiffusionXLControlNetPipeline"]
ReferenceClass = Literal["FluxKontextPipeline", "QwenImageEditPipeline"]
ImageClass = Literal[DrawingClass, EditingClass, ControlledClass]
AdapterName = Literal["video", "image", "answer"]
Family = Literal["SDXL", "FLUX", "Qwen-Image", "Qwen-Image-Edit"]


class Checkpoint(Wire):
    """Weights in the layout of diffusers: a repository of the hub, or a folder of one's own."""

    repo: Repo | None = Field(default=None, description="Repository on the hub.")
    revision: str | None = Field(default=None, description="Commit or branch of `repo`.")
    path: str | None = Field(
        default=None, min_length=1, description="Folder that save_pretrained wrote, not `repo`."
    )
    variant: Literal["fp16"] | None = Field(
        default=None, description="Of the files' names, where the repository has such."
    )

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


class ControlNetSpec(Checkpoint):
    """A ControlNet for one type of control."""

    control_type: ControlType
    scale: float = Field(default=1.0, gt=0, le=2, description="controlnet_conditioning_scale.")


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
        kinds = [net.control_type for net in self.controlnets]
        for index, kind in enumerate(kinds):
            if kind in kinds[:index]:
                raise wrong(f"two of them follow {kind}", "controlnets", index, "control_type")
        self.check_switches(self.dtype, family_of(first))
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

    def check_serves(self, tasks: tuple[Task, ...], follows: tuple[ControlType, ...]) -> None:
        """Check that each task of a tool has its class, and each control type its ControlNet.

        Raises:
            PydanticCustomError: One has none, or one too many is named.
        """
        bound = self.classes()
        for task in tasks:
            if task not in bound:
                raise wrong(f"{task} is served, and needs its class here", "image_pipeline", task)
        for task in bound:
            if task not in tasks:
                raise wrong(f"the tool does not serve {task}", "image_pipeline", task)
        kinds = {net.control_type for net in self.controlnets}
        if kinds and kinds != set(follows):
            msg = f"control_types must be those of the controlnets: {', '.join(sorted(kinds))}"
            raise wrong(msg, "limits", "control_types")


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
        case "video":
            return not task.endswith("_understanding")


def parts_of(adapter: AdapterName) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys that a tool of this adapter needs, and those that it may have."""
    match adapter:
        case "answer":
            return (), ()
        case "image":
            return ("image_pipeline", "limits"), ("domain", "preprocess")
        case "video":
            return ("pipeline", "limits"), ("connector", "domain", "preprocess")
