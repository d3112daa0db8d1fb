"""The magics in a real IPython shell: plans that are scripted, and one real run of nano."""

import io
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import PIL.Image
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from unison_agent.agent import Unison
from unison_agent.errors import RequestError
from unison_agent.integrations.ipython import Order, read_order
from unison_agent.integrations.tqdm_bars import TqdmBars
from unison_agent.packs import load_pack
from unison_agent.planned import Planned
from unison_agent.planning.planner import Planner
from unison_agent.progress import ProgressEvent
from unison_agent.result import Result
from unison_agent.router import AdapterTool, Router
from unison_agent.testing import EchoAdapter, ScriptedWriter

STAR = Path(__file__).parents[1] / "examples" / "star.png"


@dataclass(frozen=True)
class Ran:
    """What a cell gave."""

    value: object
    failed: bool
    stdout: str
    stderr: str


class Notebook:
    """A shell without a terminal or history."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        self.shell = InteractiveShell(config=config)
        self.shell.colors = "nocolor"

    def run(self, cell: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            done = self.shell.run_cell(cell)
        value = cast("object", done.result)
        return Ran(value, not done.success, out.getvalue(), err.getvalue())

    def agent(self, *plans: Mapping[str, object]) -> EchoAdapter:
        """Hold an agent as `mine` that plans as scripted and draws flat pictures."""
        adapter, pack = EchoAdapter(), load_pack("nano")
        router = Router([AdapterTool(spec, adapter) for spec in pack.tools], profile=pack.profile)
        self.shell.push({"mine": Unison(Planner(ScriptedWriter(*plans)), router)})
        return adapter


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    made = Notebook()
    assert not made.run("%load_ext unison_agent").failed
    yield made
    made.shell.reset(new_session=False)


def test_the_rest_of_the_line_is_the_request(notebook: Notebook) -> None:
    notebook.agent({"task": "text_to_image"})
    ran = notebook.run('%unison --agent mine --seed 3 draw {a} "red" star, don\'t add $more')
    assert isinstance(ran.value, Result), ran.stderr
    assert ran.value.plan.request.text == 'draw {a} "red" star, don\'t add $more'
    assert ran.value.granted.seed == 3  # pyright: ignore[reportAttributeAccessIssue]
    assert "text_to_image: 64x64" in ran.stdout


def test_the_cell_is_the_request_and_the_result_a_variable(notebook: Notebook) -> None:
    notebook.agent({"task": "image_editing", "source": "image_1", "target": "star"})
    ran = notebook.run(
        f"%%unison --agent mine --media '{STAR}' --as result\nTurn the star\ngreen\n"
    )
    assert notebook.shell.user_ns["result"] is ran.value
    assert isinstance(ran.value, Result)
    assert ran.value.plan.request.text == "Turn the star\ngreen"
    assert not notebook.run("result.image").failed


def test_a_question_is_no_call_for_help(notebook: Notebook) -> None:
    notebook.agent({"task": "text_understanding"})
    notebook.run("%load_ext unison_agent")  # twice is once
    ran = notebook.run("if True:\n    %unison --agent mine --as said Why is 'it' blue?\nsaid")
    assert isinstance(ran.value, Result), ran.stderr
    assert ran.value.text == "Why is 'it' blue?"
    assert isinstance(notebook.run("%unison --agent mine Why?\n").value, Result)
    assert "Run a request" in notebook.run("%unison?").stdout


def test_variables_are_media(notebook: Notebook) -> None:
    edit = {"task": "image_editing", "source": "image_1", "target": "star"}
    notebook.agent({"task": "text_to_image"}, edit, edit)
    notebook.shell.push({"picture": PIL.Image.new("RGB", (32, 32), "red")})
    notebook.run("%unison --agent mine --as first draw a star")
    for name in ("first", "picture"):
        ran = notebook.run(f"%unison --agent mine --media ${name} Turn the star green")
        assert isinstance(ran.value, Result), ran.stderr
        assert ran.value.plan.request.attachments[0].kind == "image"


def test_a_plan_is_shown_and_not_run(notebook: Notebook) -> None:
    adapter = notebook.agent({"task": "text_to_image"})
    ran = notebook.run("%unison --agent mine --plan --as planned draw a star")
    assert isinstance(ran.value, Planned)
    assert adapter.calls == []
    assert notebook.run("mine.run(planned)").value is not None


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%unison", "There is no request"),
        ("%%unison --seed 3\n \n", "There is no request"),
        ("%%unison draw a star\nand more\n", "options only"),
        ("%unison --nope 3 draw", "--nope is not known"),
        ("%unison --seed", "needs a value"),
        ("%unison --seed -1 draw", "whole number"),
        ("%unison --mode perhaps draw", "nearest, strict, ask"),
        ("%unison --as 2x draw", "name of a variable"),
        ("%unison --as class draw", "name of a variable"),
        ("%unison --agent absent draw", "no variable 'absent'"),
        ("%unison --agent STAR draw", "holds a Unison"),
        ("%unison --agent mine --media absent.png draw", "No such file"),
        ("%unison --agent mine --media $absent draw", "no variable 'absent'"),
        ("%unison --agent mine --mode strict a star, 640 wide", "640"),
        ("%unison --profile nope draw", "no profile or pack 'nope'"),
    ],
)
def test_what_goes_wrong_is_one_message(notebook: Notebook, cell: str, message: str) -> None:
    notebook.agent({"task": "text_to_image", "width": 640})
    notebook.shell.push({"STAR": str(STAR)})
    ran = notebook.run(cell)
    assert ran.failed, "the cells below are not run"
    assert message in ran.stderr
    assert "UsageError: " in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def test_other_errors_keep_their_traceback(notebook: Notebook) -> None:
    adapter = notebook.agent({"task": "text_to_image"})

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    adapter.run = broken  # pyright: ignore[reportAttributeAccessIssue]
    ran = notebook.run("%unison --agent mine draw a star")
    assert ran.failed
    assert "ZeroDivisionError" in ran.stdout + ran.stderr


def test_options_are_read_up_to_the_request() -> None:
    assert read_order("--media 'a b.png' --media=c.png --seed=7 -- --as said") == Order(
        text="--as said", media=("a b.png", "c.png"), seed=7
    )
    with pytest.raises(RequestError, match="--seeds is not known"):
        read_order("--seeds 3 draw")


def test_bars_show_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with TqdmBars() as bars:
        bars(ProgressEvent("download", 0, 2_000_000, "weights"))
        bars(ProgressEvent("denoise", 6, 12))
    shown = capsys.readouterr().err
    assert "downloading" in shown
    assert "2.00M" in shown
    assert "generating" in shown
    assert "6/12" in shown


def test_importing_the_package_loads_no_ipython() -> None:
    assert "IPython" in sys.modules
    code = "import sys, unison_agent; unison_agent.load_ipython_extension; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_nano_draws_in_a_cell(notebook: Notebook) -> None:
    ran = notebook.run("%%unison --seed 3 --as result\nDraw a red star on a blue background\n")
    assert isinstance(ran.value, Result), ran.stderr
    assert ran.value.image.width == 64
    assert "planning" in ran.stderr
    shown = ran.value._repr_mimebundle_()
    assert "text/plain" in shown
