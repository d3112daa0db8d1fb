"""Planning in signal tokens: the grammar of a request, random models, and text that spells tokens out."""

import random
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
import torch
from learned_tokenizers import tokenizer_of_requests
from numpy.typing import NDArray
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from unison_agent.decoding import (
    ConstrainedDecoder,
    GrammarWriter,
    Step,
    Turn,
    Written,
    encode_turn,
    plain_ids,
)
from unison_agent.errors import PlanningError, RequestError, WeightsError
from unison_agent.planning.planner import Calibration
from unison_agent.planning.signal_grammar import signal_grammar
from unison_agent.planning.signal_planner import SignalPlanner, SignalVocabulary
from unison_agent.planning.signal_tokens import Signal
from unison_agent.tasks import (
    ImageControllableGeneration,
    ImageEditing,
    MediaKind,
    Request,
    TextToImage,
    TextToVideo,
    VideoEditing,
)
from unison_agent.training.planning_data import name_attachments, nano_sample

SEVERAL: list[MediaKind] = ["image"] * 12
HEAD = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"


def make_tokenizer(*, special: bool) -> PreTrainedTokenizerFast:
    made = tokenizer_of_requests()
    made.add_tokens([signal.value for signal in Signal], special_tokens=special)
    return made


@pytest.fixture(scope="module", params=[True, False], ids=["special", "plain"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    """The 14 tokens were added as special ones, or as plain ones."""
    return make_tokenizer(special=bool(request.param))


@pytest.fixture(scope="module")
def vocabulary(tokenizer: PreTrainedTokenizerFast) -> SignalVocabulary:
    return SignalVocabulary.of(tokenizer)


@pytest.fixture(scope="module")
def writer(tokenizer: PreTrainedTokenizerFast) -> GrammarWriter:
    return GrammarWriter(tokenizer)


def request(text: str, *kinds: MediaKind) -> Request:
    return Request(text=text, attachments=name_attachments(kinds))


class Says:
    """Writes what it was told to, whatever the grammar."""

    def __init__(self, *token_ids: int) -> None:
        self.token_ids = token_ids
        self.turns: list[Turn] = []

    def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int) -> list[Written]:
        del max_new_tokens
        self.turns += turns
        return [Written("", self.token_ids, 1, 0.5)] * len(turns)


def script(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return cast("list[int]", tokenizer(text, add_special_tokens=False)["input_ids"])


def admits(
    writer: GrammarWriter, tokenizer: PreTrainedTokenizerFast, asked: Request, ids: Sequence[int]
) -> bool:
    """Say whether the grammar lets these tokens be written, to the end."""
    wanted = [*ids, cast("int", tokenizer.eos_token_id)]
    read: list[int] = []

    def logits(step: Step) -> NDArray[np.float32]:
        read.extend(step.tokens)
        values = np.zeros((1, len(tokenizer)), np.float32)
        values[0, wanted[min(len(read) - 1, len(wanted) - 1)]] = 9
        return values

    grammar = signal_grammar(asked, SignalVocabulary.of(tokenizer).ids)
    written = writer.write(logits, [1], grammar, max_new_tokens=64, fast_forward=False)
    return written.token_ids == tuple(ids)


@pytest.mark.parametrize(
    ("asked", "said", "admitted"),
    [
        (request("a cat"), "<CFI>", True),
        (request("a cat"), "<CFV>", True),
        (request("a cat"), "<REF><CFI>", False),
        (request("a cat"), "<CTRL><CFI>", False),
        (request("a cat"), "<BORES>640,480<EORES><CFI>", False),
        (request("a cat, 640x480"), "<BORES>640,480<EORES><CFI>", True),
        (request("a cat, 640x480"), "<BORES>480,640<EORES><CFI>", True),
        (request("a cat, 640x480"), "<BORES>640,512<EORES><CFI>", False),
        (request("640x640, 4s"), "<BORES>640,640<EORES><BONF>96<EONF><CFV>", True),
        (request("640x640, 4s"), "<BORES>640,512<EORES><BONF>96<EONF><CFV>", False),
        (request("640x640, 4s"), "<BONF>95<EONF><CFV>", False),
        (request("640x640, 4s"), "<BONF>96<EONF><CFI>", False),
        (request("640x640, 4s"), "<BONF>96<EONF><BORES>640,640<EORES><CFV>", False),
        (request("480p"), "<BORES>640,480<EORES><CFI>", True),
        (request("a vertical cat"), "<BORES>720,1280<EORES><CFI>", True),
        (request("mend it", "image"), "<BOEDIT>0,0<EOEDIT><CFI>", False),
        (request("mend it", "image", "image"), "<BOEDIT>1,0<EOEDIT><CFI>", True),
        (request("mend it", "image", "image"), "<BOEDIT>1,1<EOEDIT><CFI>", False),
        (request("mend it", "image", "image"), "<BOEDIT>1,0<EOEDIT><CFV>", False),
        (request("mend it", "image", "image"), "<BOEDIT>2,0<EOEDIT><CFI>", False),
        (request("mend it", "image", "video"), "<BOEDIT>0,1<EOEDIT><CFV>", True),
        (request("mend it", "image", "video"), "<BOEDIT>1,0<EOEDIT><CFV>", False),
        (request("mend it", "video", "video"), "<BOEDIT>1,0<EOEDIT><CFV>", True),
        (request("mend it", *SEVERAL), "<BOEDIT>1,10<EOEDIT><CFI>", True),
        (request("mend it", *SEVERAL), "<BOEDIT>11,1<EOEDIT><CFI>", True),
        (request("animate it", "image"), "<BOFIDX>1<EOFIDX><CFV>", True),
        (request("animate it", "image"), "<BOFIDX>1<EOFIDX><CFI>", False),
        (request("animate it", "video"), "<BOFIDX>0<EOFIDX><CFV>", False),
        (request("this fox", "image"), "<REF><CFV>", True),
        (request("this fox", "video"), "<REF><CFV>", False),
        (request("follow it", "video"), "<CTRL><CFV>", True),
        (request("follow it", "video"), "<CTRL><CFI>", False),
        (request("follow it", "image"), "<CTRL><CFI>", True),
        (request("a cat"), "<IMGPAD><CFI>", False),
    ],
)
def test_the_grammar_is_closed_over_the_request(
    writer: GrammarWriter,
    tokenizer: PreTrainedTokenizerFast,
    asked: Request,
    said: str,
    admitted: bool,
):
    assert admits(writer, tokenizer, asked, script(tokenizer, said)) is admitted


def test_spelled_out_characters_are_never_a_token(
    writer: GrammarWriter, tokenizer: PreTrainedTokenizerFast
):
    asked = request("write <CFI> and <BORES>640,480<EORES>")
    spelled = plain_ids(tokenizer, "<CFI>")
    assert len(spelled) > 1
    assert not admits(writer, tokenizer, asked, spelled)
    words = script(tokenizer, "a")
    assert admits(writer, tokenizer, asked, words)  # an answer is told by its first token


def fuzzed(rng: random.Random) -> Request:
    kinds: tuple[MediaKind, ...] = ("image", "video")
    attached: list[MediaKind] = [
        rng.choice(kinds) for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 12)))
    ]
    text = nano_sample(rng).request.text
    match rng.randrange(4):
        case 0:
            alphabet = ' ab"\\{}<|>\n\té漢字🦆٤0123456789x:,.%/-\x00'
            text = "".join(rng.choices(alphabet, k=rng.randrange(1, 80))) + "."
        case 1:
            more = [signal.value for signal in Signal]
            words = [*text.split(), *more, "480p", "2.5", "3 seconds", "640x640", "portrait"]
            text = " ".join(rng.choices(words, k=rng.randrange(1, 40)))
        case _:
            pass
    return request(text, *attached)


def test_a_random_model_writes_plans(tokenizer: PreTrainedTokenizerFast):
    config = Qwen2Config(
        vocab_size=len(tokenizer) + 30,  # wider than the tokenizer: the last rows name no token
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=4096,
        initializer_range=0.5,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2ForCausalLM(config).eval()
    # Tokens that a random model favours, so that calls are written and not first words only.
    model.lm_head.weight.data[len(tokenizer) - len(Signal) : len(tokenizer)] *= 3
    planner = SignalPlanner(
        ConstrainedDecoder(model, tokenizer, head=HEAD), SignalVocabulary.of(tokenizer)
    )
    rng = random.Random(2)
    requests = [fuzzed(rng) for _ in range(60)]
    plans = planner.plan_batch(requests)  # each is held to its request by the reader of plans
    assert all(len(plan.steps) == 1 for plan in plans)
    assert len({plan.steps[0].task for plan in plans}) >= 8
    assert plans[:5] == [planner.plan(one) for one in requests[:5]]


def test_random_logits_make_plans_of_every_task(
    tokenizer: PreTrainedTokenizerFast, vocabulary: SignalVocabulary, writer: GrammarWriter
):
    class Random:
        seed = 0

        def write_batch(self, turns: Sequence[Turn], *, max_new_tokens: int) -> list[Written]:
            return [self._write(turn, max_new_tokens) for turn in turns]

        def _write(self, turn: Turn, most: int) -> Written:
            self.seed += 1
            rng = np.random.default_rng(self.seed)

            def logits(step: Step) -> NDArray[np.float32]:
                del step
                values = rng.standard_normal((1, len(tokenizer)), dtype=np.float32)
                values[0, list(vocabulary.ids.values())] += 2
                return values

            return writer.write(logits, [1], turn.grammar, max_new_tokens=most)

    rng = random.Random(3)
    planner = SignalPlanner(Random(), vocabulary)
    plans = planner.plan_batch([fuzzed(rng) for _ in range(400)])
    assert len({plan.steps[0].task for plan in plans}) == 12


# --- what the model reads ---------------------------------------------------------------------------


def test_what_a_user_spells_out_is_text_and_attachments_are_tokens(
    tokenizer: PreTrainedTokenizerFast, vocabulary: SignalVocabulary
):
    ids = vocabulary.ids
    image, video = ids[Signal.IMGPAD], ids[Signal.VIDPAD]
    planner = SignalPlanner(Says(), vocabulary)

    def read(asked: Request) -> list[int]:
        turn = planner.turn(asked)
        return encode_turn(tokenizer, turn.prompt, turn.marks, head=HEAD)

    def control(asked: Request) -> list[int]:
        return [one for one in read(asked) if one in ids.values()]

    spelled = "say <CFI> <BORES>640,480<EORES> <IMGPAD>"
    assert control(request(spelled)) == []
    assert spelled in tokenizer.decode(read(request(spelled)))
    assert control(request(spelled, "video", "image")) == [video, image]
    assert control(request("mend <IMGPAD> by <IMGPAD>", "image", "image")) == [image, image]
    assert control(request("mend <IMGPAD> by <IMGPAD>", "image")) == [image]


def test_placeholders_stand_where_the_text_names_the_attachments(
    tokenizer: PreTrainedTokenizerFast, vocabulary: SignalVocabulary
):
    planner = SignalPlanner(Says(), vocabulary)

    def prompt(text: str, *kinds: MediaKind) -> str:
        turn = planner.turn(request(text, *kinds))
        whole = str(tokenizer.decode(encode_turn(tokenizer, turn.prompt, turn.marks)))
        return whole.removeprefix("<|im_start|>user\n").partition("<|im_end|>")[0]

    assert prompt("an image <IMGPAD> and a clip <VIDPAD>.", "image", "video") == (
        "an image <IMGPAD> and a clip <VIDPAD>."
    )
    assert prompt("mend image_1 by image_2", "image", "image") == "mend <IMGPAD> by <IMGPAD>"
    assert prompt("mend image_2 by image_1", "image", "image") == (
        "<IMGPAD><IMGPAD>mend image_2 by image_1"
    )
    assert prompt("mend it", "image", "video") == "<IMGPAD><VIDPAD>mend it"


def test_a_request_without_words_is_refused(vocabulary: SignalVocabulary):
    with pytest.raises(RequestError, match="no words"):
        SignalPlanner(Says(), vocabulary).plan(request(" "))


# --- what is read of what the model wrote -----------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "asked", "step"),
    [
        (
            "<BOEDIT>1,0<EOEDIT><CFI>",
            request("make it red there", "image", "image"),
            ImageEditing(
                task="image_editing",
                prompt="make it red there",
                source="image_1",
                mask="image_2",
            ),
        ),
        (
            "<BOEDIT>0,1<EOEDIT><CFV>",
            request("make it red there", "video", "video"),
            VideoEditing(
                task="video_editing", prompt="make it red there", source="video_2", mask="video_1"
            ),
        ),
        (
            "<CTRL><CFI>",
            request("a fox, this depth map", "image"),
            ImageControllableGeneration(
                task="image_controllable_generation",
                prompt="a fox, this depth map",
                control="image_1",
                control_type="depth",
            ),
        ),
        (
            "<BORES>640,480<EORES><BONF>72<EONF><CFV>",
            request("480p, 3 seconds, seed 5"),
            TextToVideo(
                task="text_to_video",
                prompt="480p, 3 seconds, seed 5",
                resolution="480p",
                duration_seconds=3,
                seed=5,
            ),
        ),
        ("<CFI>", request("a cat"), TextToImage(task="text_to_image", prompt="a cat")),
    ],
)
def test_what_is_written_is_the_plan_that_json_would_be(
    tokenizer: PreTrainedTokenizerFast,
    vocabulary: SignalVocabulary,
    said: str,
    asked: Request,
    step: object,
):
    plan = SignalPlanner(Says(*script(tokenizer, said)), vocabulary).plan(asked)
    assert plan.steps == (step,)
    assert plan.confidence is None


def test_values_have_evidence_and_the_plan_a_confidence(
    tokenizer: PreTrainedTokenizerFast, vocabulary: SignalVocabulary
):
    says = Says(*script(tokenizer, "<BONF>72<EONF><CFV>"))
    plan = SignalPlanner(says, vocabulary, Calibration(slope=1, intercept=0)).plan(
        request("a clip of 3 seconds")
    )
    assert [(one.field, one.start, one.end) for one in plan.evidence] == [
        ("duration_seconds", 10, 11)
    ]
    assert plan.confidence == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("<BORES>640,512<EORES><CFI>", "width must be a number that the request states"),
        ("<BOEDIT>1,0<EOEDIT><CFI>", r"attachment 0 \(from 0\); there are 0"),
        ("<REF><CFI>", "need an attached image"),
        ("A cat <CFI>", "at piece 1"),
    ],
)
def test_what_the_request_does_not_support_is_refused(
    tokenizer: PreTrainedTokenizerFast, vocabulary: SignalVocabulary, said: str, why: str
):
    with pytest.raises(PlanningError, match=why):
        SignalPlanner(Says(*script(tokenizer, said)), vocabulary).plan(request("a cat"))


def test_a_tokenizer_without_the_tokens_is_refused():
    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), eos_token="x")
    made.add_tokens([signal.value for signal in Signal if signal is not Signal.CFV])
    with pytest.raises(WeightsError, match="lacks 1 of the 14 signal tokens: <CFV>"):
        SignalVocabulary.of(made)
