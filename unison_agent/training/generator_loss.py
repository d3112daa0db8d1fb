"""What a batch costs the generator: noise levels, what the network says, and how much each cell of it counts.

It knows latents, states and both networks; it knows no tasks, and not how long a run is or what updates the weights.
"""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from unison_agent.connector import Resampler
from unison_agent.training.generator_batches import LATENT_CHANNELS, Batch

Predicts: TypeAlias = Literal["clean", "velocity"]
PREDICTS: tuple[Predicts, ...] = get_args(Predicts)
DROPPED_PROMPTS = 0.1
SMALLEST_SIGMA = 0.2
# Share of nearly pure noise. Frames of a clip look so alike that even much noise shows where it moves: without
# more of it the words for directions were never needed, and never learned.
NOISIEST = {"image": 0.2, "video": 0.5}
NOISIEST_FROM = 0.88
# Most of a picture is flat ground, which is learned at once: cells unlike it count more, and those that hold more
# than one colour most of all, for outlines are what tells one shape from another.
THING_WEIGHT = 3.0
DETAIL_WEIGHT = 3.0
_UNLIKE_GROUND = 0.05
_DETAILED = 0.05
_MEAN_COLOR = 3  # components


def loss_of(
    batch: Batch,
    transformer: nn.Module,
    connector: Resampler,
    *,
    predict: Predicts = "clean",
    late: bool = False,
) -> Tensor:
    """Return the loss of one batch at random noise, a scalar.

    The network sees noisy latents, VACE's control latents and the connector's tokens, and says the clean latents
    (x-prediction) or the velocity. The timestep fed is 1000 sigma, which is what UniPC with
    prediction_type="sample" and flow sigmas feeds.

    Args:
        batch: Goes to where the transformer is.
        transformer: Takes hidden_states (B, z, T, h, w).
        connector: Makes its tokens from the batch's states; some are left out for the sake of guidance.
        predict: What the transformer says.
        late: Whether the run is nearly over: less noise then.
    """
    device = next(transformer.parameters()).device
    clean = batch.latents.to(device)
    size = len(clean)
    sigma = noise_levels(size, NOISIEST["video" if clean.shape[2] > 2 else "image"], late=late)
    sigma = sigma.to(device)
    s = sigma.view(-1, 1, 1, 1, 1)
    noise = torch.randn_like(clean)
    noisy = (1 - s) * clean + s * noise
    with torch.autocast(device.type, torch.bfloat16):
        tokens = connector(batch.states.to(device), batch.mask.to(device))
        dropped = torch.rand(size, 1, 1, device=device) < DROPPED_PROMPTS
        tokens = torch.where(dropped, connector.nothing(size), tokens)
        said = transformer(
            hidden_states=noisy,
            timestep=sigma * 1000,
            encoder_hidden_states=tokens,
            control_hidden_states=batch.control.to(device),
            return_dict=False,
        )[0].float()
    # Either way the error is that of the velocity, noise - clean, but for the last bit of noise.
    match predict:
        case "clean":
            wrong = (said - clean) / s.clamp_min(SMALLEST_SIGMA)
        case "velocity":
            wrong = said - (noise - clean)
    return (wrong.pow(2).mean(1) * cell_weights(clean)).mean()


def noise_levels(count: int, noisiest: float, *, late: bool = False) -> Tensor:
    """Return sigmoid(N(0.8, 1)), or for a share of the samples uniform near 1, where the words alone decide.

    Late in a run there is less noise, for it is there that fine detail settles.
    """
    usual = torch.sigmoid(torch.randn(count) + (0.2 if late else 0.8))
    noisiest = noisiest / 2 if late else noisiest
    high = NOISIEST_FROM + (1 - NOISIEST_FROM) * torch.rand(count)
    return torch.where(torch.rand(count) < noisiest, high, usual)


def cell_weights(latents: Tensor) -> Tensor:
    """Return how much each cell counts, (B, T, h, w), one on average of each sample.

    The corner is taken for the ground; the first three components of a cell are its mean colour.
    """
    pixels = latents[:, :LATENT_CHANNELS]
    unlike = (pixels - pixels[..., :1, :1]).abs().mean(1) > _UNLIKE_GROUND
    detailed = pixels[:, _MEAN_COLOR:].abs().mean(1) > _DETAILED
    weight = 1 + THING_WEIGHT * unlike.float() + DETAIL_WEIGHT * detailed.float()
    return weight / weight.mean((1, 2, 3), keepdim=True)
