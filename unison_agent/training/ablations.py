"""Short runs that differ in one choice each, and what every one of them then draws right; it ships no weights.

Choices of the generator are learned from nothing on text_to_image alone, choices of the connector against the
generator that ships, frozen. All get the same processor time, so a choice that costs more sees less.

``python -m unison_agent.training.ablations --minutes 10``; a run that is there is not run again.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unison_agent._resources import data
from unison_agent.training.connector_alone import FILE
from unison_agent.training.export import NANO, export_generator
from unison_agent.training.states import LAYER
from unison_agent.training.wan_transformer import COARSE, PATCH

MEASURES = ("ground", "place", "color", "name", "all")


@dataclass(frozen=True, slots=True)
class Variant:
    """What one run does unlike the others.

    Attributes:
        part: The one that learns; the other stays as it is.
        predict: What the transformer says, "clean" latents or "velocity".
        patch: Latent cells a side of its tokens.
        num_queries: Tokens of the connector.
        layer: Hidden states that it reads.
    """

    name: str
    part: Literal["generator", "connector"]
    predict: Literal["clean", "velocity"] = "clean"
    patch: int = COARSE
    num_queries: int = 16
    layer: int = LAYER


VARIANTS = (
    Variant("generator", "generator"),
    Variant("velocity", "generator", predict="velocity"),
    Variant("small-tokens", "generator", patch=PATCH),
    Variant("connector", "connector"),
    Variant("4-queries", "connector", num_queries=4),
    Variant("32-queries", "connector", num_queries=32),
    Variant("layer-10", "connector", layer=LAYER // 2),
    Variant("layer-30", "connector", layer=30),
)


def _run(module: str, *arguments: object) -> None:
    command = [sys.executable, "-m", f"unison_agent.training.{module}", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _pack(variant: Variant, folder: Path) -> Path:
    """Write the tool pack that runs what a variant learned; nano's, but for what differs."""
    text = data("tools").joinpath("nano.toml").read_text(encoding="utf-8")
    text = text.replace(f"layer = {LAYER}", f"layer = {variant.layer}")
    if variant.part == "generator":
        where = (folder / "nano" / "pipeline").resolve().as_posix()
        text = text.replace(
            'source = "nano"\nfolder = "pipeline"', f'source = "local"\npath = "{where}"'
        )
    pack = folder / "pack.toml"
    pack.write_text(text, encoding="utf-8")
    return pack


def learn(variant: Variant, runs: Path, out: Path, minutes: float) -> Path:
    """Train a variant in out/<its name> from what `runs` holds, and return the connector it draws with."""
    folder = out / variant.name
    folder.mkdir(parents=True, exist_ok=True)
    if variant.part == "generator":
        chosen = ("--predict", variant.predict, "--patch", variant.patch)
        here = ("--out", folder, "--minutes", minutes, "--threads", 1)
        start = ("--pools", runs / "pools", "--weights", runs / "connector" / "last.pt")
        _run("generator", "--task", "text_to_image", *start, *here, *chosen)
        weights = folder / "nano"
        weights.mkdir(exist_ok=True)
        shutil.copyfile(NANO / "vision.safetensors", weights / "vision.safetensors")
        export_generator(folder / "last.pt", weights, predict=variant.predict, patch=variant.patch)
        return weights / FILE
    cached = out / f"layer-{variant.layer}-states"
    chosen = ("--queries", variant.num_queries, "--profile", _pack(variant, folder))
    here = ("--out", folder, "--data", runs / "captions", "--cached", cached)
    _run("connector_alone", "--hours", minutes / 60, *here, *chosen)
    return folder / FILE


def last_loss(curve: Path) -> float:
    """Return the loss at the end of a curve, the same measure for all variants of a part; nan of too short a run."""
    if not curve.exists():
        return math.nan
    row = json.loads(curve.read_text(encoding="utf-8").splitlines()[-1])
    return float(row["loss"] if "loss" in row else row["text_to_image"])


def score(variant: Variant, out: Path, connector: Path, count: int) -> dict[str, float]:
    """Return what is right of `count` held-out requests of text_to_image, in per cent."""
    from unison_agent.agent import Unison
    from unison_agent.evaluation.generation import evaluate_task

    unison = Unison.from_pretrained(_pack(variant, out / variant.name), connector=connector)
    found = evaluate_task(unison, "text_to_image", count).scores
    return {name: found[name].value for name in MEASURES}


def main() -> None:
    """Run what has not been run, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="pools, connector, captions"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--minutes", type=float, default=10, help="of the processor, for each")
    parser.add_argument("--count", type=int, default=60, help="held-out requests")
    parser.add_argument("--only", nargs="*", choices=[v.name for v in VARIANTS])
    args = parser.parse_args()
    print("| variant | loss |", " | ".join(MEASURES), "|")
    for variant in VARIANTS:
        if args.only and variant.name not in args.only:
            continue
        connector = learn(variant, args.runs, args.out, args.minutes)
        found = score(variant, args.out, connector, args.count)
        loss = last_loss(args.out / variant.name / "curve.jsonl")
        measured = " | ".join(f"{found[m]:.1f}" for m in MEASURES)
        print(f"| {variant.name} | {loss:.3f} | {measured} |", flush=True)


if __name__ == "__main__":
    main()
