"""Time requests of the nano profile, planning and saving included: ``python benchmarks/nano_latency.py``.

One request of each of the 12 tasks, those of the demo: the median seconds of its warm runs and where they
went. Then the peak memory of all of that in one process, and the seconds of a first ``unison-agent run`` in a
process of its own. Threads are torch's default unless --threads; on a CUDA machine the pipelines run there.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from unison_agent import Unison
from unison_agent.demo import REQUESTS
from unison_agent.demo.inputs import draw_inputs

_STAGES = ("plan", "encode", "denoise", "decode", "answer")
_KIB_A_GIB = 2**20


def main() -> None:
    """Print a line a task, then memory and cold start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    place = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"torch {torch.__version__}, {args.threads} threads, {place}, median of {args.runs} runs")
    print(f"{'task':30}{'total s':>9}" + "".join(f"{stage:>9}" for stage in (*_STAGES, "save")))
    unison, inputs = Unison.from_pretrained("nano"), draw_inputs()
    unison.run("a red star")  # loads
    with tempfile.TemporaryDirectory() as folder:
        for sample in REQUESTS:
            media = [inputs[name] for name in sample.attached]
            runs: list[list[float]] = []
            for number in range(args.runs):
                begun = time.perf_counter()
                result = unison.run(sample.text, media=media)
                made = time.perf_counter()
                if result.artifacts:
                    suffix = "mp4" if result.artifacts[0].kind == "video" else "png"
                    result.save(Path(folder) / f"{sample.task}_{number}.{suffix}")
                done = time.perf_counter()
                spent = [getattr(result.timings, f"{stage}_seconds") for stage in _STAGES]
                runs.append([done - begun, *spent, done - made])
            middle = statistics.median_low(run[0] for run in runs)
            row = next(run for run in runs if run[0] == middle)
            print(f"{sample.task:30}" + "".join(f"{seconds:9.2f}" for seconds in row), flush=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_A_GIB
        print(f"peak memory of this process {peak:.2f} GiB")
        command = [sys.executable, "-m", "unison_agent", "run", REQUESTS[0].text]
        begun = time.perf_counter()
        subprocess.run(
            [*command, "--out", f"{folder}/cold.png"], check=True, stdout=subprocess.DEVNULL
        )
        print(f"cold start to a saved picture {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
