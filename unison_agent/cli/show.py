"""Plans, grants, tools and results as text and tables; it does not know how they came about."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.markup import escape
from rich.table import Table

from unison_agent.explain import Explanation
from unison_agent.tasks import TASKS, Adjustment, Call, Granted, Plan
from unison_agent.wording import call_words, choice_words, granted_words

if TYPE_CHECKING:
    from unison_agent.custom.tool import CustomTool
    from unison_agent.demo import Outcome
    from unison_agent.evaluation.tool_check import Reach
    from unison_agent.forecast import Forecast
    from unison_agent.packs import Limits, ToolSpec
    from unison_agent.remake import Difference
    from unison_agent.result import Result, Timings


def plan_lines(plan: Plan, *, marked: bool = True) -> list[str]:
    """Return one line a step, or the question that must be answered first (rich markup).

    Args:
        plan: What to show.
        marked: Begin with the request, where any of its words state a value: they are marked.
    """
    lines = [Explanation(plan).request().markup] if marked and plan.evidence else []
    if plan.missing is not None:
        question = escape(plan.missing.question)
        return [*lines, f"[yellow]missing[/] {escape(plan.missing.slot)}: {question}"]
    return [*lines, *(_step_line(number, call) for number, call in enumerate(plan.steps, start=1))]


def _step_line(number: int, call: Call) -> str:
    words = call_words(call)
    return f"[bold cyan]step {number}[/] [bold]{call.task}[/]  {escape(words)}".rstrip()


def result_lines(result: "Result") -> list[str]:
    """Return what each step was granted, and its notes (rich markup)."""
    lines: list[str] = []
    for number, step in enumerate(result.steps, start=1):
        lines.append(f"[bold cyan]granted[/] {escape(granted_words(step.granted))}")
        lines += _why_lines(step.granted)
        lines += [f"[yellow]note[/] step {number}: {escape(note)}" for note in step.notes]
    return lines


def choice_lines(forecast: "Forecast | None") -> list[str]:
    """Return for each step which tool does it and why, and why the others do not (rich markup).

    Args:
        forecast: None where the sizes of what is attached are not known.
    """
    granted = [None] if forecast is None else [step.granted for step in forecast.steps]
    later = "[dim]the tool is chosen once the sizes of the media are known[/]"
    return [line for one in granted for line in ([later] if one is None else _why_lines(one))]


def _why_lines(granted: Granted) -> list[str]:
    first, *rejected = choice_words(granted) or ("",)
    chosen = [f"[bold cyan]tool[/] {escape(first)}"] if first else []
    return [*chosen, *(f"  [dim]{escape(one)}[/]" for one in rejected)]


def adjustments_table(adjustments: Iterable[Adjustment]) -> Table:
    """Return what was asked, what was granted, and why."""
    table = _table("asked for", "asked", "granted", "why")
    for change in adjustments:
        granted = "left out" if change.granted is None else str(change.granted)
        name = change.field.replace("_", " ")
        table.add_row(name, escape(str(change.asked)), escape(granted), escape(change.reason))
    return table


def changes_table(changes: Iterable[tuple[str, str, str]]) -> Table:
    """Return the changes that a strict or asking negotiation would have made."""
    table = _table("asked for", "asked", "possible")
    for field, asked, granted in changes:
        table.add_row(field.replace("_", " "), escape(asked), escape(granted))
    return table


def differences_table(differences: "Iterable[Difference]") -> Table:
    """Return what is recorded of a file, and what is here instead."""
    table = _table("differs", "recorded", "here")
    for one in differences:
        table.add_row(
            escape(_short(one.what)), escape(_short(one.recorded)), escape(_short(one.here))
        )
    return table


def _short(words: str) -> str:
    shown = words if len(words) <= 48 else f"{words[:16]}..."
    return "".join(one if one.isprintable() else "\ufffd" for one in shown)


def timing_words(timings: "Timings") -> str:
    """Return the stages that took time, e.g. ``"plan 0.2 s, denoise 0.9 s, total 1.2 s"``."""
    stages = {
        "load": timings.load_seconds,
        "plan": timings.plan_seconds,
        "encode": timings.encode_seconds,
        "denoise": timings.denoise_seconds,
        "decode": timings.decode_seconds,
        "answer": timings.answer_seconds,
        "tool": timings.tool_seconds,
    }
    words = [f"{name} {seconds:.2f} s" for name, seconds in stages.items() if seconds >= 0.005]
    return ", ".join([*words, f"total {timings.total_seconds:.2f} s"])


def tools_table(tools: "Iterable[ToolSpec]") -> Table:
    """Return one row a tool: its tasks and what it can do."""
    table = _table("tool", "tasks", "can do", "by default")
    for tool in tools:
        given = tool.usual
        if tool.limits is None:
            can, default = "answer in words", f"at most {given.max_new_tokens} tokens"
        else:
            can = "\n".join(_limit_lines(tool.limits))
            default = f"{given.width}x{given.height}"
            if given.num_frames is not None:
                default += f"\n{given.num_frames} frames at {given.fps:g} fps"
            steps = f"{given.steps}"
            if given.image_steps is not None:
                steps += f" ({given.image_steps} of images)"
            default += f"\n{steps} steps\nguidance {given.guidance_scale:g}"
        table.add_row(tool.name, "\n".join(tool.tasks), can, default)
    return table


def custom_tools_table(tools: "Iterable[CustomTool]") -> Table:
    """Return one row a tool of the user's own."""
    table = _table("tool", "makes", "what for")
    for tool in tools:
        table.add_row(tool.name, tool.output, escape(tool.description))
    return table


def _limit_lines(limits: "Limits") -> list[str]:
    lines = [f"{_span(*limits.width)} x {_span(*limits.height)} pixels"]
    if limits.multiple_of > 1:
        lines.append(f"sides multiples of {limits.multiple_of}, area <= {limits.max_area}")
    if limits.num_frames is not None and limits.fps is not None:
        rule = "" if limits.frame_rule == "any" else f" ({limits.frame_rule})"
        lines.append(f"{_span(*limits.num_frames)} frames{rule}")
        lines.append(f"{_span(*limits.fps)} fps")
    lines.append(f"{_span(*limits.steps)} steps, guidance {_span(*limits.guidance_scale)}")
    outputs = "1 output" if limits.num_outputs == 1 else f"1-{limits.num_outputs} outputs"
    references = "1 reference" if limits.references == 1 else f"{limits.references} references"
    return [*lines, f"{outputs}, {references}" if limits.references else outputs]


def _span(least: float, most: float) -> str:
    return f"{least:g}" if least == most else f"{least:g}-{most:g}"


def reach_table(reached: "Iterable[Reach]", tools: Mapping[str, str]) -> Table:
    """Return one row a tool and task: how often it was chosen, and what was chosen instead.

    Args:
        reached: What was checked.
        tools: The tool of each task of the pack.
    """
    table = _table("tool", "tasks", "requests", "offered", "chosen", "reachable", "taken for")
    for reach in reached:
        table.add_row(
            reach.tool,
            reach.name,
            str(reach.cases),
            str(reach.offered),
            f"{reach.chosen} ({100 * reach.share:.0f} %)",
            "[green]yes[/]" if reach.reachable else "[bold red]no[/]",
            ", ".join(_taken(name, count, tools) for name, count in reach.taken_for.items()),
        )
    return table


def _taken(name: str, count: int, tools: Mapping[str, str]) -> str:
    words = f"{escape(name)} {count}"
    return words if name in tools or name not in TASKS else f"{words} (no tool)"


def outcome_lines(outcome: "Outcome") -> list[str]:
    """Return one demo request: its words, plan, grant, time, and files or answer (rich markup)."""
    attached = "".join(f" [dim]+ {escape(name)}[/]" for name in outcome.sample.attached)
    lines = [f'[bold]"{escape(outcome.sample.text)}"[/]{attached}']
    if outcome.plan is not None:
        lines += plan_lines(outcome.plan, marked=False)
    if outcome.error is not None:
        return [*lines, f"[bold red]failed[/] {escape(str(outcome.error))}", ""]
    if not outcome.as_expected:
        lines.append(f"[yellow]note[/] this should have been {outcome.sample.task}")
    time = f"{outcome.seconds:.2f} s"
    if outcome.result is not None:
        time = f"{timing_words(outcome.result.timings)}, with saving {time}"
        lines += result_lines(outcome.result)
        lines += [
            f"[yellow]adjusted[/] {escape(change.field)}: asked {escape(str(change.asked))}, "
            f"granted {escape(str(change.granted))} ({escape(change.reason)})"
            for change in outcome.result.adjustments
        ]
        if outcome.result.text is not None:
            lines.append(f"[bold green]answer[/] {escape(outcome.result.text)}")
    lines += [f"[bold green]saved[/] {_path(path)}" for path in outcome.files]
    return [*lines, f"[dim]{time}[/]", ""]


def saved_lines(files: Iterable[Path]) -> list[str]:
    """Return one line a file (rich markup)."""
    return [f"[bold green]saved[/] {_path(path)}" for path in files]


def unsaved_lines(left: Iterable[str]) -> list[str]:
    """Return a line that says what the named file does not hold (rich markup), none where it holds all."""
    named = ", ".join(left)
    return [f"[yellow]not saved[/]: {named}; without --out all is saved."] if named else []


def with_saved(document: str, files: Iterable[Path]) -> str:
    """Return a JSON object with the files that were saved."""
    content = {**json.loads(document), "saved": [str(path) for path in files]}
    return json.dumps(content, indent=2, ensure_ascii=False)


def _path(path: Path) -> str:
    return escape(str(path))


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == "tasks")
    return table
