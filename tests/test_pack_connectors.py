"""A connector in packs of other pipelines than Wan VACE: the same contract, its tokens appended or in place of the text's."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unison_agent import Unison
from unison_agent.adapters.text_tokens import TextFamily, conditioned
from unison_agent.adapters.video import NO_CONNECTOR
from unison_agent.connector import Conditioning, Connector, Contract, Resampler, Shape
from unison_agent.conversation import READ_TEMPLATE_SHA256
from unison_agent.errors import ConnectorMismatchError, PackError
from unison_agent.media import MediaSet, Video
from unison_agent.packs import load_pack, parse_pack
from unison_agent.pipelines import ClipPipelineStore, ImagePipelineStore
from unison_agent.result import Result
from unison_agent.router import ClipTool, ImageTool, Router
from unison_agent.tasks import TASK_CALL, Plan, Request
from unison_agent.testing import HIDDEN_SIZE, ScriptedUnderstanding
from unison_agent.testing_clips import save_tiny_ltx
from unison_agent.testing_images import save_tiny_flux, save_tiny_qwen_image, save_tiny_sdxl

# Of numpy, about arrays that diffusers' Euler scheduler makes of tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TOOLS = Path(__file__).parents[1] / "tools"
MODES = ("append", "replace")


@dataclass(frozen=True)
class Family:
    """How a family is made small."""

    save: Callable[[Path], Path]
    pack: str
    table: str
    bound: str
    task: str


FAMILIES = {
    "sdxl": Family(save_tiny_sdxl, "sdxl", "image_pipeline", 'text_to_image = "StableDiffusionXLPipeline"', "text_to_image"),
    "flux": Family(save_tiny_flux, "flux-kontext", "image_pipeline", 'text_to_image = "FluxPipeline"', "text_to_image"),
    "qwen": Family(save_tiny_qwen_image, "qwen-image", "image_pipeline", 'text_to_image = "QwenImagePipeline"', "text_to_image"),
    "ltx": Family(save_tiny_ltx, "ltx-video", "clip_pipeline", 'text_to_video = "LTXConditionPipeline"', "text_to_video"),
}  # fmt: skip


def text_dim(models: Path, name: str) -> int:
    """Return the width of the tokens that the denoiser reads."""
    part = "unet" if name == "sdxl" else "transformer"
    config = json.loads((models / part / "config.json").read_text(encoding="utf-8"))
    keys = ("cross_attention_dim", "joint_attention_dim", "caption_channels")
    return int(next(config[key] for key in keys if config.get(key)))


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def name(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


@pytest.fixture(scope="module")
def models(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[name].save(tmp_path_factory.mktemp(name) / "models")


def connector(folder: Path, width: int, *, seed: int = 0, fingerprint: str = "0" * 64) -> Path:
    torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
    module = Resampler(Shape(HIDDEN_SIZE, width, num_queries=4, num_heads=4))
    contract = Contract(fingerprint, 0, READ_TEMPLATE_SHA256, width)
    path = folder / f"tokens-{next(NUMBERS)}.safetensors"
    Connector(module, contract).save(path)
    return path


NUMBERS = count()


def small(name: str, models: Path, connected: str) -> str:
    """Return a pack of one task of a family, small, with a connector."""
    family = FAMILIES[name]
    text = (TOOLS / f"{family.pack.replace('-', '_')}.toml").read_text(encoding="utf-8")
    head = text.split("[[tools]]")[0]
    limits = "num_frames = [9, 17]\nframe_rule = '8n+1'\nfps = [8, 30]\nnative_fps = 24"
    clips = family.table == "clip_pipeline"
    return f"""{head}
[[tools]]
name = "small"
tasks = ["{family.task}"]
adapter = "{"clips" if clips else "image"}"
[tools.{family.table}]
path = '{models}'
{family.bound}
{connected}
[tools.defaults]
width = 64
height = 32
steps = 2
guidance_scale = 3.0
{"num_frames = 9" if clips else ""}
{"fps = 24" if clips else ""}
[tools.limits]
width = [32, 64]
height = [32, 64]
multiple_of = 32
max_area = 4096
steps = [1, 9]
guidance_scale = [0, 9]
num_outputs = 1
{limits if clips else ""}
"""


def opened(
    name: str, models: Path, tmp_path: Path, file: Path | None, mode: str = "append", more: str = ""
) -> Router:
    """Return a router with the one tool of a small pack, read by a scripted understanding model."""
    table = (
        ""
        if file is None
        else f"[tools.connector]\nfile = '{file.name}'\nmode = '{mode}'\nrequired = false\n{more}"
    )
    path = tmp_path / f"pack-{next(NUMBERS)}.toml"
    path.write_text(small(name, models, table), encoding="utf-8")
    (spec,) = load_pack(path).tools
    folder = tmp_path if file is None else file.parent
    model = ScriptedUnderstanding()
    tool = (
        ClipTool(spec, pipelines=ClipPipelineStore(device="cpu"), understanding=lambda _: model, weights_folder=folder)
        if spec.adapter == "clips"
        else ImageTool(spec, pipelines=ImagePipelineStore(device="cpu"), understanding=lambda _: model, weights_folder=folder)
    )  # fmt: skip
    return Router([tool], profile="tiny")


def run(router: Router, name: str, *, on: bool = True, **fields: object) -> Result:
    call = TASK_CALL.validate_python(
        {"task": FAMILIES[name].task, "prompt": "a red star", "seed": 3, **fields}
    )
    plan = Plan(request=Request(text="a red star"), steps=(call,))
    return router.run(plan, MediaSet(), connector=on)


def pixels(result: Result) -> NDArray[np.uint8]:
    medium = result.artifacts[0].medium
    frames = list(medium.frames()) if isinstance(medium, Video) else [medium.rgb()]
    return np.stack([np.asarray(frame) for frame in frames])


def test_tokens_reach_the_picture_and_off_is_the_text_encoder_alone(
    name: str, models: Path, tmp_path: Path
) -> None:
    width = text_dim(models, name)
    plain = pixels(run(opened(name, models, tmp_path, None), name))
    one, other = (connector(tmp_path, width, seed=seed) for seed in (0, 1))
    made: list[bytes] = [plain.tobytes()]
    for mode in MODES:
        for file in (one, other):
            router = opened(name, models, tmp_path, file, mode)
            result = run(router, name)
            assert NO_CONNECTOR not in result.notes
            names = {each.name for each in result.artifacts[0].record.weights}
            assert {"connector", "understanding"} <= names
            made.append(pixels(result).tobytes())
        off = run(router, name, on=False)
        assert NO_CONNECTOR in off.notes
        assert pixels(off).tobytes() == plain.tobytes()
        assert "connector" not in {each.name for each in off.artifacts[0].record.weights}
        assert pixels(run(router, name)).tobytes() == made[-1]  # the pipeline is as before
    assert len(set(made)) == 5
    replaced = opened(name, models, tmp_path, one, "replace")
    if name in ("qwen", "ltx"):  # the others read pooled words besides
        assert (
            pixels(run(replaced, name)).tobytes()
            != pixels(run(replaced, name, prompt="dog")).tobytes()
        )


def test_tokens_of_another_width_are_refused_with_both_widths(
    name: str, models: Path, tmp_path: Path
) -> None:
    width = text_dim(models, name)
    router = opened(name, models, tmp_path, connector(tmp_path, width + 4))
    with pytest.raises(
        ConnectorMismatchError, match=rf"gives {width + 4} channels; .* reads {width}\."
    ):
        run(router, name)


def test_a_connector_of_another_model_or_layer_is_refused(tmp_path: Path) -> None:
    other = connector(tmp_path, 8, fingerprint="1" * 64)
    with pytest.raises(ConnectorMismatchError, match=r"trained for 1{64}, used with 0{64}"):
        run(opened("flux", tmp_path, tmp_path, other), "flux")
    deep = opened("flux", tmp_path, tmp_path, connector(tmp_path, 8), more="layer = 7")
    with pytest.raises(ConnectorMismatchError, match="layer: trained for 7, used with 0"):
        run(deep, "flux")


def test_without_its_file_the_text_encoder_reads_alone_and_the_result_says_so(
    name: str, models: Path, tmp_path: Path
) -> None:
    made = run(opened(name, models, tmp_path, tmp_path / "absent.safetensors"), name)
    assert NO_CONNECTOR in made.notes


def test_zeros_behind_the_tokens_are_no_key_of_these_pipelines() -> None:
    table = "[tools.connector]\nfile = 'x'\nrequired = true\nmax_sequence_length = 9"
    with pytest.raises(PackError, match=r"max_sequence_length.*fills no text tokens with zeros"):
        parse_pack(small("flux", Path("x"), table), file="small.toml")


class Reads:
    """A pipeline's way to read prompts."""

    def __init__(self, *gives: torch.Tensor | None) -> None:
        self.gives = gives

    def encode_prompt(self) -> tuple[torch.Tensor | None, ...]:
        return self.gives


READ, AGAINST = torch.ones(1, 3, 2), torch.full((1, 3, 2), 2.0)
EXTRA, NEGATIVE = torch.full((1, 2, 2), 5.0), torch.full((1, 2, 2), 6.0)
MASK = torch.tensor([[1, 1, 0]])


def rows(tokens: torch.Tensor | None) -> list[float]:
    assert tokens is not None
    return cast(
        "list[float]", tokens[0, :, 0].tolist() if tokens.dim() == 3 else tokens[0].tolist()
    )


@pytest.mark.parametrize(
    ("family", "gives", "appended", "replaced"),
    [
        ("SDXL", (READ, AGAINST), [[1, 1, 1, 5, 5], [2, 2, 2, 0, 0]], [[5, 5], [6, 6]]),
        ("Qwen-Image", (READ, MASK), [[1, 1, 1, 5, 5], [1, 1, 0, 1, 1]], [[5, 5], [1, 1]]),
        (
            "LTX-Video",
            (READ, MASK, AGAINST, MASK),
            [[1, 1, 1, 5, 5], [1, 1, 0, 1, 1], [2, 2, 2, 0, 0], [1, 1, 0, 0, 0]],
            [[5, 5], [1, 1], [6, 6], [1, 1]],
        ),
    ],
)
def test_where_the_tokens_stand(
    family: TextFamily,
    gives: tuple[torch.Tensor, ...],
    appended: list[list[float]],
    replaced: list[list[float]],
) -> None:
    for mode, wanted in (("append", appended), ("replace", replaced)):
        pipe = Reads(*gives)
        made = Conditioning(EXTRA, NEGATIVE, mode="append" if mode == "append" else "replace")
        with conditioned(pipe, family, made, "tiny"):
            assert [rows(one) for one in pipe.encode_prompt()] == wanted
            again = pipe.encode_prompt()
            if family == "Qwen-Image":  # the second call of a run reads what to keep away from
                assert rows(again[0]) == ([1, 1, 1] if mode == "append" else [6, 6])
        assert pipe.encode_prompt() == gives


def test_a_run_that_fails_leaves_the_pipeline_as_it_was() -> None:
    pipe = Reads(READ, AGAINST)
    with (
        pytest.raises(ZeroDivisionError),
        conditioned(pipe, "SDXL", Conditioning(EXTRA, None), "tiny"),
    ):
        raise ZeroDivisionError
    assert pipe.encode_prompt() == (READ, AGAINST)


def test_an_agent_opens_such_a_pack(tmp_path: Path) -> None:
    """What `Unison.from_pretrained` does with it, up to the mismatch with nano's own model."""
    models = save_tiny_flux(tmp_path / "models")
    file = connector(tmp_path, text_dim(models, "flux"))
    path = tmp_path / "pack.toml"
    table = f"[tools.connector]\npath = '{tmp_path}'\nfile = '{file.name}'\nmode = 'append'\nrequired = true"
    path.write_text(small("flux", models, table), encoding="utf-8")
    unison = Unison.from_pretrained(path, device="cpu")
    call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "a red star"})
    with pytest.raises(ConnectorMismatchError, match=r"understanding_sha256: trained for 0{64}"):
        unison.run(Plan(request=Request(text="a red star"), steps=(call,)), MediaSet())
