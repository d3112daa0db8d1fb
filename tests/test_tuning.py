"""The switches of a pack on tiny pipelines of the real classes: each draws what the plain one draws, or nearly."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray

from unison_agent.errors import MachineError, MissingDependencyError, WeightsError
from unison_agent.pipelines import LoadedPipeline, MemoryBudget, PipelineStore, needs
from unison_agent.pipelines.origin import switched_origin
from unison_agent.pipelines.tunable import Tunable
from unison_agent.pipelines.tuning import load_arguments, place
from unison_agent.specs import PipelineSpec
from unison_agent.speed_specs import DistilledLora, GgufSpec, MemorySpec, SpeedSpec, Switches
from unison_agent.testing_wan import tiny_conditioning, tiny_wan_vace

STEPS = 12
Picture = NDArray[np.float32]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning") / "wan"
    cast("Any", tiny_wan_vace()).save_pretrained(folder)
    return folder


def spec_of(folder: Path, *, dtype: str = "float32", **switches: object) -> PipelineSpec:
    values = {
        "source": "local", "path": str(folder), "text_encoder": False, "vae_spatial": 4,
        "vae_temporal": 1, "dtype": dtype, **switches,
    }  # fmt: skip
    return PipelineSpec.model_validate(values)


def opened(
    folder: Path,
    memory: dict[str, object] | None = None,
    speed: dict[str, object] | None = None,
    *,
    dtype: str = "float32",
    device: str | None = "cpu",
) -> LoadedPipeline:
    spec = spec_of(folder, dtype=dtype, memory=memory or {}, speed=speed or {})
    return PipelineStore(device=device).get(spec)


def drawn(loaded: LoadedPipeline, *, side: int = 16, steps: int = STEPS, **more: Any) -> Picture:
    """Return a picture that has a control, guidance, and a prompt against which it is drawn."""
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    pipe = cast("Callable[..., Any]", loaded.pipe)
    made = pipe(
        prompt_embeds=tiny_conditioning().prompt_embeds,
        negative_prompt_embeds=tiny_conditioning("bad").prompt_embeds,
        video=[PIL.Image.fromarray(noise)],
        width=side,
        height=side,
        num_frames=0,
        num_inference_steps=steps,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
        **more,
    )
    return cast("Picture", made.frames)


@pytest.fixture(scope="module")
def plain(saved: Path) -> Picture:
    return drawn(opened(saved))


def near(one: Picture, other: Picture, at_most: float) -> None:
    """Check that two pictures are alike, and not the same."""
    assert 0 < np.abs(one - other).mean() < at_most


def transformer(loaded: LoadedPipeline) -> Any:
    return cast("Any", loaded.pipe.transformer)


def computed(loaded: LoadedPipeline, **more: Any) -> tuple[Picture, int]:
    """Return a picture, and how often the first layer of the first block was really computed."""
    calls: list[None] = []
    layer = transformer(loaded).blocks[0].attn1.to_q

    def note(_module: object, _inputs: object) -> None:
        calls.append(None)

    handle = layer.register_forward_pre_hook(note)
    try:
        return drawn(loaded, **more), len(calls)
    finally:
        handle.remove()


def test_weights_at_rest_in_eight_bits(saved: Path, plain: Picture) -> None:
    budget = MemoryBudget()
    store = PipelineStore(device="cpu", budget=budget)
    full = store.get(spec_of(saved))
    cast_ = store.get(spec_of(saved, memory={"storage_dtype": "float8_e4m3fn"}))
    assert transformer(cast_).blocks[0].attn1.to_q.weight.dtype == torch.float8_e4m3fn
    assert transformer(cast_).patch_embedding.weight.dtype == torch.float32
    assert transformer(full).blocks[0].attn1.to_q.weight.dtype == torch.float32
    sizes = [one.gigabytes for one in budget.loaded]
    assert 0 < sizes[1] < sizes[0]
    near(drawn(cast_), plain, 0.01)


@pytest.mark.parametrize(
    "memory",
    [{"offload": "block"}, {"offload": "block", "blocks_per_group": 2}, {"offload": "leaf"}],
)
def test_groups_that_wait_in_main_memory(
    saved: Path, plain: Picture, memory: dict[str, object]
) -> None:
    assert np.array_equal(drawn(opened(saved, memory)), plain)


def test_slices_and_tiles_of_the_vae(saved: Path, plain: Picture) -> None:
    loaded = opened(saved, {"vae_tiling": True, "vae_slicing": True})
    vae = cast("Any", loaded.pipe).vae
    assert vae.use_tiling
    assert vae.use_slicing
    assert np.array_equal(drawn(loaded), plain)  # smaller than a tile


@pytest.mark.parametrize("scope", ["layers", "model"])
def test_steps_that_taylorseer_foretells(saved: Path, plain: Picture, scope: str) -> None:
    loaded = opened(saved, speed={"cache": {"method": "taylorseer", "scope": scope}})
    picture, calls = computed(loaded)
    assert 2 * 4 < calls < 2 * STEPS  # two branches of guidance
    near(picture, plain, 0.01)
    assert np.array_equal(drawn(loaded), picture)  # nothing is left of the run before


def test_a_run_that_was_stopped_leaves_nothing_in_the_cache(saved: Path) -> None:
    loaded = opened(saved, speed={"cache": {"method": "taylorseer"}})
    picture = drawn(loaded)

    def stop(_pipe: object, step: int, _time: object, kept: dict[str, object]) -> dict[str, object]:
        if step == 6:
            raise KeyboardInterrupt
        return kept

    with pytest.raises(KeyboardInterrupt):
        drawn(loaded, callback_on_step_end=stop)
    loaded.pipe.maybe_free_model_hooks()  # as the adapter does
    assert np.array_equal(drawn(loaded), picture)


def once(model: Any, prompt: str, context: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad(), model.cache_context(context):
        return model(
            hidden_states=torch.randn(1, 4, 1, 4, 4, generator=generator),
            timestep=torch.tensor([500]),
            encoder_hidden_states=tiny_conditioning(prompt).prompt_embeds,
            control_hidden_states=torch.randn(1, 24, 1, 4, 4, generator=generator),
            return_dict=False,
        )[0]


def test_why_first_block_is_refused_on_vace() -> None:
    from diffusers import FirstBlockCacheConfig, TaylorSeerCacheConfig  # pyright: ignore[reportPrivateImportUsage]

    model = cast("Any", tiny_wan_vace()).transformer
    truth = once(model, "a star", "cond")
    model.enable_cache(FirstBlockCacheConfig(threshold=0.05))
    assert torch.equal(once(model, "a star", "cond"), truth)
    # Nothing has changed, so all is skipped, and should come out the same.
    assert not torch.allclose(once(model, "a star", "cond"), truth, atol=1e-4)
    model.disable_cache()
    model.enable_cache(
        TaylorSeerCacheConfig(
            disable_cache_before_step=2, use_lite_mode=True, taylor_factors_dtype=torch.float32
        )
    )
    made = [once(model, "a star", "cond") for _ in range(6)]
    assert all(torch.allclose(one, truth, atol=1e-5) for one in made)


def test_why_pyramid_attention_is_refused_on_vace() -> None:
    from diffusers import PyramidAttentionBroadcastConfig  # pyright: ignore[reportPrivateImportUsage]

    model = cast("Any", tiny_wan_vace()).transformer
    truth = once(model, "a red star on blue", "uncond")
    model.enable_cache(
        PyramidAttentionBroadcastConfig(
            cross_attention_block_skip_range=2, current_timestep_callback=lambda: 500
        )
    )
    once(model, "something else", "cond")
    assert not torch.allclose(once(model, "a red star on blue", "uncond"), truth, atol=1e-6)


def write_gguf(file: Path, weights: dict[str, torch.Tensor]) -> None:
    writer = gguf.GGUFWriter(str(file), "wan")
    for name, tensor in weights.items():
        values = tensor.float().numpy()
        if "blocks" in name and values.ndim == 2 and values.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def quantized(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> GgufSpec:
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(folder / "tiny.gguf", cast("Any", tiny_wan_vace()).transformer.state_dict())
    return GgufSpec(path=str(folder), file="tiny.gguf")


@pytest.mark.parametrize("offload", [None, "leaf"])
def test_a_denoiser_from_gguf(
    saved: Path, plain: Picture, quantized: GgufSpec, offload: str | None
) -> None:
    loaded = opened(saved, {"gguf": quantized.model_dump(), "offload": offload})
    assert type(transformer(loaded).blocks[0].attn1.to_q.weight).__name__ == "GGUFParameter"
    near(drawn(loaded), plain, 0.01)


def test_gguf_files_that_are_missing_or_of_something_else(
    saved: Path, quantized: GgufSpec, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"There is no file .*none\.gguf"):
        opened(saved, {"gguf": {"path": quantized.path, "file": "none.gguf"}})
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    with pytest.raises(WeightsError, match=r"bad\.gguf could not be loaded"):
        opened(saved, {"gguf": {"path": str(tmp_path), "file": "bad.gguf"}})
    write_gguf(tmp_path / "other.gguf", {"blocks.0.attn1.to_q.weight": torch.zeros(32, 32)})
    with pytest.raises(WeightsError, match=r"other\.gguf could not be loaded"):
        opened(saved, {"gguf": {"path": str(tmp_path), "file": "other.gguf"}})


def save_lora(folder: Path, layers: list[str]) -> Any:
    """Write a LoRA for the tiny pipeline; return the pipeline that has it on."""
    peft = pytest.importorskip("peft")
    pipe = cast("Any", tiny_wan_vace())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = peft.LoraConfig(r=4, lora_alpha=4, init_lora_weights=False, target_modules=layers)
        pipe.transformer.add_adapter(config)
    weights = peft.utils.get_peft_model_state_dict(pipe.transformer)
    type(pipe).save_lora_weights(folder, transformer_lora_layers=weights)
    return pipe


FILE = "pytorch_lora_weights.safetensors"


@pytest.mark.parametrize("storage", [None, "float8_e4m3fn"])
def test_a_distilled_lora_is_merged(
    saved: Path, plain: Picture, tmp_path: Path, storage: str | None
) -> None:
    from unison_agent.pipelines import adopt

    trained = adopt(save_lora(tmp_path, ["to_q", "to_v"]), name="t", vae_spatial=4, vae_temporal=1)
    wanted = drawn(trained)
    lora = {"path": str(tmp_path), "file": FILE, "steps": 4}
    loaded = opened(saved, {"storage_dtype": storage}, {"distilled": lora})
    assert not [name for name, _ in transformer(loaded).named_parameters() if "lora" in name]
    if storage is None:
        assert np.allclose(drawn(loaded), wanted, atol=1e-5)
        assert not np.allclose(wanted, plain, atol=1e-3)
    else:
        near(drawn(loaded), wanted, 0.01)


def test_loras_that_are_missing_or_of_something_else(saved: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

    with pytest.raises(WeightsError, match="There is no file"):
        opened(saved, speed={"distilled": {"path": str(tmp_path), "file": FILE, "steps": 4}})
    save_file({"transformer.blocks.0.attn1.to_q.lora_A.weight": torch.zeros(4, 7),
               "transformer.blocks.0.attn1.to_q.lora_B.weight": torch.zeros(9, 4)}, tmp_path / FILE)  # fmt: skip
    with pytest.raises(WeightsError, match="could not be merged"):
        opened(saved, speed={"distilled": {"path": str(tmp_path), "file": FILE, "steps": 4}})
    pins = [{"file": FILE, "sha256": "0" * 64}]
    pinned = {"path": str(tmp_path), "file": FILE, "steps": 4, "pins": pins}
    with pytest.raises(WeightsError, match="the tool pack states 0000"):
        opened(saved, speed={"distilled": pinned})


def test_the_files_that_switches_name_are_recorded(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"LoRA")
    lora = DistilledLora(path=str(tmp_path), file=FILE, steps=4)
    found = switched_origin(Switches(speed=SpeedSpec(distilled=lora)))
    assert found == {f"distilled/{FILE}": (sha256(b"LoRA").hexdigest(), None)}
    assert switched_origin(Switches()) == {}


@pytest.mark.parametrize(("kind", "at_most"), [("int8", 0.01), ("float8", 0.02)])
def test_weights_quantized_by_torchao(
    saved: Path, plain: Picture, kind: str, at_most: float
) -> None:
    pytest.importorskip("torchao")
    loaded = opened(saved, {"quantization": kind}, dtype="bfloat16")
    weight = transformer(loaded).blocks[0].attn1.to_q.weight
    assert type(weight).__name__ in ("Int8Tensor", "Float8Tensor")
    near(drawn(loaded), plain, at_most)


class Recorder:
    """A pipeline that notes what is called, for what cannot run on a CPU."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.transformer = self

    @property
    def components(self) -> dict[str, object]:
        return {"transformer": self}

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*args: object, **kwargs: object) -> None:
            self.calls.append((name, {**dict(enumerate(args)), **kwargs}))  # pyright: ignore[reportArgumentType]

        return call


def calls_of(
    device: str | None = "cuda", **switches: object
) -> list[tuple[str, dict[str, object]]]:
    pipe = Recorder()
    place(cast("Tunable", pipe), Switches.model_validate(switches), device)
    return pipe.calls


def test_the_calls_that_need_a_gpu() -> None:
    assert calls_of(memory={"offload": "model"}) == [
        ("enable_model_cpu_offload", {"device": "cuda"})
    ]
    assert calls_of(memory={"offload": "sequential"}) == [
        ("enable_sequential_cpu_offload", {"device": "cuda"})
    ]
    ((name, streamed),) = calls_of(memory={"offload": "leaf", "use_stream": True})
    assert name == "enable_group_offload"
    assert streamed == {
        "onload_device": torch.device("cuda"),
        "offload_type": "leaf_level",
        "num_blocks_per_group": None,
        "use_stream": True,
        "exclude_modules": ["vae"],
    }
    assert calls_of(memory={"device_map": "balanced"}, device=None) == []
    assert calls_of(None, memory={"device_map": "cuda:1"}) == [("to", {0: "cuda:1"})]
    assert calls_of(speed={"compile": "blocks"}) == [
        ("to", {0: "cuda"}),
        ("compile_repeated_blocks", {"fullgraph": True}),
    ]
    assert calls_of(speed={"compile": "whole"})[1] == ("compile", {})
    balanced = Switches(memory=MemorySpec(device_map="balanced"))
    told = load_arguments(balanced, "nowhere", None, "float32", lambda _: None)
    assert told == {"device_map": "balanced"}


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        ({"offload": "model"}, r"memory\.offload = 'model' needs a CUDA device"),
        ({"offload": "sequential"}, r"memory\.offload = 'sequential' needs a CUDA device"),
        ({"device_map": "balanced"}, r"memory\.device_map = 'balanced' needs a CUDA device"),
        ({"offload": "leaf", "use_stream": True}, r"memory\.use_stream = true needs a CUDA device"),
        ({"device_map": "cuda:99"}, r"The device cuda:99 needs a CUDA device"),
    ],
)
def test_what_needs_a_gpu_is_refused_before_anything_is_loaded(
    memory: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(MachineError, match=words) as caught:
        opened(tmp_path / "nothing", memory, device=None)
    assert "pip install --force-reinstall torch" in str(caught.value)
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    with pytest.raises(MachineError, match="finds none") as caught:
        opened(tmp_path / "nothing", memory, device=None)
    assert "nvidia-smi" in str(caught.value)


def test_balanced_goes_without_a_device_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="'balanced' chooses the devices"):
        opened(tmp_path, {"device_map": "balanced"}, device="cpu")


@pytest.mark.parametrize(
    ("package", "switches", "command"),
    [
        ("torchao", {"memory": {"quantization": "float8"}}, "'unison-agent[speed]'"),
        ("peft", {"speed": {"distilled": {"path": "x", "file": "a.safetensors", "steps": 4}}},
         "'unison-agent[speed]'"),
        ("gguf", {"memory": {"gguf": {"path": "x", "file": "a.gguf"}}}, "'unison-agent[models]'"),
        ("torch", {}, "'unison-agent[models]'"),
    ],
)  # fmt: skip
def test_what_lacks_a_package_names_the_command(
    package: str, switches: dict[str, object], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> object | None:
        return None if name == package else object()

    monkeypatch.setattr(needs, "find_spec", found)
    with pytest.raises(MissingDependencyError, match=f"{package} is not installed") as caught:
        needs.check_machine(Switches.model_validate(switches), "cpu")
    assert command in str(caught.value)


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    switches = Switches(speed=SpeedSpec(compile="blocks"))

    def which(_name: str) -> str | None:
        return here

    here: str | None = None
    monkeypatch.setattr(needs.shutil, "which", which)
    with pytest.raises(MachineError, match=r"needs a C\+\+ compiler") as caught:
        needs.check_machine(switches, "cpu")
    assert "apt install g++" in str(caught.value)
    here = "/usr/bin/g++"
    needs.check_machine(switches, "cpu")


def test_no_switch_asks_for_nothing() -> None:
    assert list(needs.lacks(Switches(), "cpu")) == []


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("memory", "speed", "dtype"),
    [
        ({"offload": "model"}, {}, "float32"),
        ({"offload": "sequential"}, {}, "float32"),
        ({"offload": "block", "use_stream": True}, {}, "float32"),
        ({"offload": "leaf", "use_stream": True}, {}, "float32"),
        ({"offload": "leaf", "storage_dtype": "float8_e4m3fn"}, {}, "bfloat16"),
        ({"device_map": "balanced"}, {}, "float32"),
        ({"device_map": "cuda:0"}, {}, "float32"),
        ({"quantization": "int8"}, {}, "bfloat16"),
        ({"quantization": "float8", "offload": "model"}, {}, "bfloat16"),
        ({}, {"cache": {"method": "taylorseer"}}, "bfloat16"),
        ({}, {"compile": "blocks"}, "float32"),
        ({"offload": "model"}, {"compile": "whole"}, "float32"),
        ({"storage_dtype": "float8_e4m3fn"}, {"compile": "whole"}, "bfloat16"),
    ],
)
def test_switches_on_a_gpu(
    saved: Path,
    plain: Picture,
    memory: dict[str, object],
    speed: dict[str, object],
    dtype: str,
) -> None:
    if "quantization" in memory:
        pytest.importorskip("torchao")
    loaded = opened(saved, memory, speed, dtype=dtype, device=None)
    assert np.abs(drawn(loaded) - plain).mean() < 0.03
    assert np.abs(drawn(loaded) - plain).mean() < 0.03
