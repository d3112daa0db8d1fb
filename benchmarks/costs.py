"""Measure what each size costs and write the table that dry runs read: ``python benchmarks/costs.py``.

Each size runs in a process of its own, so that its peak memory is its own. Rows of other machines stay.
`switch_costs.py` beside it does the same for the switches of a pipeline.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from unison_agent import MediaSet, Plan, ProgressEvent, Request, Unison
from unison_agent.forecast import FILE, Cost, machine_name, shipped_costs
from unison_agent.tasks import TASK_CALL

TABLE = Path(__file__).parents[1] / "tools" / FILE
STEPS = 12
RUNS = 3
_KIB_A_GIB = 2**20


def measure(profile: str, num_frames: int) -> Cost:
    """Return the cost of a clip, of a picture (1 frame), or of an answer (0): of the run that was disturbed least."""
    unison = Unison.from_pretrained(profile)
    task = {0: "text_understanding", 1: "text_to_image"}.get(num_frames, "text_to_video")
    tool = next(spec.name for spec in unison.tools() if task in spec.tasks)
    values: dict[str, object] = {"task": task}
    values |= (
        {"question": "What is the capital of France?"}
        if num_frames == 0
        else {"prompt": "a red star on a blue background", "steps": STEPS}
    )
    if num_frames > 1:
        values["num_frames"] = num_frames
    plan = Plan(request=Request(text="measure"), steps=(TASK_CALL.validate_python(values),))
    marks: list[float] = []

    def listen(event: ProgressEvent) -> None:
        if event.stage == "denoise":
            marks.append(time.perf_counter())

    size = {"width": 0, "height": 0}
    spent: list[float] = []
    steps: list[float] = []
    for run in range(RUNS + 1):  # the first loads
        marks.clear()
        begun = time.perf_counter()
        result = unison.run(plan, MediaSet(), progress=listen)
        if run > 0:
            spent.append(time.perf_counter() - begun)
            steps += [after - before for before, after in pairwise(marks)]
        for output in result.outputs:
            size.update(width=output.medium.width, height=output.medium.height)
    step = statistics.median(steps) if steps else 0.0
    return Cost(
        tool=tool,
        machine=machine_name(),
        num_frames=num_frames,
        step_seconds=round(step, 4),
        other_seconds=round(max(0.0, min(spent) - STEPS * step), 3),
        peak_gib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_A_GIB, 2),
        **size,
    )


def main() -> None:
    """Measure all sizes and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--frames", type=int, nargs="*", default=[0, 1, 5, 9, 17])
    parser.add_argument("--one", type=int, help="measure this and print it")
    args = parser.parse_args()
    if args.one is not None:
        print(measure(args.profile, args.one).model_dump_json())
        return
    rows: list[Cost] = []
    for num_frames in args.frames:
        command = [sys.executable, __file__, "--profile", args.profile, "--one", str(num_frames)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(Cost.model_validate_json(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    measured = {(row.tool, row.machine) for row in rows}
    kept = [
        cost
        for cost in shipped_costs()
        if cost.switches or (cost.tool, cost.machine) not in measured
    ]
    values = [cost.model_dump(exclude_defaults=True) for cost in (*kept, *rows)]
    TABLE.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
