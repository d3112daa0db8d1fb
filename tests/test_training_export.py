from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from unison_agent import weights
from unison_agent.training import export
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
