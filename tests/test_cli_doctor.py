"""The doctor: what it finds whole, damaged, missing, and what it says to do."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner, Result

from unison_agent._resources import data
from unison_agent.cli import machine
from unison_agent.cli.app import app
from unison_agent.compose import base_folder
from unison_agent.errors import OutputError
from unison_agent.media import Video
from unison_agent.packs import known_profiles, load_pack
from unison_agent.weights import BASE, SUMS

ROOT = Path(__file__).parents[1]
NANO = ROOT / "unison_agent" / "nano"
MODELS = ("torch", "transformers", "diffusers", "llguidance", "outlines", "safetensors", "gguf")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments], env={"COLUMNS": "200"})


def findings(done: Result, profile: str = "nano") -> dict[str, dict[str, str]]:
    """Return the findings of a profile in --json, by name."""
    profiles = json.loads(done.stdout)["profiles"]
    (found,) = (each["findings"] for each in profiles if each["profile"] == profile)
    return {each["name"]: each for each in cast("list[dict[str, str]]", found)}


def test_nano_runs_here_and_wan_vace_does_not() -> None:
    base_folder()
    done = invoke()
    assert done.exit_code == 0, done.output
    assert "nano can run here" in done.stdout
    assert "wan-vace cannot run here" in done.stdout
    assert "hf download Wan-AI/Wan2.1-VACE-1.3B-diffusers" in done.stdout
    assert "hf download stabilityai/stable-diffusion-xl-base-1.0" in done.stdout
    assert "Traceback" not in done.output


def test_the_asked_profile_decides_the_exit_code() -> None:
    done = invoke("--profile", "wan-vace", "--json")
    assert done.exit_code == 1
    content = json.loads(done.stdout)
    assert (content["ready"], content["profile"]) == (False, "wan-vace")
    assert content["machine"]["python"].startswith("3.")
    assert len(content["profiles"]) == 1


def test_weights_that_were_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path / "none"))
    done = invoke("--json")
    assert done.exit_code == 1
    base = findings(done)["base weights"]
    assert (base["state"], base["fix"]) == ("gap", "unison-agent pull nano")
    assert "needs 0.5 GB" in findings(done)["disk"]["words"]
    assert not (tmp_path / "none").exists(), "looking changes nothing"


def test_base_weights_that_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path))
    path = tmp_path / "base" / BASE.wheel.removesuffix(".whl") / BASE.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    done = invoke("--profile", "nano")
    assert done.exit_code == 1
    assert "is damaged" in done.stdout
    assert "unison-agent pull nano --force" in done.stdout


def test_what_was_unpacked_of_the_base_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = base_folder()
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path))
    folder = tmp_path / "base" / whole.parent.name
    folder.mkdir(parents=True)
    (folder / BASE.file_name).symlink_to(whole.parent / BASE.file_name)
    fetched = findings(invoke("--json"))
    assert fetched["base weights"]["state"] == "note"
    assert "needs 0.3 GB" in str(fetched["disk"]["words"])
    (folder / whole.name).mkdir()
    shutil.copy(whole / SUMS, folder / whole.name / SUMS)
    done = invoke("--json")
    assert done.exit_code == 1
    assert "is missing" in findings(done)["base weights"]["words"]


def test_shipped_weights_that_are_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(NANO, tmp_path / "nano")
    with (tmp_path / "nano" / "connector.safetensors").open("r+b") as file:
        file.seek(4000)
        file.write(b"\xff\x00\xff")
    (tmp_path / "nano" / "pipeline" / "model_index.json").unlink()
    monkeypatch.setattr("unison_agent.opening._SHIPPED", tmp_path)
    monkeypatch.setattr("unison_agent.cli.checkup.NANO_FOLDER", tmp_path / "nano")
    done = invoke("--json")
    assert done.exit_code == 1
    found = findings(done)
    assert "connector.safetensors is damaged" in found["shipped weights"]["words"]
    assert "model_index.json is missing" in found["shipped pipeline"]["words"]
    assert "pip install" in found["shipped weights"]["fix"]


@pytest.mark.parametrize(
    "profile", [name for name in known_profiles() if name not in ("nano", "wan-vace")]
)
def test_what_comes_from_the_hub_is_looked_for_with_its_gpu(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_folder()
    done = invoke("--profile", profile, "--json")
    found = findings(done, profile)
    tools = load_pack(profile).tools
    for spec in (tool.image_pipeline or tool.clip_pipeline for tool in tools):
        if spec is not None and spec.repo is not None:
            hub = found[f"hub {spec.repo}"]
            assert (hub["state"], str(spec.repo) in hub["fix"]) == ("note", True)
    assert "needs about" in found["CUDA"]["words"] or found["CUDA"]["state"] == "gap"
    assert "not known" not in found["memory"]["words"]
    assert "nothing more" not in found["disk"]["words"]

    monkeypatch.setattr(machine, "hub_snapshot", lambda *_: True)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    found = findings(invoke("--profile", profile, "--json"), profile)
    assert "nothing more is fetched" in found["disk"]["words"]


def test_what_needs_more_than_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(10**9, 10**8))
    monkeypatch.setattr(machine, "free_disk_bytes", lambda folder: 10**9)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    done = invoke("--json")
    assert done.exit_code == 1
    assert findings(done)["memory"]["state"] == "gap"
    assert findings(done)["memory"]["words"] == "1.0 GB, 0.1 GB of it free; needs 2.5 GB"
    assert findings(done, "wan-vace")["disk"]["state"] == "gap"
    assert "HF_HOME" in findings(done, "wan-vace")["disk"]["words"]


def test_a_machine_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(None, None))
    monkeypatch.setattr(machine, "free_disk_bytes", lambda folder: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    found = findings(invoke("--json"))
    assert found["memory"]["state"] == found["disk"]["state"] == "note"


def test_memory_is_that_of_the_machine() -> None:
    here = machine.memory()
    assert here.total_bytes is not None
    assert here.free_bytes is not None
    assert 10**8 < here.free_bytes <= here.total_bytes
    assert machine.free_disk_bytes(Path("/absent/folder")) is not None


def test_a_build_of_torch_for_cpus_is_told_without_loading_it() -> None:
    code = "import sys; from unison_agent.cli import machine; print(machine.cuda(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "build for CPUs" in done.stdout
    assert done.stdout.endswith("False\n")


def test_a_build_for_cuda_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "version", lambda name: "2.13.0+cu128")  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert "finds no CUDA device" in machine.cuda().why_not


def test_video_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.mp4_fault() is None

    def refuse(*_: object) -> bytes:
        raise OutputError("No encoder for h264.")

    monkeypatch.setattr(Video, "mp4_bytes", refuse)
    done = invoke("--json")
    assert done.exit_code == 1
    assert findings(done)["video files"] == {
        "name": "video files",
        "state": "gap",
        "words": "No encoder for h264.",
        "fix": "pip install --force-reinstall av",
    }


def test_a_pack_of_ones_own_and_one_that_is_not_there(tmp_path: Path) -> None:
    pack = tmp_path / "mine.toml"
    nano = data("tools").joinpath("nano.toml").read_text(encoding="utf-8")
    pack.write_text(nano.replace('profile = "nano"', 'profile = "mine"'), encoding="utf-8")
    base_folder()
    done = invoke("--profile", str(pack), "--json")
    assert done.exit_code == 0
    assert "not known" in findings(done, "mine")["memory"]["words"]
    done = invoke("--profile", "nope")
    assert done.exit_code == 1
    assert "'nope'" in done.stderr


def test_an_install_without_the_models_extra(tmp_path: Path) -> None:
    """A site of links to everything but the models' packages: an install without that extra."""
    site = Path(sysconfig.get_path("purelib"))
    for entry in site.iterdir():
        if not entry.name.startswith((*MODELS, "functorch")):
            (tmp_path / entry.name).symlink_to(entry)
    code = (
        f"import sys; sys.path += [{str(ROOT)!r}, {str(tmp_path)!r}]\n"
        "sys.argv = ['unison-agent', 'doctor', '--json']\n"
        "from unison_agent.cli import main; main()"
    )

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-P", "-c", code],
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )

    done = run()
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    content = json.loads(done.stdout)
    (nano,) = (each for each in content["profiles"] if each["profile"] == "nano")
    found = {each["name"]: each for each in nano["findings"]}
    (tmp_path / "filelock").unlink()
    broken = run()
    assert broken.returncode == 1
    assert broken.stderr == "error: filelock is not installed. Run: pip install unison-agent\n"
    assert "torch" in found["packages"]["words"]
    assert found["packages"]["fix"] == "pip install 'unison-agent[models]'"
    assert found["video files"]["state"] == "ok"


def test_switches_that_cannot_work_here_name_what_mends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    text = (ROOT / "tools" / "nano.toml").read_text(encoding="utf-8")
    for table, state in (('offload = "model"', "gap"), ("vae_slicing = true", "ok")):
        memory = f"[tools.pipeline.memory]\n{table}\n[tools.connector]"
        (tmp_path / "mine.toml").write_text(
            text.replace("[tools.connector]", memory), encoding="utf-8"
        )
        found = findings(invoke("--profile", str(tmp_path / "mine.toml"), "--json"))["switches"]
        assert found["state"] == state
        if state == "gap":
            assert found["words"].startswith("memory.offload = 'model' needs a CUDA device")
            assert found["fix"].startswith("pip install --force-reinstall torch")
        else:
            assert found["words"] == "nano-video: vae_slicing=True"
