"""Turn finished runs into the files that ship in unison_agent/nano; it trains nothing.

``python -m unison_agent.training.nano export`` takes whichever of the runs exist, leaves the shipped files
of the others alone, and writes both SHA256SUMS anew.
"""

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unison_agent import compose, weights
from unison_agent.connector import Connector, Contract, Resampler, Shape
from unison_agent.conversation import READ_TEMPLATE_SHA256
from unison_agent.training import closed_form_vae as vae
from unison_agent.training.generator_batches import LATENT_CHANNELS, scene_basis
from unison_agent.training.states import LAYER, TEXT_DIM
from unison_agent.training.wan_transformer import PATCH, make_transformer

if TYPE_CHECKING:
    from diffusers import UniPCMultistepScheduler

NANO = Path(compose.__file__).with_name("nano")


def scheduler(flow_shift: float = 2.0, predict: str = "clean") -> "UniPCMultistepScheduler":
    """Return UniPC for a model that says the clean latents, or the velocity, on flow sigmas."""
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="sample" if predict == "clean" else "flow_prediction",
        use_flow_sigmas=True,
        flow_shift=flow_shift,
        solver_order=2,
    )


def export_generator(
    checkpoint: Path, nano: Path, *, predict: str = "clean", patch: int = PATCH
) -> None:
    """Write pipeline/ and connector.safetensors from the averaged weights of a checkpoint.

    Args:
        checkpoint: last.pt of a run.
        nano: Folder of the weights; its vision tower is the one whose states the run read.
        predict: What the run learned to say, "clean" latents or the "velocity".
        patch: Latent cells a side of its tokens.
    """
    from diffusers import WanVACEPipeline

    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    transformer = make_transformer(LATENT_CHANNELS + vae.BORDER_CHANNELS, TEXT_DIM, patch).eval()
    connector_state = cast("dict[str, Tensor]", state["connector"])
    hidden = connector_state["input.weight"].shape[1]
    module = Resampler(Shape(hidden, TEXT_DIM))
    transformer.load_state_dict(state["transformer"])
    module.load_state_dict(connector_state)
    parameters = [*transformer.parameters(), *module.parameters()]
    with torch.no_grad():
        for parameter, value in zip(parameters, state["average"], strict=True):
            parameter.copy_(value)
    folder = nano / "pipeline"
    shutil.rmtree(folder, ignore_errors=True)
    pipe = WanVACEPipeline(
        tokenizer=None,  # pyright: ignore[reportArgumentType]
        text_encoder=None,  # pyright: ignore[reportArgumentType]
        vae=vae.build_vae(scene_basis()),
        scheduler=scheduler(predict=predict),  # pyright: ignore[reportArgumentType]
        transformer=transformer.half(),
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    weights.write_sums(folder, [n for n in names if n != weights.SUMS])
    contract = Contract(
        understanding_sha256=compose.fingerprint_of(
            weights.sha256_file(nano / "vision.safetensors")
        ),
        layer=LAYER,
        template_sha256=READ_TEMPLATE_SHA256,
        text_dim=TEXT_DIM,
    )
    Connector(module, contract).save(nano / "connector.safetensors")


def export_adapter(run: Path, target: Path) -> None:
    """Copy an adapter, in half precision."""
    target.mkdir(parents=True, exist_ok=True)
    values = {
        k: v.bfloat16().contiguous() for k, v in load_file(run / "adapter.safetensors").items()
    }
    save_file(values, target / "adapter.safetensors")
    shutil.copyfile(run / "adapter_config.json", target / "adapter_config.json")


def main() -> None:
    """Export the runs that exist."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--nano", type=Path, default=NANO)
    args = parser.parse_args()
    runs, nano = args.runs, args.nano
    if (runs / "vision" / "vision.safetensors").exists():
        shutil.copyfile(runs / "vision" / "vision.safetensors", nano / "vision.safetensors")
    # The planner's trainer leaves its adapter in a folder of its own, beside the checkpoint.
    for name, run in (("planner", runs / "planner" / "adapter"), ("answers", runs / "answers")):
        if (run / "adapter.safetensors").exists():
            export_adapter(run, nano / name)
    if (runs / "generator" / "last.pt").exists():
        export_generator(runs / "generator" / "last.pt", nano)
    files = [
        p.relative_to(nano).as_posix()
        for p in nano.rglob("*")
        if p.suffix in {".safetensors", ".json"} and "pipeline" not in p.relative_to(nano).parts
    ]
    weights.write_sums(nano, files)


if __name__ == "__main__":
    main()
