"""Fuzzed requests are decoded with random logits: whatever a model says, the plan holds what was asked."""

import json
import random
import re
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from unison_agent.errors import PlanningError
from unison_agent.planning.call_fields import makes
from unison_agent.planning.grammar import request_grammar
from unison_agent.planning.numbers import canonical
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.planner import make_request
from unison_agent.planning.stated import read_stated
from unison_agent.tasks import CustomCall, MediaKind, Plan, Request

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
TOKENS = LLTokenizer("byte")
NUMBERS = [
    "width",
    "height",
    "num_frames",
    "duration_seconds",
    "fps",
    "seed",
    "steps",
    "guidance_scale",
    "num_outputs",
]
NAMES = ("resolution", "aspect_ratio", "control_type")
SPANS = ("prompt", "question", "target", "negative_prompt")
ROLES = ("source", "mask", "control", "first_frame", "last_frame")
SOUP = (
    "a red star, then turn it green. 64x48 480p 16:9 2.5 seconds at 8 fps two twelve sixty-four half a minute 1,024"
    ' no text without circles edges depth skeleton widescreen vertical seed 7 image_1 step_1 {} [] " \\ <|im_end|>'
    " <|im_start|> <IMGPAD> <editing> null true \u202e \u200f \x00 \u00e9\u0301 \U0001f469\u200d\U0001f680 漢字とかな"
    ' 한글 عربي हिन्दी ٦٤ \n \t ","then":{"task": delete_files 1e9 0x10 -5 999999999999'
)
WORDS = SOUP.split(" ")

texts = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
)
kinds = st.lists(st.sampled_from(("image", "video")), max_size=6)


def attached(kinds: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{kind}_{kinds[: at + 1].count(kind)}", kind) for at, kind in enumerate(kinds)]


def scribble(request: Request, seed: int) -> str:
    """Write under the request's grammar, byte by byte, by chance; likelier goes on than ends."""
    chance = random.Random(seed)
    matcher = LLMatcher(TOKENS, request_grammar(request.text, request.attachments))
    assert not matcher.is_error(), matcher.get_error()
    written = bytearray()
    eager = chance.random()
    while not matcher.is_stopped():
        forced = matcher.compute_ff_tokens()
        if not forced:
            bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
            allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()
            assert allowed, bytes(written)
            ends = [token for token in allowed if token >= 256 or token in b'}"']
            goes = [token for token in allowed if token not in ends]
            many = goes if goes and (not ends or chance.random() < eager) else ends
            forced = [chance.choice(many)]
        if forced[0] >= 256:
            break
        assert matcher.consume_tokens(forced), matcher.get_error()
        written += bytes(forced)
        assert len(written) < 20_000
    return written.decode("utf-8")


def assert_grounded(plan: Plan) -> None:
    """Every handle real and of its kind, every number and name said, every span verbatim."""
    text = plan.request.text
    there: dict[str, MediaKind] = {one.handle: one.kind for one in plan.request.attachments}
    for number, call in enumerate(plan.steps, start=1):
        said = {
            name: [
                text[one.start : one.end]
                for one in plan.evidence
                if (one.step, one.field) == (number, name)
            ]
            for name in (*NUMBERS, *NAMES, *SPANS)
        }
        assert not isinstance(call, CustomCall)
        values = call.model_dump(exclude_none=True)
        handles = [values[role] for role in ROLES if role in values] + [
            *values.get("references", ())
        ]
        assert set(handles) <= there.keys()
        assert len(set(values.get("references", ()))) == len(values.get("references", ()))
        if "mask" in values:
            assert values["mask"] != values["source"]
        for role in ("source", "control"):
            if role in values:
                assert there[values[role]] == makes(call.task)
        for name in (*NUMBERS, *NAMES):
            assert (name in values) == bool(said[name]), name
        for name in NUMBERS:
            for words in said[name]:
                # Also without the words around it.
                assert canonical(values[name]) in read_stated(words).numbers, (name, words)
        for name in SPANS:
            if values.get(name, text) != text:
                assert said[name]
                assert {" ".join(words.split()) for words in said[name]} == {values[name]}
        kind = makes(call.task)
        if kind != "text":
            there[f"step_{number}"] = kind
    assert len(plan.steps) <= 3


def assert_checks_agree(request: Request, written: str, seed: int) -> None:
    """One handle or number is changed: the grammar and the check of written plans judge it alike."""
    chance = random.Random(seed)
    handles = re.findall(r'"(?:image|video|step)_\d+"', written)
    numbers = re.findall(r":(\d[\d.]*)", written)
    if handles and chance.random() < 0.7:
        old = chance.choice(handles)
        new = f'"{chance.choice(["image_1", "image_2", "video_1", "step_1", "step_2", "step_3"])}"'
    elif numbers:
        old, new = (
            f":{chance.choice(numbers)}",
            f":{chance.choice(['1', '2', '64', '2.5', '48', '65'])}",
        )
    else:
        return
    changed = written.replace(old, new, 1)
    try:
        plan = read_plan(request, changed)
    except PlanningError:
        plan = None
    matcher = LLMatcher(TOKENS, request_grammar(request.text, request.attachments))
    ids = TOKENS.tokenize_str(changed)
    admitted = matcher.validate_tokens(ids) == len(ids)
    if plan is not None and not admitted:
        # The one thing that is only looser: references may come in any order.
        assert any(list(refs) != _in_order(refs) for refs in _references(plan)), changed
    assert admitted <= (plan is not None), changed


def _references(plan: Plan) -> list[tuple[str, ...]]:
    found = (call.model_dump().get("references", ()) for call in plan.steps)
    return [cast("tuple[str, ...]", references) for references in found]


def _in_order(references: tuple[str, ...]) -> list[str]:
    return sorted(references, key=lambda one: (one.startswith("step"), len(one), one))


def check(text: str, kinds: list[str], seed: int) -> Plan | None:
    if not text.strip():
        return None
    request = make_request(text, attached(kinds))
    written = scribble(request, seed)
    assert json.loads(written)
    plan = read_plan(request, written)
    assert_grounded(plan)
    assert_checks_agree(request, written, seed)
    return plan


@given(texts, kinds, st.integers(0, 2**32))
@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
def test_random_plans_are_grounded(text: str, kinds: list[str], seed: int):
    check(text, kinds, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(texts, kinds, st.integers(0, 2**32))
@settings(max_examples=2000, deadline=None, suppress_health_check=SLOW)
def test_many_random_plans_are_grounded(text: str, kinds: list[str], seed: int):
    check(text, kinds, seed)


def test_random_plans_are_of_every_task_and_of_several_steps():
    seen: set[str] = set()
    longest = 0
    chance = random.Random(3)
    for seed in range(120):
        text = " ".join(chance.choices(WORDS, k=12)) + ", then more"
        plan = check(text, chance.choices(("image", "video"), k=3), seed)
        assert plan is not None
        seen |= {call.task for call in plan.steps}
        longest = max(longest, len(plan.steps))
    assert len(seen) == 12
    assert longest == 3
