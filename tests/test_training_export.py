from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from unison_agent import weights
from unison_agent.training import export, planner_mean
from unison_agent.training.lora import write_adapter


def test_what_the_planners_trainer_leaves_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, nano = tmp_path / "runs", tmp_path / "nano"
    nano.mkdir()
    write_adapter({"layer.lora_A.weight": torch.ones(2, 3)}, runs / "planner" / "adapter")
    monkeypatch.setattr("sys.argv", ["export", "--runs", str(runs), "--nano", str(nano)])
    export.main()
    found = load_file(nano / "planner" / "adapter.safetensors")
    assert found["layer.lora_A.weight"].shape == (2, 3)
    assert (nano / "planner" / "adapter_config.json").exists()
    assert not (nano / "answers").exists()  # no run, nothing taken
    weights.verify_folder(nano)


def test_the_mean_of_planners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("a", 1.0), ("b", 3.0)):
        write_adapter({"layer.lora_A.weight": torch.full((2, 3), value)}, tmp_path / name)
    folders = [str(tmp_path / name) for name in "ab"]
    monkeypatch.setattr("sys.argv", ["planner_mean", *folders, "--out", str(tmp_path / "mean")])
    planner_mean.main()
    found = load_file(tmp_path / "mean" / "adapter.safetensors")
    assert found["layer.lora_A.weight"].tolist() == [[2.0] * 3] * 2


def test_planners_of_other_shapes_have_no_mean(tmp_path: Path) -> None:
    write_adapter({"layer.lora_A.weight": torch.ones(2, 3)}, tmp_path / "a")
    write_adapter({"other.lora_A.weight": torch.ones(2, 3)}, tmp_path / "b")
    with pytest.raises(ValueError, match="same tensors"):
        planner_mean.mean([tmp_path / "a", tmp_path / "b"])
