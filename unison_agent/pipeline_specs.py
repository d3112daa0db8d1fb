"""What a pack says of pipelines and adapters, as types: where weights come from, what runs which task."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from unison_agent.tasks import ControlType, Task, Wire

Dtype = Literal["float32", "bfloat16", "float16"]
Count = Annotated[int, Field(ge=1)]
FolderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
Repo = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]

DrawingClass = Literal["StableDiffusionXLPipeline", "FluxPipeline", "QwenImagePipeline"]
EditingClass = Literal[
    "StableDiffusionXLInpaintPipeline", "FluxKontextPipeline", "QwenImageEditPipeline"
]
ControlledClass = Literal["StableDiffusionXLControlNetPipeline"]
ReferenceClass = Literal["FluxKontextPipeline", "QwenImageEditPipeline"]
ImageClass = Literal[DrawingClass, EditingClass, ControlledClass]
AdapterName = Literal["video", "image", "answer"]
Family = Literal["SDXL", "FLUX", "Qwen-Image", "Qwen-Image-Edit"]


def wrong(message: str, *at: str | int) -> PydanticCustomError:
    """Return an error that says where, below the model that raises it, the cause stands."""
    return PydanticCustomError("pack", "{message}", {"message": message, "at": at})


class HasWeights(Wire):
    """Where weights come from: what ships with the library, or a repository of the hub."""

    source: Literal["nano", "hub"]
    repo: Repo | None = Field(default=None, description="Repository on the hub.")
    revision: str | None = Field(default=None, description="Commit or branch of `repo`.")
    dtype: Dtype = "float32"

    @model_validator(mode="after")
    def _hub_names_repo(self) -> Self:
        for key in ("repo", "revision"):
            if (self.source == "hub") != (getattr(self, key) is not None):
                msg = f"source 'hub' needs {key}, source 'nano' takes none"
                raise wrong(msg, key)
        return self


class PipelineSpec(HasWeights):
    """A diffusers pipeline; tools with equal specs share one object."""

    folder: FolderName | None = Field(default=None, description="Folder of the nano weights.")
    text_encoder: bool = Field(description="False: prompt_embeds come from a connector alone.")
    vae_spatial: Count = Field(description="Pixels along a side of one latent.")
    vae_temporal: Count = Field(description="Frames of one latent.")
    blank_ramp: float = Field(
        default=0.0,
        ge=0,
        description="Gray levels a frame of clips still to be made, whose ninth is of Wan's gray; 0: all are.",
    )

    @model_validator(mode="after")
    def _nano_names_folder(self) -> Self:
        if (self.source == "nano") != (self.folder is not None):
            msg = "source 'nano' needs folder, source 'hub' takes none"
            raise wrong(msg, "folder")
        return self


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


class ImagePipelineSpec(Checkpoint):
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
