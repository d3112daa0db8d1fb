"""Real byte-level BPE tokenizers, learned in a moment from texts; shared by the tests of planning and decoding."""

import random
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from unison_agent.training.planning_data import nano_sample


def learned_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer of `size` tokens, those of Qwen's chats among them."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|im_end|>"
    )


def tokenizer_of_requests() -> PreTrainedTokenizerFast:
    """Return one of 500 tokens, learned from requests."""
    rng = random.Random(0)
    return learned_tokenizer([nano_sample(rng).request.text for _ in range(200)], 500)
