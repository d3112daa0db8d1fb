import time
from pathlib import Path
from threading import Thread

import PIL.Image
import pytest

from unison_agent.adapters import Adapter, Output
from unison_agent.connector import Conditioning
from unison_agent.errors import (
    ConnectorMismatchError,
    GenerationError,
    MissingInputError,
    NegotiationError,
    PackError,
    RequestError,
    RunCancelledError,
    WeightsError,
)
from unison_agent.media import Image, MediaSet, Video
from unison_agent.negotiate import Basis
from unison_agent.packs import load_pack
from unison_agent.pipelines import PipelineStore
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.router import (
    AdapterTool,
    AnswerTool,
    GenerationTool,
    Lazy,
    Router,
    StageClock,
)
from unison_agent.router.roles import basis, check_plan, roles, seen_media
from unison_agent.scenes import sprites
from unison_agent.specs import ToolSpec
from unison_agent.tasks import (
    TASK_CALL,
    Attachment,
    Granted,
    GrantedImage,
    GrantedVideo,
    MissingInput,
    Plan,
    Request,
    TaskCall,
    Unused,
)
from unison_agent.testing import EchoAdapter, ScriptedUnderstanding
from unison_agent.testing_wan import save_tiny_weights

ANSWER, VIDEO = load_pack("nano").tools
RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))


def clip(count: int = 9, size: tuple[int, int] = (64, 64)) -> Video:
    return Video.from_frames([PIL.Image.new("RGB", size, (9 * i, 0, 0)) for i in range(count)], 8)


def call(task: str, **fields: object) -> TaskCall:
    words = "question" if task.endswith("understanding") else "prompt"
    return TASK_CALL.validate_python({"task": task, words: "a red star", **fields})


def plan(*steps: TaskCall, media: MediaSet | None = None) -> Plan:
    attachments = tuple(Attachment(handle=h, kind=k) for h, k in (media or MediaSet()).attachments)
    return Plan(request=Request(text="a red star", attachments=attachments), steps=steps)


def echo_router() -> tuple[Router, EchoAdapter]:
    adapter = EchoAdapter()
    return Router([AdapterTool(ANSWER, adapter), AdapterTool(VIDEO, adapter)]), adapter


def test_what_no_step_holds_is_noted_once() -> None:
    router, _ = echo_router()
    said = call("text_to_video")
    told = plan(said, said).model_copy(
        update={
            "request": Request(text="a red star, 768x480"),
            "unused": (Unused(field="width", start=12, end=15),),
        }
    )
    first, second = router.run(told, MediaSet()).steps
    assert "The request states width 768; no step takes it." in first.notes
    assert second.notes == ()


# --- roles ------------------------------------------------------------------------------------------


def test_the_connector_sees_all_media_but_the_mask() -> None:
    media = MediaSet.of([RED, PIL.Image.new("RGB", (8, 8), (0, 0, 9)), clip()])
    first, second, third = (media.medium(h) for h in ("image_1", "image_2", "video_1"))
    assert seen_media(call("image_editing", source="image_2", mask="image_1"), media) == (second,)
    both = call("image_to_video", first_frame="image_2", last_frame="image_1")
    assert seen_media(both, media) == (second, first)
    references = call("video_reference_generation", references=("image_1", "image_2"))
    assert seen_media(references, media) == (first, second)
    assert seen_media(call("video_controllable_generation", control="video_1"), media) == (third,)
    assert seen_media(call("text_to_image"), media) == ()
    assert seen_media(call("image_understanding"), media) == ()
    assert [r.name for r in roles(call("video_editing", source="video_1", mask="video_1"))] == [
        "source",
        "mask",
    ]


def test_the_basis_is_what_the_output_is_made_from() -> None:
    media = MediaSet.of([RED, clip(9, (32, 16))])
    assert basis(call("text_to_image"), media) is None
    assert basis(call("image_reference_generation", references=("image_1",)), media) is None
    assert basis(call("image_to_video", last_frame="image_1"), media) == Basis(64, 64)
    assert basis(call("video_editing", source="video_1", target="it"), media) == Basis(32, 16, 9, 8)


def test_a_plan_is_checked_before_anything_runs() -> None:
    media = MediaSet.of([RED, clip()])
    with pytest.raises(
        RequestError, match=r"names image_3 as its control; the handles are: image_1"
    ):
        check_plan(plan(call("image_controllable_generation", control="image_3")), media)
    with pytest.raises(
        RequestError, match="video_1 as its source, which is a video; expected image"
    ):
        check_plan(plan(call("image_editing", source="video_1", target="it")), media)
    with pytest.raises(RequestError, match="names step_1"):
        check_plan(plan(call("image_to_video", first_frame="step_1")), media)
    made = call("text_to_video")
    with pytest.raises(RequestError, match="step_1 as its first_frame, which is a video"):
        check_plan(plan(made, call("image_to_video", first_frame="step_1")), media)
    check_plan(plan(made, call("video_editing", source="step_1", mask="image_1")), media)
    check_plan(plan(call("video_editing", source="video_1", mask="video_1")), media)
    with pytest.raises(RequestError, match="which is a video; expected image"):
        check_plan(plan(call("image_editing", source="image_1", mask="video_1")), media)


def test_an_edit_that_names_nothing_asks_before_anything_is_loaded() -> None:
    with pytest.raises(MissingInputError) as caught:
        check_plan(plan(call("image_editing", source="image_1")), MediaSet.of([RED]))
    assert caught.value.slot == "mask"
    assert caught.value.question.startswith("What should change?")


def test_a_plan_that_lacks_something_asks_its_question() -> None:
    router, adapter = echo_router()
    missing = MissingInput(slot="source", question="Which image?")
    lacking = Plan(request=Request(text="edit it"), missing=missing)
    with pytest.raises(MissingInputError, match=r"Which image\?") as caught:
        router.run(lacking, MediaSet())
    assert (caught.value.slot, caught.value.question) == ("source", "Which image?")
    assert adapter.calls == []


# --- clock and lazy ---------------------------------------------------------------------------------


def test_time_belongs_to_the_stage_that_was_told_last() -> None:
    told: list[ProgressEvent] = []
    clock = StageClock(told.append)
    for event in (
        ProgressEvent("load", 0, 1),
        ProgressEvent("load", 1, 1),
        ProgressEvent("denoise", 0, 2),
        ProgressEvent("denoise", 1, 2),
    ):
        clock(event)
        time.sleep(0.02)
    timings = clock.timings()
    assert len(told) == 4
    assert 0.02 <= timings.load_seconds < timings.denoise_seconds
    assert timings.denoise_seconds >= 0.04
    assert timings.decode_seconds == 0
    assert timings.total_seconds >= timings.load_seconds + timings.denoise_seconds + 0.02


def test_a_lazy_thing_is_made_once_and_again_after_a_failure() -> None:
    made: list[int] = []

    def make(progress: Progress) -> int:
        progress(ProgressEvent("load", 0))
        made.append(len(made))
        time.sleep(0.01)
        if len(made) == 1:
            raise WeightsError("not yet")
        return made[-1]

    lazy = Lazy(make)
    with pytest.raises(WeightsError):
        lazy()
    found: list[int] = []
    threads = [Thread(target=lambda: found.append(lazy())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1, 1]


# --- the router, on an adapter that echoes -----------------------------------------------------------


def test_steps_run_in_order_and_see_each_other() -> None:
    router, adapter = echo_router()
    media = MediaSet.of([RED])
    steps = (
        call("text_to_image", seed=3),
        call("image_to_video", first_frame="step_1"),
        call("video_understanding"),
    )
    result = router.run(plan(*steps, media=media), media)
    assert [made.task for made, _ in adapter.calls] == [step.task for step in steps]
    assert [artifact.handle for artifact in result.artifacts] == ["step_1", "step_2"]
    assert [artifact.kind for artifact in result.artifacts] == ["image", "video"]
    assert result.text == "a red star"
    assert result.outputs[0].handle == "step_2"
    record = result.artifacts[1].record
    assert (record.step, record.index, record.profile) == (2, 1, "custom")
    assert record.plan == result.plan
    assert len(record.granted) == 3
    assert [m.handle for m in record.media] == ["image_1"]
    assert result.timings.total_seconds >= result.steps[0].timings.total_seconds


def test_several_outputs_have_a_handle_each() -> None:
    router, _ = echo_router()
    steps = (call("text_to_image", num_outputs=3), call("image_to_video", first_frame="step_1"))
    result = router.run(plan(*steps), MediaSet())
    assert [a.handle for a in result.artifacts] == ["step_1_1", "step_1_2", "step_1_3", "step_2"]
    assert [a.record.index for a in result.artifacts] == [1, 2, 3, 1]


def test_a_source_decides_the_length_where_none_is_stated() -> None:
    router, adapter = echo_router()
    media = MediaSet.of([clip(9)])
    router.run(plan(call("video_editing", source="video_1", target="it"), media=media), media)
    granted = adapter.calls[0][1]
    assert isinstance(granted, GrantedVideo)
    assert (granted.num_frames, granted.fps) == (9, 8)


def test_the_seed_of_a_run_is_for_steps_that_state_none() -> None:
    router, adapter = echo_router()
    router.run(plan(call("text_to_image", seed=4), call("text_to_image")), MediaSet(), seed=9)
    seeds = [granted.seed for _, granted in adapter.calls if isinstance(granted, GrantedImage)]
    assert seeds == [4, 9]


def test_modes_are_passed_on_to_negotiation() -> None:
    router, adapter = echo_router()
    large = plan(call("text_to_image", width=640))
    assert router.run(large, MediaSet()).adjustments[0].field == "width"
    for mode in ("strict", "ask"):
        with pytest.raises(NegotiationError):
            router.run(large, MediaSet(), mode=mode)
    assert len(adapter.calls) == 1


def test_a_task_that_no_tool_serves() -> None:
    router = Router([AdapterTool(ANSWER, EchoAdapter())], profile="words")
    assert [spec.name for spec in router.tools] == ["nano-answer"]
    with pytest.raises(RequestError, match="No tool of 'words' serves text_to_image"):
        router.run(plan(call("text_understanding"), call("text_to_image")), MediaSet())


def test_two_tools_for_one_task_are_refused() -> None:
    tool = AdapterTool(VIDEO, EchoAdapter())
    with pytest.raises(
        PackError, match="text_to_image is served by 'nano-video' and by 'nano-video'"
    ):
        Router([tool, tool])


class Fixed:
    """An adapter that makes the same, whatever was granted."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def run(
        self,
        call: TaskCall,
        granted: Granted,
        media: MediaSet,
        conditioning: Conditioning | None,
        progress: Progress,
    ) -> Output:
        return self.output


@pytest.mark.parametrize(
    ("task", "output", "message"),
    [
        ("text_to_image", Output(), "made 0 outputs, granted 1"),
        ("text_to_image", Output((Image.from_pil(RED.resize((32, 32))),)), "made a image 32x32"),
        ("text_to_image", Output((clip(),)), "made a video 64x64 of 9 frames"),
        ("text_to_video", Output((clip(5),)), "granted was a video 64x64 of 17 frames"),
        ("text_understanding", Output(), "nano-answer gave no answer"),
    ],
)
def test_what_a_tool_makes_is_compared_with_what_was_granted(
    task: str, output: Output, message: str
) -> None:
    adapter: Adapter = Fixed(output)
    router = Router([AdapterTool(ANSWER, adapter), AdapterTool(VIDEO, adapter)])
    with pytest.raises(GenerationError, match=message):
        router.run(plan(call(task)), MediaSet())


# --- the tools that ship, on tiny weights ------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nano")
    save_tiny_weights(folder)
    return folder


def tiny_router(
    weights: Path, model: ScriptedUnderstanding, spec: ToolSpec = VIDEO
) -> tuple[Router, PipelineStore]:
    store = PipelineStore(weights, device="cpu")
    tools = (
        AnswerTool(ANSWER, lambda _: model),
        GenerationTool(
            spec, pipelines=store, understanding=lambda _: model, weights_folder=weights
        ),
    )
    return Router(tools, profile="tiny"), store


QUICK = {"steps": 2, "seed": 1}


def test_generation_reads_the_media_and_records_all_weights(weights: Path) -> None:
    model = ScriptedUnderstanding()
    router, _ = tiny_router(weights, model)
    media = MediaSet.of([RED])
    asked = call(
        "image_controllable_generation", control="image_1", negative_prompt="dots", **QUICK
    )
    events: list[ProgressEvent] = []
    result = router.run(plan(asked, media=media), media, progress=events.append)
    assert model.seen == [("a red star", (media.image("image_1"),)), ("dots", ())]
    assert result.image.width == 64
    assert result.notes == ()
    assert [hash.name for hash in result.artifacts[0].record.weights] == [
        "connector",
        "pipeline/transformer/diffusion_pytorch_model.safetensors",
        "pipeline/vae/diffusion_pytorch_model.safetensors",
        "understanding",
    ]
    order = list(dict.fromkeys(event.stage for event in events))
    assert order == ["load", "encode", "denoise", "decode"]
    timings = result.timings
    assert min(timings.load_seconds, timings.encode_seconds, timings.denoise_seconds) > 0


def test_prompt_media_and_negative_prompt_all_change_the_picture(weights: Path) -> None:
    router, store = tiny_router(weights, ScriptedUnderstanding())
    made: set[str] = set()
    for fields in ({}, {"prompt": "a blue dog"}, {"negative_prompt": "dots"}, {"seed": 2}):
        result = router.run(plan(call("text_to_image", **{**QUICK, **fields})), MediaSet())
        made.add(result.image.sha256)
        assert result.image.sha256 == router.run(result.plan, MediaSet()).image.sha256
    assert len(made) == 4
    assert store.get(VIDEO.pipeline) is store.get(VIDEO.pipeline)  # pyright: ignore[reportArgumentType]


def test_an_answer_is_given_and_its_model_recorded(weights: Path) -> None:
    model = ScriptedUnderstanding(answer="red")
    router, _ = tiny_router(weights, model)
    steps = (call("text_to_image", **QUICK), call("image_understanding"))
    result = router.run(plan(*steps), MediaSet())
    assert result.text == "red"
    assert model.asked == [("a red star", 1)]  # it sees what step_1 made
    assert result.steps[1].artifacts == ()
    assert result.timings.answer_seconds > 0


def test_an_edit_finds_its_target_with_the_understanding_model(weights: Path) -> None:
    picture = PIL.Image.new("RGB", (64, 64), (245, 245, 245))
    picture.paste((220, 50, 50), (8, 8, 24, 24))
    picture.paste((60, 110, 220), (40, 40, 56, 56))
    media = MediaSet.of([picture])
    model = ScriptedUnderstanding(scores=[-9.0, -1.0])
    router, _ = tiny_router(weights, model)
    asked = call("image_editing", source="image_1", target="the hat", **QUICK)
    result = router.run(plan(asked, media=media), media).image.pil
    kept = (0, 0, 32, 32)  # the second thing was chosen
    assert result.crop(kept).tobytes() == picture.crop(kept).tobytes()
    assert result.tobytes() != picture.tobytes()


def test_a_connector_of_other_models_is_refused(weights: Path) -> None:
    model = ScriptedUnderstanding()
    model.fingerprint = "f" * 64
    router, _ = tiny_router(weights, model)
    with pytest.raises(ConnectorMismatchError, match="understanding_sha256"):
        router.run(plan(call("text_to_image")), MediaSet())


def test_a_missing_connector_is_an_error_or_a_note(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "pipeline").symlink_to(weights / "pipeline")
    router, _ = tiny_router(tmp_path, ScriptedUnderstanding())
    with pytest.raises(WeightsError, match=r"The connector of nano-video is missing: .*connector"):
        router.run(plan(call("text_to_image")), MediaSet())
    assert VIDEO.connector is not None
    optional = VIDEO.connector.model_copy(update={"required": False})
    for spec in (
        VIDEO.model_copy(update={"connector": optional}),
        VIDEO.model_copy(update={"connector": None}),
    ):
        router, _ = tiny_router(tmp_path, ScriptedUnderstanding(), spec)
        # Without a connector the prompt falls to the pipeline, and this one cannot read.
        with pytest.raises(
            WeightsError, match="has no text encoder, and its tool has no connector"
        ):
            router.run(plan(call("text_to_image")), MediaSet())


def test_a_damaged_connector_is_an_error(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "pipeline").symlink_to(weights / "pipeline")
    (tmp_path / "connector.safetensors").write_bytes(b"nothing")
    router, _ = tiny_router(tmp_path, ScriptedUnderstanding())
    with pytest.raises(WeightsError, match="not a connector"):
        router.run(plan(call("text_to_image")), MediaSet())


def test_a_cancelled_run_leaves_the_next_one_as_it_was(weights: Path) -> None:
    router, _ = tiny_router(weights, ScriptedUnderstanding())
    asked = plan(call("text_to_image", **QUICK))
    before = router.run(asked, MediaSet()).image.sha256

    def stop(event: ProgressEvent) -> None:
        if event.stage == "denoise" and event.done == 1:
            raise RunCancelledError("enough")

    with pytest.raises(RunCancelledError, match="enough"):
        router.run(asked, MediaSet(), progress=stop)
    assert router.run(asked, MediaSet()).image.sha256 == before


def test_threads_share_one_pipeline_and_do_not_mix(weights: Path) -> None:
    router, _ = tiny_router(weights, ScriptedUnderstanding())

    def run(seed: int) -> str:
        return router.run(plan(call("text_to_image", steps=2, seed=seed)), MediaSet()).image.sha256

    alone = {seed: run(seed) for seed in range(3)}
    found: dict[int, str] = {}

    def keep(seed: int) -> None:
        found[seed] = run(seed)

    threads = [Thread(target=keep, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_a_generation_tool_does_not_answer(weights: Path) -> None:
    model = ScriptedUnderstanding()
    tool = GenerationTool(
        VIDEO,
        pipelines=PipelineStore(weights),
        understanding=lambda _: model,
        weights_folder=weights,
    )
    assert tool.weights() == ()
    granted = GrantedImage(
        output="image",
        tool="x",
        width=64,
        height=64,
        steps=1,
        guidance_scale=1,
        seed=0,
        num_outputs=1,
    )
    with pytest.raises(RequestError, match="does not answer questions"):
        tool.run(call("text_understanding"), granted, MediaSet(), lambda _: None)


@pytest.mark.parametrize(
    ("prompt", "noted"),
    [("two red stars on blue", False), ("a photo of Paris", True), ("a starry night", True)],
)
def test_what_lies_outside_of_a_small_model_s_world_is_noted(
    weights: Path, prompt: str, noted: bool
) -> None:
    router, _ = tiny_router(weights, ScriptedUnderstanding())
    step = call("text_to_image", steps=1, prompt=prompt)
    notes = router.run(plan(step), MediaSet()).steps[0].notes
    assert VIDEO.domain is not None
    assert (VIDEO.domain.note in notes) == noted


def test_the_world_of_nano_is_that_of_its_scenes() -> None:
    assert VIDEO.domain is not None
    assert VIDEO.domain.words == sprites.NAMES
