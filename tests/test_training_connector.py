"""A connector trained alone: what the frozen pipeline is fed, what the words change, resuming, bad captions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from unison_agent import Unison
from unison_agent.adapters import video
from unison_agent.connector import Connector
from unison_agent.errors import RequestError, WeightsError
from unison_agent.media import Image
from unison_agent.pipelines.store import NANO_FOLDER
from unison_agent.progress import silent
from unison_agent.training import captioned, connector_alone, nano_captions
from unison_agent.training.connector_alone import Options
from unison_agent.training.frozen import FrozenVace
from unison_agent.vlm import UnderstandingModel

Models = tuple[UnderstandingModel, FrozenVace]


@pytest.fixture(scope="module")
def models() -> Models:
    return connector_alone.open_models("nano", silent)


@pytest.fixture(scope="module")
def cached(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures and two clips, gone through both models."""
    folder = tmp_path_factory.mktemp("captions")
    nano_captions.write(folder, pictures=12, clips=2, seed=1)
    captioned.cache(captioned.read_captions(folder), *models, folder / "cache")
    return folder / "cache"


def test_latents_decode_to_the_picture(models: Models) -> None:
    frozen = models[1]
    picture = Image.from_array(np.full((64, 64, 3), (200, 40, 40), np.uint8))
    latents = frozen.encode(np.asarray(picture.rgb())[None])
    vae = frozen._vae
    mean = torch.tensor(vae.config.latents_mean).view(-1, 1, 1, 1)  # pyright: ignore[reportAttributeAccessIssue]
    std = torch.tensor(vae.config.latents_std).view(-1, 1, 1, 1)  # pyright: ignore[reportAttributeAccessIssue]
    with torch.inference_mode():
        pixels = vae.decode((latents * std + mean)[None], return_dict=False)[0]  # pyright: ignore[reportUnknownVariableType]
    found = (pixels[0, :, 0].mean((1, 2)) + 1) * 127.5
    assert found.tolist() == pytest.approx([200, 40, 40], abs=3)


def test_there_is_a_file_for_each_size(cached: Path) -> None:
    buckets = captioned.load_cache(cached)
    assert sorted((len(b.latents), b.latents.shape[2]) for b in buckets) == [(2, 17), (12, 1)]
    assert all(len(bucket.pool) == len(bucket.latents) for bucket in buckets)


def test_the_right_words_lower_the_loss(models: Models, cached: Path) -> None:
    frozen = models[1]
    connector = Connector.load(NANO_FOLDER / "connector.safetensors")
    for bucket in captioned.load_cache(cached):
        latents, states, mask = bucket.batch(list(range(len(bucket.latents))))
        losses: list[float] = []
        for tokens in (connector.module(states, mask), connector.module(states, mask).roll(1, 0)):
            torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
            sigma = torch.full((len(latents),), 0.95)
            losses.append(frozen.loss(tokens, latents, sigma).mean().item())
        assert losses[0] < losses[1]


def test_it_is_trained_resumed_and_used(
    models: Models, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    understanding, frozen = models
    contract = connector_alone.contract_of(understanding, frozen)
    options = Options(hours=0.001, batch_size=4, num_queries=5)
    connector_alone.train(cached, frozen, contract, tmp_path, options)
    before = torch.load(tmp_path / "last.pt", weights_only=True)["counters"]
    longer = Options(hours=before[2] / 3600 + 0.001, batch_size=4, num_queries=5)
    made = connector_alone.train(cached, frozen, contract, tmp_path, longer)
    after = torch.load(tmp_path / "last.pt", weights_only=True)["counters"]
    assert all(later > earlier > 0 for earlier, later in zip(before, after, strict=True))
    loaded = Connector.load(tmp_path / connector_alone.FILE)
    assert loaded.contract == made.contract == contract
    assert loaded.module.shape.num_queries == 5
    assert all(not p.requires_grad for p in frozen._transformer.parameters())
    own = Unison.from_pretrained("nano", connector=tmp_path / connector_alone.FILE)

    def let_pass(*_: object) -> None: ...

    # What seconds of training draw may be one flat colour, which is no matter here.
    monkeypatch.setattr(video, "check_shown", let_pass)
    result = own.run("a red star")
    used = {weight.name: weight.sha256 for weight in result.artifacts[0].record.weights}
    shipped = Unison.from_pretrained("nano").run("a red star").artifacts[0].record.weights
    assert used["connector"] != {weight.name: weight.sha256 for weight in shipped}["connector"]


def test_it_begins_where_another_part_of_the_training_ended(
    models: Models, cached: Path, tmp_path: Path
) -> None:
    understanding, frozen = models
    contract = connector_alone.contract_of(understanding, frozen)
    begun = Connector.load(NANO_FOLDER / "connector.safetensors").module
    torch.save({"connector": begun.state_dict()}, tmp_path / "start.pt")
    options = Options(hours=1e-7, batch_size=4, start=tmp_path / "start.pt")
    made = connector_alone.train(cached, frozen, contract, tmp_path / "out", options)
    for name, value in made.module.state_dict().items():
        assert torch.equal(value, begun.state_dict()[name])


def test_a_connector_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"There is no connector at .*none\.safetensors"):
        Unison.from_pretrained("nano", connector=tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "No captions at"),
        ("", "has no lines"),
        ('{"file": "a.png"}', "line 1: expected"),
        ("not json", "line 1: expected"),
        ('{"file": "a.png", "text": "x"}', "line 1: there is no file 'a.png'"),
    ],
)
def test_bad_captions(tmp_path: Path, lines: str | None, message: str) -> None:
    if lines is not None:
        (tmp_path / captioned.CAPTIONS).write_text(lines)
    with pytest.raises(RequestError, match=message):
        captioned.read_captions(tmp_path)


def test_nothing_cached(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="Nothing is cached"):
        captioned.load_cache(tmp_path)
