"""Standard input, pictures in a terminal, completion, and what the help says."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unison_agent.cli.app import app
from unison_agent.cli.asking import request_text
from unison_agent.cli.inline import check_inline
from unison_agent.errors import MissingDependencyError, RequestError

SHOWN = """
from unison_agent.cli import main, opening
from unison_agent.agent import Unison
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.router import AdapterTool, Router
from unison_agent.testing import EchoAdapter, ScriptedWriter
import sys


def scripted(profile, progress, tools=(), also=()):
    made = [AdapterTool(spec, EchoAdapter()) for spec in load_pack(profile).tools]
    return Unison(Planner(ScriptedWriter({"task": "text_to_image"})), Router(made, profile=profile))


opening.open_unison = scripted
sys.argv = ["unison-agent", *sys.argv[1:]]
main()
"""


def test_the_request_may_come_from_standard_input(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHOWN, "plan", "-", "--json"]
    done = subprocess.run(
        command, input="a réd star\n".encode(), capture_output=True, check=True, cwd=tmp_path
    )
    assert '"text": "a réd star"' in done.stdout.decode()
    empty = subprocess.run(command, input=b"\n", capture_output=True, check=False, cwd=tmp_path)
    assert empty.returncode == 1
    assert b"Traceback" not in empty.stderr
    noise = subprocess.run(
        command,
        input=b"\xff\xfe\x00\x81",
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert noise.returncode == 1
    assert b"is no text" in noise.stderr


def test_words_are_the_request_unless_they_are_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    assert request_text("a star - red") == "a star - red"
    read, write = os.pipe()
    os.write(write, b"\xff")
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(RequestError, match="no text"):
            request_text("-")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("wanted", "columns"), [(True, 80), (False, 80), (True, 0)])
def test_pictures_are_shown_in_a_terminal_that_is_asked_to(
    tmp_path: Path, wanted: bool, columns: int
) -> None:
    import fcntl  # of POSIX alone
    import pty
    import struct
    import termios

    # A terminal that answers no question about graphics gets blocks of colour, one without a size nothing.
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    show = ["--show"] if wanted else []
    process = subprocess.Popen(
        [sys.executable, "-c", SHOWN, "run", "a star", *show],
        cwd=tmp_path,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(terminal)
    printed = b""
    with suppress(OSError):  # the other side is closed
        while part := os.read(main, 65536):
            printed += part
    os.close(main)
    assert process.wait(timeout=60) == 0, printed
    blocks = "▀".encode() in printed or "▄".encode() in printed
    assert blocks == (wanted and columns > 0)
    assert (tmp_path / "text-to-image.png").exists()


ANSWERED = SHOWN.replace(
    "    return Unison(Planner",
    """    from unison_agent.router import AnswerTool
    from unison_agent.testing import ScriptedUnderstanding
    model = ScriptedUnderstanding(answer="Paris, and nothing else.")
    made[0] = AnswerTool(load_pack(profile).tools[0], lambda _: model)
    return Unison(Planner""",
).replace("text_to_image", "text_understanding")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("quiet", [True, False])
def test_an_answer_is_printed_once_as_it_comes(tmp_path: Path, quiet: bool) -> None:
    import pty

    main, terminal = pty.openpty()
    limit = ["--max-new-tokens", "2", *(["--quiet"] if quiet else [])]
    process = subprocess.Popen(
        [sys.executable, "-c", ANSWERED, "run", "capital?", *limit],
        cwd=tmp_path,
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        env=os.environ | {"TERM": "xterm-256color", "NO_COLOR": "1"},
    )
    os.close(terminal)
    printed = b""
    with suppress(OSError):  # the other side is closed
        while part := os.read(main, 65536):
            printed += part
    os.close(main)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert printed.count(b"Paris, and\r\n") == 1
    assert (b"limit of 2 tokens" in printed) is not quiet


def test_nothing_is_shown_where_nobody_watches(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOWN, "run", "a star", "--show"],
        capture_output=True,
        check=True,
        cwd=tmp_path,
    )
    assert b"\x1b" not in done.stdout


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not check_inline()

    class Terminal:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr("unison_agent.cli.inline._columns", lambda: 80)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setitem(sys.modules, "textual_image.renderable", None)
    with pytest.raises(MissingDependencyError, match=r"unison-agent\[terminal\]"):
        check_inline()


def test_the_help_names_exit_codes_and_completion() -> None:
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "160"})
    assert "Exit codes: 0 done" in done.stdout
    assert "--install-completion" in done.stdout
    for name in ("doctor", "replay"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("comp", {"compare"}),
        ("run x --profile f", {"flux-kontext"}),
        ("tools --also wan", {"wan-vace"}),
        ("call text_to", {"text_to_image", "text_to_video"}),
        ("run x --mode s", {"strict"}),
    ],
)
def test_a_shell_completes_commands_profiles_and_tools(typed: str, offered: set[str]) -> None:
    asked = {
        "_UNISON_AGENT_COMPLETE": "complete_bash",
        "COMP_WORDS": f"unison-agent {typed}",
        "COMP_CWORD": str(len(typed.split())),
    }
    code = "import sys; sys.argv = ['unison-agent']; from unison_agent.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, check=False
    )
    assert set(done.stdout.decode().split()) == offered, done.stderr
