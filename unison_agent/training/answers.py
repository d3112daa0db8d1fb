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

from unison_agent import compose, conversation
from unison_agent.conversation import Seen, Tokens
from unison_agent.reading import Frames, inputs_of, multimodal, patches_of
from unison_agent.scenes import words, world
from unison_agent.scenes.examples import spread
from unison_agent.training.loop import Budget, add_run_arguments, set_rate

LEARNING_RATE = 1e-3
BATCH = 16


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
_END_OF_TURN = 2


def example(rng: random.Random) -> tuple[Frames, words.Question]:
    """Return what is seen, a question and its answer."""
    if rng.random() < 0.4:
        scene = world.random_scene(rng, count=rng.choice((1, 1, 2)), moving=True)
        clip = world.draw_clip(scene, rng.choice((9, 13, 17)))
        return ("video", spread(clip)), words.question(rng, scene)
    scene = world.random_scene(rng)
    return ("image", world.draw(scene)[None]), words.question(rng, scene)


def main() -> None:
    """Train or resume, and write the adapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--vision", type=Path, required=True)
    add_run_arguments(parser, out=Path("runs/answers"), minutes=25, threads=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
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

    def batch(size: int) -> tuple[Tensor, Tensor]:
        """Return final states of the answers' positions as logits, and the tokens to say."""
        rows: list[Tokens] = []
        frames: list[Frames] = []
        lengths: list[int] = []
        for _ in range(size):
            seen, asked = example(rng)
            count = -(-len(seen[1]) // 2) * 16
            row = conversation.asking(tokenizer, asked.text, [Seen(seen[0], count)])
            said = (*conversation.user_ids(tokenizer, asked.answer), _END_OF_TURN)
            rows.append(Tokens(row.ids + said, row.types + (0,) * len(said)))
            frames.append(seen)
            lengths.append(len(said))
        inputs = inputs_of(rows, [patches_of(one) for one in frames], model, _END_OF_TURN)
        hidden = model.model(
            input_ids=inputs.ids,
            attention_mask=inputs.mask.long(),
            use_cache=False,
            **multimodal(inputs),
        ).last_hidden_state
        ids, mask = inputs.ids, inputs.mask
        ends = mask.sum(1)
        take = torch.zeros_like(mask)
        for i, (end, length) in enumerate(zip(ends.tolist(), lengths, strict=True)):
            take[i, end - length : end] = True
        before = take.roll(-1, dims=1)
        return model.lm_head(hidden[before]).float(), ids[take]

    def save() -> None:
        lora = {k: p.detach() for k, p in trained.items()}
        budget.save({"lora": lora, "optimizer": optimizer.state_dict()})

    while not budget.over:
        set_rate(optimizer, LEARNING_RATE, budget.rate())
        logits, wanted = batch(BATCH)
        loss = functional.cross_entropy(logits, wanted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        budget.count(BATCH)
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
