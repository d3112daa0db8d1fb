"""The connector: shapes, masking, its file and its contract."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from unison_agent.adapters import Output
from unison_agent.adapters.video import NO_CONNECTOR
from unison_agent.connector import UNPROMPTED, Connector, Contract, Resampler, Shape
from unison_agent.conversation import READ_TEMPLATE_SHA256
from unison_agent.errors import ConnectorMismatchError, WeightsError
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack
from unison_agent.pipelines import PipelineStore
from unison_agent.progress import silent
from unison_agent.router import GenerationTool
from unison_agent.specs import ConnectorSpec
from unison_agent.tasks import TASK_CALL, GrantedImage
from unison_agent.testing import HIDDEN_SIZE, ScriptedUnderstanding
from unison_agent.testing_wan import TEXT_DIM, save_tiny_pipeline

GRANTED = GrantedImage(
    output="image", tool="t", width=32, height=32, steps=2, guidance_scale=3, seed=5, num_outputs=1
)
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


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize("num_queries", [32, 64])
def test_as_many_queries_as_a_large_pipeline_wants(
    tmp_path: Path, mode: Literal["append", "replace"], num_queries: int
) -> None:
    """Nano's connector has 16; what has more is loaded, checked and read in the same way."""
    reads = mode == "append"
    save_tiny_pipeline(tmp_path / "pipeline", text_encoder=reads)
    model = ScriptedUnderstanding()
    contract = Contract(model.fingerprint, model.layer, READ_TEMPLATE_SHA256, TEXT_DIM)
    shape = Shape(HIDDEN_SIZE, TEXT_DIM, num_queries, num_heads=2)

    def run(contract: Contract, prompt: str = "a red star", *, on: bool = True) -> Output:
        torch.manual_seed(0)
        Connector(Resampler(shape), contract).save(tmp_path / "tokens.safetensors")
        (spec,) = (tool for tool in load_pack("nano").tools if tool.adapter == "video")
        assert spec.pipeline is not None
        given = ConnectorSpec(file="tokens", required=True, mode=mode)
        pipeline = spec.pipeline.model_copy(update={"text_encoder": reads})
        tool = GenerationTool(
            spec.model_copy(update={"connector": given, "pipeline": pipeline}),
            pipelines=PipelineStore(tmp_path, device="cpu"),
            understanding=lambda _: model,
            weights_folder=tmp_path,
        )
        call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": prompt})
        made = tool if on else tool.without_connector()
        return made.run(call, GRANTED, MediaSet(), silent)

    made = Connector(Resampler(shape), contract).condition(model.read("a red star"))
    assert made.prompt_embeds.shape == (1, num_queries, TEXT_DIM)
    drawn = [run(contract), run(contract, "a blue moon"), run(contract, on=False)]
    assert len({one.media[0].sha256 for one in drawn}) == 3
    assert drawn[2].notes == ((NO_CONNECTOR if reads else UNPROMPTED),)
    with pytest.raises(ConnectorMismatchError, match="layer: trained for 7, used with 0"):
        run(replace(contract, layer=7))
    with pytest.raises(
        ConnectorMismatchError, match=f"text_dim: trained for 99, used with {TEXT_DIM}"
    ):
        run(replace(contract, text_dim=99))
