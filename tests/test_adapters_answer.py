from collections.abc import Sequence

import PIL.Image
import pytest

from unison_agent.adapters.answer import AnswerAdapter, asked_about, cut_note
from unison_agent.answering import Reply
from unison_agent.errors import GenerationError, MissingInputError, RequestError, RunCancelledError
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.progress import Progress, ProgressEvent, silent
from unison_agent.tasks import TASK_CALL, GrantedAnswer, GrantedImage, TaskCall, UnderstandingCall
from unison_agent.testing import ScriptedUnderstanding

GRANTED = GrantedAnswer(output="text", tool="nano-answer", max_new_tokens=7)
RED = PIL.Image.new("RGB", (8, 8), (255, 0, 0))
BLUE = PIL.Image.new("RGB", (8, 8), (0, 0, 255))


def clip() -> Video:
    return Video.from_frames([RED] * 5, 8)


def ask(task: str) -> UnderstandingCall:
    call: TaskCall = TASK_CALL.validate_python({"task": task, "question": "What is it?"})
    return call  # pyright: ignore[reportReturnType]


def test_text_alone_is_asked_without_media() -> None:
    model = ScriptedUnderstanding(answer="Paris")
    media = MediaSet.of([RED, clip()])
    output = AnswerAdapter(model).run(ask("text_understanding"), GRANTED, media, None, silent)
    assert output.text == "Paris"
    assert output.media == ()
    assert model.asked == [("What is it?", 0)]


def test_images_are_asked_about_in_order_and_clips_left_out() -> None:
    media = MediaSet.of([RED, clip(), BLUE]).with_step("step_1", Image.from_pil(RED))
    assert asked_about(ask("image_understanding"), media) == (
        Image.from_pil(RED),
        Image.from_pil(BLUE),
        Image.from_pil(RED),
    )


def test_videos_are_asked_about_together_with_images() -> None:
    media = MediaSet.of([RED, clip()])
    assert [m.kind for m in asked_about(ask("video_understanding"), media)] == ["image", "video"]


@pytest.mark.parametrize(
    ("task", "kind"), [("image_understanding", "image"), ("video_understanding", "video")]
)
def test_a_question_about_nothing_asks_for_it(task: str, kind: str) -> None:
    media = MediaSet.of([clip()] if kind == "image" else [RED])
    model = ScriptedUnderstanding()
    with pytest.raises(MissingInputError) as caught:
        AnswerAdapter(model).run(ask(task), GRANTED, media, None, silent)
    assert caught.value.slot == "source"
    assert caught.value.question == f"Which {kind} do you mean? Please attach it."
    assert model.asked == []


def test_the_granted_length_and_progress_are_passed_on() -> None:
    events: list[ProgressEvent] = []
    adapter = AnswerAdapter(ScriptedUnderstanding())
    adapter.run(ask("text_understanding"), GRANTED, MediaSet(), None, events.append)
    told = [(e.stage, e.done, e.total, e.text) for e in events]
    words = ["a", " red", " star"]
    assert told[0] == ("answer", 0, 7, "")
    assert told[1:] == [("answer", n, 7, word) for n, word in enumerate(words, start=1)]


def test_an_answer_that_stops_at_its_limit_says_so_and_what_to_set() -> None:
    model = ScriptedUnderstanding(answer="a red star on a blue ground, and more")
    output = AnswerAdapter(model).run(ask("text_understanding"), GRANTED, MediaSet(), None, silent)
    assert output.text == "a red star on a blue ground,"
    (note,) = output.notes
    assert note == cut_note(GRANTED)
    assert "7 tokens" in note
    assert "max_new_tokens" in note
    assert "nano-answer" in note
    whole = GRANTED.model_copy(update={"max_new_tokens": 9})
    output = AnswerAdapter(model).run(ask("text_understanding"), whole, MediaSet(), None, silent)
    assert output.notes == ()


def test_the_listener_can_cancel() -> None:
    def stop(event: ProgressEvent) -> None:
        raise RunCancelledError(event.stage)

    with pytest.raises(RunCancelledError):
        AnswerAdapter(ScriptedUnderstanding()).run(
            ask("text_understanding"), GRANTED, MediaSet(), None, stop
        )


def test_an_empty_answer_is_an_error() -> None:
    class Silent:
        def reply(
            self,
            question: str,
            media: Sequence[Medium] = (),
            *,
            max_new_tokens: int = 256,
            progress: Progress = silent,
        ) -> Reply:
            return Reply(" \n")

    with pytest.raises(GenerationError, match=r"no answer to 'What is it\?'"):
        AnswerAdapter(Silent()).run(ask("text_understanding"), GRANTED, MediaSet(), None, silent)


def test_a_generation_is_not_its_business() -> None:
    call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "a star"})
    granted = GrantedImage(
        output="image",
        tool="x",
        width=8,
        height=8,
        steps=1,
        guidance_scale=1,
        seed=0,
        num_outputs=1,
    )
    with pytest.raises(RequestError, match="text_to_image granted as image"):
        AnswerAdapter(ScriptedUnderstanding()).run(call, granted, MediaSet(), None, silent)
