"""LoRAs on a tiny real language model: added off, switched one by one, refused where they do not fit."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from unison_agent.errors import WeightsError
from unison_agent.lora import FoldedLoras

RANK, ALPHA, WIDTH = 2, 6, 32
TARGETS = ("q_proj", "o_proj")
IDS = torch.tensor([[3, 1, 4, 1, 5, 9]])


def make_model(dtype: torch.dtype = torch.float32) -> LlamaModel:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    return LlamaModel(config).to(dtype).eval().requires_grad_(False)  # pyright: ignore[reportArgumentType]


def lora_tensors(seed: int, rank: int = RANK) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"lora_A": (rank, WIDTH), "lora_B": (WIDTH, rank)}
    return {
        f"layers.{layer}.self_attn.{target}.{part}.weight": torch.randn(shape, generator=generator)
        for layer in range(2)
        for target in TARGETS
        for part, shape in shapes.items()
    }


def write(folder: Path, tensors: Mapping[str, Tensor], targets: tuple[str, ...] = TARGETS) -> Path:
    folder.mkdir()
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": targets}
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    save_file(dict(tensors), folder / "adapter.safetensors")
    return folder


def states(model: LlamaModel) -> Tensor:
    with torch.inference_mode():
        output = model(input_ids=IDS).last_hidden_state
    assert output is not None
    return output.clone()


def merged(tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the states of a model whose weights hold the LoRA itself."""
    model = make_model()
    for name, parameter in model.named_parameters():
        stem = name.removesuffix(".weight")
        if f"{stem}.lora_A.weight" in tensors:
            up, down = tensors[f"{stem}.lora_B.weight"], tensors[f"{stem}.lora_A.weight"]
            parameter.data += ALPHA / RANK * up @ down
    return states(model)


def test_adapters_are_switched_one_at_a_time_and_leave_no_trace(tmp_path: Path) -> None:
    model = make_model()
    base = states(model)
    planner, answers = lora_tensors(1), lora_tensors(2)
    loras = FoldedLoras(model)
    loras.add(write(tmp_path / "planner", planner), "planner")
    loras.activate("planner")
    loras.add(write(tmp_path / "answers", answers), "answers")
    assert loras.names == {"planner", "answers"}
    assert torch.equal(states(model), base)
    loras.activate("planner")
    torch.testing.assert_close(states(model), merged(planner), atol=1e-4, rtol=1e-4)
    loras.activate("answers")
    torch.testing.assert_close(states(model), merged(answers), atol=1e-4, rtol=1e-4)
    loras.activate(None)
    assert torch.equal(states(model), base)


def test_an_adapter_that_is_not_there_is_the_base(tmp_path: Path) -> None:
    model = make_model()
    base = states(model)
    loras = FoldedLoras(model)
    loras.add(write(tmp_path / "planner", lora_tensors(1)), "planner")
    loras.activate("planner")
    loras.activate("answers")
    assert torch.equal(states(model), base)


def test_an_adapter_has_the_model_s_dtype_and_does_not_learn(tmp_path: Path) -> None:
    model = make_model(torch.bfloat16)
    before = {name: tuple(p.shape) for name, p in model.named_parameters()}
    loras = FoldedLoras(model)
    loras.add(write(tmp_path / "planner", lora_tensors(1)), "planner")
    loras.activate("planner")
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == before
    assert all(p.dtype == torch.bfloat16 and not p.requires_grad for p in model.parameters())


def without(name: str) -> dict[str, Tensor]:
    return {k: v for k, v in lora_tensors(1).items() if k != name}


FIRST = "layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("tensors", "targets", "why"),
    [
        (without(FIRST), TARGETS, r"1 names differ, e\.g\. layers\.0\.self_attn\.q_proj\.lora_A"),
        (
            {**lora_tensors(1), "layers.7.o_proj.lora_A.weight": torch.ones(1)},
            TARGETS,
            r"layers\.7",
        ),
        ({f"model.{k}": v for k, v in lora_tensors(1).items()}, TARGETS, "16 names differ"),
        (lora_tensors(1), ("q_proj",), "4 names differ"),
        (lora_tensors(1, rank=4), TARGETS, "size mismatch"),
        (lora_tensors(1), ("to_q",), "to_q"),
    ],
    ids=["missing", "superfluous", "prefixed", "fewer targets", "rank", "unknown target"],
)
def test_an_adapter_of_another_model_is_refused(
    tmp_path: Path, tensors: dict[str, Tensor], targets: tuple[str, ...], why: str
) -> None:
    folder = write(tmp_path / "planner", tensors, targets)
    with pytest.raises(WeightsError, match=rf"adapter\.safetensors does not fit: (.|\n)*{why}"):
        FoldedLoras(make_model()).add(folder, "planner")
