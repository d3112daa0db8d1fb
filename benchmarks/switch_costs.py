"""Measure what the switches of a pack save and cost: ``python benchmarks/switch_costs.py``.

Of Wan VACE 1.3B as published, with random weights: memory and time do not depend on what weights say, so a
bare machine with a GPU needs no network. Without a GPU, or with --tiny, the tiny models of the tests run. Each
combination runs in a process of its own. --write adds the rows to tools/costs.json for dry runs.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import PIL.Image

from unison_agent import MediaSet, ProgressEvent
from unison_agent.adapters.video import WanVaceAdapter
from unison_agent.errors import UnisonError
from unison_agent.forecast import FILE, Cost, machine_name, shipped_costs
from unison_agent.pipelines import MemoryBudget, PipelineStore
from unison_agent.specs import PipelineSpec
from unison_agent.tasks import TASK_CALL, GrantedImage, GrantedVideo
from unison_agent.testing_wan import tiny_text_encoder, tiny_wan_vace

TABLE = Path(__file__).parents[1] / "tools" / FILE
TASKS = ("text_to_image", "text_to_video", "image_editing")
TILES: dict[str, object] = {"vae_tiling": True}
EIGHT_BITS: dict[str, object] = {"storage_dtype": "float8_e4m3fn"}
COMBINATIONS: dict[str, dict[str, dict[str, object]]] = {
    "plain": {},
    "tiling": {"memory": TILES},
    "model offload": {"memory": {**TILES, "offload": "model"}},
    "sequential offload": {"memory": {**TILES, "offload": "sequential"}},
    "block offload": {"memory": {**TILES, "offload": "block", "blocks_per_group": 4}},
    "block offload, stream": {"memory": {**TILES, "offload": "block", "use_stream": True}},
    "leaf offload, stream": {"memory": {**TILES, "offload": "leaf", "use_stream": True}},
    "8 bits at rest": {"memory": {**TILES, **EIGHT_BITS}},
    "8 bits at rest, model offload": {"memory": {**TILES, **EIGHT_BITS, "offload": "model"}},
    "int8": {"memory": {**TILES, "quantization": "int8"}},
    "float8": {"memory": {**TILES, "quantization": "float8"}},
    "taylorseer, layers": {"memory": TILES, "speed": {"cache": {"method": "taylorseer"}}},
    "taylorseer, model": {
        "memory": TILES,
        "speed": {"cache": {"method": "taylorseer", "scope": "model"}},
    },
    "compiled blocks": {"memory": TILES, "speed": {"compile": "blocks"}},
    "compiled, model offload": {
        "memory": {**TILES, "offload": "model"},
        "speed": {"compile": "whole"},
    },
}


@dataclass(frozen=True)
class Size:
    """What is measured: 480p as published, or what runs in moments."""

    width: int
    height: int
    num_frames: int
    vae_spatial: int
    dtype: Literal["float32", "bfloat16"]


FULL = Size(832, 480, 81, 8, "bfloat16")
TINY = Size(32, 32, 9, 4, "bfloat16")


def save(folder: Path, *, tiny: bool) -> None:
    """Write the pipeline with random weights; the full one takes about 15 GB."""
    if tiny:
        pipe: Any = tiny_wan_vace(vae_temporal=4, text_encoder=True)
    else:
        pipe = _full()
    pipe.save_pretrained(folder)


def _full() -> object:
    """Build Wan2.1-VACE-1.3B by the sizes of its published configuration."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        UniPCMultistepScheduler,
        WanVACEPipeline,
        WanVACETransformer3DModel,
    )
    from transformers import UMT5Config, UMT5EncoderModel

    tokenizer, _ = tiny_text_encoder()
    text = UMT5Config(
        vocab_size=256384, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    with torch.device("meta"):
        encoder = UMT5EncoderModel(text)
        transformer = WanVACETransformer3DModel(
            num_attention_heads=12, attention_head_dim=128, in_channels=16, out_channels=16,
            text_dim=4096, freq_dim=256, ffn_dim=8960, num_layers=30,
            vace_layers=list(range(0, 30, 2)), vace_in_channels=96,
        )  # fmt: skip
    models = [_random(encoder), _random(transformer)]
    return WanVACEPipeline(
        tokenizer=tokenizer,
        text_encoder=models[0],
        transformer=models[1],
        vae=AutoencoderKLWan().eval(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )


def _random(model: Any) -> Any:
    """Give a model on "meta" small random weights; its tables of positions are made when it is loaded."""
    import torch

    made = model.to(torch.bfloat16).to_empty(device="cpu").eval()
    if hasattr(made, "tie_weights"):
        made.tie_weights()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2**20, generator=generator).to(torch.bfloat16) * 0.02
    with torch.no_grad():
        for (
            weight
        ) in made.parameters():  # the same noise over and over: drawing 7 billion takes minutes
            flat = weight.view(-1)
            for start in range(0, flat.numel(), noise.numel()):
                part = flat[start : start + noise.numel()]
                part.copy_(noise[: part.numel()])
    return made


def measure(folder: Path, name: str, size: Size, steps: int, device: str | None) -> list[Cost]:
    """Return a row a task, with the pipeline switched as the combination says."""
    import torch

    spec = PipelineSpec.model_validate(
        {
            "source": "local", "path": str(folder), "text_encoder": True, "dtype": size.dtype,
            "vae_spatial": size.vae_spatial, "vae_temporal": 4, **COMBINATIONS[name],
        }
    )  # fmt: skip
    budget = MemoryBudget()
    loaded = PipelineStore(device=device, budget=budget).get(spec)
    print(f"{name}: weights of {budget.loaded[0].gigabytes:.2f} GB", file=sys.stderr)
    adapter = WanVaceAdapter(loaded)
    on_gpu = torch.cuda.is_available() and device != "cpu"
    rows: list[Cost] = []
    for task in TASKS:
        _run(adapter, task, size, 2)  # warm, and compiled
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        step_seconds, other_seconds = _run(adapter, task, size, steps)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        rows.append(
            Cost(
                tool="tiny" if size is TINY else "wan-vace-video",
                machine=machine_name(),
                task=task,
                switches=spec.switched,
                width=size.width,
                height=size.height,
                num_frames=size.num_frames if "video" in task else 1,
                step_seconds=round(step_seconds, 4),
                other_seconds=round(other_seconds, 3),
                peak_gib=round((torch.cuda.max_memory_allocated() if on_gpu else peak) / 2**30, 2),
            )
        )
    return rows


def _run(adapter: WanVaceAdapter, task: str, size: Size, steps: int) -> tuple[float, float]:
    """Return the mean seconds of a step, and those of all else."""
    values: dict[str, object] = {"task": task, "prompt": "a red star on a blue background"}
    pictures: list[PIL.Image.Image] = []
    if task == "image_editing":
        values |= {"source": "image_1", "mask": "image_2"}
        sides = (size.width, size.height)
        pictures = [PIL.Image.new("RGB", sides, "red"), PIL.Image.new("L", sides, 255)]
    common: dict[str, Any] = {
        "tool": "measured", "width": size.width, "height": size.height, "steps": steps,
        "guidance_scale": 5.0, "seed": 0, "num_outputs": 1,
    }  # fmt: skip
    granted = (
        GrantedVideo(output="video", num_frames=size.num_frames, fps=16, **common)
        if "video" in task
        else GrantedImage(output="image", **common)
    )
    marks: list[float] = []

    def listen(event: ProgressEvent) -> None:
        if event.stage == "denoise":
            marks.append(time.perf_counter())

    begun = time.perf_counter()
    media = MediaSet.of(pictures)
    adapter.run(TASK_CALL.validate_python(values), granted, media, None, listen)
    total = time.perf_counter() - begun
    # From the end of the first step on: what comes before it is not of the loop.
    step_seconds = (marks[-1] - marks[1]) / (len(marks) - 2)
    return step_seconds, max(0.0, total - steps * step_seconds)


def main() -> None:
    """Measure all combinations and print them as a table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="the tests' models, whatever there is")
    parser.add_argument("--device", help="where to run; the GPU if there is one")
    parser.add_argument("--steps", type=int, default=12, help="3 at least; caches need about 12")
    parser.add_argument("--only", nargs="*", default=list(COMBINATIONS), choices=COMBINATIONS)
    parser.add_argument("--folder", type=Path, help="keep the weights here, or find them here")
    parser.add_argument("--write", action="store_true", help=f"add the rows to tools/{FILE}")
    parser.add_argument("--one", choices=COMBINATIONS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    tiny = args.tiny or not torch.cuda.is_available()
    size = TINY if tiny else FULL
    if args.one is not None:
        try:
            rows = measure(args.folder, args.one, size, args.steps, args.device)
        except UnisonError as error:
            print(json.dumps({"lacks": str(error)}))
        else:
            print(json.dumps([row.model_dump() for row in rows]))
        return
    if args.steps < 3:
        parser.error("--steps is 3 at least")
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        if not (folder / "model_index.json").is_file():
            save(folder, tiny=tiny)
        rows = _all(args, folder)
    if args.write and rows:
        _write(rows)


def _all(args: argparse.Namespace, folder: Path) -> list[Cost]:
    print("| switches | task | GiB | s a step | s besides |\n|---|---|---|---|---|", flush=True)
    found: list[Cost] = []
    for name in args.only:
        command = [sys.executable, __file__, "--one", name, "--folder", str(folder)]
        command += ["--steps", str(args.steps), *(["--tiny"] if args.tiny else [])]
        command += ["--device", args.device] if args.device else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            said = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):  # out of memory, say: the others go on
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"| {name} | failed: {last} | | | |", flush=True)
            continue
        if isinstance(said, dict):
            print(f"| {name} | {said['lacks']} | | | |", flush=True)
            continue
        for row in map(Cost.model_validate, said):
            found.append(row)
            print(
                f"| {name} | {row.task} | {row.peak_gib} | {row.step_seconds} | {row.other_seconds} |",
                flush=True,
            )
    return found


def _write(rows: list[Cost]) -> None:
    measured = {(row.tool, row.machine, row.switches) for row in rows}
    kept = [
        cost for cost in shipped_costs() if (cost.tool, cost.machine, cost.switches) not in measured
    ]
    values = [cost.model_dump(exclude_defaults=True) for cost in (*kept, *rows)]
    TABLE.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
