"""Questions that share a row are read as they are alone."""

import random

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from unison_agent import compose
from unison_agent.pipelines.store import NANO_FOLDER
from unison_agent.training.answers import example
from unison_agent.training.shared_questions import answer_logits, row_of


def test_the_logits_are_those_of_rows_of_their_own() -> None:
    base = compose.base_folder()
    tokenizer = compose.load_tokenizer(base)
    tower = load_file(NANO_FOLDER / "vision.safetensors")
    model = compose.build_model(base, tokenizer, tower, torch.float32)
    rng = random.Random(1)
    examples = [example(rng) for _ in range(3)]
    frames = [seen for seen, _ in examples]
    asked = [[(one.text, one.answer) for one in questions] for _, questions in examples]
    shared = [row_of(tokenizer, *both) for both in zip(frames, asked, strict=True)]
    assert all(len(row.parts) > 2 and row.shared > 16 for row in shared)
    with torch.no_grad():
        logits, wanted = answer_logits(model, shared, frames)
        alone = [
            answer_logits(model, [row_of(tokenizer, seen, [one])], [seen])
            for seen, questions in zip(frames, asked, strict=True)
            for one in questions
        ]
    assert torch.equal(wanted, torch.cat([said for _, said in alone]))
    torch.testing.assert_close(logits, torch.cat([one for one, _ in alone]), atol=1e-3, rtol=1e-3)
