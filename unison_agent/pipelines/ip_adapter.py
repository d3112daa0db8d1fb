"""An IP-Adapter on an SDXL pipeline: what loads it, and keeps it from the pipelines beside; it knows no calls.

The adapter is Ye et al., "IP-Adapter: Text Compatible Image Prompt Adapter" (2023), as diffusers runs it.
"""

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from unison_agent.errors import WeightsError
from unison_agent.pipelines.loading import LOAD_ERRORS, not_loaded, quiet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from unison_agent.file_specs import Dtype
    from unison_agent.pipeline_specs import IpAdapterSpec


class _Net(Protocol):
    def parameters(self) -> "Iterable[object]": ...
    def buffers(self) -> "Iterable[object]": ...


class _Sdxl(Protocol):
    unet: _Net

    def load_ip_adapter(
        self,
        where: str,
        *,
        subfolder: str,
        weight_name: str,
        image_encoder_folder: str | None,
        revision: str | None,
        local_files_only: bool,
    ) -> None: ...

    def set_ip_adapter_scale(self, scale: float) -> None: ...


def check_files(spec: "IpAdapterSpec") -> None:
    """Check that a folder of one's own has what `spec` names, before anything large is loaded.

    Raises:
        WeightsError: Something is missing; it names the key of the tool pack.
    """
    if spec.path is None:
        return
    for key, name, is_there in (
        ("file", spec.weights, Path.is_file),
        ("image_encoder", spec.image_encoder, Path.is_dir),
    ):
        if not is_there(Path(spec.path) / name):
            msg = f"ip_adapter.{key}: there is no {name} in {spec.path}."
            raise WeightsError(msg, hint="Correct image_pipeline.ip_adapter in the tool pack.")


def image_encoder(spec: "IpAdapterSpec", dtype: "Dtype") -> object:
    """Return the CLIP model that sees references.

    `load_ip_adapter` would load it as well, but of the newest revision.

    Raises:
        WeightsError: Files are missing, pickled or do not belong together.
        DownloadError: The hub could not be reached.
    """
    import torch
    from transformers import CLIPVisionModelWithProjection

    try:
        with quiet():
            return CLIPVisionModelWithProjection.from_pretrained(  # pyright: ignore[reportUnknownMemberType]
                spec.path or str(spec.repo),
                subfolder=spec.image_encoder,
                revision=spec.revision or "main",
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                local_files_only=spec.path is not None,
            )
    except LOAD_ERRORS as error:
        place = f"{spec.path or spec.repo}/{spec.image_encoder}"
        kind = "CLIPVisionModelWithProjection"
        raise not_loaded(place, kind, error, from_hub=spec.path is None) from error


def copied(pipe: object) -> object:
    """Return the denoiser of `pipe` as a module of its own with the same weights.

    An adapter changes a denoiser for good: it then runs no call without references.
    """
    unet = cast("_Sdxl", pipe).unet
    weights = (*unet.parameters(), *unet.buffers())
    return deepcopy(unet, {id(weight): weight for weight in weights})


def add_adapter(pipe: object, spec: "IpAdapterSpec") -> None:
    """Put the adapter of `spec` on a pipeline with an image encoder and a denoiser of its own.

    Raises:
        WeightsError: The file is missing, or no adapter of this checkpoint.
        DownloadError: The hub could not be reached.
    """
    sdxl = cast("_Sdxl", pipe)
    try:
        with quiet():
            sdxl.load_ip_adapter(
                spec.path or str(spec.repo),
                subfolder=spec.subfolder or "",
                weight_name=spec.file,
                image_encoder_folder=None,
                revision=spec.revision,
                local_files_only=spec.path is not None,
            )
            sdxl.set_ip_adapter_scale(spec.scale)
    except LOAD_ERRORS as error:
        raise not_loaded(spec.place, "IP-Adapter", error, from_hub=spec.path is None) from error
