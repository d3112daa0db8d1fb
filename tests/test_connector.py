"""The connector: shapes, masking, its file and its contract."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unison_agent.connector import Connector, Contract, Resampler, Shape
from unison_agent.errors import ConnectorMismatchError, WeightsError

CONTRACT = Contract("a" * 64, 20, "b" * 64, 32)


@dataclass(frozen=True)
class States:
    states: Tensor
    mask: Tensor


def make() -> Connector:
    torch.manual_seed(0)
    return Connector(Resampler(Shape(hidden_size=48, text_dim=32, num_queries=5)), CONTRACT)


def states(length: int, *, padding: int = 0) -> States:
    torch.manual_seed(1)
    values = torch.randn(1, length, 48)
    padded = torch.cat([values, torch.full((1, padding, 48), 7.0)], dim=1)
    mask = torch.arange(length + padding)[None] < length
    return States(padded, mask)


def test_tokens_have_the_shape_the_pipeline_takes() -> None:
    conditioning = make().condition(states(11))
    against = conditioning.negative_prompt_embeds
    assert against is not None
    assert conditioning.prompt_embeds.shape == against.shape == (1, 5, 32)
    assert not torch.equal(conditioning.prompt_embeds, against)


def test_padding_changes_nothing() -> None:
    connector = make()
    plain = connector.condition(states(11)).prompt_embeds
    padded = connector.condition(states(11, padding=6)).prompt_embeds
    torch.testing.assert_close(plain, padded)


def test_every_token_is_seen_however_long_the_prompt() -> None:
    connector = make()
    long = states(300)
    before = connector.condition(long).prompt_embeds
    long.states[0, 299] += 1
    assert not torch.equal(before, connector.condition(long).prompt_embeds)


def test_a_negative_prompt_takes_the_place_of_the_learned_nothing() -> None:
    connector = make()
    against = connector.condition(states(4), states(9)).negative_prompt_embeds
    torch.testing.assert_close(against, connector.condition(states(9)).prompt_embeds)


def test_a_saved_connector_comes_back(tmp_path: Path) -> None:
    connector = make()
    connector.save(tmp_path / "connector.safetensors")
    loaded = Connector.load(tmp_path / "connector.safetensors")
    assert loaded.contract == CONTRACT
    torch.testing.assert_close(
        loaded.condition(states(8)).prompt_embeds,
        connector.condition(states(8)).prompt_embeds,
        atol=0.02,
        rtol=0.02,
    )


def test_a_mismatch_names_both_values() -> None:
    with pytest.raises(ConnectorMismatchError, match="layer: trained for 20, used with 30"):
        make().check(replace(CONTRACT, layer=30))
    make().check(CONTRACT)


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_a_file_that_is_no_connector_is_a_clear_error(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "connector.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"connector\.safetensors is not a connector"):
        Connector.load(path)
