"""Time requests of the nano profile, planning and saving included: ``python benchmarks/nano_latency.py``.

One request of each of the 12 tasks, those of the demo. A row has the seconds of the first run, the median of the
later ones, and where the time of the median run went: "encode" is the understanding model reading for the
connector, "other" what belongs to no part. A first run of a part that is not yet loaded contains loading it. Then
the peak memory of all of that in one process, and the seconds of a first ``unison-agent run`` in a process of its
own. Threads are torch's default unless --threads. On a CUDA machine two more columns are the same on the GPU, where
the pipelines run there; the understanding model stays on the CPU.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from unison_agent import Unison
from unison_agent.connector import Conditioning, Connector, States
from unison_agent.demo import REQUESTS, Sample
from unison_agent.demo.inputs import draw_inputs
from unison_agent.media import Medium

PARTS = ("plan", "encode", "connector", "transformer", "decode", "answer", "save", "other")
KIB_A_GIB = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """The seconds of one request.

    Attributes:
        task: Of the request.
        cold: Of the first run.
        warm: Median of the later runs.
        parts: Where the time of the median run went.
    """

    task: str
    cold: float
    warm: float
    parts: dict[str, float]


def main() -> None:
    """Print a line a task, then memory and cold start; or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="warm ones")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tasks", nargs="*", help="of the demo; all without")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    samples = [one for one in REQUESTS if not args.tasks or one.task in args.tasks]
    rows = measured(samples, args.runs, "cpu")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_GIB
    gpu = measured(samples, args.runs, "cuda") if torch.cuda.is_available() else []
    cold = cold_start()
    if args.json:
        report = {
            "torch": torch.__version__,
            "threads": args.threads,
            "gpu": torch.cuda.get_device_name() if gpu else None,
            "cpu_rows": [asdict(row) for row in rows],
            "gpu_rows": [asdict(row) for row in gpu],
            "peak_gib": peak,
            "cold_start_seconds": cold,
        }
        print(json.dumps(report, indent=2))
        return
    print(f"torch {torch.__version__}, {args.threads} threads, median of {args.runs} warm runs")
    print(table(rows, gpu))
    print(f"peak memory of this process {peak:.2f} GiB")
    print(f"cold start to a saved picture {cold:.2f} s")


def measured(samples: list[Sample], runs: int, device: str) -> list[Row]:
    """Return the rows of one agent that no request has loaded anything of before."""
    unison, inputs = Unison.from_pretrained("nano", device=device), draw_inputs()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for sample in samples:
            media = [inputs[name] for name in sample.attached]
            found = [
                timed(unison, sample, media, Path(folder) / f"{sample.task}_{number}")
                for number in range(runs + 1)
            ]
            middle = statistics.median_low(total for total, _ in found[1:])
            parts = next(parts for total, parts in found[1:] if total == middle)
            rows.append(Row(sample.task, found[0][0], middle, parts))
            print(f"{device}: {sample.task}", file=sys.stderr, flush=True)
    return rows


def timed(
    unison: Unison, sample: Sample, media: list[Medium], target: Path
) -> tuple[float, dict[str, float]]:
    """Return the seconds of one request, in all and by part."""
    begun = time.perf_counter()
    with connector_clock() as inside:
        result = unison.run(sample.text, media=media)
    made = time.perf_counter()
    if result.artifacts:
        suffix = ".mp4" if result.artifacts[0].kind == "video" else ".png"
        result.save(target.with_suffix(suffix))
    done = time.perf_counter()
    spent = result.timings
    parts = {
        "plan": spent.plan_seconds,
        "encode": spent.encode_seconds - sum(inside),
        "connector": sum(inside),
        "transformer": spent.denoise_seconds,
        "decode": spent.decode_seconds,
        "answer": spent.answer_seconds,
        "save": done - made,
    }
    parts["other"] = done - begun - sum(parts.values())
    return done - begun, parts


@contextmanager
def connector_clock() -> Generator[list[float]]:
    """Collect the seconds that connectors take."""
    found: list[float] = []
    condition = Connector.condition

    def clocked(self: Connector, states: States, against: States | None = None) -> Conditioning:
        begun = time.perf_counter()
        made = condition(self, states, against)
        found.append(time.perf_counter() - begun)
        return made

    Connector.condition = clocked
    try:
        yield found
    finally:
        Connector.condition = condition


def cold_start() -> float:
    """Return the seconds from the command line to a saved picture in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "unison_agent", "run", REQUESTS[0].text]
        begun = time.perf_counter()
        subprocess.run(
            [*command, "--out", f"{folder}/cold.png"], check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - begun


def table(rows: list[Row], gpu: list[Row]) -> str:
    """Return the rows as text."""
    heading = f"{'task':32}{'cold s':>8}{'warm s':>8}" + "".join(f"{p:>12}" for p in PARTS)
    lines = [heading + (f"{'GPU cold s':>12}{'GPU warm s':>12}" if gpu else "")]
    for at, row in enumerate(rows):
        line = f"{row.task:32}{row.cold:8.2f}{row.warm:8.2f}"
        line += "".join(f"{row.parts[part]:12.2f}" for part in PARTS)
        lines.append(line + (f"{gpu[at].cold:12.2f}{gpu[at].warm:12.2f}" if gpu else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
