"""A planning LoRA as peft and LLaMA-Factory save it, on a tiny random Qwen2_5_VL: active, off, and its traps."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)

from unison_agent.conversation import CHAT_HEAD
from unison_agent.errors import WeightsError
from unison_agent.merged_checkpoint import check_merged
from unison_agent.peft_lora import PeftLora
from unison_agent.planning.signal_planner import SignalPlanner, SignalVocabulary
from unison_agent.planning.signal_tokens import Signal
from unison_agent.tasks import Attachment, Request
from unison_agent.vlm import UnderstandingModel

IDS = torch.tensor([[5, 40, 41, 42, 43]])
ROWS = 272  # of the base; the tokenizer has fewer tokens, and with the 14 added ones more
pytestmark = pytest.mark.filterwarnings("ignore")  # peft and transformers warn of tiny models


def make_tokenizer() -> PreTrainedTokenizerFast:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core = Tokenizer(
        models.BPE(vocab={t: i for i, t in enumerate([*control, *letters])}, merges=[])
    )
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    core.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    made.add_tokens(control, special_tokens=True)
    return made


def make_model() -> Qwen2_5_VLForConditionalGeneration:
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": ROWS,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 3, 3],
            },
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 32,
            "fullatt_block_indexes": [0],
        },
        image_token_id=266,
        video_token_id=267,
        vision_start_token_id=268,
        vision_end_token_id=269,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2_5_VLForConditionalGeneration(config).eval().requires_grad_(False)
    model.tie_weights()
    assert model.lm_head.weight is model.get_input_embeddings().weight
    return model


def logits(model: object) -> Tensor:
    with torch.inference_mode():
        return cast("Callable[..., Any]", model)(input_ids=IDS).logits.clone()


def trained(folder: Path) -> Tensor:
    """Save a LoRA with the 14 tokens into `folder`; return what the model with it says."""
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([signal.value for signal in Signal], special_tokens=True)
    model = make_model()
    model.resize_token_embeddings(288)
    settings = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "v_proj", "up_proj"],
        modules_to_save=["embed_tokens", "lm_head"],
        init_lora_weights=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        peft = cast("PeftModel", get_peft_model(model, settings)).eval()
        for name, parameter in peft.named_parameters():
            if "modules_to_save" in name:  # the two are trained apart
                parameter.data = parameter.data + 0.3 * torch.randn(parameter.shape)
    peft.save_pretrained(str(folder))
    tokenizer.save_pretrained(folder)  # pyright: ignore[reportUnknownMemberType]
    return logits(peft)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tensor]:
    folder = tmp_path_factory.mktemp("lora")
    return folder, trained(folder)


@pytest.fixture
def folder(saved: tuple[Path, Tensor], tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(saved[0], tmp_path / "lora"))


def understanding() -> UnderstandingModel:
    return UnderstandingModel(make_model(), make_tokenizer(), layer=2, fingerprint="0" * 64)


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], Mapping[str, Tensor]]) -> None:
    file = folder / "adapter_model.safetensors"
    values = {name: value.clone() for name, value in load_file(file).items()}
    save_file(dict(change(values)), file)


def configure(folder: Path, **settings: object) -> None:
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8")) | settings
    file.write_text(json.dumps(config), encoding="utf-8")


def test_it_is_what_peft_makes_of_it_and_leaves_no_trace(saved: tuple[Path, Tensor]):
    folder, wanted = saved
    model = understanding()
    base = logits(model.model)
    model.add_peft_planner(folder)
    assert torch.equal(logits(model.model), base)
    with model._using("planner"):
        torch.testing.assert_close(logits(model.model), wanted, atol=1e-4, rtol=1e-4)
        assert model.model.lm_head.weight.shape[0] == 288
    assert torch.equal(logits(model.model), base)
    with model._using("answers"):
        assert torch.equal(logits(model.model), base)


def test_it_plans_in_signal_tokens(saved: tuple[Path, Tensor]):
    model = understanding()
    model.add_peft_planner(saved[0])
    planner = SignalPlanner(model, SignalVocabulary.of(model.tokenizer))
    attached = (Attachment(handle="image_1", kind="image"),)
    plans = planner.plan_batch(
        [Request(text="a 480p fox <CFI>", attachments=attached), Request(text="why?")]
    )
    assert all(len(plan.steps) == 1 for plan in plans)


def test_the_projector_reads_with_it_and_the_resampler_without(saved: tuple[Path, Tensor]):
    model = understanding()
    before, chat = model.read("a fox").states, model.read_chat("a fox").states
    model.add_peft_planner(saved[0])
    assert torch.equal(model.read("a fox").states, before)
    assert not torch.equal(model.read_chat("a fox").states, chat)
    plain = model.read_chat("a fox", [])
    assert plain.states.shape[1] == len(model.tokenizer(CHAT_HEAD)["input_ids"]) + 5 + 2  # pyright: ignore[reportArgumentType]
    placed = model.read_chat("a fox", [("image_1", "image")])
    assert placed.states.shape[1] == plain.states.shape[1] + 1


def test_layers_of_older_versions_of_transformers_are_found(folder: Path):
    rewrite(
        folder,
        lambda values: {
            name.replace("model.model.language_model.", "model.model."): value
            for name, value in values.items()
        },
    )
    assert "layers.0.self_attn.q_proj.lora_A.weight" in PeftLora.load(folder).values


def without(*parts: str) -> Callable[[dict[str, Tensor]], Mapping[str, Tensor]]:
    return lambda values: {k: v for k, v in values.items() if not any(p in k for p in parts)}


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        (("lm_head",), "holds embed_tokens for 14 added tokens .* but no lm_head and the base model ties"),
        (("embed_tokens",), "holds lm_head for 14 added tokens .* but no embed_tokens"),
        (("lm_head", "embed_tokens"), "have no trained rows: .* holds neither embed_tokens nor lm_head"),
    ],
)  # fmt: skip
def test_added_tokens_without_rows_are_refused(folder: Path, lacking: tuple[str, ...], why: str):
    rewrite(folder, without(*lacking))
    with pytest.raises(WeightsError, match=f"lacks {sorted(lacking)[0]}, which .* modules_to_save"):
        PeftLora.load(folder)
    configure(folder, modules_to_save=None)
    with pytest.raises(WeightsError, match=why):
        understanding().add_peft_planner(folder)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3', expected 'LORA'"),
        ({"use_dora": True}, "use_dora is True, expected False"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"r": "4"}, "expected numbers r and lora_alpha, got '4'"),
        ({"target_modules": "all-linear"}, "a list of target_modules, got 'all-linear'"),
        ({"r": 8}, "size mismatch"),
        ({"target_modules": ["q_proj"]}, "names differ"),
    ],
)
def test_a_configuration_that_does_not_fit(folder: Path, settings: dict[str, object], why: str):
    configure(folder, **settings)
    with pytest.raises(WeightsError, match=why):
        understanding().add_peft_planner(folder)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("adapter_config.json", r"adapter_config\.json cannot be read"),
        ("adapter_model.safetensors", r"missing; adapter_model\.bin is a pickle, which is not loaded"),
        ("tokenizer_config.json", r"holds no tokenizer"),
    ],
)  # fmt: skip
def test_files_that_are_missing(folder: Path, name: str, why: str):
    (folder / name).unlink()
    (folder / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match=why):
        PeftLora.load(folder)


def test_rows_and_widths_that_do_not_fit(folder: Path):
    def cut(values: dict[str, Tensor]) -> Mapping[str, Tensor]:
        return {k: v[:200].clone() if "lm_head" in k else v for k, v in values.items()}

    def widen(values: dict[str, Tensor]) -> Mapping[str, Tensor]:
        return {k: torch.zeros(288, 40) if "lm_head" in k else v for k, v in values.items()}

    rewrite(folder, widen)
    with pytest.raises(WeightsError, match=r"lm_head is \(288, 40\), the model's is \(272, 32\)"):
        understanding().add_peft_planner(folder)
    rewrite(folder, cut)
    with pytest.raises(WeightsError, match="lm_head has 200 rows, the tokenizer 273 tokens"):
        PeftLora.load(folder)


def test_a_tokenizer_of_another_model(folder: Path):
    model = understanding()
    model.tokenizer.add_tokens(["<other>"])
    with pytest.raises(WeightsError, match="the token '<other>' is None, in the base model 259"):
        model.add_peft_planner(folder)


# --- merged by hand ---------------------------------------------------------------------------------


def test_defect_43_a_merged_model_that_is_said_to_be_tied(tmp_path: Path):
    """The script needs tie_word_embeddings edited by hand; where that is forgotten, tokens come out wrong."""
    head, embeddings = torch.zeros(20, 4), torch.zeros(20, 4)
    head[14:] = 1
    config = tmp_path / "config.json"
    values = {"lm_head.weight": head, "model.language_model.embed_tokens.weight": embeddings}
    save_file(values, tmp_path / "model.safetensors")
    for tied in ({"tie_word_embeddings": True}, {"text_config": {"tie_word_embeddings": True}}):
        config.write_text(json.dumps(tied), encoding="utf-8")
        with pytest.raises(WeightsError, match="differs from embed_tokens in 6 of 20 rows"):
            check_merged(tmp_path)
    config.write_text(json.dumps({"tie_word_embeddings": False}), encoding="utf-8")
    check_merged(tmp_path)
    save_file(values | {"lm_head.weight": embeddings.clone()}, tmp_path / "model.safetensors")
    config.write_text(json.dumps({"tie_word_embeddings": True}), encoding="utf-8")
    check_merged(tmp_path)
    config.write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"config\.json cannot be read"):
        check_merged(tmp_path)
