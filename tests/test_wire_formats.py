"""Both wire formats of plans mean the same calls: signal tokens by their ids, and JSON, over all 12 tasks."""

from collections.abc import Sequence
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from unison_agent.decoding import Turn, Written
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import make_request
from unison_agent.planning.signal_planner import SignalPlanner, SignalVocabulary
from unison_agent.planning.signal_tokens import (
    Control,
    Edit,
    Frame,
    Piece,
    Reference,
    Signal,
    SignalCall,
    write_pieces,
)
from unison_agent.planning.signal_writing import write_signals
from unison_agent.planning.written import call_text
from unison_agent.tasks import MediaKind, Plan, Request, Task, TaskCall


def make_vocabulary() -> tuple[PreTrainedTokenizerFast, SignalVocabulary]:
    """Return a tokenizer of single characters that knows the 14 tokens by ids of their own."""
    letters = {chr(code): code - 32 for code in range(32, 127)} | {"?": 95}
    made = Tokenizer(models.WordLevel(letters, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")  # pyright: ignore[reportAttributeAccessIssue]
    made.decoder = decoders.Fuse()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    tokenizer.add_tokens([signal.value for signal in Signal], special_tokens=True)
    return tokenizer, SignalVocabulary.of(tokenizer)


TOKENIZER, VOCABULARY = make_vocabulary()
SIDES = st.integers(1, 500).map(lambda count: 16 * count)
PLACES: dict[str, tuple[MediaKind, ...]] = {
    "image": ("image", "image"),
    "video": ("image", "video", "image"),
}
ROLES = {
    "image": st.sampled_from([None, Reference(), Control(), Edit(1, 0), Edit(0, 1)]),
    "video": st.sampled_from(
        [None, Reference(), Control(), Edit(0, 1), Edit(2, 1), Frame("first"), Frame("last")]
    ),
}


class Says:
    """Writes these tokens, by their ids."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.token_ids: tuple[int, ...] = ()
        for piece in pieces:
            ids = [VOCABULARY.ids[piece]] if isinstance(piece, Signal) else characters(piece)
            self.token_ids += tuple(ids)

    def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int) -> list[Written]:
        del max_new_tokens
        return [Written("", self.token_ids, 1, 0.5)] * len(turns)


def characters(text: str) -> list[int]:
    return cast("list[int]", TOKENIZER(text, add_special_tokens=False)["input_ids"])


def planned(request: Request, pieces: Sequence[Piece]) -> Plan:
    return SignalPlanner(Says(pieces), VOCABULARY).plan(request)


def in_json(call: TaskCall) -> str:
    fields = call.model_dump(exclude_none=True, exclude_defaults=True)
    task = fields.pop("task")
    fields.pop("prompt", None)
    fields.pop("question", None)
    return call_text(cast("str", task), fields)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Request, SignalCall | None]:
    """Draw a signal call, and a request with its attachments that states its values."""
    output = draw(st.sampled_from(["image", "video", None]))
    if output is None:
        kinds: tuple[MediaKind, ...] = draw(st.sampled_from([(), ("image",), ("image", "video")]))
        return make_request("what is this?", attachments(kinds)), None
    role = draw(ROLES[output])
    size = draw(st.none() | st.tuples(SIDES, SIDES))
    frames = draw(st.none() | st.integers(2, 999)) if output == "video" else None
    said = ["a red fox"]
    said += [] if size is None else [f"{size[0]}x{size[1]}"]
    said += [] if frames is None else [f"{frames} frames"]
    said += draw(st.sampled_from([[], ["seed 7"], ["30 steps", "cfg 4.5"]]))
    said += ["follow this depth map"] if isinstance(role, Control) else []
    kinds = () if role is None else PLACES[output]
    call = SignalCall("video" if output == "video" else "image", role, size, frames)
    return make_request(", ".join(said), attachments(kinds)), call


def attachments(kinds: Sequence[MediaKind]) -> list[tuple[str, MediaKind]]:
    return [(f"{kind}_{kinds[: at + 1].count(kind)}", kind) for at, kind in enumerate(kinds)]


def test_tokens_and_json_say_the_same_call_both_ways():
    seen: set[Task] = set()

    @given(requests())
    @settings(max_examples=300, deadline=None)
    def check(drawn: tuple[Request, SignalCall | None]) -> None:
        request, said = drawn
        by_tokens = planned(request, write_pieces(said))
        (call,) = by_tokens.steps
        task_call = cast("TaskCall", call)
        seen.add(task_call.task)
        assert read_plan(request, in_json(task_call)).steps == (call,)
        back = write_signals(task_call, request)
        assert back.lost == ()
        assert back.pieces == write_pieces(said)
        assert planned(request, back.pieces).steps == (call,)

    check()
    assert len(seen) == 12


@given(requests())
@settings(max_examples=50, deadline=None)
def test_spelled_out_they_are_words_of_an_answer(drawn: tuple[Request, SignalCall | None]):
    request, said = drawn
    spelled = "".join(one.value if isinstance(one, Signal) else one for one in write_pieces(said))
    split = list(spelled)  # never as one token, as the tokenizer itself would
    ids = Says(split).token_ids
    assert not set(ids) & set(VOCABULARY.ids.values())
    (call,) = planned(request, split).steps
    assert cast("TaskCall", call).task.endswith("understanding")
