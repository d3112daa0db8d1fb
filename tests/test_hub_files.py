"""Files of the hub: a server on loopback speaks as the hub does, and then is gone."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from unison_agent.connector import Projector, ProjectorShape, ProjMLP
from unison_agent.errors import DownloadError, WeightsError
from unison_agent.hub_files import only_file, repo_folder
from unison_agent.opening import load_understanding
from unison_agent.packs import load_pack
from unison_agent.progress import silent
from unison_agent.router.connectors import load_connector
from unison_agent.specs import ConnectorSpec, ToolSpec, UnderstandingSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Repos = dict[str, dict[str, bytes]]


class Hub:
    """A hub on loopback.

    Attributes:
        repos: The files of each repository.
        asked: The files that were fetched.
    """

    def __init__(self) -> None:
        self.repos: Repos = {}
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(body=True)

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def log_message(self, format: str, *args: object) -> None:
                pass

            def _answer(self, *, body: bool) -> None:
                path = self.path.partition("?")[0].strip("/")
                api = path.startswith("api/models/")
                owner, name, *rest = path.removeprefix("api/models/").split("/")
                files = hub.repos.get(f"{owner}/{name}")
                headers = {"X-Repo-Commit": COMMIT}
                if files is None:
                    self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body=body)
                elif api and rest[0] == "revision":
                    found: dict[str, object] = {
                        "id": f"{owner}/{name}",
                        "sha": COMMIT,
                        "siblings": [],
                    }
                    self._send(200, json.dumps(found).encode(), headers, body=body)
                elif api:
                    listed = [
                        {"type": "file", "path": one, "size": len(data), "oid": _oid(data)}
                        for one, data in files.items()
                    ]
                    self._send(200, json.dumps(listed).encode(), headers, body=body)
                else:
                    file = "/".join(rest[2:])
                    hub.asked += [file] if body else []
                    tag = {"ETag": f'"{_oid(files[file])}"'}
                    self._send(200, files[file], headers | tag, body=body)

            def _send(self, code: int, data: bytes, more: dict[str, str], *, body: bool) -> None:
                self.send_response(code)
                for name, value in {**more, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if body:
                    self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", made.address)
    files = made.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_what_matches_is_fetched_once_and_then_loads_offline(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    hub.repos["ali/unison"] = {"lora/adapter_config.json": b"{}", "b.bin": b"x", "c.json": b"[]"}
    for _ in range(2):
        folder = repo_folder("ali/unison", "main", ("*adapter_config.json",))
        assert only_file(folder, "adapter_config.json") == folder / "lora" / "adapter_config.json"
        assert hub.asked == ["lora/adapter_config.json"]
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="ali/unison@main could not be fetched") as caught:
        repo_folder("ali/unison", "main", ("*.bin",))
    assert "HF_HUB_OFFLINE" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_repository_that_there_is_not(hub: Hub):
    with pytest.raises(WeightsError, match="There is no ali/nothing@main on the hub") as caught:
        repo_folder("ali/nothing", "main", ("*",))
    assert not isinstance(caught.value, DownloadError)
    assert "tool pack" in str(caught.value)


def test_a_hub_that_cannot_be_reached(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="could not be fetched") as caught:
        repo_folder("ali/unison", "main", ("*",))
    assert "Check the network" in str(caught.value)


def test_another_class_is_refused_before_its_weights_are_fetched(hub: Hub):
    config = json.dumps({"architectures": ["LlamaForCausalLM"]}).encode()
    hub.repos["some/llama"] = {"config.json": config, "model.safetensors": b"gigabytes"}
    spec = UnderstandingSpec(
        source="hub", repo="some/llama", revision="main", layer=1, weights="some"
    )
    expected = "describes LlamaForCausalLM; expected Qwen2_5_VLForConditionalGeneration"
    with pytest.raises(WeightsError, match=expected):
        load_understanding(spec, silent, device="cpu")
    assert hub.asked == ["config.json"]


def tool(*, required: bool, pins: tuple[dict[str, str], ...] = ()) -> ToolSpec:
    (drawing,) = (one for one in load_pack("wan-vace").tools if one.adapter == "video")
    own = {"repo": "ali/unison", "revision": "main", "required": required, "pins": pins}
    connector = ConnectorSpec.model_validate({**drawing.connector.model_dump(), **own})  # pyright: ignore[reportOptionalMemberAccess]
    return drawing.model_copy(update={"connector": connector})


def test_the_projector_is_fetched_where_there_is_one(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert load_connector(tool(required=False), tmp_path, silent) is None  # no repository
    hub.repos["ali/unison"] = {"README.md": b""}
    assert load_connector(tool(required=False), tmp_path, silent) is None  # no file
    with pytest.raises(WeightsError, match=r"no projector\.pth in ali/unison"):
        load_connector(tool(required=True), tmp_path, silent)
    Projector(ProjMLP(ProjectorShape(8, 16, 8))).save(tmp_path / "projector.pth")
    data = (tmp_path / "projector.pth").read_bytes()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another"))
    hub.repos["ali/unison"] = {"weights/projector.pth": data}
    loaded = load_connector(tool(required=False), tmp_path, silent)
    assert loaded is not None
    assert loaded.sha256 == hashlib.sha256(data).hexdigest()
    assert loaded.source == f"ali/unison@{COMMIT}"
    for stated, fits in ((loaded.sha256, True), ("0" * 64, False)):
        pinned = tool(required=False, pins=({"file": "weights/projector.pth", "sha256": stated},))
        if fits:
            assert load_connector(pinned, tmp_path, silent) is not None
            continue
        with pytest.raises(WeightsError, match=f"{loaded.sha256}, the tool pack states {stated}"):
            load_connector(pinned, tmp_path, silent)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError):  # whether there is one cannot be told
        load_connector(tool(required=False), tmp_path, silent)


def test_several_files_of_a_name(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "projector.pth").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"several projector.pth: a/projector.pth, b/projector"):
        only_file(tmp_path, "projector.pth")
