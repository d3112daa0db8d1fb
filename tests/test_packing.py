"""Packed layers give the products of plain ones to the last bit, with LoRAs and without."""

from pathlib import Path

import pytest
import torch
from test_lora import lora_tensors, make_model, states, write
from torch import nn
from transformers import LlamaModel

from unison_agent import packing
from unison_agent.lora import FoldedLoras

pytestmark = pytest.mark.skipif(
    not packing.pack(nn.Linear(8, 8, dtype=torch.bfloat16)),
    reason="this processor does not compute in bfloat16",
)


def layer(*, bias: bool = True, dtype: torch.dtype = torch.bfloat16) -> nn.Linear:
    torch.manual_seed(1)  # pyright: ignore[reportUnknownMemberType]
    return nn.Linear(48, 96, bias=bias, dtype=dtype).requires_grad_(False)


def bfloat_model() -> LlamaModel:
    return make_model(torch.bfloat16)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 48), (1, 1, 48), (2, 7, 48), (1, 60, 48)])
def test_products_are_the_same_bits(shape: tuple[int, ...], bias: bool) -> None:
    plain, changed = layer(bias=bias), layer(bias=bias)
    assert packing.pack(changed)
    given = torch.randn(shape, generator=torch.Generator().manual_seed(2)).bfloat16()
    assert torch.equal(changed(given), plain(given))


def test_a_packed_layer_keeps_its_weight_and_can_be_plain_again() -> None:
    plain, changed = layer(), layer()
    assert packing.pack(changed)
    assert packing.pack(changed)
    assert isinstance(changed, packing.PackedLinear)
    assert torch.equal(changed.weight, plain.weight)
    assert torch.equal(changed.packed.to_dense(), plain.weight)
    packing.unpack(changed)
    packing.unpack(changed)
    assert type(changed) is nn.Linear
    assert torch.equal(changed(torch.ones(1, 48).bfloat16()), plain(torch.ones(1, 48).bfloat16()))


def test_gradients_flow_through_a_packed_layer() -> None:
    plain, changed = layer(), layer()
    packing.pack(changed)
    given = [torch.ones(3, 48, dtype=torch.bfloat16, requires_grad=True) for _ in range(2)]
    for one, values in zip((plain, changed), given, strict=True):
        one(values).float().pow(2).sum().backward()
    assert given[0].grad is not None
    assert given[1].grad is not None
    assert torch.equal(given[0].grad, given[1].grad)


def test_what_cannot_be_packed_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not packing.pack(layer(dtype=torch.float32))
    assert not packing.pack(nn.LayerNorm(8))
    monkeypatch.setattr(packing, "_able", lambda: False)
    changed = layer()
    assert not packing.pack(changed)
    assert type(changed) is nn.Linear


def test_loras_are_the_same_on_packed_layers(tmp_path: Path) -> None:
    folders = [write(tmp_path / name, lora_tensors(seed)) for seed, name in ((1, "a"), (2, "b"))]
    models = [bfloat_model(), bfloat_model()]
    loras = [FoldedLoras(model) for model in models]
    loras[1].pack()
    for one in loras:
        one.add(folders[0], "planner")
        one.add(folders[1], "answers")
    for name in (None, "planner", "answers", None):
        for one in loras:
            one.activate(name)
        assert torch.equal(states(models[0]), states(models[1]))
    assert any(isinstance(module, packing.PackedLinear) for module in models[1].modules())
    with pytest.raises(RuntimeError, match="before"):
        loras[1].pack()


def test_a_layer_whose_weight_is_exchanged_is_plain(tmp_path: Path) -> None:
    model = bfloat_model()
    loras = FoldedLoras(model)
    loras.pack()
    loras.add(write(tmp_path / "planner", lora_tensors(1)), "planner")
    own = layer()
    packing.pack(own)
    other = torch.zeros(96, 48)
    loras.exchange("planner", own, "own", other)
    loras.activate("planner")
    assert not own.weight.any()
    loras.activate(None)
    assert torch.equal(own.weight, layer().weight)
