"""Tools: a spec with something that runs its calls; models are loaded at first need.

A tool does not know plans or other tools. `AdapterTool` makes one of any adapter, `AnswerTool` one of the
understanding model.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from unison_agent.adapters import Adapter, Output
from unison_agent.adapters.answer import AnswerAdapter
from unison_agent.answering import Reply
from unison_agent.media import MediaSet, Medium
from unison_agent.progress import Progress, silent
from unison_agent.replay import WeightHash
from unison_agent.specs import ToolSpec
from unison_agent.tasks import GrantedTask, TaskCall

if TYPE_CHECKING:
    from unison_agent.connector import States


class Tool(Protocol):
    """Runs the calls of some tasks."""

    @property
    def spec(self) -> ToolSpec:
        """Its tasks, limits and defaults."""
        ...

    def run(
        self, call: TaskCall, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Output:
        """Carry out `call` as `granted`."""
        ...

    def weights(self) -> tuple[WeightHash, ...]:
        """Return the hashes of what it has loaded so far."""
        ...


class Understanding(Protocol):
    """The part of the understanding model that tools need."""

    fingerprint: str
    layer: int
    source: str | None

    @property
    def lora_hashes(self) -> Mapping[str, str]:
        """SHA-256 of each LoRA's file, by its name."""
        ...

    def read(self, prompt: str, media: Sequence[Medium] = ()) -> "States":
        """Return the hidden states of a prompt and its media."""
        ...

    def read_chat(self, prompt: str, attachments: Sequence[tuple[str, str]] = ()) -> "States":
        """Return the hidden states of a prompt and placeholders, as the paper's projector reads them."""
        ...

    def reply(
        self,
        question: str,
        media: Sequence[Medium] = (),
        *,
        max_new_tokens: int = 256,
        progress: Progress = silent,
    ) -> Reply:
        """Answer in words."""
        ...

    def score(self, medium: Medium, question: str, options: Sequence[str], /) -> list[float]:
        """Return the log-likelihood of each option as the answer."""
        ...


Provider = Callable[[Progress], Understanding]
"""Returns the understanding model, loading it the first time."""


class AdapterTool:
    """A tool of one's own: any adapter under a spec.

    Args:
        spec: Its tasks, limits and defaults.
        adapter: What runs its calls.
    """

    def __init__(self, spec: ToolSpec, adapter: Adapter) -> None:
        self.spec = spec
        self._adapter = adapter

    def run(
        self, call: TaskCall, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Output:
        """Hand the call to the adapter, without conditioning."""
        return self._adapter.run(call, granted, media, None, progress)

    def weights(self) -> tuple[WeightHash, ...]:
        """Return none: the library does not know what the adapter loads."""
        return ()


class AnswerTool:
    """The understanding tasks.

    Args:
        spec: With the adapter ``"answer"``.
        understanding: The model.
    """

    def __init__(self, spec: ToolSpec, understanding: Provider) -> None:
        self.spec = spec
        self._understanding = understanding
        self._used: dict[str, str] = {}

    def run(
        self, call: TaskCall, granted: GrantedTask, media: MediaSet, progress: Progress
    ) -> Output:
        """Answer; see `AnswerAdapter.run`."""
        model = self._understanding(progress)
        used = {"understanding": model.fingerprint}
        if call.task != "text_understanding":  # text is answered without
            used |= lora_hash(model, "answers")
        self._used = used
        return AnswerAdapter(model).run(call, granted, media, None, progress)

    def weights(self) -> tuple[WeightHash, ...]:
        """Return the fingerprint of the understanding model."""
        return weight_hashes(self._used)


def preprocess_files(hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the hashes of what makes maps and masks, by the names that records give them."""
    return {f"preprocess/{name}": sha for name, sha in hashes.items()}


def weight_hashes(
    used: Mapping[str, str], sources: Mapping[str, str | None] | None = None
) -> tuple[WeightHash, ...]:
    """Return hashes by name as records have them, with the commits of the hub that they are of."""
    known = sources or {}
    return tuple(
        WeightHash(name=name, sha256=digest, source=known.get(name))
        for name, digest in sorted(used.items())
    )


def lora_hash(model: Understanding, name: str) -> dict[str, str]:
    """Return the hash of a LoRA by the name that records give it, nothing where the model has none."""
    digest = model.lora_hashes.get(name)
    return {} if digest is None else {f"lora/{name}": digest}
