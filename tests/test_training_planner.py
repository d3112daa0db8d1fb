import random
from collections.abc import Mapping
from itertools import chain, count, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from unison_agent.tasks import Request
from unison_agent.training.planner import Encoded, answer_loss, batches, encode
from unison_agent.training.planning_data import Sample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class Characters:
    """A tokenizer of which every character is a token."""

    eos_token_id = 0
    added_tokens_decoder: Mapping[int, object] = MappingProxyType({})

    def __call__(self, text: str, **_: object) -> Mapping[str, list[int] | list[tuple[int, int]]]:
        offsets = [(place, place + 1) for place in range(len(text))]
        return {"input_ids": [ord(char) for char in text], "offset_mapping": offsets}


@pytest.mark.parametrize(
    ("answer", "choosing"),
    [
        ('{"task":"text_to_image","seed":7,"prompt":"a \\"cat\\""}', '{"task":"text_to_image",'),
        ('{"task":"text_understanding"}', '{"task":"text_understanding"}'),
        ('{"needs_input":"mask"}', '{"needs_input":"mask"}'),
    ],
)
def test_the_kind_of_call_is_known_among_the_tokens(answer: str, choosing: str):
    sample = Sample(Request(text="draw a cat"), answer, "text_to_image", 1, "test")
    one = encode(sample, cast("PreTrainedTokenizerFast", Characters()))
    assert "".join(map(chr, one.answer[: one.choosing])) == choosing
    assert one.answer[-1] == 0
    assert "draw a cat" in "".join(map(chr, one.prompt))


def test_batches_hold_samples_of_like_length_and_lose_none():
    stream = (Encoded([1] * (7 * number % 40), [2], 1) for number in count())
    made = list(islice(batches(stream, 4, random.Random(0)), 16))
    lengths = [[len(one.prompt) for one in batch] for batch in made]
    assert sorted(chain.from_iterable(lengths)) == sorted(7 * number % 40 for number in range(64))
    assert max(max(batch) - min(batch) for batch in lengths) <= 5


def test_the_loss_is_of_the_answers_and_weighs_the_kind_of_call_most():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=11,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    model = LlamaForCausalLM(config).eval()
    batch = [Encoded([3, 4, 5], [6, 7, 0], 1), Encoded([8], [9, 0], 2)]
    total = weights = 0.0
    for one in batch:
        ids = torch.tensor([[*one.prompt, *one.answer]])
        losses = torch.nn.functional.cross_entropy(
            model(input_ids=ids).logits[0, len(one.prompt) - 1 : -1],
            torch.tensor(one.answer),
            reduction="none",
        )
        weight = torch.tensor([4.0] * one.choosing + [1.0] * (len(one.answer) - one.choosing))
        total += (losses * weight).sum().item()
        weights += weight.sum().item()
    assert answer_loss(model, batch).item() == pytest.approx(total / weights, rel=1e-4)
