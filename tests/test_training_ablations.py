"""Runs that differ in one choice: each trains by the project's own commands, and draws from what it learned."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

from unison_agent.connector import Resampler, Shape
from unison_agent.training import ablations, nano_captions
from unison_agent.training.states import TEXT_DIM

HIDDEN = 576
VARIANTS = {variant.name: variant for variant in ablations.VARIANTS}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What earlier parts of the training leave, small."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "pools").mkdir()
    starts = torch.arange(0, 41 * 3, 3)
    states = torch.randn(int(starts[-1]), HIDDEN).half()
    save_file({"states": states, "starts": starts}, folder / "pools" / "text_to_image.safetensors")
    (folder / "connector").mkdir()
    module = Resampler(Shape(HIDDEN, TEXT_DIM))
    torch.save({"connector": module.state_dict()}, folder / "connector" / "last.pt")
    nano_captions.write(folder / "captions", pictures=4, clips=0, seed=1)
    return folder


@pytest.mark.parametrize("name", ["velocity", "layer-10"])
def test_a_variant_learns_and_is_scored(runs: Path, tmp_path: Path, name: str) -> None:
    variant = VARIANTS[name]
    connector = ablations.learn(variant, runs, tmp_path, minutes=0.01)
    found = ablations.score(variant, tmp_path, connector, count=1)
    assert set(found) == set(ablations.MEASURES)
    assert all(0 <= value <= 100 for value in found.values())


def test_the_last_loss_of_a_curve(tmp_path: Path):
    curve = tmp_path / "curve.jsonl"
    assert math.isnan(ablations.last_loss(curve))
    curve.write_text('{"step": 50, "loss": 0.9}\n{"step": 100, "loss": 0.5}\n')
    assert ablations.last_loss(curve) == 0.5
    curve.write_text('{"step": 100, "text_to_image": 0.7}\n')
    assert ablations.last_loss(curve) == 0.7
