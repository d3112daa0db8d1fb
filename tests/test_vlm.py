"""The understanding model on its real weights: text as the base, states, adapters, answers."""

import numpy as np
import pytest
import torch

from unison_agent import compose, conversation, pixels, reading
from unison_agent.decoding import ConstrainedDecoder, Turn, encode_turn
from unison_agent.errors import RunCancelledError
from unison_agent.media import Image, Video
from unison_agent.pipelines.store import NANO_FOLDER
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.planner import prompt_text
from unison_agent.progress import ProgressEvent
from unison_agent.tasks import MediaKind, Request
from unison_agent.training.planning_data import name_attachments
from unison_agent.vlm import UnderstandingModel


@pytest.fixture(scope="module")
def model() -> UnderstandingModel:
    return UnderstandingModel.load_nano(NANO_FOLDER, layer=20)


def square(color: tuple[int, int, int]) -> Image:
    picture = np.full((64, 64, 3), 245, np.uint8)
    picture[16:48, 16:48] = color
    return Image.from_array(picture)


def test_text_logits_are_those_of_the_base_model(model: UnderstandingModel) -> None:
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(compose.base_folder(), dtype=torch.bfloat16)
    ids = torch.tensor([conversation.asking(model.tokenizer, "What is the capital of France?").ids])
    with torch.inference_mode():
        expected = base(input_ids=ids).logits
        got = model.model(input_ids=ids).logits[..., : expected.shape[-1]]
    assert torch.equal(got, expected)


def test_the_adapters_leave_no_trace_when_off(model: UnderstandingModel) -> None:
    before = model.read("a red star").states
    model.answer("What color is it?", [square((220, 50, 50))], max_new_tokens=2)
    assert torch.equal(model.read("a red star").states, before)


def test_states_depend_on_the_media(model: UnderstandingModel) -> None:
    red = model.read("make it move", [square((220, 50, 50))]).states
    blue = model.read("make it move", [square((60, 110, 220))]).states
    assert red.shape == blue.shape
    assert not torch.equal(red, blue)
    assert red.shape[1] == model.read("make it move").states.shape[1] + pixels.TOKENS + 2


def test_a_batch_reads_as_its_rows_do(model: UnderstandingModel) -> None:
    picture = reading.nano_sight(square((220, 50, 50)))
    both = model.read_batch(["a cat", "turn the square green"], [[], [picture]])
    alone = model.read("a cat").states[0]
    row = both.states[0][both.mask[0]]
    assert torch.nn.functional.cosine_similarity(row, alone, dim=-1).min() > 0.99


def test_video_is_seen_as_pairs_of_frames(model: UnderstandingModel) -> None:
    frames = [np.full((48, 80, 3), 10 * i, np.uint8) for i in range(9)]
    kind, seen = reading.frames_of(Video.from_frames(frames, 8.0))
    assert (kind, seen.shape) == ("video", (reading.VIDEO_FRAMES, 64, 64, 3))
    states = model.read("what moves?", [Video.from_frames(frames, 8.0), square((0, 0, 0))]).states
    pairs = reading.VIDEO_FRAMES // 2
    text = model.read("what moves?").states.shape[1]
    assert states.shape[1] == text + (pairs + 1) * pixels.TOKENS + 4


def test_answers_are_words_and_can_be_cancelled(model: UnderstandingModel) -> None:
    answer = model.answer("What is the capital of France?", max_new_tokens=24)
    assert "Paris" in answer

    def stop(event: ProgressEvent) -> None:
        raise RunCancelledError(f"stopped at {event.done}")

    with pytest.raises(RunCancelledError, match="stopped at"):
        model.answer("Tell me a story.", max_new_tokens=50, progress=stop)


def test_an_answer_comes_in_pieces_and_says_where_it_was_cut(model: UnderstandingModel) -> None:
    told: list[ProgressEvent] = []
    question = "What is the capital of France?"
    reply = model.reply(question, max_new_tokens=24, progress=told.append)
    assert reply.complete
    assert "".join(event.text for event in told) == reply.text
    assert sum(bool(event.text) for event in told) > 4
    assert not model.reply(question, max_new_tokens=3).complete

    def stop(event: ProgressEvent) -> None:
        if event.done == 2:
            raise RunCancelledError("enough")

    with pytest.raises(RunCancelledError, match="enough"):
        model.reply(question, max_new_tokens=24, progress=stop)
    assert model.reply(question, max_new_tokens=24) == reply


def test_scores_prefer_what_is_there(model: UnderstandingModel) -> None:
    scores = model.score(square((220, 50, 50)), "What color is the square?", ["red", "green"])
    assert len(scores) == 2
    assert all(s < 0 for s in scores)


def test_plans_are_written_as_plain_masking_writes_them() -> None:
    # In bf16 a product depends on how many tokens go through at once, and decides between near equals.
    model = UnderstandingModel.load_nano(NANO_FOLDER, layer=20, dtype="float32")
    asked: list[tuple[str, tuple[MediaKind, ...]]] = [
        ("Draw a red star on a blue background, 64 by 64", ()),
        ("make a 2 second video of this, moving right", ("image",)),
        ("please change the star into a green heart", ("image",)),
    ]
    requests = [Request(text=t, attachments=name_attachments(kinds)) for t, kinds in asked]
    turns = [Turn(prompt_text(r), request_grammar(r.text, r.attachments), r.text) for r in requests]
    written = [model.write(t.prompt, t.grammar, copy_from=t.copy_from) for t in turns]
    decoder = ConstrainedDecoder(model.model, model.tokenizer)
    with model._using("planner"):
        plain = [decoder.write_plain(t.prompt, t.grammar) for t in turns]
    assert [w.text for w in written] == [w.text for w in plain]
    assert sum(w.passes for w in written) < 0.3 * sum(w.passes for w in plain)
    assert all(0 < w.confidence <= 1 for w in written)
    assert [w.text for w in model.write_batch(turns)] == [w.text for w in written]


def test_every_control_token_that_is_typed_is_plain_text(model: UnderstandingModel) -> None:
    tokenizer = model.tokenizer
    special = sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()})
    assert {"<|im_start|>", "<|im_end|>", compose.IMAGE_PAD, compose.VIDEO_PAD} <= set(special)
    control = {int(str(tokenizer.convert_tokens_to_ids(token))) for token in special}
    template = [i for i in encode_turn(tokenizer, "") if i in control]
    for token in special:
        for typed in (token, f"a {token} b", f"{token}{token}"):
            ids = encode_turn(tokenizer, typed)
            assert [i for i in ids if i in control] == template, token
            assert typed in tokenizer.decode(ids)
