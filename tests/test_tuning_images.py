"""The switches of image packs on tiny checkpoints: the pipelines of one checkpoint share what is switched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from tiny_packs import ARRAYS_OF_TENSORS

from unison_agent.pipeline_specs import (
    ClipPipelineSpec,
    ControlNetSpec,
    ImageClass,
    ImagePipelineSpec,
)
from unison_agent.pipelines import (
    ClipPipelineStore,
    ImagePipelineStore,
    LoadedImagePipeline,
    MemoryBudget,
)
from unison_agent.testing_clips import save_tiny_ltx
from unison_agent.testing_images import (
    save_tiny_flux,
    save_tiny_ip_adapter,
    save_tiny_qwen_image,
    save_tiny_sdxl,
    save_tiny_sdxl_controlnet,
)

pytestmark = ARRAYS_OF_TENSORS

STEPS = 12
Picture = NDArray[np.float32]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("images")
    return {
        "StableDiffusionXLPipeline": save_tiny_sdxl(root / "sdxl"),
        "net": save_tiny_sdxl_controlnet(root / "net"),
        "adapter": save_tiny_ip_adapter(root / "adapter"),
        "LTXPipeline": save_tiny_ltx(root / "ltx"),
        "FluxPipeline": save_tiny_flux(root / "flux"),
        "QwenImagePipeline": _of_two_blocks(save_tiny_qwen_image(root / "qwen")),
    }


def _of_two_blocks(folder: Path) -> Path:
    """Give the transformer a second block, which is what a first block lets skip."""
    from diffusers import QwenImageTransformer2DModel  # pyright: ignore[reportPrivateImportUsage]

    made = cast("Any", QwenImageTransformer2DModel)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = made.from_config(made.load_config(folder / "transformer"), num_layers=2)
    model.save_pretrained(folder / "transformer")
    return folder


def spec_of(folder: Path, kind: str, **switches: object) -> ImagePipelineSpec:
    values = {"path": str(folder), "text_to_image": kind, **switches}
    return ImagePipelineSpec.model_validate(values)


def opened(folder: Path, kind: str, **switches: object) -> LoadedImagePipeline:
    store = ImagePipelineStore(device="cpu")
    return store.get(spec_of(folder, kind, **switches), cast("ImageClass", kind))


def drawn(loaded: LoadedImagePipeline) -> Picture:
    more: dict[str, object] = {"guidance_scale": 3.0}
    if loaded.kind == "QwenImagePipeline":
        more = {"true_cfg_scale": 3.0, "negative_prompt": "bad"}
    pipe = cast("Callable[..., Any]", loaded.pipe)
    made = pipe(
        prompt="a red star", width=32, height=32, num_inference_steps=STEPS, output_type="np",
        generator=torch.Generator().manual_seed(0), **more,
    )  # fmt: skip
    return cast("Picture", made.images)


def denoiser(loaded: LoadedImagePipeline) -> Any:
    models = loaded.pipe.components
    return models.get("transformer") or models["unet"]


def computed(loaded: LoadedImagePipeline) -> tuple[Picture, int]:
    """Return a picture, and how often a layer of the last block was really computed."""
    calls: list[None] = []
    model = denoiser(loaded)
    blocks = getattr(model, "single_transformer_blocks", None) or model.transformer_blocks

    def note(_module: object, _inputs: object) -> None:
        calls.append(None)

    handle = blocks[-1].attn.to_q.register_forward_pre_hook(note)
    try:
        return drawn(loaded), len(calls)
    finally:
        handle.remove()


@pytest.mark.parametrize("kind", ["FluxPipeline", "QwenImagePipeline"])
@pytest.mark.parametrize(
    "cache",
    [
        {"method": "taylorseer"},
        {"method": "taylorseer", "scope": "model"},
        {"method": "first_block", "threshold": 0.5},
    ],
)
def test_caches_skip_and_stay_near(
    folders: dict[str, Path], kind: str, cache: dict[str, object]
) -> None:
    plain, every = computed(opened(folders[kind], kind))
    picture, calls = computed(again := opened(folders[kind], kind, speed={"cache": cache}))
    assert 0 < calls < every
    assert np.abs(picture - plain).mean() < 0.02
    assert np.array_equal(drawn(again), picture)


@pytest.mark.parametrize("kind", ["StableDiffusionXLPipeline", "FluxPipeline", "QwenImagePipeline"])
def test_weights_at_rest_in_eight_bits_and_blocks_in_main_memory(
    folders: dict[str, Path], kind: str
) -> None:
    plain = drawn(opened(folders[kind], kind))
    memory = {"storage_dtype": "float8_e4m3fn", "offload": "block", "vae_slicing": True}
    loaded = opened(folders[kind], kind, memory=memory)
    kinds = {weight.dtype for weight in denoiser(loaded).parameters()}
    assert torch.float8_e4m3fn in kinds
    assert 0 < np.abs(drawn(loaded) - plain).mean() < 0.05
    moved = opened(folders[kind], kind, memory={"offload": "leaf"})
    assert np.allclose(drawn(moved), plain, atol=1e-5)


def test_pipelines_of_one_checkpoint_share_what_is_switched(folders: dict[str, Path]) -> None:
    net = ControlNetSpec(path=str(folders["net"]), control_type="canny")
    spec = spec_of(
        folders["StableDiffusionXLPipeline"],
        "StableDiffusionXLPipeline",
        image_controllable_generation="StableDiffusionXLControlNetPipeline",
        controlnets=(net,),
        memory={"storage_dtype": "float8_e4m3fn"},
    )
    budget = MemoryBudget()
    store = ImagePipelineStore(device="cpu", budget=budget)
    first = store.get(spec, "StableDiffusionXLPipeline")
    before = {name: weight.dtype for name, weight in denoiser(first).named_parameters()}
    (small,) = budget.loaded
    second = store.get(spec, "StableDiffusionXLControlNetPipeline", net)
    assert denoiser(second) is denoiser(first)
    assert {name: weight.dtype for name, weight in denoiser(first).named_parameters()} == before
    assert torch.float8_e4m3fn in before.values()
    (large,) = budget.loaded
    assert large.gigabytes > small.gigabytes  # by the ControlNet


def test_models_of_images_are_released_too(folders: dict[str, Path]) -> None:
    every = MemoryBudget()
    kinds: tuple[ImageClass, ...] = ("StableDiffusionXLPipeline", "FluxPipeline")
    specs = [spec_of(folders[kind], kind) for kind in kinds]
    for spec, kind in zip(specs, kinds, strict=True):
        ImagePipelineStore(device="cpu", budget=every).get(spec, kind)
    largest = max(one.gigabytes for one in every.loaded)
    budget = MemoryBudget(largest * 1.01)
    store = ImagePipelineStore(device="cpu", budget=budget)
    for _ in range(2):
        for spec, kind in zip(specs, kinds, strict=True):
            assert store.get(spec, kind).kind == kind
            assert [one.name for one in budget.loaded] == [spec.path]


def with_references(folders: dict[str, Path], **switches: object) -> ImagePipelineSpec:
    adapter = {
        "path": str(folders["adapter"]),
        "subfolder": "sdxl_models",
        "file": "ip-adapter_sdxl.safetensors",
        "image_encoder": "sdxl_models/image_encoder",
    }
    return spec_of(
        folders["StableDiffusionXLPipeline"],
        "StableDiffusionXLPipeline",
        image_reference_generation="StableDiffusionXLPipeline",
        ip_adapter=adapter,
        **switches,
    )


def seen(spec: ImagePipelineSpec, budget: MemoryBudget | None = None) -> tuple[Picture, Picture]:
    """Return pictures without and with a reference, of one checkpoint, the first made once more between."""
    store = ImagePipelineStore(device="cpu", budget=budget)
    plain = store.get(spec, "StableDiffusionXLPipeline")
    picture = drawn(plain)
    seeing = store.get(spec, "StableDiffusionXLPipeline", spec.ip_adapter)
    pipe = cast("Callable[..., Any]", seeing.pipe)
    made = pipe(
        prompt="a red star", width=32, height=32, num_inference_steps=STEPS, output_type="np",
        generator=torch.Generator().manual_seed(0), guidance_scale=3.0,
        ip_adapter_image=[[PIL.Image.new("RGB", (32, 32), (200, 30, 30))]],
    )  # fmt: skip
    assert np.array_equal(drawn(plain), picture)
    return picture, cast("Picture", made.images)


@pytest.mark.parametrize("offload", ["block", "leaf"])
def test_an_ip_adapter_goes_with_weights_in_main_memory(
    folders: dict[str, Path], offload: str
) -> None:
    for one, other in zip(
        seen(with_references(folders)),
        seen(with_references(folders, memory={"offload": offload})),
        strict=True,
    ):
        assert np.allclose(one, other, atol=1e-5)


def test_an_ip_adapter_is_counted_with_its_checkpoint(folders: dict[str, Path]) -> None:
    spec, budget = with_references(folders), MemoryBudget()
    ImagePipelineStore(device="cpu", budget=budget).get(spec, "StableDiffusionXLPipeline")
    (small,) = budget.loaded
    picture, with_reference = seen(spec, budget)
    assert not np.array_equal(picture, with_reference)
    assert budget.loaded[-1].gigabytes > small.gigabytes


@pytest.mark.parametrize("key", ["storage_dtype", "quantization"])
def test_an_ip_adapter_does_not_go_with_weights_stored_otherwise(
    folders: dict[str, Path], key: str
) -> None:
    value = {"storage_dtype": "float8_e4m3fn", "quantization": "float8"}[key]
    with pytest.raises(ValidationError, match=f"memory.{key} and ip_adapter do not go together"):
        with_references(folders, memory={key: value})


def test_clips_share_the_budget_of_images(folders: dict[str, Path]) -> None:
    images = spec_of(folders["StableDiffusionXLPipeline"], "StableDiffusionXLPipeline")
    clips = ClipPipelineSpec(path=str(folders["LTXPipeline"]), text_to_video="LTXPipeline")
    every = MemoryBudget()
    ImagePipelineStore(device="cpu", budget=every).get(images, "StableDiffusionXLPipeline")
    ClipPipelineStore(device="cpu", budget=every).get(clips, "LTXPipeline")
    budget = MemoryBudget(max(one.gigabytes for one in every.loaded) * 1.01)
    ImagePipelineStore(device="cpu", budget=budget).get(images, "StableDiffusionXLPipeline")
    with ClipPipelineStore(device="cpu", budget=budget).lend(clips, "LTXPipeline"):
        (only,) = budget.loaded
        assert only.name == clips.path
        assert only.in_use
