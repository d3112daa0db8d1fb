import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch

from unison_agent.errors import DownloadError, WeightsError
from unison_agent.pipelines import LoadedPipeline, PipelineStore, VaceFrames, adopt, source_name
from unison_agent.progress import ProgressEvent
from unison_agent.specs import PipelineSpec
from unison_agent.testing_wan import tiny_conditioning, tiny_wan_vace
from unison_agent.weights import write_sums

SPEC = PipelineSpec(
    source="nano", folder="pipeline", text_encoder=False, vae_spatial=4, vae_temporal=1
)


def save(root: Path) -> Path:
    folder = root / "pipeline"
    tiny_wan_vace().save_pretrained(folder)  # pyright: ignore[reportAttributeAccessIssue]
    sums(folder)
    return folder


def sums(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    write_sums(folder, [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("weights")).parent


def test_loads_from_a_folder_with_its_true_factors(
    saved: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[ProgressEvent] = []
    loaded = PipelineStore(saved).get(SPEC, events.append)
    assert (loaded.vae_spatial, loaded.vae_temporal) == (4, 1)
    assert loaded.pipe.vae_scale_factor_spatial == 4
    assert loaded.pipe.vae_scale_factor_temporal == 1
    assert loaded.pipe.video_processor.config.vae_scale_factor == 4  # pyright: ignore[reportAttributeAccessIssue]
    assert loaded.size_multiple == 8
    assert loaded.text_dim == 16
    assert not loaded.has_text_encoder
    assert set(loaded.hashes) >= {"model_index.json", "vae/diffusion_pytorch_model.safetensors"}
    assert [(e.stage, e.done, e.total) for e in events] == [("load", 0, 1), ("load", 1, 1)]
    assert capfd.readouterr().err == ""


def test_one_object_for_all_threads(saved: Path) -> None:
    store = PipelineStore(saved)
    found: list[LoadedPipeline] = []
    threads = [threading.Thread(target=lambda: found.append(store.get(SPEC))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(loaded is found[0] for loaded in found)
    store.release()
    assert store.get(SPEC) is not found[0]


def test_the_dtype_of_the_pack_is_used_for_all_but_the_vae(saved: Path) -> None:
    spec = SPEC.model_copy(update={"dtype": "bfloat16"})
    loaded = PipelineStore(saved).get(spec)
    assert loaded.pipe.transformer.dtype == torch.bfloat16  # pyright: ignore[reportAttributeAccessIssue]
    assert loaded.pipe.vae.dtype == torch.float32  # pyright: ignore[reportAttributeAccessIssue]
    embeds = tiny_conditioning().prompt_embeds
    pipe = cast("Callable[..., VaceFrames]", loaded.pipe)
    made = pipe(
        prompt_embeds=embeds,
        width=16,
        height=16,
        num_frames=0,
        num_inference_steps=1,
        guidance_scale=1.0,
    )
    assert made.frames.shape == (1, 1, 16, 16, 3)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=r"No pipeline in .*pipeline: model_index.json is missing"
    ):
        PipelineStore(tmp_path).get(SPEC)


def test_damaged_weights_name_the_file_and_are_tried_again(tmp_path: Path) -> None:
    folder = save(tmp_path)
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    good = file.read_bytes()
    file.write_bytes(good[:-4] + b"gone")
    store = PipelineStore(tmp_path)
    with pytest.raises(WeightsError, match=r"diffusion_pytorch_model\.safetensors"):
        store.get(SPEC)
    file.write_bytes(good)
    assert store.get(SPEC).text_dim == 16


def test_pickles_are_refused_even_when_listed(tmp_path: Path) -> None:
    folder = save(tmp_path)
    (folder / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    sums(folder)
    with pytest.raises(WeightsError, match="only safetensors are loaded"):
        PipelineStore(tmp_path).get(SPEC)


def test_a_file_that_the_sums_do_not_list_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path)
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"does not list vae/diffusion_pytorch_model.fp16"):
        PipelineStore(tmp_path).get(SPEC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"_class_name": "WanPipeline"}), "describes 'WanPipeline'"),
        (json.dumps({"_class_name": ["my_code", "WanVACEPipeline"]}), "describes .'my_code'"),
        ("[]", "describes None"),
        ("{", "is not JSON"),
    ],
)
def test_another_class_is_refused(tmp_path: Path, text: str, message: str) -> None:
    folder = tmp_path / "pipeline"
    folder.mkdir()
    (folder / "model_index.json").write_text(text, encoding="utf-8")
    sums(folder)
    with pytest.raises(WeightsError, match=message):
        PipelineStore(tmp_path).get(SPEC)


def test_weights_that_are_listed_but_do_not_load(tmp_path: Path) -> None:
    folder = save(tmp_path)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"not tensors")
    sums(folder)
    with pytest.raises(WeightsError, match=r"nano/pipeline could not be loaded"):
        PipelineStore(tmp_path).get(SPEC)


def test_an_unreachable_hub_says_so() -> None:
    spec = PipelineSpec(
        source="hub",
        repo="nobody/nothing-here",
        revision="0" * 40,
        text_encoder=True,
        vae_spatial=8,
        vae_temporal=4,
    )
    assert source_name(spec) == f"nobody/nothing-here@{'0' * 40}"
    with pytest.raises(DownloadError, match="nobody/nothing-here") as caught:
        PipelineStore().get(spec)
    assert "network" in str(caught.value)


def test_a_wrong_spatial_factor_is_noticed() -> None:
    with pytest.raises(WeightsError, match=r"vace_in_channels is 24, expected 2 x 4 \+ 8\^2 = 72"):
        adopt(tiny_wan_vace(), name="tiny", vae_spatial=8, vae_temporal=1)


def test_a_vae_of_other_channels_is_noticed() -> None:
    pipe = tiny_wan_vace()
    pipe.vae.register_to_config(z_dim=6)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(WeightsError, match="takes 4 channels, the VAE gives 6"):
        adopt(pipe, name="tiny", vae_spatial=4, vae_temporal=1)


def test_dynamic_shifting_is_refused() -> None:
    pipe = tiny_wan_vace()
    pipe.scheduler.register_to_config(use_dynamic_shifting=True)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(WeightsError, match="dynamic shifting"):
        adopt(pipe, name="tiny", vae_spatial=4, vae_temporal=1)


def test_the_advice_about_frames_that_cannot_be_heeded_is_not_logged(
    capfd: pytest.CaptureFixture[str],
) -> None:
    loaded = adopt(tiny_wan_vace(), name="tiny", vae_spatial=4, vae_temporal=1)
    embeds = tiny_conditioning().prompt_embeds
    log = logging.getLogger("diffusers.pipelines.wan.pipeline_wan_vace")
    log.warning("something else")
    loaded.pipe(  # pyright: ignore[reportCallIssue]
        prompt_embeds=embeds,
        width=16,
        height=16,
        num_frames=0,
        num_inference_steps=1,
        guidance_scale=1.0,
    )
    assert "Rounding" not in capfd.readouterr().err
    assert not log.filter(_record("`num_frames - 1` has to be divisible by 1. Rounding to ..."))
    assert log.filter(_record("`num_frames - 1` has to be divisible by 4. Rounding to ..."))


def _record(message: str) -> logging.LogRecord:
    return logging.LogRecord("diffusers", logging.WARNING, "", 0, message, None, None)
