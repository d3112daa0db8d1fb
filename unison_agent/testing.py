"""Fakes for tests of what is built on the library: a scripted model, a tiny pipeline, an echo adapter.

They are quick and need no weights. The pipeline is a real diffusers pipeline with random weights, so what
it draws is noise; the rest is as at run time.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import PIL.Image

from unison_agent.adapters import Output
from unison_agent.answering import Reply
from unison_agent.conversation import READ_TEMPLATE_SHA256
from unison_agent.decoding import Turn, Written
from unison_agent.errors import PlanningError
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.pipelines import LoadedPipeline, adopt
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.tasks import (
    GrantedAnswer,
    GrantedImage,
    GrantedTask,
    GrantedVideo,
    TaskCall,
)
from unison_agent.weights import write_sums

if TYPE_CHECKING:
    import torch

    from unison_agent.connector import Conditioning

TEXT_DIM = 16
HIDDEN_SIZE = 8


class ScriptedWriter:
    """Writes what it was told to, in order; the last text is repeated.

    Args:
        texts: What to write: JSON as text, or values to be written as JSON.
        confidence: How sure it says it is.

    Attributes:
        prompts: What it was asked, in order.
    """

    def __init__(self, *texts: str | Mapping[str, object], confidence: float = 1.0) -> None:
        self._texts = [text if isinstance(text, str) else json.dumps(text) for text in texts]
        self._confidence = confidence
        self.prompts: list[str] = []

    def write(
        self, prompt: str, grammar: str, *, copy_from: str = "", max_new_tokens: int = 256
    ) -> Written:
        """Return the next text; grammar and length are not looked at.

        Raises:
            PlanningError: There is no text to write.
        """
        del grammar, copy_from, max_new_tokens
        if not self._texts:
            raise PlanningError("The script is empty.", hint="Give ScriptedWriter a text.")
        self.prompts.append(prompt)
        text = self._texts[min(len(self.prompts), len(self._texts)) - 1]
        return Written(text, token_ids=(), passes=0, confidence=self._confidence)

    def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int = 256) -> list[Written]:
        """Return the next texts."""
        return [
            self.write(turn.prompt, turn.grammar, max_new_tokens=max_new_tokens) for turn in turns
        ]


@dataclass(frozen=True, slots=True)
class FakeStates:
    """Hidden states: `states` (1, L, 8) float32 and `mask` (1, L) bool."""

    states: "torch.Tensor"
    mask: "torch.Tensor"


class ScriptedUnderstanding(ScriptedWriter):
    """Stands in for the understanding model.

    Args:
        texts: What `write` writes, in order.
        answer: What it answers to every question.
        scores: The log-likelihoods that `score` gives, one after the other; 0 when they run out.

    Attributes:
        asked: ``(question, number of media)`` of every answer.
        seen: ``(prompt, media)`` of every read.
    """

    fingerprint = "0" * 64
    layer = 0
    source: str | None = None

    def __init__(
        self,
        *texts: str | Mapping[str, object],
        answer: str = "a red star",
        scores: Iterable[float] = (),
    ) -> None:
        super().__init__(*texts)
        self._answer = answer
        self._scores = list(scores)
        self.lora_hashes: dict[str, str] = {}
        self.asked: list[tuple[str, int]] = []
        self.seen: list[tuple[str, tuple[Medium, ...]]] = []

    def read(self, prompt: str, media: Sequence[Medium] = ()) -> FakeStates:
        """Return states that depend on the prompt and on the media."""
        import torch

        self.seen.append((prompt, tuple(media)))
        rows = [seeded_noise(word, HIDDEN_SIZE) for word in prompt.split()]
        rows += [seeded_noise(medium.sha256, HIDDEN_SIZE) for medium in media]
        return FakeStates(torch.stack(rows)[None], torch.ones(1, len(rows), dtype=torch.bool))

    def read_chat(self, prompt: str, attachments: Sequence[tuple[str, str]] = ()) -> FakeStates:
        """Return states of a template of five tokens around the prompt's words and the attachments."""
        import torch

        words = ["<s>", "system", "user", *(kind for _, kind in attachments), *prompt.split()]
        words += ["</s>", "end"]
        rows = [seeded_noise(word, HIDDEN_SIZE) for word in words]
        return FakeStates(torch.stack(rows)[None], torch.ones(1, len(rows), dtype=torch.bool))

    def reply(
        self,
        question: str,
        media: Sequence[Medium] = (),
        *,
        max_new_tokens: int = 256,
        progress: Progress = silent,
    ) -> Reply:
        """Return the scripted answer, a word a token; it is cut where there are more."""
        self.asked.append((question, len(media)))
        words = re.findall(r"\s*\S+", self._answer)
        for count, word in enumerate(words[:max_new_tokens], start=1):
            progress(ProgressEvent("answer", count, max_new_tokens, text=word))
        return Reply("".join(words[:max_new_tokens]), complete=len(words) <= max_new_tokens)

    def answer(
        self,
        question: str,
        media: Sequence[Medium] = (),
        *,
        max_new_tokens: int = 256,
        progress: Progress = silent,
    ) -> str:
        """Return the scripted answer."""
        return self.reply(question, media, max_new_tokens=max_new_tokens, progress=progress).text

    def score(self, medium: Medium, question: str, options: Sequence[str]) -> list[float]:
        """Return the next scripted score, once for each option."""
        del medium, question
        return [self._scores.pop(0) if self._scores else 0.0 for _ in options]


def seeded_noise(text: str, *shape: int) -> "torch.Tensor":
    """Return standard normal noise that depends on `text` alone."""
    import torch

    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tiny_conditioning(prompt: str = "a red star", *, text_dim: int = TEXT_DIM) -> "Conditioning":
    """Return conditioning that depends on `prompt`: 4 tokens for it, 2 against it."""
    from unison_agent.connector import Conditioning

    return Conditioning(seeded_noise(prompt, 1, 4, text_dim), seeded_noise("", 1, 2, text_dim))


def tiny_text_encoder() -> tuple[object, object]:
    """Return a tokenizer that reads bytes and a random UMT5 of width 16, as a WanVACEPipeline has them."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["<pad>", "</s>", *letters])}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", padding_side="right"
    )
    config = UMT5Config(
        vocab_size=len(vocabulary),
        d_model=TEXT_DIM,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        tie_word_embeddings=False,  # pyright: ignore[reportCallIssue]
    )
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        return tokenizer, UMT5EncoderModel(config).eval()


def tiny_wan_vace(
    *, vae_temporal: Literal[1, 4] = 1, seed: int = 0, text_encoder: bool = False
) -> object:
    """Build a random WanVACEPipeline that runs in milliseconds on prompt embeddings of width 16.

    Args:
        vae_temporal: 1 as in nano, or 4 as in Wan2.1; the spatial factor is 4 in both.
        seed: Of its weights.
        text_encoder: Whether it has one, so that it reads prompts itself.

    Returns:
        A diffusers.WanVACEPipeline; sides must be multiples of 8.
    """
    import torch
    from diffusers import (
        AutoencoderKLWan,  # pyright: ignore[reportPrivateImportUsage]
        UniPCMultistepScheduler,  # pyright: ignore[reportPrivateImportUsage]
        WanVACEPipeline,  # pyright: ignore[reportPrivateImportUsage]
        WanVACETransformer3DModel,  # pyright: ignore[reportPrivateImportUsage]
    )

    z_dim = 4
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        vae = AutoencoderKLWan(
            base_dim=8,
            z_dim=z_dim,
            dim_mult=[1] if vae_temporal == 1 else [1, 1, 1],
            num_res_blocks=0,
            attn_scales=[],
            temperal_downsample=[vae_temporal == 4] * 2,
            in_channels=48 if vae_temporal == 1 else 3,
            out_channels=48 if vae_temporal == 1 else 3,
            patch_size=4 if vae_temporal == 1 else None,
            latents_mean=[0.0] * z_dim,
            latents_std=[1.0] * z_dim,
        )
        transformer = WanVACETransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=32,
            in_channels=z_dim,
            out_channels=z_dim,
            text_dim=TEXT_DIM,
            freq_dim=16,
            ffn_dim=64,
            num_layers=2,
            vace_layers=[0],
            vace_in_channels=2 * z_dim + 4 * 4,
        )
    tokenizer, encoder = tiny_text_encoder() if text_encoder else (None, None)
    return WanVACEPipeline(
        tokenizer=tokenizer,  # pyright: ignore[reportArgumentType]
        text_encoder=encoder,  # pyright: ignore[reportArgumentType]
        vae=vae.eval(),
        scheduler=UniPCMultistepScheduler(  # pyright: ignore[reportArgumentType]
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=transformer.eval(),
    )


def tiny_pipeline(
    *, vae_temporal: Literal[1, 4] = 1, seed: int = 0, text_encoder: bool = False
) -> LoadedPipeline:
    """Return `tiny_wan_vace` ready for the video adapter."""
    pipe = tiny_wan_vace(vae_temporal=vae_temporal, seed=seed, text_encoder=text_encoder)
    return adopt(pipe, name="tiny", vae_spatial=4, vae_temporal=vae_temporal)


def save_tiny_weights(folder: Path) -> None:
    """Write ``pipeline/`` and ``connector.safetensors`` as nano has them, small and random.

    They belong to ScriptedUnderstanding. Load them with PipelineStore(folder) and
    GenerationTool(..., weights_folder=folder) under the tool spec of nano.
    """
    from unison_agent.connector import Connector, Contract, Resampler, Shape

    pipeline = folder / "pipeline"
    tiny_wan_vace().save_pretrained(pipeline)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    files = [path for path in pipeline.rglob("*") if path.is_file()]
    write_sums(pipeline, [path.relative_to(pipeline).as_posix() for path in files])
    model = ScriptedUnderstanding
    contract = Contract(model.fingerprint, model.layer, READ_TEMPLATE_SHA256, TEXT_DIM)
    module = Resampler(Shape(HIDDEN_SIZE, TEXT_DIM, num_queries=4, num_layers=1, num_heads=2))
    Connector(module, contract).save(folder / "connector.safetensors")


class EchoAdapter:
    """Makes what was granted without a model: flat pictures in a colour taken from the prompt.

    Attributes:
        calls: What it was given, in order.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[TaskCall, GrantedTask]] = []

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: "Conditioning | None",
        progress: Progress,
    ) -> Output:
        """Return a flat picture or clip for each output, or the question as the answer."""
        del media, conditioning
        self.calls.append((call, granted))
        progress(ProgressEvent("denoise", 0, 1))
        progress(ProgressEvent("denoise", 1, 1))
        words = call.model_dump(include={"prompt", "question"})
        text = next(iter(words.values()))
        match granted:
            case GrantedAnswer():
                return Output(text=text)
            case GrantedImage():
                made: list[Medium] = [
                    Image.from_pil(_flat(text, granted, index))
                    for index in range(granted.num_outputs)
                ]
            case GrantedVideo():
                made = [
                    Video.from_frames(
                        [_flat(text, granted, index)] * granted.num_frames, granted.fps
                    )
                    for index in range(granted.num_outputs)
                ]
        return Output(tuple(made))


def _flat(text: str, granted: GrantedImage | GrantedVideo, index: int) -> PIL.Image.Image:
    red, green, blue = hashlib.sha256(f"{text} {granted.seed + index}".encode()).digest()[:3]
    return PIL.Image.new("RGB", (granted.width, granted.height), (red, green, blue))
