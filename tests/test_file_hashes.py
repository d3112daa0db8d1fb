"""Hashes of weights: read once, known again, and held to what a pack states."""

import hashlib
import os
from pathlib import Path

import pytest

from unison_agent.errors import ConnectorMismatchError, PackError, WeightsError
from unison_agent.file_hashes import check_pins, file_hash, read_hash, weight_files
from unison_agent.packs import parse_pack
from unison_agent.router.connectors import check_stated
from unison_agent.specs import ConnectorSpec


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hashes"


def test_a_file_is_read_again_only_when_it_has_changed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    assert read_hash(path) == file_hash(path) == sha(b"one")
    (kept,) = cache.iterdir()

    def unread(path: Path) -> str:
        raise AssertionError(path)

    with monkeypatch.context() as patched:
        patched.setattr("unison_agent.file_hashes.sha256_file", unread)
        assert read_hash(path) == sha(b"one")
    path.write_bytes(b"three")
    assert read_hash(path) == sha(b"three")
    path.write_bytes(b"tHree")  # of the same size
    os.utime(path, ns=(1, 1))
    assert read_hash(path) == sha(b"tHree")
    kept.write_text("[]", encoding="utf-8")
    assert read_hash(path) == sha(b"tHree")


def test_what_the_hub_s_cache_names_by_its_hash_is_not_read(tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / ("a" * 64)
    blob.parent.mkdir()
    blob.write_bytes(b"anything")
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert file_hash(link) == "a" * 64
    assert read_hash(link) == sha(b"anything")


def test_the_files_of_a_pipeline_that_are_loaded(tmp_path: Path) -> None:
    for name in ("vae/a.safetensors", "text_encoder/b.safetensors", "vae/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert dict(weight_files(tmp_path, without=("text_encoder",))) == {
        "vae/a.safetensors": sha(b"vae/a.safetensors")
    }


def test_another_file_than_the_pack_states_names_both_hashes(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"mine")
    check_pins(tmp_path, {"a.safetensors": sha(b"mine")}, of="The model")
    with pytest.raises(WeightsError) as caught:
        check_pins(tmp_path, {"a.safetensors": "0" * 64}, of="The model")
    assert sha(b"mine") in str(caught.value)
    assert "0" * 64 in str(caught.value)
    with pytest.raises(WeightsError, match=r"has no b\.safetensors"):
        check_pins(tmp_path, {"b.safetensors": "0" * 64}, of="The model")


def test_what_a_connector_was_trained_for_may_stand_in_the_pack() -> None:
    spec = ConnectorSpec(file="projector.pth", required=True, layer=36, template_sha256="a" * 64)
    check_stated(spec, layer=36, template_sha256="a" * 64)
    with pytest.raises(ConnectorMismatchError, match="layer: trained for 36, used with 20; templ"):
        check_stated(spec, layer=20, template_sha256="b" * 64)


def test_pins_in_a_pack() -> None:
    text = Path("tools/wan_vace.toml").read_text(encoding="utf-8")
    pin = f'file = "projector.pth"\npins = [{{ file = "projector.pth", sha256 = "{"c" * 64}" }}]'
    pack = parse_pack(text.replace('file = "projector.pth"', pin), file="x.toml")
    connector = pack.tools[1].connector
    assert connector is not None
    assert connector.pinned() == {"projector.pth": "c" * 64}
    with pytest.raises(PackError, match=r"pins\[0\]\.sha256"):
        parse_pack(text.replace('file = "projector.pth"', pin.replace("c" * 64, "c")), file="x")
