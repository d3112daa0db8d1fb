"""The defects of the paper's published inference script, by number, and that this library does not have them.

Each test says in a line what the script does. Defect 43 is in test_peft_lora.py, 11 and 36 are in
test_wan_vace.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from typer.testing import CliRunner

from unison_agent.adapters import frames
from unison_agent.adapters.answer import asked_about
from unison_agent.adapters.prompts import TEXT_TOKENS, prompt_of
from unison_agent.adapters.vace_inputs import VaceInputs, check_inputs, vace_inputs
from unison_agent.adapters.video import WanVaceAdapter
from unison_agent.cli.app import app
from unison_agent.connector import Connector, Projector, ProjectorShape, ProjMLP, Resampler, Shape
from unison_agent.errors import (
    GenerationError,
    NegotiationError,
    OutputError,
    PlanningError,
    RequestError,
    UnsupportedMediaError,
    WeightsError,
)
from unison_agent.lora import FoldedLoras
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.negotiate import Basis, negotiate
from unison_agent.packs import load_pack
from unison_agent.pipelines import LoadedPipeline, PipelineStore
from unison_agent.pipelines.store import NANO_FOLDER
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import make_request
from unison_agent.planning.signal_calls import fields_of
from unison_agent.planning.signal_tokens import (
    Edit,
    Frame,
    Piece,
    Reference,
    Signal,
    SignalCall,
    parse_pieces,
)
from unison_agent.planning.written import call_text
from unison_agent.preprocess.boxes import layout_maps
from unison_agent.preprocess.target import ClipMasks
from unison_agent.progress import silent
from unison_agent.result.saving import check_targets, encoded, write_whole
from unison_agent.router import AnswerTool, GenerationTool, Router
from unison_agent.router.roles import seen_media
from unison_agent.tasks import (
    TASK_CALL,
    Attachment,
    Generation,
    GenerationCall,
    Granted,
    GrantedImage,
    GrantedVideo,
    ImageUnderstanding,
    Plan,
    Request,
    TaskCall,
    VideoUnderstanding,
)
from unison_agent.testing import ScriptedUnderstanding
from unison_agent.testing_wan import tiny_conditioning, tiny_pipeline
from unison_agent.vlm import UnderstandingModel

if TYPE_CHECKING:
    from diffusers.pipelines.wan.pipeline_wan_vace import WanVACEPipeline

SIZE = (32, 16)
RED, GREEN, GRAY = (255, 0, 0), (0, 255, 0), (128, 128, 128)
IMAGE = GrantedImage(
    output="image", tool="t", width=32, height=16, steps=2, guidance_scale=3, seed=5, num_outputs=1
)
CLIP = GrantedVideo.model_validate({**IMAGE.model_dump(), "output": "video", "num_frames": 5, "fps": 8})  # fmt: skip
ANSWER, WAN = load_pack("wan-vace").tools


@pytest.fixture(scope="module")
def pipeline() -> LoadedPipeline:
    return tiny_pipeline(vae_temporal=4, text_encoder=True)


def flat(color: tuple[int, ...], size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    return PIL.Image.new("RGB" if len(color) == 3 else "RGBA", size, color)


def half(size: tuple[int, int] = SIZE) -> PIL.Image.Image:
    """Return black with a white left half."""
    drawn = PIL.Image.new("RGB", size)
    drawn.paste((255, 255, 255), (0, 0, size[0] // 2, size[1]))
    return drawn


def clip(count: int = 5, size: tuple[int, int] = SIZE) -> Video:
    return Video.from_frames([flat((40 * i, 0, 0), size) for i in range(count)], fps=8)


def call(task: str, **fields: object) -> GenerationCall:
    made: TaskCall = TASK_CALL.validate_python({"task": task, "prompt": "a red star", **fields})
    assert isinstance(made, Generation)
    return made


def color(picture: PIL.Image.Image) -> tuple[int, ...]:
    return cast("tuple[int, ...]", picture.getpixel((0, 0)))


def pixels(medium: Medium) -> NDArray[np.uint8]:
    assert isinstance(medium, Image)
    return np.asarray(medium.rgb())


def grant(*basis: Basis, **fields: object) -> GrantedVideo:
    """Negotiate a call with the pack of the paper's models; images have no num_frames."""
    task = str(fields.pop("task", "text_to_image"))
    return cast(
        "GrantedVideo", negotiate(call(task, **fields), WAN, basis=basis[0] if basis else None)
    )


def changed(granted: Granted) -> list[tuple[str, object, object]]:
    return [(one.field, one.asked, one.granted) for one in granted.adjustments]


def refused(*pieces: Piece, match: str) -> None:
    with pytest.raises(PlanningError, match=match):
        parse_pieces(pieces)


@dataclass(frozen=True)
class States:
    states: torch.Tensor
    mask: torch.Tensor


def states(length: int) -> States:
    torch.manual_seed(length)
    return States(torch.randn(1, length, 8), torch.ones(1, length, dtype=torch.bool))


# --- A. wrong results without an error --------------------------------------------------------------


def test_defect_01_first_frame_is_last():
    """Compares the index with a literal, so every image becomes the last frame."""
    media = MediaSet.of([flat(RED)])
    request = Request(text="animate", attachments=(Attachment(handle="image_1", kind="image"),))
    for place, index in (("first", 0), ("last", 4)):
        said = parse_pieces([Signal.BOFIDX, str(index // 4), Signal.EOFIDX, Signal.CFV])
        assert said == SignalCall("video", Frame("first" if place == "first" else "last"))
        task, fields = fields_of(said, request)
        video = vace_inputs(call(task, **fields), CLIP, media).video
        assert video is not None
        assert [color(one) == RED for one in video] == [i == index for i in range(5)]


def test_defect_02_image_control_is_ignored(pipeline: LoadedPipeline):
    """Has no branch for image controllable generation and draws from the words alone."""
    asked, made = call("image_controllable_generation", control="image_1"), set[bytes]()
    for shade in (RED, GREEN):
        media = MediaSet.of([flat(shade)])
        output = WanVaceAdapter(pipeline).run(asked, IMAGE, media, tiny_conditioning(), silent)
        made.add(pixels(output.media[0]).tobytes())
    assert len(made) == 2


def test_defect_03_projector_drops_out_at_inference():
    """Never calls eval() on the projector, so dropout makes the conditioning random."""
    projector = Projector(ProjMLP(ProjectorShape(8, 16, 8)).train())
    one, two = (projector.condition(states(20)).prompt_embeds for _ in range(2))
    assert torch.equal(one, two)


def test_defect_04_mask_of_a_video_edit_is_ignored():
    """Edits the first attachment under a mask it finds itself, whatever the planner and the user say."""
    request = make_request("make it red", [("image_1", "image"), ("video_1", "video")])
    task, fields = fields_of(SignalCall("video", Edit(mask=0, source=1)), request)
    assert (task, fields) == ("video_editing", {"source": "video_1", "mask": "image_1"})
    made = vace_inputs(call(task, **fields), CLIP, MediaSet.of([half(), clip()]))
    assert made.video is not None
    assert made.mask is not None
    assert [color(one)[0] for one in made.video] == [0, 40, 80, 120, 160]
    assert all((np.asarray(one)[:, :16] == 255).all() for one in made.mask)
    assert not any(np.asarray(one)[:, 16:].any() for one in made.mask)


def test_defect_05_one_mask_for_all_frames():
    """Uses the mask of the first frame for the whole clip, and takes no clip as a mask."""
    moving = [flat((255, 255, 255) if i % 2 else (0, 0, 0)) for i in range(5)]
    media = MediaSet.of([clip(), Video.from_frames(moving, 8)])
    made = vace_inputs(call("video_editing", source="video_1", mask="video_2"), CLIP, media)
    assert made.mask is not None
    assert [bool(np.asarray(one).any()) for one in made.mask] == [False, True, False, True, False]


def test_defect_06_always_the_first_attachment():
    """Takes attachment 0 for every role: one reference only, never first and last frame together."""
    media = MediaSet.of([flat(RED), flat(GREEN)])
    both = call("image_to_video", first_frame="image_2", last_frame="image_1")
    video = vace_inputs(both, CLIP, media).video
    assert video is not None
    assert (color(video[0]), color(video[4])) == (GREEN, RED)
    several = call("video_reference_generation", references=("image_2", "image_1"))
    images = vace_inputs(several, CLIP, media).reference_images
    assert [color(one) for one in images or ()] == [GREEN, RED]
    second = vace_inputs(call("image_controllable_generation", control="image_2"), IMAGE, media)
    assert [color(one) for one in second.video or ()] == [GREEN]


def test_defect_07_words_behind_the_window_are_lost_silently():
    """Reads 56 tokens, about 43 of them the user's, and does not say so."""
    module, far = Resampler(Shape(hidden_size=8, text_dim=8, num_queries=2)).eval(), states(90)
    with torch.inference_mode():
        before = module(far.states, far.mask)
        far.states[:, -1] += 1
        assert not torch.equal(before, module(far.states, far.mask))
    notes = Projector(ProjMLP(ProjectorShape(8, 16, 8))).condition(states(90)).notes
    assert "the last 31 of the prompt went unseen" in notes[0]


def test_defect_08_connector_sees_no_pixels():
    """Gives the connector placeholders in place of the pictures."""
    model = UnderstandingModel.load_nano(NANO_FOLDER, layer=20)
    connector = Connector.load(NANO_FOLDER / "connector.safetensors")
    asked, made = call("image_editing", source="image_1", mask="image_2"), list[torch.Tensor]()
    for shade in (RED, GREEN):
        media = MediaSet.of([flat(shade, (64, 64)), half()])
        seen = seen_media(asked, media)
        assert seen == (media.medium("image_1"),)
        made.append(connector.condition(model.read("make it move", seen)).prompt_embeds)
    assert not torch.equal(*made)


def test_defect_09_picture_is_drawn_from_the_whole_request(pipeline: LoadedPipeline):
    """Conditions the picture on "480P" and "I have an image" too."""
    request = make_request("480p please: a red star")
    written = call_text("text_to_image", {"resolution": "480p", "prompt": "a red star"})
    (step,) = read_plan(request, written).steps
    assert isinstance(step, Generation)
    assert prompt_of(step, None, pipeline).text == "a red star"


def test_defect_10_understanding_takes_one_image():
    """Gives the first attachment to the image loader, a clip too, and drops the rest."""
    media = MediaSet.of([flat(RED), clip(), flat(GREEN)])
    about = asked_about(VideoUnderstanding(task="video_understanding", question="what?"), media)
    assert about == tuple(media.medium(handle) for handle in ("image_1", "video_1", "image_2"))
    about = asked_about(ImageUnderstanding(task="image_understanding", question="what?"), media)
    assert [one.kind for one in about] == ["image", "image"]


def test_defect_12_clips_play_at_another_speed():
    """Saves at 24 frames a second what the model makes at 16, and drops a source's rate."""
    granted = grant(task="text_to_video", duration_seconds=3)
    assert (granted.num_frames, granted.fps) == (49, 16)
    source = Basis(832, 480, 48, 24)
    edited = grant(source, task="video_editing", source="video_1")
    assert edited.num_frames / edited.fps == pytest.approx(2, abs=0.15)
    long = grant(Basis(832, 480, 480, 30), task="video_editing", source="video_1")
    assert long.num_frames / long.fps == pytest.approx(16, abs=0.15)


@pytest.mark.parametrize("task", ["text_to_video", "image_to_video", "video_editing"])
def test_defect_13_asked_frames_are_changed_or_ignored(task: str):
    """Makes 49 frames of 50 without a word, and always 81 from an image."""
    role = {"image_to_video": {"first_frame": "image_1"}, "video_editing": {"source": "video_1"}}
    granted = grant(task=task, num_frames=50, **role.get(task, {}))
    assert granted.num_frames == 49
    assert ("num_frames", 50, 49) in changed(granted)


@pytest.mark.parametrize(
    ("task", "role"), [("image_to_video", "first_frame"), ("image_editing", "source")]
)
def test_defect_14_asked_size_is_ignored(task: str, role: str):
    """Takes the size from the source, whatever was asked."""
    granted = grant(Basis(512, 512), task=task, width=640, height=480, **{role: "image_1"})
    assert (granted.width, granted.height) == (640, 480)
    assert changed(granted) == []


def test_defect_15_untouched_pixels_change(pipeline: LoadedPipeline):
    """Sends picture and mask of an edit through a lossy clip."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    media = MediaSet.of([noise, half()])
    asked = call("image_editing", source="image_1", mask="image_2")
    output = WanVaceAdapter(pipeline).run(asked, IMAGE, media, tiny_conditioning(), silent)
    assert (pixels(output.media[0])[:, 16:] == noise[:, 16:]).all()
    square = grant(Basis(512, 512), task="image_editing", source="image_1")
    assert (square.width, square.height) == (512, 512)


def test_defect_16_roles_overwrite_each_other():
    """Takes the last of several roles, and an image where both classes are written."""
    refused(Signal.BOEDIT, "1,0", Signal.EOEDIT, Signal.REF, Signal.CFI, match="at piece 4")
    refused(Signal.CFI, Signal.CFV, match="nothing behind the class")


def test_defect_17_spelled_out_token_is_a_command():
    """Searches the answer for the characters "<CFI>", and reads them in the request as the token."""
    assert parse_pieces(["The tokens are <CFI> and <CFV>."]) is None
    refused("Well, ", Signal.CFI, match="at piece 1")


def test_defect_18_hidden_colours_of_a_transparent_reference():
    """Drops the alpha of a reference, so that what was invisible is seen."""
    asked = call("image_reference_generation", references=("image_1",))
    made = vace_inputs(asked, IMAGE, MediaSet.of([flat((255, 0, 0, 0))])).reference_images
    assert made is not None
    assert (np.asarray(made[0]) == 255).all()


def test_defect_19_noise_widens_the_mask():
    """Counts every pixel above 0 as masked."""
    noisy = PIL.Image.new("L", SIZE, 12)
    noisy.paste(243, (0, 0, 8, 16))
    (mask,) = frames.masks(Image.from_pil(noisy), 1, SIZE)
    assert (np.asarray(mask) > 0).mean() == 0.25


def test_defect_20_empty_negative_prompt_is_replaced(pipeline: LoadedPipeline):
    """Puts a long default in the place of an empty negative prompt."""
    assert prompt_of(call("text_to_image"), None, pipeline).negative_text == ""


def test_defect_21_zeros_are_attended_to_unawares(pipeline: LoadedPipeline):
    """Sets 2,048 text positions for every model, unmasked; here the pack says how many."""
    made = prompt_of(call("text_to_image"), tiny_conditioning(), pipeline).embeds
    assert made is not None
    assert made.shape[1] == 4
    assert (TEXT_TOKENS, WAN.connector and WAN.connector.max_sequence_length) == (512, 2048)


def test_defect_22_digits_are_not_those_of_the_request():
    """Samples as the checkpoint says, and wrote 640,512 for 640x640 in a published figure."""
    request = make_request("640x640, 4s")
    for height in (640, 512):
        task, fields = fields_of(SignalCall("video", None, (640, height), 96), request)
        if height == 640:
            assert read_plan(request, call_text(task, fields)).steps
            continue
        with pytest.raises(PlanningError, match="height must be a number that the request states"):
            read_plan(request, call_text(task, fields))


def test_defect_23_planning_weights_answer_too(tmp_path: Path):
    """Merges the planning LoRA into the model that also answers."""
    from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]

    model = nn.ModuleDict({"q_proj": nn.Linear(4, 4, bias=False)}).requires_grad_(False)
    linear = cast("nn.Linear", model["q_proj"])
    settings = '{"r": 1, "lora_alpha": 1, "target_modules": ["q_proj"]}'
    (tmp_path / "adapter_config.json").write_text(settings, encoding="utf-8")
    values = {"q_proj.lora_A.weight": torch.ones(1, 4), "q_proj.lora_B.weight": torch.ones(4, 1)}
    save_file(values, tmp_path / "adapter.safetensors")
    base, loras = linear.weight.clone(), FoldedLoras(model)
    loras.add(tmp_path, "planner")
    loras.activate("planner")
    assert not torch.equal(linear.weight, base)
    loras.activate(None)
    assert torch.equal(linear.weight, base)


# --- B. crashes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height"), [(1920, 1080), (854, 480), (640, 360), (500, 300), (1000, 1000)]
)
def test_defect_24_sizes_that_are_no_multiple_of_16(width: int, height: int):
    """Fails in the middle of a run."""
    granted = grant(width=width, height=height)
    assert granted.width % 16 == granted.height % 16 == 0
    told = {field for field, _, _ in changed(granted)}
    assert told == {
        name
        for name, asked in (("width", width), ("height", height))
        if getattr(granted, name) != asked
    }


def test_defect_25_seed():
    """Fails for a negative seed, and uses 0 always."""
    assert grant(seed=7).seed == 7
    with pytest.raises(RequestError, match="seed"):
        negotiate(call("text_to_image"), WAN, default_seed=-1)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'
def test_defect_26_another_sampler():
    """Names three functions that are nowhere, for every sampler but one."""
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    other = tiny_pipeline()
    sampler = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    cast("WanVACEPipeline", other.pipe).scheduler = sampler  # pyright: ignore[reportAttributeAccessIssue]
    output = WanVaceAdapter(other).run(
        call("text_to_image"), IMAGE, MediaSet(), tiny_conditioning(), silent
    )
    assert pixels(output.media[0]).shape == (16, 32, 3)


def test_defect_27_boxes():
    """Fails with a name that is nowhere where a box is given; here boxes are a control of their own."""
    boxed = flat((255, 255, 255))
    boxed.paste(RED, (4, 4, 12, 12))
    (layout,) = layout_maps([boxed])
    asked = call("image_controllable_generation", control="image_1", control_type="layout")
    control = vace_inputs(asked, IMAGE, MediaSet.of([layout])).video
    assert control is not None
    assert np.argwhere(np.asarray(control[0]).any(-1)).min(0).tolist() == [4, 4]


@pytest.mark.parametrize(
    "pieces",
    [
        (Signal.BORES, Signal.EORES, Signal.CFI),
        (Signal.BORES, "640", Signal.EORES, Signal.CFI),
        (Signal.BORES, "640,480,9", Signal.EORES, Signal.CFI),
        (Signal.BOEDIT, "-1,0", Signal.EOEDIT, Signal.CFI),
        (Signal.BONF, "", Signal.EONF, Signal.CFV),
    ],
)
def test_defect_28_malformed_tokens(pieces: tuple[Piece, ...]):
    """Fails with what the parser trips over, and takes -1 as the last attachment."""
    refused(*pieces, match="at piece 2")
    with pytest.raises(PlanningError, match="there are 0"):
        fields_of(SignalCall("image", Edit(1, 0)), make_request("mend it"))
    with pytest.raises(PlanningError, match="need an attached image"):
        fields_of(SignalCall("image", Reference()), make_request("this fox"))


def test_defect_29_path_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Fails after the work is done, because it makes the folder ''."""
    monkeypatch.chdir(tmp_path)
    check_targets([Path("star.png")], overwrite=False)
    write_whole([(Path("star.png"), b"x")], overwrite=False)
    assert Path("star.png").read_bytes() == b"x"
    with pytest.raises(OutputError, match="does not exist"):  # before the work
        check_targets([Path("absent/star.png")], overwrite=False)


def test_defect_30_clip_saved_as_png_is_lost():
    """Prints the error and ends with exit code 0."""
    with pytest.raises(OutputError, match=r"\.png cannot hold the output, which is of kind video"):
        encoded(clip(), cast("object", None), ".png")  # pyright: ignore[reportArgumentType]


def test_defect_31_encoder_errors_are_swallowed():
    """Hands on the path of a clip that was not written, e.g. for odd sides."""
    odd = Video.from_frames([flat(RED, (33, 17))] * 5, 8)
    assert Video.open(odd.mp4_bytes()).num_frames == 5
    with pytest.raises(RequestError, match="fps must be above 0"):
        Video.from_frames([flat(RED)], 0)


def test_defect_32_mask_of_another_size():
    """Fails where mask and source differ in size."""
    media = MediaSet.of([flat(RED, (64, 64)), half((50, 30))])
    made = vace_inputs(call("image_editing", source="image_1", mask="image_2"), IMAGE, media)
    assert made.mask is not None
    assert made.video is not None
    assert made.mask[0].size == made.video[0].size == SIZE


@pytest.mark.parametrize("name", ["STAR.PNG", "star.webp", "star.gif", "star"])
def test_defect_33_hashes_and_endings(tmp_path: Path, name: str):
    """Cuts the prompt at '###', and refuses files by their ending, in lower case only."""
    assert make_request("### A title\na star ### and more").attachments == ()
    form = {".webp": "WEBP", ".gif": "GIF"}.get(Path(name).suffix, "PNG")
    flat(RED).save(tmp_path / name, form)
    assert Image.open(tmp_path / name).width == 32


def test_defect_34_commas_in_paths(tmp_path: Path):
    """Splits paths at commas."""
    path = tmp_path / "a star, red.png"
    flat(RED).save(path)
    assert MediaSet.of([path]).handles == ("image_1",)


def test_defect_35_no_cap_on_area_and_frames():
    """Runs out of memory for a large clip."""
    assert WAN.limits is not None
    assert WAN.limits.max_volume is not None
    granted = grant(task="text_to_video", width=1280, height=720, num_frames=129)
    assert granted.width * granted.height * granted.num_frames <= WAN.limits.max_volume
    assert changed(granted)
    with pytest.raises(NegotiationError):
        negotiate(call("text_to_image", width=100_000, height=100_000), WAN)


# --- C. security and operation ----------------------------------------------------------------------


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.png", "file:///etc/hostname"])
def test_defect_37_paths_and_addresses_in_the_prompt_are_opened(address: str):
    """Opens whatever stands between '###' in the request."""
    assert make_request(f"mend ###{address}### and ###/etc/hostname###").attachments == ()
    with pytest.raises(UnsupportedMediaError, match="is an address; only local files are opened"):
        MediaSet.of([address])


class Code:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return print, ("code ran",)


def test_defect_38_projector_file_can_run_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Loads a downloaded pickle as it is."""
    torch.save({"net.0.weight": Code()}, tmp_path / "projector.pth")
    with pytest.raises(WeightsError, match="is not a projector that can be loaded"):
        Projector.load(tmp_path / "projector.pth")
    assert capsys.readouterr().out == ""


def answers(model: ScriptedUnderstanding, folder: Path) -> Router:
    """Return a router whose pipeline lies nowhere."""
    drawing = GenerationTool(
        WAN,
        pipelines=PipelineStore(folder / "nowhere"),
        understanding=lambda _: model,
        weights_folder=folder,
    )
    return Router([AnswerTool(ANSWER, lambda _: model), drawing])


def question(text: str = "Why is the sky blue?") -> Plan:
    request = make_request(text)
    task, fields = fields_of(parse_pieces([]), request)
    return read_plan(request, call_text(task, fields))


def test_defect_39_everything_is_loaded_for_every_prompt(tmp_path: Path):
    """Loads the pipeline for a question too."""
    result = answers(ScriptedUnderstanding(), tmp_path).run(question(), MediaSet())
    assert result.text == "a red star"


def test_defect_40_answers_are_written_twice(tmp_path: Path):
    """Writes the whole answer to find out that it is one, and then again."""
    model = ScriptedUnderstanding()
    answers(model, tmp_path).run(question(), MediaSet())
    assert model.asked == [("Why is the sky blue?", 0)]
    assert model.prompts == []


def test_defect_41_detectors_are_built_for_a_mask_that_is_given():
    """Builds three detectors for every edit, also where a mask is attached."""

    def find(frames: Sequence[PIL.Image.Image], target: str, /) -> ClipMasks:
        raise AssertionError((frames, target))

    asked = call("image_editing", source="image_1", mask="image_2", target="the star")
    assert vace_inputs(asked, IMAGE, MediaSet.of([flat(RED), half()]), find).mask is not None


def test_defect_42_work_files_of_two_requests_collide(
    pipeline: LoadedPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Writes into a folder that is named by the second."""
    monkeypatch.chdir(tmp_path)
    asked = call("video_editing", source="video_1", mask="image_1")
    media = MediaSet.of([clip(), half()])
    WanVaceAdapter(pipeline).run(asked, CLIP, media, tiny_conditioning(), silent)
    assert list(tmp_path.iterdir()) == []


def test_defect_44_cannot_be_installed_elsewhere_and_always_ends_well():
    """Is installed from git as it is that day, for one Python, and ends with exit code 0 whatever happened."""
    required = requires("unison-agent") or []
    assert required
    assert not [one for one in required if " @ " in one or "git+" in one]
    done = CliRunner().invoke(app, ["run", "Draw a star", "--media", "absent.png"])
    assert done.exit_code != 0


def test_sizes_are_checked_before_the_pipeline_runs(pipeline: LoadedPipeline):
    """Defect 24 again, where a tool pack is wrong."""
    with pytest.raises(GenerationError, match="multiples of 8, granted 36x16"):
        check_inputs(VaceInputs(36, 16, 1), pipeline)
