"""Train the answers LoRA: questions about pictures and clips, read through the frozen tower.

Only the LoRA learns. It is off when the connector reads, so it changes no picture, and off for
questions without media, which the base model answers alone.
"""

import argparse
import json
import random
from pathlib import Path
from typing import TypedDict, cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from unison_agent import compose
from unison_agent.reading import Frames
from unison_agent.scenes import words, world
from unison_agent.scenes.examples import spread
from unison_agent.training.loop import Budget, add_run_arguments, set_rate
from unison_agent.training.plain_attention import attend_plainly
from unison_agent.training.shared_questions import answer_logits, row_of

LEARNING_RATE = 1e-3
BATCH = 16  # media a step
QUESTIONS = 7  # about each, equal ones left out
CLIPS = 0.7  # share of the media; what moves where is learned last


class LoraSettings(TypedDict):
    """What peft and the file next to the weights are told."""

    r: int
    lora_alpha: int
    target_modules: list[str]


SETTINGS: LoraSettings = {
    "r": 8,
    "lora_alpha": 16,
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}


def example(rng: random.Random) -> tuple[Frames, list[words.Question]]:
    """Return what is seen, and different questions with their answers."""
    moving = rng.random() < CLIPS
    if moving:
        scene = world.random_scene(rng, count=rng.choice((1, 2)), moving=True)
        frames: Frames = ("video", spread(world.draw_clip(scene, rng.choice((9, 13, 17)))))
    else:
        scene = world.random_scene(rng)
        frames = ("image", world.draw(scene)[None])
    asked = [words.question(rng, scene) for _ in range(QUESTIONS)]
    if len(scene.things) > 1:
        # Which of them moves is said in a description alone, and is the last thing that is learned.
        while all(one.topic != "describe" for one in asked):
            asked[-1] = words.question(rng, scene)
    return frames, list({one.text: one for one in asked}.values())


def main() -> None:
    """Train or resume, and write the adapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--vision", type=Path, required=True)
    add_run_arguments(parser, out=Path("runs/answers"), minutes=25, threads=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    attend_plainly()
    budget = Budget(args.out, args.minutes, warmup_steps=20, cooldown=0.5)
    state = budget.resume()
    torch.manual_seed(args.seed + budget.step)
    rng = random.Random(args.seed + 1000 * budget.step)
    tokenizer = compose.load_tokenizer(args.base)
    model = compose.build_model(args.base, tokenizer, load_file(args.vision), torch.bfloat16)
    language = model.model.language_model
    inject_adapter_in_model(LoraConfig(**SETTINGS), language, adapter_name="answers")
    trained = {k: p for k, p in language.named_parameters() if "lora_" in k}
    for parameter in trained.values():
        parameter.requires_grad_(True)
        parameter.data = parameter.data.float()
    optimizer = torch.optim.AdamW(trained.values(), lr=LEARNING_RATE, weight_decay=0.0)
    if state is not None:
        language.load_state_dict(cast("dict[str, Tensor]", state["lora"]), strict=False)
        optimizer.load_state_dict(state["optimizer"])  # pyright: ignore[reportArgumentType]

    def save() -> None:
        lora = {k: p.detach() for k, p in trained.items()}
        budget.save({"lora": lora, "optimizer": optimizer.state_dict()})

    while not budget.over:
        set_rate(optimizer, LEARNING_RATE, budget.rate())
        examples = [example(rng) for _ in range(BATCH)]
        rows = [
            row_of(tokenizer, frames, [(one.text, one.answer) for one in asked])
            for frames, asked in examples
        ]
        logits, wanted = answer_logits(model, rows, [frames for frames, _ in examples])
        loss = functional.cross_entropy(logits, wanted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        budget.count(sum(len(asked) for _, asked in examples))
        if budget.step % 10 == 0:
            right = (logits.argmax(-1) == wanted).float().mean()
            budget.log(loss=loss.item(), tokens_right=right.item())
        if budget.save_due():
            save()
    save()
    values = {
        k.replace(".answers", ""): p.detach().bfloat16().contiguous() for k, p in trained.items()
    }
    save_file(values, args.out / "adapter.safetensors")
    settings = {"peft_type": "LORA", **SETTINGS}
    (args.out / "adapter_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
