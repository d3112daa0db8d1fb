"""A planning LoRA as peft and LLaMA-Factory save it: checked when it is read, then switched, never merged.

The published way is to merge it and to edit tie_word_embeddings by hand; where that is forgotten, the added
tokens turn into others without an error (`merged_checkpoint` refuses that). Here every other trap is an error
that names it. It knows tensors and token ids, not what the tokens mean.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from unison_agent.errors import MissingDependencyError, WeightsError
from unison_agent.file_hashes import file_hash
from unison_agent.lora import AdapterName, FoldedLoras

if TYPE_CHECKING:
    from typing import Protocol

    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

    class _Texts(Protocol):
        tie_word_embeddings: bool

    class _Config(_Texts, Protocol):
        text_config: _Texts


CONFIG, VALUES = "adapter_config.json", "adapter_model.safetensors"
_EMBEDDINGS, _HEAD = "embed_tokens", "lm_head"
# What changes how a LoRA is computed; none of it is used by the recipes this reads.
_PLAIN: Mapping[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "use_dora": (False, None),
    "bias": ("none", None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "fan_in_fan_out": (False, None),
    "trainable_token_indices": (None,),
}
# Where the language model stood in the names, by the version of transformers that trained it.
_LANGUAGE_MODEL = ("model.language_model.", "language_model.model.", "model.")
_VISION = ("model.visual.", "visual.")
_HINT = "Use the files as the training wrote them: adapter_config.json, adapter_model.safetensors, tokenizer."


@dataclass(frozen=True, slots=True)
class PeftLora:
    """A LoRA that was read and is whole.

    Attributes:
        folder: Where it lies.
        tokenizer: With the added tokens.
        targets: The own names of the layers that it changes.
        rank: Of its matrices.
        scale: Of their product.
        values: Its matrices, names relative to the language model. Those of the vision tower are left out:
            the planner reads no pixels.
        embeddings: (rows, hidden) that take the place of embed_tokens, if there are any.
        head: (rows, hidden) that take the place of lm_head, if there are any.
    """

    folder: Path
    tokenizer: "PreTrainedTokenizerFast"
    targets: tuple[str, ...]
    rank: int
    scale: float
    values: "Mapping[str, Tensor]"
    embeddings: "Tensor | None"
    head: "Tensor | None"

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check what can be checked without the model.

        Raises:
            WeightsError: A file is missing or damaged, or of a kind that is not read; tensors that the
                configuration names are missing; or the tokens have no row in the saved embeddings.
            MissingDependencyError: safetensors or transformers is not installed.
        """
        settings = _settings(folder)
        saved = _values(folder)
        tokenizer = _tokenizer(folder)
        values: dict[str, Tensor] = {}
        whole: dict[str, Tensor] = {}
        for name, value in saved.items():
            stem = name.removeprefix("base_model.model.")
            if ".lora_" in stem:
                if not stem.startswith(_VISION):
                    values[_relative(stem)] = value
                continue
            whole[stem.removesuffix(".weight").rpartition(".")[2]] = value
        wanted = set(settings.modules_to_save)
        for lacking in sorted(wanted - set(whole)):
            msg = f"{folder / VALUES} lacks {lacking}, which {CONFIG} lists in modules_to_save."
            raise WeightsError(msg, hint=_HINT)
        for unknown in sorted(set(whole) - {_EMBEDDINGS, _HEAD}):
            msg = f"{folder / VALUES} holds whole weights of {unknown}; only {_EMBEDDINGS} and {_HEAD} are exchanged."
            raise WeightsError(msg, hint=_HINT)
        for name, value in whole.items():
            if value.shape[0] < len(tokenizer):
                msg = f"{folder}: {name} has {value.shape[0]} rows, the tokenizer {len(tokenizer)} tokens."
                raise WeightsError(msg, hint="Its tokenizer belongs to another training.")
        return cls(
            folder,
            tokenizer,
            settings.targets,
            settings.rank,
            settings.scale,
            values,
            whole.get(_EMBEDDINGS),
            whole.get(_HEAD),
        )

    def add_to(
        self,
        loras: FoldedLoras,
        model: "Qwen2_5_VLForConditionalGeneration",
        base_tokenizer: "PreTrainedTokenizerFast",
        name: AdapterName = "planner",
    ) -> None:
        """Add it to a model, switched off. Embeddings and head are untied, since it may change each of them.

        Args:
            loras: Of the model's language model.
            model: What it was trained on.
            base_tokenizer: Of the model as it was before.
            name: To switch it by.

        Raises:
            WeightsError: It was trained on another model, or its added tokens have no trained rows.
        """
        self._check_tokens(base_tokenizer, model)
        own = tuple(_weight(model.get_input_embeddings()).shape)
        for key, saved in ((_EMBEDDINGS, self.embeddings), (_HEAD, self.head)):
            if saved is not None and saved.shape[1] != own[1]:
                msg = (
                    f"{self.folder / VALUES}: {key} is {tuple(saved.shape)}, the model's is {own}."
                )
                raise WeightsError(msg, hint="Use the LoRA that was trained for this model.")
        loras.fold(
            name,
            self.values,
            targets=self.targets,
            rank=self.rank,
            scale=self.scale,
            file=self.folder / VALUES,
        )
        loras.hashes[name] = file_hash(self.folder / VALUES)
        if self.embeddings is not None or self.head is not None:
            _untie(model)
        if self.embeddings is not None:
            loras.exchange(name, model.get_input_embeddings(), _EMBEDDINGS, self.embeddings)
        if self.head is not None:
            loras.exchange(name, model.lm_head, _HEAD, self.head)

    def _check_tokens(
        self,
        base_tokenizer: "PreTrainedTokenizerFast",
        model: "Qwen2_5_VLForConditionalGeneration",
    ) -> None:
        base, own = base_tokenizer.get_vocab(), self.tokenizer.get_vocab()
        for token, place in base.items():
            if own.get(token) != place:
                msg = f"{self.folder}: the token {token!r} is {own.get(token)}, in the base model {place}."
                raise WeightsError(msg, hint="The LoRA was trained on another base model.")
        added = sorted(set(own) - set(base), key=own.__getitem__)
        if not added:
            return
        shown = f"{len(added)} added tokens ({added[0]} ... {added[-1]})"
        if self.embeddings is None and self.head is None:
            msg = f"{self.folder}: {shown} have no trained rows: {VALUES} holds neither {_EMBEDDINGS} nor {_HEAD}."
            raise WeightsError(msg, hint=_HINT)
        if self.embeddings is None or self.head is None:
            there, lacking = (
                (_HEAD, _EMBEDDINGS) if self.embeddings is None else (_EMBEDDINGS, _HEAD)
            )
            tied = " and the base model ties the two" if _is_tied(model) else ""
            msg = f"{self.folder}: {VALUES} holds {there} for {shown} but no {lacking}{tied}."
            raise WeightsError(
                msg, hint="With one of them alone, the added tokens come out as others."
            )


@dataclass(frozen=True, slots=True)
class _Settings:
    targets: tuple[str, ...]
    rank: int
    scale: float
    modules_to_save: tuple[str, ...]


def _settings(folder: Path) -> _Settings:
    try:
        loaded: object = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / CONFIG} cannot be read: {error}.", hint=_HINT) from error
    config = cast("dict[str, object]", loaded) if isinstance(loaded, dict) else {}
    for key, allowed in _PLAIN.items():
        if config.get(key, allowed[0]) not in allowed:
            msg = f"{folder / CONFIG}: {key} is {config[key]!r}, expected {allowed[0]!r}."
            raise WeightsError(msg, hint="Only plain LoRAs are read.")
    rank, alpha, targets = (config.get(key) for key in ("r", "lora_alpha", "target_modules"))
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        msg = f"{folder / CONFIG}: expected numbers r and lora_alpha, got {rank!r} and {alpha!r}."
        raise WeightsError(msg, hint=_HINT)
    if not isinstance(targets, list) or not targets:
        msg = f"{folder / CONFIG}: expected a list of target_modules, got {targets!r}."
        raise WeightsError(msg, hint=_HINT)
    saved = config.get("modules_to_save")
    return _Settings(
        tuple(str(one) for one in cast("list[object]", targets)),
        rank,
        alpha / (rank**0.5 if config.get("use_rslora") else rank),
        tuple(str(one) for one in cast("list[object]", saved)) if isinstance(saved, list) else (),
    )


def _values(folder: Path) -> "Mapping[str, Tensor]":
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
    except ImportError as error:
        raise MissingDependencyError(error.name or "safetensors", extra="models") from error
    file = folder / VALUES
    if not file.is_file():
        pickled = ", ".join(sorted(path.name for path in folder.glob("*.bin")))
        there = f"; {pickled} is a pickle, which is not loaded" if pickled else ""
        raise WeightsError(f"{file} is missing{there}.", hint=_HINT)
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file} cannot be read: {error}.", hint=_HINT) from error


def _tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingDependencyError(error.name or "transformers", extra="models") from error
    if not (folder / "tokenizer_config.json").is_file():
        msg = f"{folder} holds no tokenizer: tokenizer_config.json is missing."
        raise WeightsError(msg, hint=_HINT)
    try:
        loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"The tokenizer in {folder} cannot be read: {error}.") from error
    return cast("PreTrainedTokenizerFast", loaded)


def _relative(name: str) -> str:
    """Return a name as the language model has it."""
    for prefix in _LANGUAGE_MODEL:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _is_tied(model: "Qwen2_5_VLForConditionalGeneration") -> bool:
    return model.lm_head.weight is _weight(model.get_input_embeddings())


def _untie(model: "Qwen2_5_VLForConditionalGeneration") -> None:
    """Give the head a weight of its own, with the same values in the same memory."""
    from torch import nn

    if _is_tied(model):
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.data, requires_grad=False)
    config = cast("_Config", model.config)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False


def _weight(module: "nn.Module") -> "Tensor":
    return cast("Tensor", module.weight)
