"""The paper's whole system from a tool pack, on tiny random checkpoints of the same classes and files."""

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from pydantic import BaseModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from unison_agent import Unison, custom_tool
from unison_agent.adapters.video import NO_CONNECTOR
from unison_agent.agent import Planned
from unison_agent.compare import compare
from unison_agent.connector import (
    Connector,
    Contract,
    Projector,
    ProjectorShape,
    ProjMLP,
    Resampler,
    Shape,
)
from unison_agent.conversation import CHAT_HEAD, READ_TEMPLATE_SHA256
from unison_agent.errors import (
    DownloadError,
    GenerationError,
    MediaError,
    RequestError,
    RunCancelledError,
    ToolError,
    WeightsError,
)
from unison_agent.media import Image, MediaSet, Video
from unison_agent.opening import load_understanding
from unison_agent.packs import load_pack
from unison_agent.planning.planner import make_request
from unison_agent.planning.signal_tokens import Signal
from unison_agent.progress import ProgressEvent, silent
from unison_agent.sight import CheckpointSight
from unison_agent.tasks import TASK_CALL, TASKS, Plan
from unison_agent.testing_wan import TEXT_DIM, tiny_wan_vace
from unison_agent.vlm import UnderstandingModel

pytestmark = pytest.mark.filterwarnings("ignore")  # peft and transformers warn of tiny models
CONTROL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
HIDDEN, LAYERS, ROWS = 32, 2, 640
PATCH, MERGED = 4, 2
SETTINGS = {
    "width = 832": "width = 32",
    "height = 480": "height = 16",
    "num_frames = 81": "num_frames = 5",
    "steps = 30": "steps = 1",
    "width = [480, 1280]": "width = [16, 64]",
    "height = [480, 1280]": "height = [16, 64]",
    "vae_spatial = 8": "vae_spatial = 4",
    "layer = 36": f"layer = {LAYERS}",
    'dtype = "bfloat16"': 'dtype = "float32"',
    "max_new_tokens = 1024": "max_new_tokens = 4",
}
PLACES = {
    "Qwen/Qwen2.5-VL-3B-Instruct": 'path = "model"',
    "Wan-AI/Wan2.1-VACE-1.3B-diffusers": 'path = "pipeline"',
    "ali-vilab/Unison": 'path = "unison"',
}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Train a BPE on the requests below, with the special tokens of Qwen2.5-VL."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    core.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([(Path("tools") / "nano.toml").read_text(encoding="utf-8")], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(CONTROL[3:]),
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
    ids = tokenizer.get_vocab()
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": ROWS,
            "hidden_size": HIDDEN,
            "intermediate_size": 48,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "initializer_range": 0.3,
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 3, 3],
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGED,
            "temporal_patch_size": 2,
            "window_size": 4 * PATCH,
            "out_hidden_size": HIDDEN,
            "fullatt_block_indexes": [1],
            "tokens_per_second": 2,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2_5_VLForConditionalGeneration(config).eval()
    # As published ones have it: sampling, and a penalty that would hurt copied digits.
    model.generation_config = GenerationConfig(
        do_sample=True,
        repetition_penalty=1.05,
        temperature=0.1,
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]],
        pad_token_id=ids["<|endoftext|>"],
    )
    return model


def save_lora(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Save a LoRA with the 14 tokens as the paper's recipe does."""
    tokenizer.add_tokens([signal.value for signal in Signal], special_tokens=True)
    model = make_model(tokenizer)
    settings = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "v_proj", "up_proj"],
        modules_to_save=["embed_tokens", "lm_head"],
    )
    torch.manual_seed(1)
    tuned = get_peft_model(model, settings)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.5)
            if name.endswith("lm_head.modules_to_save.default.weight"):
                # A random model that favours the signal tokens: calls are written, not first words only.
                parameter[len(tokenizer) - len(Signal) : len(tokenizer)] *= 3
    tuned.save_pretrained(str(folder))
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model/, unison/ and pipeline/, as they are published, and pack.toml."""
    made = tmp_path_factory.mktemp("wan-vace")
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(made / "model")
    tokenizer.save_pretrained(made / "model")
    Qwen2VLImageProcessorPil(
        patch_size=PATCH, merge_size=MERGED, size={"shortest_edge": 64, "longest_edge": 1024}
    ).save_pretrained(made / "model")
    save_lora(made / "unison", tokenizer)
    torch.manual_seed(2)
    Projector(ProjMLP(ProjectorShape(HIDDEN, TEXT_DIM, 8))).save(made / "unison" / "projector.pth")
    tiny_wan_vace(vae_temporal=4, text_encoder=True).save_pretrained(made / "pipeline")  # pyright: ignore[reportAttributeAccessIssue]
    (made / "pack.toml").write_text(pack_text(), encoding="utf-8")
    return made


def pack_text() -> str:
    """Return the shipped pack with its places, sizes and lengths made small; all else is as it ships."""
    text = (Path("tools") / "wan_vace.toml").read_text(encoding="utf-8")
    for old, new in SETTINGS.items():
        assert old in text
        text = text.replace(old, new)
    for repo, place in PLACES.items():
        text = text.replace(f'repo = "{repo}"\nrevision = "main"', place)
    return text.replace('source = "hub"', 'source = "local"')


def pack_with(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    text = pack_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def in_json(folder: Path) -> Path:
    """Return the pack without the planning LoRA and with an optional connector that is not there."""
    return pack_with(
        folder,
        "json",
        ('planner = "signal"', 'planner = "json"'),
        ('[understanding.planner_lora]\npath = "unison"\n', ""),
        ('path = "unison"\nfile', 'path = "nowhere"\nfile'),
    )


@pytest.fixture(scope="module")
def unison(folder: Path) -> Unison:
    return Unison.from_pretrained(folder / "pack.toml", device="cpu")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Unison:
    return Unison.from_pretrained(in_json(folder), device="cpu")


@pytest.fixture(scope="module")
def model(folder: Path) -> UnderstandingModel:
    return load_understanding(load_pack(folder / "pack.toml").understanding, silent, device="cpu")


def picture(color: tuple[int, int, int] = (220, 50, 50), size: tuple[int, int] = (32, 16)) -> Image:
    return Image.from_array(np.full((size[1], size[0], 3), color, np.uint8))


def clip(count: int = 5, fps: float = 8.0) -> Video:
    frames = [np.full((16, 32, 3), 20 * i % 256, np.uint8) for i in range(count)]
    return Video.from_frames(frames, fps)


def mask() -> Image:
    drawn = np.zeros((16, 32), np.uint8)
    drawn[:, :16] = 255
    return Image.from_array(drawn)


WORDS: dict[str, tuple[str, tuple[Image | Video, ...], dict[str, object]]] = {
    "text_understanding": ("why is the sky blue?", (), {}),
    "image_understanding": ("what is this?", (picture(), picture((0, 0, 255), (16, 48))), {}),
    "video_understanding": ("what moves in image_1 and video_1?", (picture(), clip(9)), {}),
    "text_to_image": ("a red star", (), {}),
    "text_to_video": ("a red star moves", (), {}),
    "image_to_video": ("let it move", (picture(),), {"first_frame": "image_1"}),
    "image_editing": ("make it red", (picture(), mask()), {"source": "image_1", "mask": "image_2"}),
    "video_editing": ("make it red", (clip(), mask()), {"source": "video_1", "mask": "image_1"}),
    "image_controllable_generation": (
        "a fox like this", (picture(),), {"control": "image_1", "control_type": "gray"},
    ),
    "video_controllable_generation": (
        "a fox like this", (clip(),), {"control": "video_1", "control_type": "gray"},
    ),
    "image_reference_generation": ("this fox in snow", (picture(),), {"references": ["image_1"]}),
    "video_reference_generation": ("this fox runs", (picture(),), {"references": ["image_1"]}),
}  # fmt: skip


def given_plan(task: str) -> tuple[Plan, MediaSet]:
    text, media, roles = WORDS[task]
    attached = MediaSet.of(media)
    said = "question" if task.endswith("understanding") else "prompt"
    step = TASK_CALL.validate_python({"task": task, said: text, **roles})
    return Plan(request=make_request(text, attached.attachments), steps=(step,)), attached


# --- the 12 tasks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_through_the_paper_s_models(unison: Unison, task: str):
    plan, media = given_plan(task)
    if not task.endswith("understanding"):
        result = unison.run(plan, media)
        (made,) = result.artifacts
        assert (made.medium.width, made.medium.height) == (32, 16)
        assert made.medium.kind == (
            "video" if task.split("_")[0] == "video" or task.endswith("video") else "image"
        )
        assert NO_CONNECTOR not in result.notes
        used = {one.name for one in made.record.weights}
        assert {"connector", "understanding", "lora/planner"} <= used
        assert "pipeline/text_encoder/model.safetensors" in used
        return
    events: list[ProgressEvent] = []
    with suppress(GenerationError):  # a random model may write nothing that can be read
        unison.run(plan, media, progress=events.append)
    done = [event.done for event in events if event.stage == "answer"]
    assert 0 < max(done) <= 4


def test_signal_plans_are_written_with_the_lora(unison: Unison):
    planned = [unison.plan(text, media) for text, media, _ in WORDS.values()]
    assert all(isinstance(one, Planned) and len(one.plan.steps) == 1 for one in planned)
    assert len({one.plan.steps[0].task for one in planned}) > 1
    again = unison.plan_batch(
        [text for text, _, _ in WORDS.values()], [m for _, m, _ in WORDS.values()]
    )
    assert [one.plan for one in again] == [one.plan for one in planned]


def test_without_the_lora_plans_are_json_and_the_text_encoder_reads(plain: Unison):
    for text, media, _ in WORDS.values():
        plan = plain.plan(text, media).plan
        assert plan.steps or plan.missing
    result = plain.run(given_plan("text_to_image")[0])
    assert NO_CONNECTOR in result.notes


@pytest.mark.parametrize("task", ["text_to_image", "image_to_video"])
def test_with_the_connector_off_the_text_encoder_reads_alone_and_the_result_says_so(
    unison: Unison, task: str
):
    made = compare(unison, Planned(*given_plan(task)))
    (_, on), (_, off) = made.results
    assert NO_CONNECTOR not in on.notes
    assert NO_CONNECTOR in off.notes
    assert not made.same
    names = [{one.name for one in each.artifacts[0].record.weights} for each in (on, off)]
    assert "connector" in names[0]
    assert not {"connector", "understanding"} & names[1]
    assert made.sheet().mode == "RGB"


def test_either_connector_follows_the_text_encoder_or_replaces_it(
    folder: Path, model: UnderstandingModel
):
    contract = Contract(model.fingerprint, LAYERS, READ_TEMPLATE_SHA256, TEXT_DIM)
    torch.manual_seed(3)
    resampler = Connector(Resampler(Shape(HIDDEN, TEXT_DIM, num_queries=32)), contract)
    resampler.save(folder / "unison" / "tokens.safetensors")
    other = (
        ('kind = "projector"', 'kind = "resampler"'),
        ('file = "projector.pth"', 'file = "tokens.safetensors"'),
    )
    made: set[bytes] = set()
    for kind, changes in (("projector", ()), ("resampler", other)):
        for mode in ("append", "replace"):
            pack = pack_with(
                folder, f"{kind}-{mode}", ('mode = "append"', f'mode = "{mode}"'), *changes
            )
            result = Unison.from_pretrained(pack, device="cpu").run(*given_plan("text_to_image"))
            assert NO_CONNECTOR not in result.notes
            made.add(result.image.rgb().tobytes())
    assert len(made) == 4


# --- the understanding model ------------------------------------------------------------------------


def test_the_lora_plans_and_leaves_answers_as_they_were(model: UnderstandingModel, folder: Path):
    spec = load_pack(in_json(folder)).understanding
    alone = load_understanding(spec, silent, device="cpu")
    assert torch.equal(model.read("a red star").states, alone.read("a red star").states)
    assert not torch.equal(model.read_chat("a star").states, alone.read_chat("a star").states)
    assert model.answer("why?", max_new_tokens=8) == alone.answer("why?", max_new_tokens=8)
    assert model.fingerprint == alone.fingerprint


def test_states_are_those_of_the_class_itself(folder: Path, model: UnderstandingModel):
    """The same prompt with a picture and a clip, by transformers' own model and positions."""
    own = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder / "model").eval()
    tokenizer = model.tokenizer
    seen = [model._sight(one) for one in (picture(), clip(8))]
    pads = ("<|image_pad|>", "<|video_pad|>")
    text = "<|im_start|>user\n"
    for pad, one in zip(pads, seen, strict=True):
        text += "<|vision_start|>" + pad * one.num_tokens + "<|vision_end|>"
    ids = tokenizer(text + "it moves<|im_end|>\n", return_tensors="pt")["input_ids"]
    ids = cast("torch.Tensor", ids)
    kinds = [cast("int", tokenizer.convert_tokens_to_ids(pad)) for pad in pads]
    with torch.inference_mode():
        states = own.model(
            input_ids=ids,
            mm_token_type_ids=((ids == kinds[0]) + 2 * (ids == kinds[1])).int(),
            pixel_values=seen[0].values,
            image_grid_thw=torch.tensor([seen[0].grid]),
            pixel_values_videos=seen[1].values,
            video_grid_thw=torch.tensor([seen[1].grid]),
            second_per_grid_ts=torch.tensor([seen[1].seconds]),
            output_hidden_states=True,
        ).hidden_states[LAYERS]
    got = model.read("it moves", [picture(), clip(8)])
    assert got.states.shape == states.shape
    assert torch.allclose(got.states, states, atol=1e-5)


def test_a_picture_is_patched_by_the_checkpoint_s_processor(model: UnderstandingModel):
    shown = picture((10, 200, 90), (48, 24))
    got = model._sight(shown)
    processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH, merge_size=MERGED, size={"shortest_edge": 64, "longest_edge": 1024}
    )
    wanted = processor(images=[shown.rgb()], return_tensors="pt")
    assert torch.equal(got.values, cast("torch.Tensor", wanted["pixel_values"]))
    assert torch.equal(torch.tensor([got.grid]), cast("torch.Tensor", wanted["image_grid_thw"]))
    assert got.num_tokens == got.values.shape[0] // MERGED**2


def test_frames_are_paired_and_times_are_those_of_the_clip(model: UnderstandingModel):
    shades = [np.full((16, 32, 3), 60 * i, np.uint8) for i in range(4)]
    got = model._sight(Video.from_frames(shades, 2.0))
    assert got.grid[0] == 2
    values = got.values.view(2, -1, 3, 2, PATCH * PATCH)
    means = values.mean(dim=(1, 2, 4)).flatten()
    assert (means.diff() > 0).all()  # frame after frame
    assert got.seconds == pytest.approx(1.0)  # two frames at two a second
    assert model._sight(clip(33, 16.0)).seconds == pytest.approx(2 * 2 / 3)
    assert model._sight(clip(160, 16.0)).grid[0] == 10
    assert model._sight(clip(1)).grid[0] == 1


def test_the_settings_that_qwen_publishes(tmp_path: Path):
    """As in Qwen2.5-VL-3B-Instruct: min_pixels and max_pixels, and no size."""
    settings = {
        "min_pixels": 3136,
        "max_pixels": 12845056,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    sight = CheckpointSight.load(tmp_path)
    seen = sight(picture(size=(280, 140)))
    assert (seen.grid, seen.num_tokens, seen.values.shape) == ((1, 10, 20), 50, (200, 1176))
    frames = [np.full((90, 160, 3), 10 * i, np.uint8) for i in range(12)]
    seen = sight(
        Video.from_frames(frames, 4.0)
    )  # three seconds: six frames, each of 128 tokens at least
    assert seen.grid[0] == 3
    assert 128 <= seen.num_tokens // 3 <= 768


def test_too_narrow_and_too_much(model: UnderstandingModel):
    with pytest.raises(MediaError, match="2x500: too narrow"):
        model.answer("what?", [picture(size=(2, 500))])
    with pytest.raises(RequestError, match="the model reads 4096, 4000 of them its answer"):
        model.answer("why? " * 100, max_new_tokens=4000)


def test_the_checkpoint_s_sampling_is_not_used_and_its_end_tokens_are(model: UnderstandingModel):
    kept = model.model.generation_config
    assert kept is not None
    assert not kept.do_sample
    assert kept.repetition_penalty in (None, 1.0)
    ids = model.tokenizer.get_vocab()
    assert model._ends == (ids["<|im_end|>"], ids["<|endoftext|>"])
    assert model.answer("why?", max_new_tokens=6) == model.answer("why?", max_new_tokens=6)


def test_answers_come_in_pieces_and_can_be_stopped_within_a_token(model: UnderstandingModel):
    media = (picture(), clip(9))
    told: list[ProgressEvent] = []
    reply = model.reply("what moves?", media, max_new_tokens=40, progress=told.append)
    assert "".join(event.text for event in told) == reply.text
    assert reply.complete is (max(event.done for event in told) < 40)
    seen: list[int] = []

    def stop(event: ProgressEvent) -> None:
        seen.append(event.done)
        if event.done == 3:
            raise RunCancelledError("enough")

    with pytest.raises(RunCancelledError, match="enough"):
        model.reply("what moves?", media, max_new_tokens=40, progress=stop)
    assert seen == [1, 2, 3]
    assert model.reply("what moves?", media, max_new_tokens=40) == reply


def test_an_answer_is_as_long_as_is_asked_for_and_says_where_it_was_cut(unison: Unison):
    plan, media = given_plan("image_understanding")
    for asked, limit in ((None, 4), (7, 7)):
        told: list[ProgressEvent] = []
        with suppress(GenerationError):  # a random model may write nothing that can be read
            result = unison.run(plan, media, max_new_tokens=asked, progress=told.append)
            assert [note for note in result.notes if f"limit of {limit} tokens" in note]
        assert {event.total for event in told if event.stage == "answer"} == {limit}


def test_answers_are_asked_in_the_chat_template(model: UnderstandingModel):
    assert (model._heads.text, model._heads.media, model._heads.plan) == (CHAT_HEAD,) * 3


# --- defects of the paper's script, by number: see test_defects.py ----------------------------------


def test_defect_11_answers_are_cut(model: UnderstandingModel):
    """Writes at most 256 tokens; here the tool pack says how many."""
    answering, _ = load_pack("wan-vace").tools
    assert answering.defaults.max_new_tokens == 1024
    told: list[ProgressEvent] = []
    model.answer("why?", max_new_tokens=7, progress=told.append)
    assert {event.total for event in told} == {7}
    reply = model.reply("why?", max_new_tokens=300, progress=told.append)
    assert (max(event.done for event in told), reply.complete) == (300, False)


def test_defect_36_precision_and_place_are_left_to_chance(folder: Path):
    """Loads in float32, spreads over devices, and then moves all of it to one."""
    spec = load_pack(folder / "pack.toml").understanding.model_copy(update={"dtype": "bfloat16"})
    loaded = load_understanding(spec, silent, device="cpu")
    places = {(one.dtype, one.device.type) for one in loaded.model.parameters()}
    assert places == {(torch.bfloat16, "cpu")}
    assert loaded.read("a star", [picture()]).states.dtype == torch.float32


def test_defect_39_the_pipeline_is_loaded_for_a_question(folder: Path):
    """Loads the pipeline for text too: here it is not even there."""
    bare = pack_with(folder, "unloaded", ('path = "pipeline"', 'path = "nowhere"'))
    made = Unison.from_pretrained(bare, device="cpu")
    with suppress(GenerationError):  # a random model may write nothing that can be read
        made.run(*given_plan("text_understanding"))
    with pytest.raises(WeightsError, match="nowhere could not be loaded"):
        made.run(*given_plan("text_to_image"))


# --- what goes wrong --------------------------------------------------------------------------------


def test_another_class_is_refused_before_anything_is_loaded(folder: Path, tmp_path: Path):
    wrong = tmp_path / "model"
    shutil.copytree(folder / "model", wrong)
    config = json.loads((wrong / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["LlavaForConditionalGeneration"]
    (wrong / "config.json").write_text(json.dumps(config), encoding="utf-8")
    made = Unison.from_pretrained(pack_with(tmp_path, "pack"), device="cpu")
    expected = "describes LlavaForConditionalGeneration; expected Qwen2_5_VLForConditional"
    with pytest.raises(WeightsError, match=expected):
        made.plan("a star")


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("config.json", "config.json is missing"),
        ("model.safetensors", "could not be loaded"),
        ("preprocessor_config.json", "image processor .* cannot be read"),
        ("tokenizer.json", "tokenizer"),
    ],
)
def test_a_checkpoint_that_is_not_whole(folder: Path, tmp_path: Path, lost: str, message: str):
    shutil.copytree(folder / "model", tmp_path / "model")
    (tmp_path / "model" / lost).unlink()
    shutil.copytree(folder / "unison", tmp_path / "unison")
    made = Unison.from_pretrained(pack_with(tmp_path, "pack"), device="cpu")
    with pytest.raises(WeightsError, match=message):
        made.plan("a star")


@pytest.mark.parametrize(
    ("after", "file"),
    [
        ('path = "model"', "model.safetensors"),
        ('[understanding.planner_lora]\npath = "unison"', "adapter_model.safetensors"),
        ('path = "pipeline"', "vae/diffusion_pytorch_model.safetensors"),
        ('path = "unison"\nfile = "projector.pth"', "projector.pth"),
    ],
)
def test_another_file_than_the_pack_states(folder: Path, after: str, file: str):
    pins = f'pins = [{{ file = "{file}", sha256 = "{"0" * 64}" }}]'
    pack = pack_with(folder, "pinned", (after, f"{after}\n{pins}"))
    name = file.split("/")[-1]
    with pytest.raises(
        WeightsError, match=f"{name} has the sha256 [0-9a-f]{{64}}, the tool pack states 000"
    ):
        Unison.from_pretrained(pack, device="cpu").run(*given_plan("text_to_image"))


def test_a_layer_that_there_is_not_and_a_lora_that_there_is_not(folder: Path):
    deep = pack_with(folder, "deep", (f"layer = {LAYERS}", "layer = 9"))
    with pytest.raises(WeightsError, match="has 2 layers; layer 9"):
        Unison.from_pretrained(deep, device="cpu").plan("a star")
    absent = pack_with(
        folder, "absent", ('planner_lora]\npath = "unison"', 'planner_lora]\npath = "no"')
    )
    with pytest.raises(WeightsError, match="No planning LoRA in"):
        Unison.from_pretrained(absent, device="cpu").plan("a star")


def test_signal_tokens_without_the_lora_and_with_custom_tools(folder: Path):
    bare = pack_with(folder, "bare", ('[understanding.planner_lora]\npath = "unison"\n', ""))
    with pytest.raises(WeightsError, match="lacks 14 of the 14 signal tokens"):
        Unison.from_pretrained(bare, device="cpu").plan("a star")

    class Weather(BaseModel):
        """Tell the weather of a city."""

        city: str

    def tell(asked: Weather) -> str:
        return f"fine in {asked.city}"

    weather = custom_tool(Weather, tell, output="text")
    with pytest.raises(ToolError, match="cannot call 'weather'"):
        Unison.from_pretrained(folder / "pack.toml", tools=[weather])
    Unison.from_pretrained(in_json(folder), tools=[weather])


def test_the_hub_cannot_be_reached():
    unison = Unison.from_pretrained("wan-vace", device="cpu")
    for _ in range(2):  # nothing is half loaded: the second try says the same
        with pytest.raises(
            DownloadError, match=r"Qwen/Qwen2\.5-VL-3B-Instruct@main could not"
        ) as caught:
            unison.plan("a star")
        assert "HF_HOME" in str(caught.value)


def test_the_shipped_pack_names_the_paper_s_planner():
    spec = load_pack("wan-vace").understanding
    assert spec.planner == "signal"
    assert spec.planner_lora is not None
    assert (spec.planner_lora.repo, spec.planner_lora.revision) == ("ali-vilab/Unison", "main")
    assert re.search(
        "no commit", (Path("tools") / "wan_vace.toml").read_text(encoding="utf-8"), re.I
    )
