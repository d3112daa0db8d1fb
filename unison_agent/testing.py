"""Fakes for tests of what is built on the library: scripted models and an echo adapter.

They are quick and need no weights; they know no pipelines.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import PIL.Image

from unison_agent.adapters import Output
from unison_agent.answering import Reply
from unison_agent.decoding import Turn, Written
from unison_agent.errors import PlanningError
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.tasks import GrantedAnswer, GrantedImage, GrantedTask, GrantedVideo, TaskCall
from unison_agent.testing_parts import seeded_noise

if TYPE_CHECKING:
    import torch

    from unison_agent.connector import Conditioning

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
