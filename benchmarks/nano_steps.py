"""Measure what nano's pictures gain from more steps of denoising: ``python benchmarks/nano_steps.py``.

Held-out requests of ``text_to_image`` with the same seeds for every number of steps: the share of which ground,
colour, place and name are all right, as ``unison-agent evaluate generation --steps`` measures it, against the
processor time of a request, planning apart. ``--out`` draws both.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import PIL.Image
import torch
from PIL import ImageDraw, ImageFont

from unison_agent import Unison
from unison_agent.evaluation.generation import evaluate_task
from unison_agent.evaluation.generation_cases import cases
from unison_agent.tasks import Plan

TASK = "text_to_image"
DEFAULT_STEPS = 6  # of the tool pack
MEASURES = ("all", "ground", "color", "name", "place")
Color = tuple[int, int, int]
INK: Color = (38, 38, 46)
SOFT: Color = (170, 168, 174)
COLORS: dict[str, Color] = {
    "all": (38, 38, 46),
    "ground": (190, 92, 52),
    "color": (150, 90, 170),
    "name": (66, 109, 191),
    "place": (46, 139, 104),
}


@dataclass(frozen=True, slots=True)
class Point:
    """What one number of steps gives.

    Attributes:
        steps: Of denoising.
        scores: Per cent right, by measure.
        requests: How many were measured.
        seconds: Processor time of a request, the least of three.
    """

    steps: int
    scores: dict[str, float]
    requests: int
    seconds: float


def main() -> None:
    """Print a table or JSON, and draw it with --out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[4, 6, 8, 12, 20])
    parser.add_argument("-n", "--count", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="write the picture, .png")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    unison = Unison.from_pretrained("nano")
    found: list[Point] = []
    for steps in sorted(set(args.steps)):
        found.append(measured(unison, steps, args.count))
        print(f"{steps} steps measured", file=sys.stderr, flush=True)
    if args.out is not None:
        drawn(found).save(args.out)
    print(json.dumps([asdict(one) for one in found], indent=2) if args.json else table(found))


def measured(unison: Unison, steps: int, count: int) -> Point:
    """Return the scores and the time of one number of steps."""
    report = evaluate_task(unison, TASK, count, steps=steps)
    (case,) = cases(TASK, 1)
    call = case.plan.steps[0].model_copy(update={"steps": steps})
    plan = Plan(request=case.plan.request, steps=(call,))
    spent: list[float] = []
    for _ in range(3):
        begun = time.process_time()
        unison.run(plan)
        spent.append(time.process_time() - begun)
    scores = {name: report.scores[name].value for name in MEASURES}
    return Point(steps, scores, count, min(spent))


def table(found: list[Point]) -> str:
    """Return the points as text."""
    lines = [f"{'steps':>6}" + "".join(f"{name:>8}" for name in MEASURES) + f"{'s':>8}{'of':>6}"]
    lines += [
        f"{one.steps:6}"
        + "".join(f"{one.scores[name]:8.1f}" for name in MEASURES)
        + f"{one.seconds:8.2f}{one.requests:6}"
        for one in found
    ]
    return "\n".join(lines)


def drawn(found: list[Point]) -> PIL.Image.Image:
    """Return the curves: per cent right above, processor seconds of a request below, RGB."""
    scale, width, height = 2, 760, 520
    page = PIL.Image.new("RGB", (width * scale, height * scale), "white")
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(14 * scale)
    left, right, top, middle, bottom = 60, width - 110, 50, 330, 460
    steps = [one.steps for one in found]
    first, last = min(steps) - 1, max(steps) + 1
    most = math.ceil(10 * max(one.seconds for one in found)) / 10

    def write(x: float, y: float, text: str, fill: Color = INK, anchor: str = "mm") -> None:
        pen.text((x * scale, y * scale), text, fill=fill, font=font, anchor=anchor)

    def line(points: list[tuple[float, float]], fill: Color, thick: int = 2) -> None:
        pen.line([(x * scale, y * scale) for x, y in points], fill=fill, width=thick * scale)

    def across(count: int) -> float:
        return left + (right - left) * (count - first) / (last - first)

    write(left, 22, f"{TASK}, {found[0].requests} held-out requests: per cent right", anchor="lm")
    for value in range(0, 101, 20):
        y = middle - (middle - top) * value / 100
        line([(left, y), (right, y)], (232, 230, 226), 1)
        write(left - 10, y, str(value), SOFT, "rm")
    line([(left, bottom), (right, bottom)], SOFT, 1)
    write(left - 10, bottom, "0", SOFT, "rm")
    write(left - 10, middle + 45, f"{most:.1f}", SOFT, "rm")
    write(right + 10, bottom - 25, "seconds", INK, "lm")
    for count in steps:
        write(across(count), bottom + 16, str(count), INK if count == DEFAULT_STEPS else SOFT)
    write((left + right) / 2, bottom + 40, f"steps ({DEFAULT_STEPS} is the tool pack's)")
    taken: list[float] = []
    for name in MEASURES[::-1]:  # what counts most lies on top
        ends = [
            (across(one.steps), middle - (middle - top) * one.scores[name] / 100) for one in found
        ]
        line(ends, COLORS[name], 4 if name == "all" else 2)
        y = ends[-1][1]
        while any(abs(y - other) < 17 for other in taken):
            y += 1
        taken.append(y)
        write(right + 10, y, name, COLORS[name], "lm")
    time_of = [
        (across(one.steps), bottom - (bottom - middle - 45) * one.seconds / most) for one in found
    ]
    line(time_of, INK)
    return page.resize((width, height), PIL.Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
