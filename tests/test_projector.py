"""The paper's projector: its numbers, its file, what it does not see, and how its tokens reach the pipeline."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import PIL.Image
import pytest
import torch
from torch import Tensor, nn

from unison_agent.adapters.prompts import TEXT_TOKENS, prompt_of
from unison_agent.adapters.video import NO_CONNECTOR, WanVaceAdapter
from unison_agent.connector import (
    NO_CONTRACT,
    Conditioning,
    Contract,
    Projector,
    ProjectorShape,
    ProjMLP,
)
from unison_agent.conversation import CHAT_TEMPLATE_SHA256, READ_TEMPLATE_SHA256
from unison_agent.errors import ConnectorMismatchError, PackError, RequestError, WeightsError
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack, parse_pack
from unison_agent.pipelines import LoadedPipeline, PipelineStore
from unison_agent.progress import silent
from unison_agent.router import GenerationTool
from unison_agent.specs import ConnectorSpec, ToolSpec
from unison_agent.tasks import Generation, GrantedImage, TextToImage
from unison_agent.testing import HIDDEN_SIZE, ScriptedUnderstanding
from unison_agent.testing_wan import TEXT_DIM, save_tiny_pipeline, tiny_pipeline

SMALL = ProjectorShape(hidden_size=12, text_dim=TEXT_DIM, inner=10)
USED = Contract("a" * 64, 36, CHAT_TEMPLATE_SHA256, TEXT_DIM)
GRANTED = GrantedImage(
    output="image", tool="t", width=16, height=16, steps=2, guidance_scale=3, seed=1, num_outputs=1
)
ASKED = TextToImage(task="text_to_image", prompt="a red star", negative_prompt="dots")


@dataclass(frozen=True)
class States:
    states: Tensor
    mask: Tensor


def states(length: int, width: int = SMALL.hidden_size, *, padding: int = 0) -> States:
    torch.manual_seed(length)
    values = torch.randn(1, length + padding, width)
    return States(values, torch.arange(length + padding)[None] < length)


def make(shape: ProjectorShape = SMALL, contract: Contract | None = USED) -> Projector:
    torch.manual_seed(0)
    return Projector(ProjMLP(shape), contract)


class Stated(nn.Module):
    """The network as its description states it, one step after the other, in its own words."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.v = values

    def forward(self, x: Tensor) -> Tensor:
        v = self.v
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        x = x * v["ln_in.weight"] + v["ln_in.bias"]
        x = x @ v["net.0.weight"].T + v["net.0.bias"]
        x = 0.5 * x * (1 + torch.erf(x / 2**0.5))
        x = x @ v["net.3.weight"].T + v["net.3.bias"]
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        x = x * v["ln_out.weight"] + v["ln_out.bias"]
        window = torch.zeros(x.shape[0], 56, x.shape[2])
        count = min(56, x.shape[1])
        window[:, :count] = x[:, :count]
        return torch.einsum("os,bsc->boc", v["seq_adjust.weight"], window) + v[
            "seq_adjust.bias"
        ].view(1, 4, 1)


# --- its numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 40, 56, 57, 58, 90])
def test_its_numbers_are_those_of_the_description(length: int):
    projector = make(ProjectorShape(hidden_size=24, text_dim=32, inner=20))
    for parameter in projector.module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(7))
    read = states(length, 24)
    got = projector.condition(read).prompt_embeds
    assert got.shape == (1, 4, 32)
    wanted = Stated(projector.module.state_dict())(read.states[:, 1:])
    torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_the_published_sizes():
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in ProjMLP(ProjectorShape()).state_dict().items()}
    assert shapes["net.0.weight"] == (2048, 2048)
    assert shapes["net.3.weight"] == (4096, 2048)
    assert shapes["seq_adjust.weight"] == (4, 56)
    assert len(shapes) == 10


def test_nothing_is_left_to_chance():
    module = ProjMLP(SMALL).train()
    projector = Projector(module, USED)
    assert not module.training
    read = states(20)
    first = projector.condition(read).prompt_embeds
    assert torch.equal(first, projector.condition(read).prompt_embeds)


def test_padding_is_not_read():
    projector = make()
    plain, padded = states(20), states(20, padding=9)
    padded.states[:, :20] = plain.states
    assert torch.equal(
        projector.condition(plain).prompt_embeds, projector.condition(padded).prompt_embeds
    )


def test_tokens_outside_of_the_window_are_counted_and_told():
    projector = make()
    # One token dropped, 56 read, two of the template at the end.
    assert [projector.unseen(states(length)) for length in (3, 57, 59, 60, 99)] == [0, 0, 0, 1, 40]
    assert projector.condition(states(59)).notes == ()
    (note,) = projector.condition(states(99)).notes
    assert note == "The connector reads 56 tokens: the last 40 of the prompt went unseen."
    far = states(99)
    before = projector.condition(far).prompt_embeds
    far.states[:, 57:] += 1
    assert torch.equal(before, projector.condition(far).prompt_embeds)


# --- its file ---------------------------------------------------------------------------------------


def test_a_saved_projector_comes_back(tmp_path: Path):
    projector = make()
    projector.save(tmp_path / "projector.pth")
    loaded = Projector.load(tmp_path / "projector.pth")
    assert loaded.contract == USED
    assert loaded.module.shape == SMALL
    assert torch.equal(
        loaded.condition(states(9)).prompt_embeds, projector.condition(states(9)).prompt_embeds
    )


def test_the_prefix_of_data_parallel_training_is_taken_off(tmp_path: Path):
    values = {f"module.{k}": v.half() for k, v in make().module.state_dict().items()}
    torch.save(values, tmp_path / "projector.pth")
    loaded = Projector.load(tmp_path / "projector.pth")
    assert loaded.contract is None
    made = loaded.condition(states(9))
    assert made.prompt_embeds.dtype == torch.float32
    assert made.notes == (NO_CONTRACT,)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ln_out.bias", None, r"ln_out\.bias is nothing, expected \(16,\)"),
        ("ln_out.bias", torch.zeros(9), r"ln_out\.bias is \(9,\), expected \(16,\)"),
        ("net.0.bias", torch.zeros(9), r"net\.0\.bias is \(9,\), expected \(10,\)"),
        ("net.3.weight", torch.zeros(16, 9), r"net\.3\.weight is \(16, 9\), expected \(16, 10\)|net\.0"),
        ("seq_adjust.weight", None, r"seq_adjust\.weight is nothing, expected a matrix"),
        ("net.0.weight", torch.zeros(9), r"net\.0\.weight is \(9,\), expected a matrix"),
        ("more.weight", torch.zeros(2, 2), r"more\.weight is \(2, 2\), expected nothing"),
        ("ln_in.weight", "text", r"ln_in\.weight is a str, expected a tensor"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, name: str, value: object, why: str):
    values: dict[str, object] = dict(make().module.state_dict())
    if value is None:
        del values[name]
    else:
        values[name] = value
    torch.save(values, tmp_path / "projector.pth")
    with pytest.raises(WeightsError, match=why):
        Projector.load(tmp_path / "projector.pth")


class Code:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return print, ("code ran",)


def test_a_file_with_code_is_refused_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    torch.save({"net.0.weight": Code()}, tmp_path / "projector.pth")
    with pytest.raises(WeightsError, match="not a projector that can be loaded"):
        Projector.load(tmp_path / "projector.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_a_file_that_is_no_projector(tmp_path: Path, content: bytes | None):
    path = tmp_path / "projector.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"projector\.pth is not a projector"):
        Projector.load(path)


def test_other_contents_are_refused(tmp_path: Path):
    torch.save([torch.zeros(2)], tmp_path / "projector.pth")
    with pytest.raises(WeightsError, match="holds a list, expected tensors by name"):
        Projector.load(tmp_path / "projector.pth")
    make().save(tmp_path / "projector.pth")
    (tmp_path / "projector.json").write_text(json.dumps({"layer": 3}), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"projector\.json is no contract"):
        Projector.load(tmp_path / "projector.pth")


# --- its contract -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "why"),
    [
        (replace(USED, layer=20), "layer: trained for 36, used with 20"),
        (replace(USED, understanding_sha256="b" * 64), f"trained for {'a' * 64}, used with {'b' * 64}"),
        (replace(USED, template_sha256=READ_TEMPLATE_SHA256), f"used with {READ_TEMPLATE_SHA256}"),
        (replace(USED, text_dim=4096), "text_dim: trained for 16, used with 4096"),
    ],
)  # fmt: skip
def test_a_mismatch_names_both_values(used: Contract, why: str):
    make().check(USED)
    with pytest.raises(ConnectorMismatchError, match=why):
        make().check(used)


def test_without_a_contract_template_and_widths_are_compared():
    projector = make(contract=None)
    projector.check(replace(USED, layer=3, understanding_sha256="c" * 64))
    with pytest.raises(ConnectorMismatchError, match="text_dim: trained for 16"):
        projector.check(replace(USED, text_dim=24))
    with pytest.raises(ConnectorMismatchError, match="template_sha256: trained for"):
        projector.check(replace(USED, template_sha256=READ_TEMPLATE_SHA256))
    with pytest.raises(ConnectorMismatchError, match="states of width 12, got 20"):
        projector.condition(states(9, 20))


# --- how its tokens reach the pipeline --------------------------------------------------------------


@pytest.fixture(scope="module")
def reading() -> LoadedPipeline:
    """A pipeline that reads prompts itself."""
    return tiny_pipeline(vae_temporal=4, text_encoder=True)


def extra(mode: str = "append", length: int | None = None) -> Conditioning:
    made = make().condition(states(20))
    assert mode in ("append", "replace")
    return replace(made, mode=mode, max_sequence_length=length)


def encoded(pipeline: LoadedPipeline, text: str) -> Tensor:
    """Return the tokens of the text encoder without the zeros behind them."""
    found, _ = pipeline.pipe.encode_prompt(
        prompt=text, negative_prompt="", do_classifier_free_guidance=False, max_sequence_length=512
    )
    return found[:, : len(text)].detach()  # one token a letter


def test_tokens_are_appended_to_the_prompt_s_branch_alone(reading: LoadedPipeline):
    given = extra()
    made = prompt_of(ASKED, given, reading)
    assert made.text is made.negative_text is None
    assert made.embeds is not None
    assert made.negative_embeds is not None
    assert made.embeds.shape == made.negative_embeds.shape == (1, TEXT_TOKENS, TEXT_DIM)
    words, tokens = encoded(reading, "a red star"), 10
    torch.testing.assert_close(made.embeds[:, :tokens], words)
    torch.testing.assert_close(made.embeds[:, tokens : tokens + 4], given.prompt_embeds)
    assert not made.embeds[:, tokens + 4 :].any()
    torch.testing.assert_close(made.negative_embeds[:, :4], encoded(reading, "dots"))
    assert not made.negative_embeds[:, 4:].any()


def test_the_paper_s_zeros_are_reproduced_in_both_branches(reading: LoadedPipeline):
    made = prompt_of(ASKED, extra(length=2048), reading)
    short = prompt_of(ASKED, extra(), reading)
    assert made.embeds is not None
    assert made.negative_embeds is not None
    assert short.embeds is not None
    assert made.embeds.shape == made.negative_embeds.shape == (1, 2048, TEXT_DIM)
    assert torch.equal(made.embeds[:, :TEXT_TOKENS], short.embeds)
    assert not made.embeds[:, TEXT_TOKENS:].any()
    assert not made.negative_embeds[:, TEXT_TOKENS:].any()


def test_tokens_take_the_place_of_the_text_encoder_s(reading: LoadedPipeline):
    given = extra("replace")
    made = prompt_of(ASKED, given, reading)
    assert made.embeds is not None
    assert torch.equal(made.embeds, given.prompt_embeds)
    assert made.negative_embeds is not None
    assert not made.negative_embeds.any()
    long = prompt_of(ASKED, extra("replace", 64), reading).embeds
    assert long is not None
    assert long.shape == (1, 64, TEXT_DIM)


def test_pictures_depend_on_the_words_on_the_tokens_and_on_the_zeros(reading: LoadedPipeline):
    adapter = WanVaceAdapter(reading)

    def draw(conditioning: Conditioning | None, asked: Generation = ASKED) -> bytes:
        output = adapter.run(asked, GRANTED, MediaSet(), conditioning, silent)  # pyright: ignore[reportArgumentType]
        assert (NO_CONNECTOR in output.notes) is (conditioning is None)
        (medium,) = output.media
        return medium.sha256.encode()

    other = ASKED.model_copy(update={"prompt": "a blue moon"})
    made = [draw(None), draw(extra()), draw(extra(length=2048)), draw(extra(), other), draw(extra("replace"))]  # fmt: skip
    assert len(set(made)) == 5
    assert draw(extra()) == made[1]


def test_appending_needs_a_text_encoder():
    with pytest.raises(WeightsError, match="no text encoder whose tokens"):
        prompt_of(ASKED, extra(), tiny_pipeline())


# --- through the tool pack --------------------------------------------------------------------------


def test_the_pack_of_the_paper_s_models():
    (tool,) = (tool for tool in load_pack("wan-vace").tools if tool.adapter == "video")
    assert tool.connector == ConnectorSpec(
        repo="ali-vilab/Unison",
        revision="main",
        file="projector.pth",
        kind="projector",
        mode="append",
        max_sequence_length=2048,
        required=False,
    )
    (nano,) = (tool for tool in load_pack("nano").tools if tool.adapter == "video")
    assert nano.connector is not None
    assert (nano.connector.kind, nano.connector.mode) == ("resampler", "replace")


def test_appending_in_a_pack_needs_a_text_encoder():
    text = Path("tools/nano.toml").read_text(encoding="utf-8")
    text = text.replace("required = true", 'required = true\nmode = "append"')
    with pytest.raises(PackError, match=r"connector\.mode: mode 'append' needs a pipeline"):
        parse_pack(text, file="x.toml")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that reads prompts, and a projector of the scripted understanding model."""
    folder = tmp_path_factory.mktemp("weights")
    save_tiny_pipeline(folder / "pipeline", text_encoder=True)
    model = ScriptedUnderstanding
    contract = Contract(model.fingerprint, model.layer, CHAT_TEMPLATE_SHA256, TEXT_DIM)
    shape = ProjectorShape(hidden_size=HIDDEN_SIZE, text_dim=TEXT_DIM, inner=6)
    make(shape, contract).save(folder / "projector.pth")
    return folder


def spec(**connector: object) -> ToolSpec:
    (nano,) = (tool for tool in load_pack("nano").tools if tool.adapter == "video")
    assert nano.pipeline is not None
    given = {"file": "projector", "kind": "projector", "mode": "append", "required": False}
    return nano.model_copy(
        update={
            "pipeline": nano.pipeline.model_copy(update={"text_encoder": True}),
            "connector": ConnectorSpec.model_validate({**given, **connector}),
        }
    )


def tool(weights: Path, model: ScriptedUnderstanding, given: ToolSpec) -> GenerationTool:
    return GenerationTool(
        given,
        pipelines=PipelineStore(weights, device="cpu"),
        understanding=lambda _: model,
        weights_folder=weights,
    )


def test_the_tool_reads_as_the_paper_does_and_tells_what_went_unseen(weights: Path):
    model = ScriptedUnderstanding()
    made = tool(weights, model, spec())
    media = MediaSet.of([PIL.Image.new("RGB", (16, 16), (255, 0, 0))])
    output = made.run(ASKED, GRANTED, media, silent)
    assert model.seen == []  # no pixels
    assert output.notes == ()
    assert next(one.name for one in made.weights()) == "connector"
    long = ASKED.model_copy(update={"prompt": "star " * 70})
    notes = made.run(long, GRANTED, media, silent).notes
    assert notes[0] == "The connector reads 56 tokens: the last 17 of the prompt went unseen."
    replacing = tool(weights, model, spec(mode="replace"))
    against = ASKED.model_copy(update={"negative_prompt": "dots " * 70})
    notes = replacing.run(against, GRANTED, MediaSet(), silent).notes
    assert notes == (
        "The connector reads 56 tokens: the last 16 of the negative prompt went unseen.",
    )


def test_a_projector_of_other_models_is_refused_by_the_tool(weights: Path):
    model = ScriptedUnderstanding()
    model.layer = 5
    with pytest.raises(ConnectorMismatchError, match="layer: trained for 0, used with 5"):
        tool(weights, model, spec()).run(ASKED, GRANTED, MediaSet(), silent)


def test_without_the_file_the_text_encoder_reads_alone(weights: Path):
    model = ScriptedUnderstanding()
    absent = spec(file="absent")
    output = tool(weights, model, absent).run(ASKED, GRANTED, MediaSet(), silent)
    assert NO_CONNECTOR in output.notes
    with pytest.raises(WeightsError, match=r"absent\.pth"):
        tool(weights, model, spec(file="absent", required=True)).run(
            ASKED, GRANTED, MediaSet(), silent
        )


def test_off_it_has_no_tokens_for_no_prompt(tmp_path: Path, weights: Path):
    save_tiny_pipeline(tmp_path / "pipeline")
    (tmp_path / "projector.pth").write_bytes((weights / "projector.pth").read_bytes())
    alone = spec(mode="replace")
    assert alone.pipeline is not None
    alone = alone.model_copy(
        update={"pipeline": alone.pipeline.model_copy(update={"text_encoder": False})}
    )
    made = tool(tmp_path, ScriptedUnderstanding(), alone).without_connector()
    with pytest.raises(RequestError, match="draws nothing with its connector off"):
        made.run(ASKED, GRANTED, MediaSet(), silent)


def test_a_contract_is_written_as_json(tmp_path: Path):
    make().save(tmp_path / "projector.pth")
    assert json.loads((tmp_path / "projector.json").read_text(encoding="utf-8")) == asdict(USED)
