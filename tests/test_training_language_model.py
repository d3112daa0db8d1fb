"""The planning trainer on both kinds of base: a plain language model, and the one inside a Qwen2.5-VL."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from unison_agent import compose
from unison_agent.planning.grammar import request_grammar
from unison_agent.progress import silent
from unison_agent.training.language_model import open_language_model
from unison_agent.training.lora import read_adapter
from unison_agent.training.planner import TrainingOptions, train
from unison_agent.training.planner_evaluation import load_writer

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


@pytest.fixture(params=["llama", "qwen2_5_vl"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a tiny random model of the kind, and nano's tokenizer."""
    tokenizer = compose.load_tokenizer(compose.base_folder(silent))
    vocabulary = {"vocab_size": len(tokenizer)}
    if request.param == "llama":
        model = LlamaForCausalLM(LlamaConfig.from_dict({**SIZES, **vocabulary}))
    else:
        rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
        vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16}
        model = Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(
                text_config={**SIZES, **vocabulary, "rope_parameters": rope},
                vision_config={**vision, "out_hidden_size": 32},
            )
        )
    folder = tmp_path / "base"
    model.to(torch.bfloat16).save_pretrained(folder)  # pyright: ignore[reportArgumentType]
    tokenizer.save_pretrained(folder)
    return folder


def test_a_lora_is_trained_and_writes_calls_on_either_base(base: Path, tmp_path: Path) -> None:
    options = TrainingOptions(base=base, out=tmp_path / "run", minutes=0.02, batch_size=2)
    adapter = train(options)
    known = read_adapter(adapter)
    another = TrainingOptions(base=base, out=tmp_path / "other", minutes=0.0, start=adapter)
    started = read_adapter(train(another))
    assert all(torch.equal(tensor, known[name]) for name, tensor in started.items())
    names = set(known)
    assert "layers.0.self_attn.q_proj.lora_A.weight" in names
    assert len(names) == 2 * 7 * 2  # layers, linear layers of each, A and B
    assert json.loads((adapter / "adapter_config.json").read_text("utf-8"))["r"] == 16
    writer = load_writer(base, adapter)
    text = "Draw a cat"
    written = writer.write(text, request_grammar(text, ()), copy_from=text, max_new_tokens=200)
    assert written.text.startswith('{"')


def test_the_lora_s_names_are_relative_to_the_language_model(base: Path) -> None:
    body = open_language_model(base).body
    modules = cast("Iterable[tuple[str, torch.nn.Module]]", body.named_modules())
    linear = [name for name, _ in modules if name.endswith("q_proj")]
    assert linear == [f"layers.{layer}.self_attn.q_proj" for layer in range(2)]
