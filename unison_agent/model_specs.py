"""What a tool pack says of models: where each comes from and how it is read; it reads no files.

Packs are data: they name weights that are safetensors, or tensors alone, and never code.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from unison_agent.file_specs import Count, Dtype, FileName, Files, FolderName, wrong
from unison_agent.speed_specs import Switches


class HasWeights(Files):
    """Where weights come from: what ships with the library, the hub, or a folder of yours."""

    source: Literal["nano", "hub", "local"]
    dtype: Dtype = "float32"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        for source, key in (("hub", "repo"), ("hub", "revision"), ("local", "path")):
            if (self.source == source) != (getattr(self, key) is not None):
                msg = f"source {source!r} needs {key}, the others take none"
                raise wrong(msg, key)
        return self


class LoraSpec(Files):
    """A planning LoRA as peft saves it, with its tokenizer."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.repo is None and self.path is None:
            raise wrong("it needs repo and revision, or path", "repo")
        return self


class UnderstandingSpec(HasWeights):
    """The understanding model of a profile."""

    layer: int = Field(ge=0, description="Index into hidden_states that the connector reads.")
    weights: FolderName = Field(description="Folder of what is trained on top of the base.")
    planner: Literal["json", "signal"] = Field(
        default="json",
        description="How plans are written: as JSON, or in the paper's signal tokens.",
    )
    planner_lora: LoraSpec | None = Field(
        default=None, description="On while plans are written, off for answers."
    )

    @model_validator(mode="after")
    def _nano_has_its_planner(self) -> Self:
        if self.source == "nano" and (self.planner == "signal" or self.planner_lora is not None):
            key = "planner" if self.planner == "signal" else "planner_lora"
            msg = f"source 'nano' takes no {key} of another model"
            raise wrong(msg, key)
        return self


class PipelineSpec(HasWeights, Switches):
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
    guided_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the steps, from the first on, that guidance steers.",
    )

    @model_validator(mode="after")
    def _nano_names_folder(self) -> Self:
        if (self.source == "nano") != (self.folder is not None):
            msg = "source 'nano' needs folder, the others take none"
            raise wrong(msg, "folder")
        self.check_switches(self.dtype, "Wan VACE")
        return self


class ConnectorSpec(Files):
    """What carries the understanding model's states to the pipeline; it lies in `weights` if nowhere else."""

    file: FileName
    kind: Literal["resampler", "projector"] = Field(
        default="resampler", description="The library's own, or the paper's."
    )
    mode: Literal["replace", "append"] = Field(
        default="replace",
        description="Its tokens take the place of the text encoder's, or follow them in the prompt's branch.",
    )
    max_sequence_length: Count | None = Field(
        default=None,
        description="Text tokens with zeros behind them, all attended to; the paper's weights want 2048.",
    )
    layer: int | None = Field(
        default=None, ge=0, description="That it was trained for, where its file does not say."
    )
    template_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of the template it was trained for, where its file does not say.",
    )
    required: bool = Field(description="False: without it the pipeline's text encoder is used.")
