"""What connectors have in common: what they read, what they give, and what they were trained for."""

from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from torch import Tensor

from unison_agent.errors import ConnectorMismatchError


class States(Protocol):
    """What `condition` reads: the result of the understanding model's `read`."""

    @property
    def states(self) -> Tensor:
        """Shape (B, L, hidden)."""
        ...

    @property
    def mask(self) -> Tensor:
        """Shape (B, L), True where there is a token."""
        ...


@dataclass(frozen=True, slots=True)
class Contract:
    """What a connector was trained for; anything else is a mismatch.

    Attributes:
        understanding_sha256: Fingerprint of the understanding model's base and vision tower.
        layer: Index into its hidden_states.
        template_sha256: Of the template the states are read in.
        text_dim: Width of the pipeline's prompt_embeds.
    """

    understanding_sha256: str
    layer: int
    template_sha256: str
    text_dim: int

    def check(self, used: "Contract") -> None:
        """Compare what a connector was trained for with what it is used with.

        Raises:
            ConnectorMismatchError: Naming every difference with both values.
        """
        trained, now = asdict(self), asdict(used)
        wrong = [f"{k}: trained for {trained[k]}, used with {now[k]}" for k in trained if trained[k] != now[k]]  # fmt: skip
        if wrong:
            msg = "The connector does not fit: " + "; ".join(wrong) + "."
            raise ConnectorMismatchError(msg, hint="Use the models of one pack together.")


@dataclass(frozen=True, slots=True)
class Conditioning:
    """What a pipeline is conditioned on.

    Attributes:
        prompt_embeds: (1, tokens, text_dim).
        negative_prompt_embeds: (1, tokens, text_dim); None for zeros, as the pipeline pads its text.
        mode: Whether `prompt_embeds` are all that is read of the prompt, or follow the tokens of the pipeline's
            own text encoder. Then only the prompt's branch of guidance has them: what it is guided away from is
            read by the text encoder alone.
        max_sequence_length: Zeros follow up to this many tokens, in both branches, and are attended to; None
            for as many as the pipeline's text encoder adds, which is none where it does not read.
        notes: What the user should know, in sentences.
    """

    prompt_embeds: Tensor
    negative_prompt_embeds: Tensor | None
    mode: Literal["replace", "append"] = "replace"
    max_sequence_length: int | None = None
    notes: tuple[str, ...] = ()
