"""The resampler: learned queries that look at all hidden states; its weights and its file.

The idea is that of MetaQueries (arXiv 2504.06256): masked and free of any length limit, unlike the paper's
56-position projector, so no token goes unseen. It knows shapes, not how states are read.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from unison_agent.connector.contract import Conditioning, Contract, States
from unison_agent.errors import WeightsError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Protocol

    class _WeightsFile(Protocol):
        def metadata(self) -> dict[str, str] | None: ...
        def keys(self) -> list[str]: ...
        def get_tensor(self, name: str) -> Tensor: ...


# In standard deviations: the first token's state is a constant two orders of magnitude larger.
_CLIP = 5.0
UNPROMPTED = "The connector was off, and this pipeline has no text encoder: nothing read the prompt, and the tokens are those learned for no prompt."


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the resampler."""

    hidden_size: int
    text_dim: int
    num_queries: int = 16
    num_layers: int = 2
    num_heads: int = 4


class _Layer(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width)
        self.to_kv = nn.Linear(width, 2 * width)
        self.to_out = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, queries: Tensor, inputs: Tensor, mask: Tensor) -> Tensor:
        """Return queries (B, Q, W) that looked at inputs (B, L, W) where mask (B, L), and each other."""
        b, num_queries, width = queries.shape
        normed = self.norm(queries)
        everything = torch.cat([inputs, normed], dim=1)
        seen = torch.cat([mask, mask.new_ones(b, num_queries)], dim=1)
        query = self.to_q(normed).view(b, num_queries, self.num_heads, -1).transpose(1, 2)
        key, value = self.to_kv(everything).view(b, -1, 2, self.num_heads, width // self.num_heads).permute(2, 0, 3, 1, 4)  # fmt: skip
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        scores = scores.masked_fill(~seen[:, None, None], float("-inf"))
        attended = (scores.softmax(-1) @ value).transpose(1, 2).reshape(b, num_queries, width)
        queries = queries + self.to_out(attended)
        return queries + self.feed_forward(self.feed_norm(queries))


class Resampler(nn.Module):
    """A fixed number of learned queries that look at all hidden states.

    Attributes:
        state_mean: (hidden_size,) of the states it was trained on.
        state_std: (hidden_size,) likewise.

    Args:
        shape: Sizes.
    """

    state_mean: Tensor
    state_std: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.text_dim
        # Of single channels over many tokens: a few are a hundred times the rest, and a LayerNorm
        # over channels would leave nothing of what the small ones say.
        self.register_buffer("state_mean", torch.zeros(shape.hidden_size))
        self.register_buffer("state_std", torch.ones(shape.hidden_size))
        self.input = nn.Linear(shape.hidden_size, width)
        self.queries = nn.Parameter(torch.randn(shape.num_queries, width) * 0.5)
        self.layers = nn.ModuleList(_Layer(width, shape.num_heads) for _ in range(shape.num_layers))
        self.output_norm = nn.LayerNorm(width)
        self.null = nn.Parameter(torch.randn(shape.num_queries, width) * 0.5)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the tokens of a batch.

        Args:
            states: (B, L, hidden_size).
            mask: (B, L) bool, True where there is a token.

        Returns:
            (B, num_queries, text_dim).
        """
        standard = ((states - self.state_mean) / self.state_std).clamp(-_CLIP, _CLIP)
        inputs = self.input(standard)
        queries = self.queries.expand(len(states), -1, -1)
        for layer in self.layers:
            queries = layer(queries, inputs, mask)
        return self.output_norm(queries)

    def nothing(self, batch_size: int) -> Tensor:
        """Return the learned tokens for "no prompt" (the unconditional branch of guidance)."""
        return self.output_norm(self.null).expand(batch_size, -1, -1)


class Connector:
    """A trained resampler and the contract it was trained under.

    Args:
        module: In evaluation mode.
        contract: What it fits.
    """

    def __init__(self, module: Resampler, contract: Contract) -> None:
        self.module = module.eval().requires_grad_(False)
        self.contract = contract

    @classmethod
    def load(cls, path: Path) -> Self:
        """Load a connector.

        Raises:
            WeightsError: The file is missing, damaged, or not a connector.
        """
        try:
            opened = cast("AbstractContextManager[_WeightsFile]", safe_open(path, framework="pt"))
            with opened as file:
                header = file.metadata() or {}
                values = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            contract = Contract(**json.loads(header["contract"]))
            module = Resampler(Shape(**json.loads(header["shape"])))
            module.load_state_dict(values)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            msg = f"{path} is not a connector that can be loaded: {error}."
            raise WeightsError(
                msg, hint="Reinstall the package or train the connector again."
            ) from error
        return cls(module, contract)

    def save(self, path: Path) -> None:
        """Write fp16 weights with the contract in the header."""
        header = {
            "contract": json.dumps(asdict(self.contract)),
            "shape": json.dumps(asdict(self.module.shape)),
        }
        values = {k: v.half().contiguous().cpu() for k, v in self.module.state_dict().items()}
        save_file(values, path, metadata=header)

    def check(self, used: Contract) -> None:
        """Compare what the connector was trained for with what it is used with.

        Raises:
            ConnectorMismatchError: Naming every difference with both values.
        """
        self.contract.check(used)

    @torch.inference_mode()
    def unprompted(self) -> Conditioning:
        """Return the conditioning of no prompt: what is drawn where nothing is read."""
        nothing = self.module.nothing(1).clone()
        return Conditioning(nothing, nothing.clone(), notes=(UNPROMPTED,))

    @torch.inference_mode()
    def condition(self, prompt: States, negative: States | None = None) -> Conditioning:
        """Return the conditioning of one prompt.

        Args:
            prompt: States (1, L, hidden).
            negative: States of the negative prompt; None for the learned "no prompt".
        """
        if negative is None:
            against = self.module.nothing(1).clone()
        else:
            against = self.module(negative.states, negative.mask)
        return Conditioning(self.module(prompt.states, prompt.mask), against)
