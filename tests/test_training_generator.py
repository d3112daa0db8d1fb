"""What the generator learns from: batches of drawings, their frames, how cells and noise are weighed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

from unison_agent.adapters.frames import blank_levels
from unison_agent.connector import Resampler, Shape
from unison_agent.scenes.examples import RAMP, drawing
from unison_agent.tasks import GENERATION_TASKS, GenerationTask
from unison_agent.training import closed_form_vae as vae
from unison_agent.training import generator_batches, generator_loss
from unison_agent.training.export import NANO
from unison_agent.training.generator import Learner
from unison_agent.training.generator_batches import (
    LATENT_CHANNELS,
    TOKENS_A_STEP,
    Source,
    scene_basis,
)
from unison_agent.training.generator_loss import PREDICTS, loss_of
from unison_agent.training.generator_start import start_from
from unison_agent.training.loop import Budget
from unison_agent.training.states import TEXT_DIM, pool_wording
from unison_agent.training.wan_transformer import COARSE, PATCH, make_transformer, with_finer_tokens

HIDDEN = 4


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Pools of a few requests with states of random numbers."""
    folder = tmp_path_factory.mktemp("pools")
    starts = torch.arange(0, 41 * 3, 3)
    for task in GENERATION_TASKS:
        states = torch.randn(int(starts[-1]), HIDDEN).half()
        save_file({"states": states, "starts": starts}, folder / f"{task}.safetensors")
    return Source(folder, scene_basis(40), seed=0)


@pytest.mark.parametrize("task", GENERATION_TASKS)
def test_a_batch_has_about_as_many_tokens_whatever_its_clips_are(
    source: Source, task: GenerationTask
) -> None:
    for _ in range(6):
        batch = source.batch(task)
        size, channels, num_frames, height, width = batch.latents.shape
        assert channels == LATENT_CHANNELS + vae.BORDER_CHANNELS
        assert batch.control.shape == (size, 2 * channels + 16, num_frames, height, width)
        assert batch.states.shape == (size, 3, HIDDEN)
        tokens = num_frames * height * width // PATCH**2
        assert 0.6 * TOKENS_A_STEP < size * tokens <= max(TOKENS_A_STEP, 2 * tokens)
        assert ("video" in task) == (num_frames > 2)


def test_held_out_scenes_are_never_drawn(source: Source) -> None:
    known = {task: set(indices) for task, indices in source.indices.items()}
    assert all(0 < len(indices) <= 40 for indices in known.values())
    assert any(len(indices) < 40 for indices in known.values())


def test_text_to_image_gives_way_in_the_course_of_training(source: Source) -> None:
    first, last = (
        sum(source.choose(share) == "text_to_image" for _ in range(600)) for share in (0.0, 1.0)
    )
    assert first > last


def test_part_of_a_clip_keeps_frames_ramp_and_mask_together(source: Source) -> None:
    said = pool_wording("image_to_video", 0)
    whole = drawing("image_to_video", said, source.rng, 17)
    part = generator_batches._part(whole, slice(8, None, 2))
    assert part.video is not None
    assert part.mask is not None
    assert len(part.target) == len(part.video) == len(part.mask) == 5
    levels = [int(frame[0, 0, 0]) for frame in part.video[:4]]
    assert levels == list(blank_levels(17, RAMP))[8:16:2]


def test_things_weigh_more_than_ground_and_outlines_most() -> None:
    latents = torch.zeros(2, LATENT_CHANNELS + 2, 1, 8, 8)
    latents[:, :, :, 2:4, 2:4] = 1.0
    latents[:, 3:, :, 2, 2] = 0.0  # of one colour
    weight = generator_loss.cell_weights(latents)
    assert weight.mean().item() == pytest.approx(1.0)
    ground, thing = weight[:, 0, 7, 7], 1 + generator_loss.THING_WEIGHT
    assert (weight[:, 0, 2, 2] / ground).tolist() == pytest.approx([thing] * 2)
    outline = thing + generator_loss.DETAIL_WEIGHT
    assert (weight[:, 0, 3, 3] / ground).tolist() == pytest.approx([outline] * 2)


def test_the_noisiest_share_is_near_one() -> None:
    torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
    usual, noisy = (generator_loss.noise_levels(4000, share) for share in (0.0, 1.0))
    assert usual.mean().item() == pytest.approx(0.67, abs=0.03)
    assert generator_loss.NOISIEST_FROM <= noisy.min().item() <= noisy.max().item() <= 1.0


def test_finer_tokens_begin_with_what_larger_ones_learned() -> None:
    torch.manual_seed(0)
    channels = LATENT_CHANNELS + vae.BORDER_CHANNELS
    coarse, fine = (make_transformer(channels, TEXT_DIM, patch).eval() for patch in (COARSE, PATCH))
    torch.nn.init.normal_(coarse.proj_out.bias)
    fine.load_state_dict(with_finer_tokens(coarse.state_dict(), COARSE, PATCH))
    flat = torch.ones(1, channels, 1, 16, 16)
    # What a token sees of a flat picture is a half as much of each of four parts, twice as loud.
    seen = coarse.patch_embedding(flat).mean(), fine.patch_embedding(flat).mean()
    bias = coarse.state_dict()["patch_embedding.bias"].mean()
    assert torch.allclose((seen[0] - bias) / 2, seen[1] - bias, atol=1e-4)
    # Without words about the inside of a token, it says the mean of what the parts of the old one said.
    said = coarse.proj_out.bias.view(2, 2, 2, 2, channels).mean((0, 2)).flatten()
    assert torch.equal(fine.proj_out.bias, said)


def small_models(patch: int) -> tuple[torch.nn.Module, Resampler]:
    channels = LATENT_CHANNELS + vae.BORDER_CHANNELS
    transformer = make_transformer(channels, TEXT_DIM, patch)
    return transformer, Resampler(Shape(HIDDEN, TEXT_DIM))


def test_a_run_starts_from_another_run_with_larger_tokens(tmp_path: Path) -> None:
    old, new = small_models(COARSE), small_models(PATCH)
    averages = [torch.full_like(p, 0.5) for module in old for p in module.parameters()]
    names = ("transformer", "connector")
    state = {name: module.state_dict() for name, module in zip(names, old, strict=True)}
    torch.save({**state, "average": averages}, tmp_path / "last.pt")
    start_from(tmp_path / "last.pt", *new)
    assert all(bool((p == 0.5).all()) for p in new[1].parameters())
    kinds = {round(p.mean().item(), 4) for p in new[0].parameters()}
    assert kinds == {0.5, 1.0}  # a smaller token is twice as loud


def test_a_run_starts_from_a_connector_that_has_learned_alone(tmp_path: Path) -> None:
    (fresh, connector), learned = small_models(PATCH), small_models(PATCH)[1]
    before = fresh.state_dict()["patch_embedding.weight"].clone()
    torch.save({"connector": learned.state_dict()}, tmp_path / "last.pt")
    start_from(tmp_path / "last.pt", fresh, connector)
    assert torch.equal(fresh.state_dict()["patch_embedding.weight"], before)
    for name, value in learned.state_dict().items():
        assert torch.equal(connector.state_dict()[name], value)


def test_a_run_starts_from_the_weights_that_ship() -> None:
    channels = LATENT_CHANNELS + vae.BORDER_CHANNELS
    transformer, connector = make_transformer(channels, TEXT_DIM), Resampler(Shape(576, TEXT_DIM))
    start_from(NANO, transformer, connector)
    shipped = load_file(NANO / "connector.safetensors")
    assert torch.equal(connector.state_dict()["input.weight"], shipped["input.weight"].float())
    assert transformer.state_dict()["proj_out.weight"].abs().sum() > 0  # which starts at zero


def test_processes_that_agree_on_a_share_learn_at_one_rate(tmp_path: Path) -> None:
    fast, slow = (Budget(tmp_path, 1, step=1000, spent_seconds=spent) for spent in (0.0, 54.0))
    assert fast.rate() > slow.rate()  # their own clocks
    assert fast.rate(0.9) == slow.rate(0.9) < fast.rate(0.5) == 1


@pytest.mark.filterwarnings("ignore:Mismatch dtype")
def test_a_run_goes_on_as_if_it_had_not_stopped(source: Source, tmp_path: Path) -> None:
    torch.save({"connector": small_models(PATCH)[1].state_dict()}, tmp_path / "last.pt")
    first, second = (Learner(HIDDEN, PATCH, "cpu", 1e-3) for _ in range(2))
    first.begin(tmp_path / "last.pt")
    batches = [source.batch("text_to_image") for _ in range(3)]

    def learn(learner: Learner, step: int) -> float:
        torch.manual_seed(step)
        learner.set_rate(1.0, joint=True)
        loss = loss_of(batches[step], learner.transformer, learner.connector)
        learner.learn(loss, step + 1)
        return loss.item()

    learn(first, 0)
    torch.save(first.state(), tmp_path / "state.pt")
    second.go_on(torch.load(tmp_path / "state.pt", weights_only=True))
    assert [learn(second, step) for step in (1, 2)] == [learn(first, step) for step in (1, 2)]


@pytest.mark.filterwarnings("ignore:Mismatch dtype")
@pytest.mark.parametrize("task", ["text_to_image", "image_to_video"])
def test_whatever_is_predicted_all_of_the_transformer_learns(
    source: Source, task: GenerationTask
) -> None:
    batch, (transformer, connector) = source.batch(task), small_models(PATCH)
    for predict in PREDICTS:
        loss = loss_of(batch, transformer, connector, predict=predict)
        loss.backward()
        assert loss.item() > 0
    assert all(p.grad is not None for p in transformer.parameters())


def test_tokens_never_become_larger() -> None:
    with pytest.raises(ValueError, match="must be a multiple"):
        with_finer_tokens({}, 2, 4)
