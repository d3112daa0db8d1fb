"""Every switch of a pack on LTX-Video: what it makes is what it makes without, or near it."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unison_agent.errors import PackError
from unison_agent.packs import parse_pack
from unison_agent.pipeline_specs import ClipPipelineSpec
from unison_agent.pipelines import ClipPipelineStore, LoadedClipPipeline
from unison_agent.testing_clips import save_tiny_ltx

# Of numpy, about arrays that diffusers' Euler scheduler makes of tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PACK = Path(__file__).parents[1] / "tools" / "ltx_video.toml"
STEPS = 12


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose denoiser has a second block, which is what a first block lets skip."""
    from diffusers import LTXVideoTransformer3DModel  # pyright: ignore[reportPrivateImportUsage]

    folder = save_tiny_ltx(tmp_path_factory.mktemp("ltx") / "models")
    made = cast("Any", LTXVideoTransformer3DModel)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        model = made.from_config(made.load_config(folder / "transformer"), num_layers=2)
    model.save_pretrained(folder / "transformer")
    return folder


def opened(models: Path, **switches: object) -> LoadedClipPipeline:
    values = {"path": str(models), "text_to_video": "LTXPipeline", **switches}
    spec = ClipPipelineSpec.model_validate(values)
    return ClipPipelineStore(device="cpu").get(spec, "LTXPipeline")


def drawn(loaded: LoadedClipPipeline) -> tuple[NDArray[np.float32], int]:
    """Return a clip, and how often the last block of the denoiser ran."""
    blocks = cast("Any", loaded.pipe.components["transformer"]).transformer_blocks
    calls: list[None] = []

    def note(_module: object, _inputs: object) -> None:
        calls.append(None)

    handle = blocks[-1].attn1.to_q.register_forward_pre_hook(note)
    try:
        made = cast("Any", loaded.pipe)(
            prompt="a red star",
            negative_prompt="",
            width=64,
            height=32,
            num_frames=9,
            frame_rate=24,
            num_inference_steps=STEPS,
            guidance_scale=3.0,
            generator=torch.Generator("cpu").manual_seed(0),
            output_type="np",
        )
    finally:
        handle.remove()
    return np.asarray(made.frames, np.float32), len(calls)


@pytest.mark.parametrize(
    ("switches", "at_most"),
    [
        ({"memory": {"offload": "block"}}, 0.0),
        ({"memory": {"offload": "leaf"}}, 0.0),
        ({"memory": {"vae_tiling": True, "vae_slicing": True}}, 0.0),
        ({"memory": {"storage_dtype": "float8_e4m3fn"}}, 0.05),
        ({"speed": {"cache": {"method": "taylorseer"}}}, 0.02),
        ({"speed": {"cache": {"method": "taylorseer", "scope": "model"}}}, 0.02),
        ({"speed": {"cache": {"method": "first_block", "threshold": 0.5}}}, 0.02),
    ],
)
def test_a_switch_makes_what_is_made_without(
    models: Path, switches: dict[str, object], at_most: float
) -> None:
    plain, every = drawn(opened(models))
    assert every == STEPS  # one call a step, with guidance too
    made, calls = drawn(again := opened(models, **switches))
    assert np.abs(made - plain).mean() <= at_most
    assert (0 < calls < every) is ("speed" in switches)
    assert np.array_equal(drawn(again)[0], made)


def test_a_cache_that_is_wrong_on_it_is_refused_by_its_key() -> None:
    text = PACK.read_text(encoding="utf-8")
    table = "[tools.clip_pipeline.speed]\ncache = { method = 'faster' }\n\n[tools.defaults]"
    head, body = text.rsplit("[tools.defaults]", 1)
    with pytest.raises(PackError, match=r"faster is wrong on LTX-Video.*offered in its place"):
        parse_pack(f"{head}{table}{body}", file="ltx.toml")


def test_a_distilled_lora_decides_the_steps_of_clips_too() -> None:
    text = PACK.read_text(encoding="utf-8")
    lora = "distilled = { file = 'few.safetensors', path = '.', steps = 8, guidance_scale = 1.0 }"
    table = f"[tools.clip_pipeline.speed]\n{lora}\n\n[tools.defaults]"
    head, body = text.rsplit("[tools.defaults]", 1)
    tool = parse_pack(f"{head}{table}{body}", file="ltx.toml").tools[1]
    assert (tool.usual.steps, tool.usual.guidance_scale) == (8, 1.0)
    assert "steps=8" in tool.switched
