import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import unison_agent
from unison_agent._resources import data

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "diffusers", "transformers", "outlines", "llguidance", "peft", "av", "numpy")
PUBLIC = [
    "TASKS",
    "Adjustment",
    "AnswerStream",
    "Artifact",
    "ArtifactInfo",
    "ArtifactStore",
    "CallError",
    "CallResult",
    "ConnectorMismatchError",
    "CustomCall",
    "CustomTool",
    "DownloadError",
    "GenerationError",
    "Granted",
    "Image",
    "ImageHandle",
    "MachineError",
    "MediaError",
    "MediaHandle",
    "MediaLimitError",
    "MediaPolicy",
    "MediaSet",
    "MissingDependencyError",
    "MissingInputError",
    "NegotiationError",
    "OutputError",
    "Pack",
    "PackError",
    "Plan",
    "Planned",
    "PlanningError",
    "Progress",
    "ProgressEvent",
    "Record",
    "Request",
    "RequestError",
    "Result",
    "RunCancelledError",
    "Session",
    "Signer",
    "Stated",
    "StepResult",
    "TaskCall",
    "Timings",
    "ToolCallError",
    "ToolError",
    "ToolSpec",
    "Unison",
    "UnisonError",
    "UnknownProfileError",
    "UnsupportedMediaError",
    "Video",
    "VideoHandle",
    "WeightsError",
    "__version__",
    "custom_tool",
    "load_pack",
]


def imported(statement: str) -> set[str]:
    """Return the top-level packages that are loaded after `statement` in a new interpreter."""
    code = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    return set(done.stdout.split())


def test_public_names_are_pinned_and_sorted() -> None:
    assert unison_agent.__all__ == PUBLIC
    assert dir(unison_agent) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_resolves(name: str) -> None:
    assert getattr(unison_agent, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Unicorn'"):
        unison_agent.__getattr__("Unicorn")


def test_version_is_the_installed_one() -> None:
    assert unison_agent.__version__ == version("unison-agent")


def test_import_loads_nothing_heavy() -> None:
    assert not imported("import unison_agent") & {*HEAVY, "pydantic", "PIL"}


def processor_seconds(statement: str) -> float:
    """Return the least of a few interpreters, in processor time: other programs take their share of the wall's."""
    taken: list[float] = []
    for _ in range(5):
        before = os.times()
        subprocess.run([sys.executable, "-c", statement], check=True)
        after = os.times()
        user = after.children_user - before.children_user
        taken.append(user + after.children_system - before.children_system)
    return min(taken)


@pytest.mark.skipif(sys.platform == "win32", reason="it counts no children's time")
def test_import_takes_little_time() -> None:
    assert processor_seconds("import unison_agent") - processor_seconds("pass") < 0.15


def test_language_of_tasks_loads_no_model_library() -> None:
    lower = ("errors", "media", "tasks", "packs", "replay", "result", "negotiate", "schema")
    upper = (
        "weights",
        "planning.grammar",
        "planning.planner",
        "router",
        "agent",
        "cli",
        "functions",
    )
    statement = "import " + ", ".join(f"unison_agent.{module}" for module in (*lower, *upper))
    assert not imported(statement) & {"torch", "diffusers", "transformers", "peft"}


def test_data_is_found_in_this_installation() -> None:
    assert data("tools").joinpath("nano.toml").is_file()
    assert data("schemas").joinpath("plan.schema.json").is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_package_and_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for kind in ("tools", "schemas"):
        shipped = {f"unison_agent/_data/{kind}/{file.name}" for file in (ROOT / kind).iterdir()}
        assert shipped
        assert shipped <= names
    assert "unison_agent/py.typed" in names
    inside = {name.partition("/")[0] for name in names}
    assert inside == {"unison_agent", f"unison_agent-{version('unison-agent')}.dist-info"}


def test_wheel_finds_its_own_data(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from unison_agent._resources import data\n"
        "print(data('tools').joinpath('nano.toml'))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert Path(done.stdout.strip()) == tmp_path / "unison_agent/_data/tools/nano.toml"


def test_no_python_beside_the_data() -> None:
    assert not [file for kind in ("tools", "schemas") for file in (ROOT / kind).rglob("*.py")]
