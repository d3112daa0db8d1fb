"""What packs may say of speed and memory: which switches go together, and what a distilled LoRA grants."""

from pathlib import Path
from typing import get_args

import pytest

from unison_agent.errors import NegotiationError, PackError
from unison_agent.negotiate import negotiate
from unison_agent.packs import Pack, parse_pack
from unison_agent.schema import documents
from unison_agent.specs import ToolSpec
from unison_agent.speed_specs import CacheMethod, TunedFamily, cache_fault
from unison_agent.tasks import Adjustment, GrantedImage, TextToImage

EXAMPLE = (Path(__file__).parent / "data" / "pack.toml").read_text(encoding="utf-8")
TOOLS = Path(__file__).parents[1] / "tools"
LORA = 'distilled = { path = "loras", file = "four.safetensors", steps = 4 }'


def pack(*, memory: str = "", speed: str = "", dtype: str = "float32") -> Pack:
    """Return the example with switches of its pipeline."""
    switches = f"[tools.pipeline.memory]\n{memory}\n[tools.pipeline.speed]\n{speed}\n"
    text = EXAMPLE.replace("[tools.connector]", f"{switches}[tools.connector]", 1)
    head, body = text.split("[tools.pipeline]", 1)
    body = body.replace('dtype = "float32"', f'dtype = "{dtype}"', 1)
    return parse_pack(f"{head}[tools.pipeline]{body}", file="some.toml")


def refused(memory: str = "", speed: str = "", dtype: str = "float32") -> PackError:
    with pytest.raises(PackError) as caught:
        pack(memory=memory, speed=speed, dtype=dtype)
    return caught.value


def test_a_pack_without_switches_has_none() -> None:
    video = pack().tools[1]
    assert video.pipeline is not None
    assert video.pipeline.memory.model_dump(exclude_defaults=True) == {}
    assert video.usual is video.defaults


def test_switches_that_go_together() -> None:
    read = pack(
        memory='storage_dtype = "float8_e4m3fn"\nvae_tiling = true\noffload = "block"\n'
        "blocks_per_group = 2",
        speed=LORA,
    )
    spec = read.tools[1].pipeline
    assert spec is not None
    assert spec.memory.storage_dtype == "float8_e4m3fn"
    assert spec.memory.blocks_per_group == 2
    assert Pack.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    ("memory", "speed", "keys"),
    [
        ('storage_dtype = "float8_e4m3fn"\nquantization = "float8"', "",
         ("memory.storage_dtype", "memory.quantization")),
        ('storage_dtype = "float8_e4m3fn"\ngguf = { path = "a", file = "q.gguf" }', "",
         ("memory.storage_dtype", "memory.gguf")),
        ('quantization = "float8"\ngguf = { path = "a", file = "q.gguf" }', "",
         ("memory.quantization", "memory.gguf")),
        ('offload = "model"\ndevice_map = "balanced"', "", ("memory.offload", "memory.device_map")),
        ('offload = "sequential"\nquantization = "float8"', "",
         ("memory.offload", "memory.quantization")),
        ('offload = "sequential"\nstorage_dtype = "float8_e5m2"', "",
         ("memory.offload", "memory.storage_dtype")),
        ('device_map = "balanced"\ngguf = { path = "a", file = "q.gguf" }', "",
         ("memory.device_map", "memory.gguf")),
        ('offload = "block"\nblocks_per_group = 2\nuse_stream = true', "",
         ("memory.use_stream", "memory.blocks_per_group")),
        ("", 'compile = "whole"\ncache = { method = "taylorseer" }',
         ("speed.cache", "speed.compile")),
        ('offload = "leaf"\nuse_stream = true', 'cache = { method = "taylorseer" }',
         ("speed.cache", "memory.use_stream")),
        ('offload = "sequential"', 'compile = "whole"', ("speed.compile", "memory.offload")),
        ('offload = "leaf"', 'compile = "blocks"', ("speed.compile", "memory.offload")),
        ('quantization = "float8"', LORA, ("speed.distilled", "memory.quantization")),
        ('gguf = { path = "a", file = "q.gguf" }', LORA, ("speed.distilled", "memory.gguf")),
        ("", f'{LORA}\ncache = {{ method = "taylorseer" }}', ("speed.cache", "speed.distilled")),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_by_both_keys(
    memory: str, speed: str, keys: tuple[str, str]
) -> None:
    error = refused(memory, speed)
    assert f"{keys[0]} and {keys[1]} do not go together: " in error.message
    assert error.key == f"tools[1].pipeline.{keys[0]}"
    assert error.line is not None


@pytest.mark.parametrize(
    ("memory", "speed", "words"),
    [
        ("blocks_per_group = 2", "", "goes with offload = 'block'"),
        ('offload = "model"\nuse_stream = true', "", "goes with offload = 'block' or 'leaf'"),
        ('quantization = "int8"', "", "it needs 'bfloat16'"),
        ("", 'cache = { method = "taylorseer", threshold = 0.1 }', "has no threshold"),
        ("", 'cache = { method = "taylorseer", interval = 1 }', "greater than or equal to 2"),
        ('device_map = "auto"', "", "match"),
        ('gguf = { path = "a", file = "q.bin" }', "", "match"),
    ],
)
def test_keys_that_lack_or_miss_something(memory: str, speed: str, words: str) -> None:
    error = refused(memory, speed)
    assert words in error.message
    assert error.line is not None


def test_int8_goes_with_bfloat16() -> None:
    spec = pack(memory='quantization = "int8"', dtype="bfloat16").tools[1].pipeline
    assert spec is not None
    assert spec.memory.quantization == "int8"


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("first_block", "adds the hints of VACE twice"),
        ("mag", "adds the hints of VACE twice"),
        ("pyramid_attention", "does not tell the call with the prompt from the one against it"),
        ("faster", "both branches of guidance in one batch"),
    ],
)
def test_caches_that_are_wrong_on_vace_say_why(method: str, words: str) -> None:
    error = refused(speed=f'cache = {{ method = "{method}" }}')
    assert error.key == "tools[1].pipeline.speed.cache.method"
    assert f"{method} is wrong on Wan VACE" in error.message
    assert words in error.message


def test_each_family_has_a_word_on_each_cache() -> None:
    right = {
        family: [name for name in get_args(CacheMethod) if cache_fault(name, family) is None]
        for family in get_args(TunedFamily)
    }
    both = ["taylorseer", "first_block"]
    assert right == {
        "Wan VACE": ["taylorseer"],
        "SDXL": [],
        "FLUX": both,
        "Qwen-Image": both,
        "Qwen-Image-Edit": both,
        "LTX-Video": both,
    }


def test_image_packs_have_the_same_switches() -> None:
    text = (TOOLS / "flux_kontext.toml").read_text(encoding="utf-8")
    table = '[tools.image_pipeline.memory]\noffload = "model"\nquantization = "int8"\n'
    read = parse_pack(
        text.replace("[tools.defaults]\nwidth", f"{table}[tools.defaults]\nwidth"), file="f"
    )
    spec = read.tools[1].image_pipeline
    assert spec is not None
    assert spec.memory.offload == "model"
    sdxl = (TOOLS / "sdxl.toml").read_text(encoding="utf-8")
    table = '[tools.image_pipeline.speed.cache]\nmethod = "taylorseer"\n'
    with pytest.raises(PackError, match="taylorseer is wrong on SDXL: its denoiser is a UNet"):
        parse_pack(
            sdxl.replace("[tools.defaults]\nwidth", f"{table}[tools.defaults]\nwidth"), file="s"
        )


def distilled() -> ToolSpec:
    tool = pack(speed=LORA).tools[1]
    # What its LoRA was made for holds of images too.
    return tool.model_copy(
        update={"defaults": tool.defaults.model_copy(update={"image_steps": 12})}
    )


def test_the_steps_of_a_lora_are_the_default() -> None:
    granted = negotiate(TextToImage(task="text_to_image", prompt="a star"), distilled())
    assert isinstance(granted, GrantedImage)
    assert (granted.steps, granted.guidance_scale, granted.adjustments) == (4, 1.0, ())


def test_other_steps_are_named_in_the_adjustments() -> None:
    call = TextToImage(task="text_to_image", prompt="a star", steps=30, guidance_scale=5)
    granted = negotiate(call, distilled())
    assert isinstance(granted, GrantedImage)
    assert (granted.steps, granted.guidance_scale) == (4, 1.0)
    assert granted.adjustments == (
        Adjustment(
            field="steps", asked=30, granted=4, rule="steps_range",
            reason="four.safetensors is made for steps 4",
        ),
        Adjustment(
            field="guidance_scale", asked=5, granted=1, rule="guidance_range",
            reason="four.safetensors is made for guidance_scale 1",
        ),
    )  # fmt: skip
    with pytest.raises(NegotiationError, match=r"four\.safetensors is made for steps 4"):
        negotiate(call, distilled(), mode="strict")
    same = call.model_copy(update={"steps": 4, "guidance_scale": None})
    assert negotiate(same, distilled()).adjustments == ()


def test_a_lora_outside_the_limits_is_refused() -> None:
    error = refused(speed=LORA.replace("steps = 4", "steps = 80"))
    assert "the default steps 80 is not within the limits" in error.message


def test_a_budget_is_above_zero() -> None:
    with pytest.raises(PackError, match="memory_budget_gb"):
        parse_pack(f"memory_budget_gb = 0\n{EXAMPLE}", file="some.toml")
    assert parse_pack(f"memory_budget_gb = 24\n{EXAMPLE}", file="f").memory_budget_gb == 24


def test_the_schema_of_packs_knows_the_switches() -> None:
    assert '"storage_dtype"' in documents()["tool_pack.schema.json"]
