"""Whether a profile can run here: each thing it needs, and the one command that mends it; nothing is fetched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from unison_agent.cli import machine
from unison_agent.compose import BASE_FOLDER
from unison_agent.errors import DownloadError, UnisonError
from unison_agent.opening import weights_folder
from unison_agent.packs import Pack
from unison_agent.pipelines import NANO_FOLDER, verified
from unison_agent.pipelines.needs import lacks
from unison_agent.specs import PipelineSpec
from unison_agent.weights import cache_dir, fetch_base, verify_folder

State = Literal["ok", "note", "gap"]
"""``"note"``: the profile runs all the same; ``"gap"``: it does not."""

_GB = 1e9
_INSTALL = "pip install 'unison-agent[models]'"
_REINSTALL = "pip install --force-reinstall --no-deps unison-agent"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, e.g. ``"base weights"``.
        state: Whether it is as it should be.
        words: What was found.
        fix: The one command that mends it, if one does.
    """

    name: str
    state: State
    words: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Checkup:
    """One profile, looked at."""

    profile: str
    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether the profile can run here."""
        return all(finding.state != "gap" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Need:
    """What a profile takes, in GB (10^9 bytes); `gpu` of the device's memory, `disk` with all it fetches."""

    memory: float
    disk: float
    gpu: float = 0.0


# nano: 1.5 GB were measured for a picture; the rest is room for clips. The others: not measured, estimated from
# their parameters in 16 bits on the device, and from files on the hub, of which wan-vace's may be float32.
_NEEDS = {
    "nano": Need(memory=2.5, disk=0.5),
    "wan-vace": Need(memory=16, disk=50, gpu=32),
    "sdxl": Need(memory=16, disk=20, gpu=12),
    "flux-kontext": Need(memory=40, disk=40, gpu=40),
    "qwen-image": Need(memory=64, disk=120, gpu=60),
    "ltx-video": Need(memory=24, disk=30, gpu=20),
}


class _Place(Protocol):
    """Where weights lie; read alone."""

    @property
    def repo(self) -> str | None: ...
    @property
    def revision(self) -> str | None: ...
    @property
    def path(self) -> str | None: ...


def check_profile(pack: Pack) -> Checkup:
    """Look at everything that a profile needs; damage is a finding, never an error."""
    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("packages", _packages),
        ("switches", lambda: _switches(pack)),
        ("weights", lambda: _weights(pack)),
        ("memory", lambda: _memory(pack)),
        ("disk", lambda: _disk(pack)),
        ("video files", _video),
    ]
    findings: list[Finding] = []
    for name, look in looks:
        try:
            findings += look()
        except UnisonError as error:
            findings.append(Finding(name, "gap", str(error)))
        except OSError as error:
            findings.append(Finding(name, "gap", f"could not be looked at: {error}"))
    return Checkup(pack.profile, tuple(findings))


def _packages() -> Iterator[Finding]:
    wanted = machine.packages("models")
    missing = [each.name for each in wanted if each.installed is None]
    others = [
        f"{each} (expected {each.wanted})" for each in wanted if each.installed and not each.fits
    ]
    if missing:
        yield Finding("packages", "gap", f"missing: {', '.join(missing)}", _INSTALL)
    elif others:
        words = f"another version than was tested: {', '.join(others)}"
        yield Finding("packages", "note", words, f"{_INSTALL} --upgrade")
    else:
        yield Finding("packages", "ok", ", ".join(map(str, wanted)))


def _switches(pack: Pack) -> Iterator[Finding]:
    """Say what this machine lacks of what the pack's speed and memory ask for; nothing when they ask nothing."""
    for tool in pack.tools:
        spec = tool.pipeline or tool.image_pipeline or tool.clip_pipeline
        if spec is None or not spec.switched:
            continue
        missing = list(lacks(spec)) if find_spec("torch") is not None else []
        for lack in missing:
            _, run, command = (lack.hint or "").partition("Run: ")
            words = lack.message if run else str(lack)
            yield Finding("switches", "gap", words, command or None)
        if not missing:
            yield Finding("switches", "ok", f"{tool.name}: {spec.switched}")


def _weights(pack: Pack) -> Iterator[Finding]:
    understanding = pack.understanding
    if understanding.source == "nano":
        yield _verified("shipped weights", weights_folder(understanding))
        yield _base()
    else:
        yield _cached(understanding, "config.json")
    looked_at: list[PipelineSpec] = []
    for spec in (tool.pipeline for tool in pack.tools):
        if spec is None or spec in looked_at:
            continue
        looked_at.append(spec)
        if spec.folder is not None:
            yield _verified("shipped pipeline", NANO_FOLDER / spec.folder, verified)
        else:
            yield _cached(spec, "model_index.json")
    others = (tool.image_pipeline or tool.clip_pipeline for tool in pack.tools)
    for spec in {spec.place: spec for spec in others if spec is not None}.values():
        yield _cached(spec, "model_index.json")


def _verified(name: str, folder: Path, verify: Callable[[Path], object] = verify_folder) -> Finding:
    try:
        verify(folder)
    except UnisonError as error:
        return Finding(name, "gap", error.message, _REINSTALL)
    return Finding(name, "ok", f"whole: {folder}")


def _base() -> Finding:
    name, again = "base weights", "unison-agent pull nano --force"
    try:
        file = fetch_base(offline=True)
        if (file.parent / BASE_FOLDER).is_dir():
            verify_folder(file.parent / BASE_FOLDER)
    except DownloadError:
        words = "not fetched yet; without them the first run needs a network"
        return Finding(name, "gap", words, "unison-agent pull nano")
    except UnisonError as error:
        return Finding(name, "gap", error.message, again)
    if not (file.parent / BASE_FOLDER).is_dir():
        words = f"fetched; the first run unpacks {file}"
        return Finding(name, "note", words, "unison-agent pull nano")
    return Finding(name, "ok", f"fetched and whole: {file.parent}")


def _cached(spec: _Place, file: str) -> Finding:
    if spec.path is not None:
        if (Path(spec.path) / file).is_file():
            return Finding("folder", "ok", f"there: {spec.path}")
        return Finding("folder", "gap", f"{spec.path} has no {file}")
    repo, revision = str(spec.repo), str(spec.revision)
    name = f"hub {repo}"
    if machine.hub_snapshot(repo, revision, file):
        return Finding(name, "ok", f"in the hub's cache, revision {revision}")
    words = "not in the hub's cache; fetched at first use where there is a network"
    return Finding(name, "note", words, f"hf download {repo} --revision {revision}")


def _memory(pack: Pack) -> Iterator[Finding]:
    need, has = _NEEDS.get(pack.profile), machine.memory()
    if need is None or has.total_bytes is None:
        yield Finding("memory", "note", f"{_gb(has.total_bytes)}; what is needed is not known")
    else:
        free = f"{_gb(has.total_bytes)}, {_gb(has.free_bytes)} of it free; needs {need.memory:g} GB"
        state: State = "ok"
        if has.total_bytes < need.memory * _GB:
            state = "gap"
        elif has.free_bytes is not None and has.free_bytes < need.memory * _GB:
            state, free = "note", f"{free}: close other programs"
        yield Finding("memory", state, free)
    if need is not None and need.gpu:
        yield _gpu(need)


def _gpu(need: Need) -> Finding:
    device = machine.cuda()
    if device.name is None:
        fix = None
        if "CPUs" in device.why_not:
            fix = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128"
        return Finding("CUDA", "gap", device.why_not, fix)
    words = f"{device.name} with {_gb(device.memory_bytes)}; needs about {need.gpu:g} GB"
    return Finding("CUDA", "ok" if device.memory_bytes >= need.gpu * _GB else "gap", words)


def _disk(pack: Pack) -> Iterator[Finding]:
    need, folder = _NEEDS.get(pack.profile), cache_dir()
    if repos := _repos(pack):
        folder = _hub_folder()
        if all(machine.hub_snapshot(*repo) for repo in repos):
            need = Need(memory=0, disk=0)
    elif any(folder.glob(f"base/*/{BASE_FOLDER}")):
        need = Need(memory=0, disk=0)
    elif any(folder.glob("base/*/*.gguf")):
        need = Need(memory=0, disk=0.3)
    free = machine.free_disk_bytes(folder)
    if need is None or free is None:
        yield Finding("disk", "note", f"{_gb(free)} free; what is needed is not known")
        return
    words = f"{_gb(free)} free in {folder}; " + (
        f"needs {need.disk:g} GB" if need.disk else "nothing more is fetched"
    )
    if free >= need.disk * _GB:
        yield Finding("disk", "ok", words)
    else:
        variable = "HF_HOME" if repos else "UNISON_AGENT_CACHE"
        yield Finding("disk", "gap", f"{words}. {variable} moves it elsewhere")


def _repos(pack: Pack) -> list[tuple[str, str, str]]:
    """Return the repositories of the hub that hold models of a pack: name, revision, and a file that each has."""
    pipelines = (tool.pipeline or tool.image_pipeline or tool.clip_pipeline for tool in pack.tools)
    specs: list[tuple[_Place | None, str]] = [(pack.understanding, "config.json")]
    specs += [(spec, "model_index.json") for spec in pipelines]
    return [
        (spec.repo, str(spec.revision), file)
        for spec, file in specs
        if spec is not None and spec.repo is not None
    ]


def _hub_folder() -> Path:
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return Path.home()
    return Path(HF_HUB_CACHE)


def _video() -> Iterator[Finding]:
    fault = machine.mp4_fault()
    if fault is None:
        yield Finding("video files", "ok", "MP4 can be written and read")
    else:
        yield Finding("video files", "gap", fault, "pip install --force-reinstall av")


def _gb(count: int | None) -> str:
    return "unknown" if count is None else f"{count / _GB:.1f} GB"
