"""The paper's connector (arXiv 2512.07747): an MLP a token, then 56 positions mixed into four text tokens.

It reads the published weights as they are, projector.pth. What they imply is kept: the first token is
dropped, tokens behind the 57th go unseen, and short prompts are filled with zeros behind the last norm.
Unlike the paper's inference it runs in evaluation mode, so that the same prompt gives the same tokens.
"""

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self, cast

import torch
from torch import Tensor, nn

from unison_agent.connector.contract import Conditioning, Contract, States
from unison_agent.conversation import CHAT_CLOSING_TOKENS, CHAT_TEMPLATE_SHA256
from unison_agent.errors import ConnectorMismatchError, WeightsError

_DROPPED = 1  # tokens at the beginning of every prompt that the paper leaves out
_WRAPPED = "module."  # what data-parallel training puts before each name
NO_CONTRACT = "The connector does not say which weights of the understanding model it was trained for; its sizes fit."


@dataclass(frozen=True, slots=True)
class ProjectorShape:
    """Sizes of a projector.

    Attributes:
        hidden_size: Of the understanding model.
        text_dim: Of the pipeline's prompt_embeds.
        inner: Between the two linear layers.
        positions: Tokens that it reads.
        tokens: Tokens that it gives.
    """

    hidden_size: int = 2048
    text_dim: int = 4096
    inner: int = 2048
    positions: int = 56
    tokens: int = 4


class ProjMLP(nn.Module):
    """The network; its parameters have the names of the published file.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: ProjectorShape) -> None:
        super().__init__()
        self.shape = shape
        self.ln_in = nn.LayerNorm(shape.hidden_size)
        self.net = nn.Sequential(
            nn.Linear(shape.hidden_size, shape.inner),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(shape.inner, shape.text_dim),
        )
        self.ln_out = nn.LayerNorm(shape.text_dim)
        self.seq_adjust = nn.Linear(shape.positions, shape.tokens)

    def forward(self, states: Tensor) -> Tensor:
        """Return the tokens (B, tokens, text_dim) of states (B, L, hidden_size), any L."""
        read = self.ln_out(self.net(self.ln_in(states[:, : self.shape.positions])))
        missing = self.shape.positions - read.shape[1]
        filled = nn.functional.pad(read, (0, 0, 0, missing))
        return self.seq_adjust(filled.mT).mT


class Projector:
    """A trained projector and, where it is known, the contract it was trained under.

    Args:
        module: Put into evaluation mode.
        contract: What it fits; the published file comes without one.
    """

    def __init__(self, module: ProjMLP, contract: Contract | None = None) -> None:
        self.module = module.eval().requires_grad_(False)
        self.contract = contract

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a projector.pth, and its contract from a .json beside it where there is one.

        Only tensors are read of the file, never code.

        Raises:
            WeightsError: The file is missing, damaged, or no projector; it names the tensor, its shape and
                the expected one.
        """
        values = _tensors(path)
        shape = _shape(path, values)
        with torch.device("meta"):
            module = ProjMLP(shape)
        expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        for name in sorted({*values, *expected}):
            got = tuple(values[name].shape) if name in values else "nothing"
            if got != expected.get(name, "nothing"):
                raise _misfit(path, name, got, expected.get(name, "nothing"))
        floats = {name: value.float() for name, value in values.items()}
        module.load_state_dict(floats, assign=True)
        return cls(module, _contract(path.with_suffix(".json")))

    def save(self, path: Path) -> None:
        """Write the tensors as the published file has them, and the contract beside it."""
        torch.save(self.module.state_dict(), path)
        if self.contract is not None:
            text = json.dumps(asdict(self.contract), indent=2)
            path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")

    def check(self, used: Contract) -> None:
        """Compare what it was trained for with what it is used with.

        Without a contract, the template and the width of the pipeline's tokens are compared, which follow
        from the paper and from the weights.

        Raises:
            ConnectorMismatchError: Naming every difference with both values.
        """
        known = replace(
            used, template_sha256=CHAT_TEMPLATE_SHA256, text_dim=self.module.shape.text_dim
        )
        (self.contract or known).check(used)

    @torch.inference_mode()
    def condition(self, prompt: States, negative: States | None = None) -> Conditioning:
        """Return the conditioning of one prompt.

        Args:
            prompt: States (1, L, hidden) of the chat template.
            negative: States of the negative prompt.

        Raises:
            ConnectorMismatchError: The states have another width.
        """
        against = None if negative is None else self._tokens(negative)
        notes = () if self.contract is not None else (NO_CONTRACT,)
        for what, read in (("negative prompt", negative), ("prompt", prompt)):
            if read is not None and (unseen := self.unseen(read)):
                most = self.module.shape.positions
                told = f"The connector reads {most} tokens: the last {unseen} of the {what} went unseen."
                notes = (told, *notes)
        return Conditioning(self._tokens(prompt), against, notes=notes)

    def unseen(self, prompt: States) -> int:
        """Return how many tokens at the end of a prompt it does not see; those of the template do not count."""
        length = int(prompt.mask.sum()) - CHAT_CLOSING_TOKENS
        return max(0, length - _DROPPED - self.module.shape.positions)

    def _tokens(self, read: States) -> Tensor:
        width = read.states.shape[-1]
        if width != self.module.shape.hidden_size:
            msg = (
                f"The connector reads states of width {self.module.shape.hidden_size}, got {width}."
            )
            raise ConnectorMismatchError(
                msg, hint="Use the understanding model it was trained for."
            )
        seen = read.states[:, read.mask[0]]
        return self.module(seen[:, _DROPPED:].float())


def _tensors(path: Path) -> Mapping[str, Tensor]:
    """Return what a file holds by name, without the prefix of data-parallel training."""
    try:
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{path} is not a projector that can be loaded: {first}") from error
    if not isinstance(loaded, Mapping):
        msg = f"{path} holds a {type(loaded).__name__}, expected tensors by name."
        raise WeightsError(msg)
    named = cast("Mapping[object, object]", loaded)
    values: dict[str, Tensor] = {}
    for name, value in named.items():
        if not isinstance(value, Tensor):
            msg = f"{path}: {name} is a {type(value).__name__}, expected a tensor."
            raise WeightsError(msg)
        values[str(name).removeprefix(_WRAPPED)] = value
    return values


def _shape(path: Path, values: Mapping[str, Tensor]) -> ProjectorShape:
    """Return the sizes that the three matrices tell."""
    sizes: list[int] = []
    for name in ("net.0.weight", "net.3.weight", "seq_adjust.weight"):
        found = values.get(name)
        if found is None or found.dim() != 2:
            got = "nothing" if found is None else tuple(found.shape)
            raise _misfit(path, name, got, "a matrix")
        sizes += found.shape
    inner, hidden, text, _, tokens, positions = sizes
    return ProjectorShape(hidden, text, inner, positions, tokens)


def _contract(path: Path) -> Contract | None:
    if not path.is_file():
        return None
    try:
        return Contract(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is no contract of a connector: {error}.") from error


def _misfit(path: Path, name: str, got: object, expected: object) -> WeightsError:
    msg = f"{path} is no projector: {name} is {got}, expected {expected}."
    return WeightsError(msg, hint="Use the projector.pth of the paper, or train one.")
