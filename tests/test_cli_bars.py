import io

from rich.console import Console

from unison_agent.cli.bars import Bars, amount, time_left
from unison_agent.progress import ProgressEvent


def drawn(*events: ProgressEvent, terminal: bool, shown: bool = True) -> str:
    sink = io.StringIO()
    console = Console(file=sink, force_terminal=terminal, width=100, color_system=None)
    with Bars(console, shown=shown) as bars:
        for event in events:
            bars(event)
            bars.refresh()
    return sink.getvalue()


EVENTS = (
    ProgressEvent("download", 40_000_000, 92_871_040, "base weights"),
    ProgressEvent("load", 1, None),
    ProgressEvent("denoise", 3, 12),
    ProgressEvent("denoise", 4, 12),
)


def test_a_terminal_sees_stage_and_amount() -> None:
    text = drawn(*EVENTS, terminal=True)
    for part in ("downloading", "40.0 of 92.9 MB", "base weights", "loading", "generating"):
        assert part in text
    assert text.index("3 of 12") < text.index("4 of 12")


def test_nobody_watching_means_nothing_drawn() -> None:
    assert drawn(*EVENTS, terminal=False).strip() == ""
    assert drawn(*EVENTS, terminal=True, shown=False).strip() == ""


def test_amounts_without_a_total() -> None:
    assert amount(ProgressEvent("download", 1_500_000)) == "1.5 MB"
    assert amount(ProgressEvent("answer", 7)) == "7"
    assert amount(ProgressEvent("answer", 7, 48)) == "7 of 48"


def test_a_terminal_sees_the_time_left() -> None:
    assert "95 s" not in drawn(ProgressEvent("denoise", 3, 12), terminal=True)
    text = drawn(ProgressEvent("denoise", 3, 12, seconds_left=95.2), terminal=True)
    assert "1 min 35 s left" in text
    assert time_left(ProgressEvent("denoise", 3, 12, seconds_left=0.2)) == "1 s left"
    assert time_left(ProgressEvent("denoise", 12, 12, seconds_left=0.0)) == ""
