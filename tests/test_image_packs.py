"""Packs of image pipelines, each task of each run end to end on tiny checkpoints of the same classes."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray
from tiny_packs import (
    ARRAYS_OF_TENSORS,
    TOOLS,
    Stop,
    asked,
    assert_pins_hold,
    changed,
    hashes,
    opened,
    refusal,
    run,
    small,
)

from unison_agent import Unison
from unison_agent.adapters.image_calls import NO_NEGATIVE
from unison_agent.adapters.image_inputs import WHOLE
from unison_agent.errors import (
    GenerationError,
    MissingDependencyError,
    MissingInputError,
    NegotiationError,
    RequestError,
    RunCancelledError,
    WeightsError,
)
from unison_agent.media import Image
from unison_agent.packs import parse_pack
from unison_agent.progress import ProgressEvent
from unison_agent.result import Result
from unison_agent.testing_images import (
    save_tiny_flux,
    save_tiny_ip_adapter,
    save_tiny_qwen_image,
    save_tiny_qwen_image_edit,
    save_tiny_sdxl,
    save_tiny_sdxl_controlnet,
)

pytestmark = ARRAYS_OF_TENSORS

SIDE = 32
REFERENCES = "image_reference_generation"


def tiny(profile: str, places: Mapping[str, Path], folder: Path) -> Path:
    """Write the pack of a profile with folders for its repositories, and small pictures."""
    text = (TOOLS / f"{profile}.toml").read_text(encoding="utf-8")
    for repo, place in places.items():
        named = rf'repo = "{re.escape(repo)}"\nrevision = "main"(\nvariant = "fp16")?'
        text, count = re.subn(named, f"path = '{place}'", text)
        assert count == 1
    assert 'repo = "' not in text
    path = folder / f"{profile}.toml"
    small_text = small(text, "image_pipeline", (16, 64), width=SIDE, height=SIDE, steps=2)
    path.write_text(small_text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sdxl_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdxl")
    return tiny(
        "sdxl",
        {
            "stabilityai/stable-diffusion-xl-base-1.0": save_tiny_sdxl(folder / "base"),
            "diffusers/controlnet-canny-sdxl-1.0": save_tiny_sdxl_controlnet(folder / "canny"),
            "diffusers/controlnet-depth-sdxl-1.0": save_tiny_sdxl_controlnet(
                folder / "depth", seed=2
            ),
            "h94/IP-Adapter": save_tiny_ip_adapter(folder / "adapter"),
        },
        folder,
    )


@pytest.fixture(scope="module")
def sdxl(sdxl_pack: Path) -> Unison:
    return Unison.from_pretrained(sdxl_pack, device="cpu")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Unison:
    folder = tmp_path_factory.mktemp("flux")
    places = {"black-forest-labs/FLUX.1-Kontext-dev": save_tiny_flux(folder / "kontext")}
    return Unison.from_pretrained(tiny("flux_kontext", places, folder), device="cpu")


def weights(model: object) -> dict[str, object]:
    assert isinstance(model, torch.nn.Module)
    return dict(model.named_parameters())


def with_change(pack: Path, folder: Path, old: str, new: str) -> Unison:
    """Open a pack with something replaced in it."""
    return opened(changed(pack.read_text("utf-8"), (old, new)), folder / "changed.toml")


def pixels(result: Result, index: int = 0) -> NDArray[np.uint8]:
    medium = result.steps[0].artifacts[index].medium
    assert isinstance(medium, Image)
    return np.asarray(medium.pil)


def scene(side: int = SIDE) -> PIL.Image.Image:
    """Return a blue picture with a red square."""
    picture = PIL.Image.new("RGB", (side, side), (20, 40, 200))
    picture.paste((220, 30, 30), (8, 8, 24, 24))
    return picture


def left_half(side: int = SIDE) -> PIL.Image.Image:
    mask = PIL.Image.new("L", (side, side))
    mask.paste(255, (0, 0, side // 2, side))
    return mask


def edges(side: int = SIDE) -> PIL.Image.Image:
    """Return white lines on black, as a map of edges is."""
    drawn = PIL.Image.new("RGB", (side, side))
    drawn.paste((255, 255, 255), (8, 8, 9, 24))
    drawn.paste((255, 255, 255), (8, 8, 24, 9))
    return drawn


# --- SDXL --------------------------------------------------------------------------------------------


def test_sdxl_draws_what_was_granted_and_the_same_for_the_same_seed(sdxl: Unison) -> None:
    made = run(sdxl, "text_to_image", width=48, height=32, num_outputs=2, seed=3)
    assert pixels(made).shape == (32, 48, 3)
    again = run(sdxl, "text_to_image", width=48, height=32, seed=4)
    assert (pixels(made, 1) == pixels(again)).all()
    assert (pixels(made, 0) != pixels(made, 1)).any()


def test_sdxl_s_files_are_recorded_and_held_to_the_pack_s_pins(
    sdxl: Unison, sdxl_pack: Path
) -> None:
    used = hashes(run(sdxl, "text_to_image"))
    name = next(one for one in used if one.startswith("pipeline/unet/"))
    assert_pins_hold(sdxl_pack, sdxl_pack.parent / "base", "text_to_image", name, used[name])


def test_sdxl_reads_prompt_negative_prompt_and_guidance(sdxl: Unison) -> None:
    plain = pixels(run(sdxl, "text_to_image"))
    for fields in ({"prompt": "two dogs"}, {"negative_prompt": "blur"}, {"guidance_scale": 9.0}):
        assert (pixels(run(sdxl, "text_to_image", **fields)) != plain).any()


def test_sdxl_inpaints_and_keeps_the_rest_to_the_pixel(sdxl: Unison) -> None:
    made = run(sdxl, "image_editing", scene(), left_half(), source="image_1", mask="image_2")
    half = SIDE // 2
    source = np.asarray(scene())
    assert (pixels(made)[:, half:] == source[:, half:]).all()
    assert (pixels(made)[:, :half] != source[:, :half]).any()
    assert made.steps[0].kept_db is not None


def test_sdxl_runs_the_granted_steps_of_an_edit(sdxl: Unison) -> None:
    events: list[ProgressEvent] = []
    fields = {"source": "image_1", "mask": "image_2", "steps": 3}
    sdxl.run(*asked("image_editing", scene(), left_half(), **fields), progress=events.append)
    assert [e.done for e in events if e.stage == "denoise"] == [0, 1, 2, 3]


def test_sdxl_edits_need_a_mask_or_a_target(sdxl: Unison) -> None:
    with pytest.raises(MissingInputError) as caught:
        run(sdxl, "image_editing", scene(), source="image_1")
    assert caught.value.slot == "mask"


def test_sdxl_follows_each_control_by_its_own_controlnet(sdxl: Unison) -> None:
    def follow(control_type: str) -> NDArray[np.uint8]:
        gray = PIL.Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB")
        shown = edges() if control_type == "canny" else gray
        fields = {"control": "image_1", "control_type": control_type}
        return pixels(run(sdxl, "image_controllable_generation", shown, **fields))

    plain = pixels(run(sdxl, "text_to_image"))
    canny, depth = follow("canny"), follow("depth")
    assert (canny != plain).any()
    assert (depth != plain).any()
    assert (canny != depth).any()


def test_sdxl_sees_each_reference_and_other_tasks_see_none(sdxl: Unison) -> None:
    def shown(*references: PIL.Image.Image) -> NDArray[np.uint8]:
        handles = tuple(f"image_{number}" for number in range(1, len(references) + 1))
        fields = {"references": handles, "width": SIDE, "height": SIDE}
        return pixels(run(sdxl, "image_reference_generation", *references, **fields))

    plain = pixels(run(sdxl, "text_to_image"))
    one, other, both = shown(scene(64)), shown(edges()), shown(scene(64), edges())
    assert one.shape == (SIDE, SIDE, 3)
    for made in (one, other, both):
        assert (made != plain).any()
    assert (one != other).any()
    assert (one != both).any()
    assert (shown(scene(64)) == one).all()
    assert (pixels(run(sdxl, "text_to_image")) == plain).all()


def test_the_scale_of_the_pack_is_how_much_references_count(
    tmp_path: Path, sdxl: Unison, sdxl_pack: Path
) -> None:
    less = with_change(sdxl_pack, tmp_path, "scale = 0.6", "scale = 0.01")
    plain = pixels(run(sdxl, "text_to_image")).astype(int)
    far, near = (
        abs(pixels(run(unison, REFERENCES, scene(), references=("image_1",))) - plain).mean()
        for unison in (sdxl, less)
    )
    assert 0 < near < far


def test_more_references_than_the_pack_allows_are_refused_before_the_run(sdxl: Unison) -> None:
    handles = tuple(f"image_{number}" for number in range(1, 6))
    with pytest.raises(NegotiationError, match="5 references were given, sdxl takes at most 4"):
        run(sdxl, REFERENCES, *[scene()] * 5, references=handles)


def test_sdxl_makes_the_map_of_ordinary_footage(sdxl: Unison) -> None:
    photo = PIL.Image.effect_noise((64, 64), 60).convert("RGB").resize((SIDE, SIDE))
    photo.paste((200, 30, 30), (8, 8, 24, 24))
    photo = PIL.Image.merge("RGB", (photo.getchannel(0), *scene().split()[1:]))
    fields = {"control": "image_1", "control_type": "canny"}
    made = run(sdxl, "image_controllable_generation", photo, **fields)
    assert any("canny map" in note for note in made.steps[0].notes)


def test_a_control_of_no_stated_type_is_asked_about_when_it_may_be_either(sdxl: Unison) -> None:
    blank = PIL.Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    with pytest.raises(MissingInputError) as caught:
        run(sdxl, "image_controllable_generation", blank, control="image_1")
    assert caught.value.slot == "control_type"
    assert "canny or depth" in caught.value.question


def test_a_control_without_a_controlnet_is_refused(sdxl: Unison) -> None:
    fields = {"control": "image_1", "control_type": "pose"}
    with pytest.raises(NegotiationError, match="canny, depth"):
        run(sdxl, "image_controllable_generation", edges(), **fields)


def test_the_classes_of_a_checkpoint_share_its_models(sdxl_pack: Path) -> None:
    from unison_agent.pipelines import ImagePipelineStore

    (tool,) = (t for t in parse_pack(sdxl_pack.read_text("utf-8"), file="x").tools if t.limits)
    assert tool.image_pipeline is not None
    store = ImagePipelineStore(device="cpu")
    draw = store.get(tool.image_pipeline, "StableDiffusionXLPipeline")
    inpaint = store.get(tool.image_pipeline, "StableDiffusionXLInpaintPipeline")
    net = tool.image_pipeline.controlnets[0]
    follow = store.get(tool.image_pipeline, "StableDiffusionXLControlNetPipeline", net)
    for name in ("unet", "vae", "text_encoder", "text_encoder_2"):
        one = draw.pipe.components[name]
        assert one is inpaint.pipe.components[name]
        assert one is follow.pipe.components[name]
    assert draw.lock is inpaint.lock is follow.lock
    assert store.get(tool.image_pipeline, "StableDiffusionXLPipeline").pipe is draw.pipe
    assert (draw.size_multiple, follow.control_scale) == (2, 0.5)


def test_the_adapter_has_a_denoiser_of_its_own_with_the_weights_of_the_others(
    sdxl_pack: Path,
) -> None:
    from unison_agent.pipelines import ImagePipelineStore

    spec = parse_pack(sdxl_pack.read_text("utf-8"), file="x").tools[1].image_pipeline
    assert spec is not None
    store = ImagePipelineStore(device="cpu")
    see = store.get(spec, "StableDiffusionXLPipeline", spec.ip_adapter)
    draw = store.get(spec, "StableDiffusionXLPipeline")
    seen, drawn = (weights(one.pipe.components["unet"]) for one in (see, draw))
    assert all(seen[name] is weight for name, weight in drawn.items())
    assert any("to_k_ip" in name for name in seen.keys() - drawn.keys())
    assert see.pipe.components["vae"] is draw.pipe.components["vae"]
    assert draw.pipe.components["image_encoder"] is None


def test_a_run_is_stopped_within_a_step_and_the_next_is_as_before(sdxl: Unison) -> None:
    stop = Stop()
    before = pixels(run(sdxl, "text_to_image"))
    with pytest.raises(RunCancelledError):
        sdxl.run(*asked("text_to_image", steps=9), progress=stop)
    assert stop.seen == [0, 1, 2]
    assert (pixels(run(sdxl, "text_to_image")) == before).all()


def test_tasks_of_clips_are_not_served(sdxl: Unison) -> None:
    with pytest.raises(RequestError, match="No tool of 'sdxl' serves text_to_video"):
        run(sdxl, "text_to_video")


# --- what goes wrong ---------------------------------------------------------------------------------


def test_numbers_that_are_none_are_an_error(tmp_path: Path, sdxl_pack: Path) -> None:
    from diffusers import StableDiffusionXLPipeline  # pyright: ignore[reportPrivateImportUsage]

    pipe = StableDiffusionXLPipeline.from_pretrained(sdxl_pack.parent / "base")
    with torch.no_grad():
        pipe.vae.decoder.conv_out.bias.fill_(float("nan"))
    pipe.save_pretrained(tmp_path / "base")
    broken = with_change(
        sdxl_pack, tmp_path, str(sdxl_pack.parent / "base"), str(tmp_path / "base")
    )
    with pytest.raises(GenerationError, match="not numbers"):
        run(broken, "text_to_image")


def test_sides_that_the_pipeline_would_change_are_the_packs_mistake(
    tmp_path: Path, sdxl_pack: Path
) -> None:
    odd = with_change(sdxl_pack, tmp_path, "multiple_of = 8", "multiple_of = 1")
    with pytest.raises(GenerationError, match="multiples of 2, granted 33x32") as caught:
        run(odd, "text_to_image", width=33, height=32)
    assert caught.value.hint == "Set multiple_of = 2 in the tool pack."


def test_a_folder_that_is_not_there(tmp_path: Path, sdxl_pack: Path) -> None:
    lost = with_change(sdxl_pack, tmp_path, str(sdxl_pack.parent / "base"), "/nowhere")
    with pytest.raises(WeightsError, match="no folder /nowhere"):
        run(lost, "text_to_image")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('file = "ip-adapter_sdxl', 'file = "lost', r"ip_adapter.file: there is no sdxl_models/lost"),
        ('models/image_encoder"', 'models/lost"', r"ip_adapter.image_encoder: there is no sdxl_models/lost"),
    ],
)  # fmt: skip
def test_a_missing_adapter_is_told_before_anything_is_loaded(
    tmp_path: Path, sdxl_pack: Path, old: str, new: str, words: str
) -> None:
    lost = with_change(sdxl_pack, tmp_path, old, new)
    events: list[ProgressEvent] = []
    with pytest.raises(WeightsError, match=words):
        lost.run(*asked(REFERENCES, scene(), references=("image_1",)), progress=events.append)
    assert events == []


def test_a_file_that_is_no_adapter(tmp_path: Path, sdxl_pack: Path) -> None:
    from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

    good = sdxl_pack.parent / "adapter" / "sdxl_models"
    weights = load_file(good / "ip-adapter_sdxl.safetensors")
    del weights["ip_adapter.1.to_k_ip.weight"]
    save_file(weights, good / "torn.safetensors")
    torn = with_change(sdxl_pack, tmp_path, "ip-adapter_sdxl.safetensors", "torn.safetensors")
    with pytest.raises(WeightsError, match=r"torn\.safetensors could not be loaded as IP-Adapter"):
        run(torn, REFERENCES, scene(), references=("image_1",))
    assert pixels(run(torn, "text_to_image")).any()


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('"StableDiffusionXLPipeline"', '"os.system"', "text_to_image", "os.system"),
        ('"StableDiffusionXLPipeline"', '"FluxPipeline"', "image_editing", "cannot share"),
        ('image_editing = "Stable', '#', "image_editing", "needs its class"),
        ('"image_editing",', '', "image_editing", "does not serve image_editing"),
        ('revision = "main"\nvariant', 'variant', "revision", "goes with revision"),
        ('variant = "fp16"', 'path = "x"', "repo", "either repo or path"),
        ('variant = "fp16"', 'variant = "int4"', "variant", "fp16"),
        ('control_type = "depth"', 'control_type = "canny"', "controlnets[1].control_type", "two"),
        ('scale = 0.5   #', 'scale = 9 #', "controlnets[0].scale", "less than or equal"),
        ('scale = 0.6', 'scale = 9', "ip_adapter.scale", "less than or equal"),
        ('sdxl.safetensors"', 'sdxl.bin"', "ip_adapter.file", "match"),
        ('file = "ip', 'name = "ip', "ip_adapter.file", "missing"),
        ('subfolder = "sdxl', 'variant = "fp16"\nsubfolder = "sdxl', "ip_adapter.variant", "no such key"),
        ('subfolder = "sdxl_models"', 'subfolder = "../secret"', "ip_adapter.subfolder", "match"),
        (REFERENCES + ' = "Stable', '#', "ip_adapter", "goes with ip_adapter"),
        (REFERENCES + ' = "StableDiffusionXL', REFERENCES + ' = "FluxKontext', REFERENCES, "cannot share"),
    ],
)  # fmt: skip
def test_bad_packs_name_the_key(old: str, new: str, key: str, words: str) -> None:
    text = (TOOLS / "sdxl.toml").read_text(encoding="utf-8")
    error = refusal(text, old, new)
    assert error.key == f"tools[1].image_pipeline.{key}"
    assert words in error.message
    assert error.line is not None


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('["canny", "depth"]', '["canny"]', "limits.control_types", "those of the controlnets"),
        ('references = 4', '', "limits.references", "1 or more references, not 0"),
        ('adapter = "image"', 'adapter = "video"', "image_pipeline", "takes no image_pipeline"),
        ('"text_to_image",', '"text_to_video",', "tasks", "does not serve text_to_video"),
    ],
)  # fmt: skip
def test_bad_image_tools_name_the_key(old: str, new: str, key: str, words: str) -> None:
    text = (TOOLS / "sdxl.toml").read_text(encoding="utf-8")
    error = refusal(text, old, new)
    assert error.key == f"tools[1].{key}"
    assert words in error.message


def test_references_by_sdxl_need_an_adapter() -> None:
    text = (TOOLS / "sdxl.toml").read_text(encoding="utf-8")
    table = text[
        text.index("[tools.image_pipeline.ip_adapter]") : text.index("[tools.defaults]\nwidth")
    ]
    error = refusal(text, table, "")
    assert error.key == "tools[1].image_pipeline.ip_adapter"
    assert "goes with ip_adapter" in error.message


def test_a_class_that_takes_one_reference_is_promised_no_more() -> None:
    text = (TOOLS / "flux_kontext.toml").read_text(encoding="utf-8")
    error = refusal(text, "references = 1", "references = 3")
    assert error.key == "tools[1].limits.references"
    assert "FluxKontextPipeline takes 1 reference, not 3" in error.message


# --- FLUX Kontext ------------------------------------------------------------------------------------


def test_flux_draws_and_says_that_it_reads_no_negative_prompt(flux: Unison) -> None:
    made = run(flux, "text_to_image", width=48, height=32, negative_prompt="blur")
    assert pixels(made).shape == (32, 48, 3)
    assert NO_NEGATIVE in made.steps[0].notes
    assert (
        pixels(made) != pixels(run(flux, "text_to_image", width=48, height=32, prompt="dog"))
    ).any()


def test_flux_kontext_edits_the_whole_picture_by_words(flux: Unison) -> None:
    made = run(flux, "image_editing", scene(), source="image_1")
    assert pixels(made).shape == (SIDE, SIDE, 3)
    assert made.steps[0].notes == (WHOLE,)
    assert made.steps[0].kept_db is None


def test_flux_kontext_keeps_what_a_mask_keeps(flux: Unison) -> None:
    made = run(flux, "image_editing", scene(), left_half(), source="image_1", mask="image_2")
    assert (pixels(made)[:, SIDE // 2 :] == np.asarray(scene())[:, SIDE // 2 :]).all()
    assert made.steps[0].kept_db is not None


def test_flux_kontext_sees_its_reference(flux: Unison) -> None:
    task, fields = (
        "image_reference_generation",
        {"references": ("image_1",), "width": 48, "height": SIDE},
    )
    made = pixels(run(flux, task, scene(), **fields))
    assert made.shape == (SIDE, 48, 3)
    assert (made != pixels(run(flux, task, edges(), **fields))).any()


# --- Qwen-Image --------------------------------------------------------------------------------------


def test_qwen_image_draws_with_true_guidance(tmp_path: Path) -> None:
    folder = save_tiny_qwen_image(tmp_path / "image")
    places = {"Qwen/Qwen-Image": folder, "Qwen/Qwen-Image-Edit": tmp_path}
    unison = Unison.from_pretrained(tiny("qwen_image", places, tmp_path), device="cpu")
    plain = pixels(run(unison, "text_to_image"))
    assert plain.shape == (SIDE, SIDE, 3)
    for fields in ({"guidance_scale": 9.0}, {"negative_prompt": "a blue dog"}, {"prompt": "dog"}):
        assert (pixels(run(unison, "text_to_image", **fields)) != plain).any()


@pytest.mark.skipif(find_spec("torchvision") is None, reason="its processor needs torchvision")
def test_qwen_image_edit_edits_and_sees_references(tmp_path: Path) -> None:
    folder = save_tiny_qwen_image_edit(tmp_path / "edit")
    places = {"Qwen/Qwen-Image": tmp_path, "Qwen/Qwen-Image-Edit": folder}
    unison = Unison.from_pretrained(tiny("qwen_image", places, tmp_path), device="cpu")
    made = run(unison, "image_editing", scene(), left_half(), source="image_1", mask="image_2")
    assert (pixels(made)[:, SIDE // 2 :] == np.asarray(scene())[:, SIDE // 2 :]).all()
    assert run(unison, "image_editing", scene(), source="image_1").steps[0].notes == (WHOLE,)
    shown = run(unison, "image_reference_generation", scene(), references=("image_1",))
    assert pixels(shown).shape == (SIDE, SIDE, 3)


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
def test_qwen_image_edit_says_that_it_needs_torchvision(tmp_path: Path) -> None:
    places = {"Qwen/Qwen-Image": tmp_path, "Qwen/Qwen-Image-Edit": tmp_path}
    unison = Unison.from_pretrained(tiny("qwen_image", places, tmp_path), device="cpu")
    with pytest.raises(MissingDependencyError, match="torchvision") as caught:
        run(unison, "image_editing", scene(), source="image_1")
    assert caught.value.extra == "images"
