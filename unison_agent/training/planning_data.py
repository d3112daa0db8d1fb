"""Samples for the planning LoRA: filled request wrappers and icon-scene requests, with the text to write.

The wrappers in data/planning are requests with slots; a sample is one of them with its slots filled, or
one made by `nano_requests` or `nano_plans`. A fixed tenth of the wrappers, chosen by hash, is never trained on. It knows
the form of the planner's prompt and of the calls, but no model.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from unison_agent.planning.stated import read_stated
from unison_agent.planning.written import SLOTS, FieldValue, Slot, missing_text, plan_text
from unison_agent.tasks import Attachment, MediaKind, Request
from unison_agent.training.forgotten import forget
from unison_agent.training.nano_plans import make_plan
from unison_agent.training.nano_requests import make_example
from unison_agent.training.nano_wording import Example, Place, Step, with_settings
from unison_agent.training.planning_wrappers import (
    Part,
    Wrapper,
    WrapperStep,
    load_contents,
    load_wrappers,
    times,
)
from unison_agent.training.spans import mark, read_marks, span_words, strip_end, wrap

_SIZES = (
    (512, 512), (768, 512), (512, 768), (1024, 1024), (1280, 720), (720, 1280), (640, 480), (1024, 768),
    (832, 480), (480, 832), (256, 256), (1920, 1080), (960, 960), (640, 640), (64, 64), (128, 128), (800, 600),
    (1080, 1920), (512, 288), (900, 1600), (1216, 832), (64, 96),
)  # fmt: skip
_FRAMES = (
    5, 9, 16, 17, 24, 25, 30, 33, 48, 49, 60, 64, 65, 72, 80, 81, 96, 97, 100, 120, 121, 150, 240,
)  # fmt: skip
_SECONDS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 2.5, 1.5, 3.5)
_FPS = (4, 8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60)
_STEPS = (4, 8, 10, 12, 15, 20, 25, 28, 30, 35, 40, 50, 60, 75, 100)
_GUIDANCE = (1, 2, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 9, 10, 12)
_COUNTS = (2, 3, 4, 5, 6, 8, 10)
_RESOLUTION_NAMES = {"2K": "1440p", "4K": "2160p", "8K": "4320p"}
# Share of wrappers that get settings of their own, as people append them to anything.
_MORE_SETTINGS = 0.15
# Share of plans of several steps, or that sound like one, among the icon-scene requests.
_NANO_PLANS = 0.11
_POINTING = re.compile(
    r"\b(?:attached|attachment|enclosed|(?:this|my|our|the) (?:\w+ )?(?:image|picture|photo\w*|pic|clip|video"
    r"|footage|film|drawing|sketch|still|(?:depth|edge|normal|pose) map|skeleton|layout|screenshot))\b",
    re.IGNORECASE,
)
# The lines of these slots say after a tab what they change.
_EDITS = frozenset({"edit", "video_edit"})
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Sample:
    """One request and the text the understanding model should write for it.

    Attributes:
        request: Text and attachments, as a user gives them.
        answer: The JSON of the calls, or of the missing input.
        task: The first call's task, or "needs_input".
        steps: How many calls; 0 where something is missing.
        origin: Where it comes from: the file's stem, or "nano".
    """

    request: Request
    answer: str
    task: str
    steps: int
    origin: str


def fill(
    wrapper: Wrapper, contents: Mapping[str, list[str]], rng: random.Random, origin: str = "wrapper"
) -> Sample:
    """Return the wrapper with every slot filled by chance, and what the filled request means."""
    parts = wrapper.get("steps_plan") or [wrapper]
    text = wrapper["request"]
    for number, part in enumerate(parts):
        words = part.get("prompt") or part.get("question")
        if words:
            text = mark(text, words, number)
    text, values = _fill_slots(text, contents, rng)
    whole = "" if len(parts) > 1 else wrapper["request"]
    steps = [_step(part, part.get("prompt", whole), values) for part in parts]
    example = Example(
        text=_roughen(text, rng),
        media=tuple(wrapper["media"]),
        task=steps[0].task,
        roles=steps[0].roles,
        stated=dict(steps[0].stated),
        then=tuple(steps[1:]),
    )
    lacking = forget(example, rng)
    if lacking is not None:
        example = lacking
    elif example.task == "needs_input":
        example.missing = cast("Slot", wrapper.get("missing", "question"))
    elif wrapper["lang"] == "en" and len(parts) == 1 and rng.random() < _MORE_SETTINGS:
        example = _with_more_settings(example, rng)
    return _finish(example, origin)


def _step(part: WrapperStep, words: str, values: Mapping[str, str | int | float]) -> Step:
    """Return one call of a filled wrapper; `words` are its own, with their slots."""
    stated: dict[str, FieldValue] = {}
    for name, value in part["stated"].items():
        slot = _SLOT.fullmatch(value) if isinstance(value, str) else None
        stated[name] = values[slot.group(1)] if slot else value
    if part["task"] in ("image_editing", "video_editing"):
        fills = not _EDITS.isdisjoint(_SLOT.findall(words))
        target = part.get("target") or (values.get("target") if fills else None)
        if target:
            stated["target"] = target
    return Step(part["task"], part["roles"], stated)


def _with_more_settings(example: Example, rng: random.Random) -> Example:
    """Return a call with settings after its request, whose words are then no longer all of it."""
    if example.task.endswith("understanding"):
        return example
    if not read_marks(example.text)[1]:
        example.text = wrap(strip_end(example.text, ".!"))
    made = example.task.removeprefix("image_to_")
    return with_settings(rng, example, video="video" in made, often=1.0)


def nano_sample(rng: random.Random) -> Sample:
    """Return a request about an icon scene and what it means."""
    return _finish(make_plan(rng) if rng.random() < _NANO_PLANS else make_example(rng), "nano")


def samples(
    part: Part, seed: int, *, nano_share: float = 0.3, tool_share: float = 0.0
) -> Iterator[Sample]:
    """Yield samples without end: the wrappers in a new order each round, icon scenes in between.

    Args:
        part: Which wrappers; icon-scene requests are made fresh for either part. Of the training's, those
            that say what is seldom said come more than once a round.
        seed: Two iterators of one seed yield the same samples.
        nano_share: Share of icon-scene requests.
        tool_share: Share of requests that come with tools of the user's own, which may be calls of those: 0.05
            for training, none where every answer has to be a plan of tasks.
    """
    from unison_agent.training.tool_requests import tool_samples  # it makes samples of this module

    rng = random.Random(f"{part}-{seed}")
    wrappers, contents = load_wrappers(part), load_contents()
    if part == "train":
        wrappers = [one for one in wrappers for _ in range(times(*one))]
    with_tools = tool_samples(part, rng)
    while True:
        rng.shuffle(wrappers)
        for origin, wrapper in wrappers:
            while (drawn := rng.random()) < nano_share + tool_share:
                yield nano_sample(rng) if drawn < nano_share else next(with_tools)
            yield fill(wrapper, contents, rng, origin)


def _fill_slots(
    text: str, contents: Mapping[str, list[str]], rng: random.Random
) -> tuple[str, dict[str, str | int | float]]:
    """Return the text without slots but `{m0}` and the like, and the value that each slot got."""
    width, height = rng.choice(_SIZES)
    if rng.random() < 0.3:
        width, height = rng.randrange(16, 2000), rng.randrange(16, 2000)
    values: dict[str, str | int | float] = {
        "width": width,
        "height": height,
        "num_frames": rng.choice(_FRAMES),
        "duration": rng.choice(_SECONDS),
        "fps": rng.choice(_FPS),
        "seed": rng.choice((0, 1, 7, 42, 99, 123, 1234, 2024, 31337, rng.randrange(10**6))),
        "steps": rng.choice(_STEPS),
        "guidance": rng.choice(_GUIDANCE),
        "n": rng.choice(_COUNTS),
    }

    def replace(match: re.Match[str]) -> str:
        slot = match.group(1)
        if re.fullmatch(r"m\d", slot):
            return match.group()
        if slot in _EDITS:
            edit, _, target = rng.choice(contents[slot]).partition("\t")
            values["target"] = target
            return edit
        if slot in contents:
            value, _, said = rng.choice(contents[slot]).partition("\t")
            values[slot] = value
            return said or value
        return str(values[slot])

    return _SLOT.sub(replace, text), values


def _roughen(text: str, rng: random.Random) -> str:
    """Sometimes drop capitals or the final mark, as people do."""
    if rng.random() < 0.06:
        text = text.lower()
    if rng.random() < 0.05:
        return strip_end(text, ".!?") or text  # somebody may send "???" alone
    return text


def _finish(example: Example, origin: str) -> Sample:
    """Turn indices into handles and marks into spans, and write the answer."""
    attachments = name_attachments(example.media)
    handles = [attachment.handle for attachment in attachments]
    text, spans = read_marks(
        re.sub(r"\{m(\d)\}", lambda match: handles[int(match.group(1))], example.text)
    )
    request = Request(text=text, attachments=attachments)
    if example.missing is not None:
        slot = example.missing if example.missing in SLOTS else "question"
        return Sample(request, missing_text(slot), "needs_input", 0, origin)
    calls: list[tuple[str, dict[str, FieldValue]]] = []
    first = Step(example.task, example.roles, example.stated)
    for number, step in enumerate((first, *example.then)):
        fields = _fields(step, handles, text)
        words = span_words(text, *spans[number]) if number in spans else None
        if words is not None:
            fields["question" if step.task.endswith("understanding") else "prompt"] = words
        calls.append((step.task, fields))
    return Sample(request, plan_text(calls), example.task, len(calls), origin)


def _fields(step: Step, handles: Sequence[str], text: str) -> dict[str, FieldValue]:
    """Return the handles and the stated values of one call, as it is written."""

    def handle(place: Place) -> str:
        return place if isinstance(place, str) else handles[place]

    fields: dict[str, FieldValue] = {}
    for role, place in step.roles.items():
        if isinstance(place, list):
            # In the order in which the grammar has them: attachments, then what earlier steps made.
            ordered = sorted(place, key=lambda one: (isinstance(one, str), str(one)))
            fields[role] = [handle(one) for one in ordered]
        else:
            fields[role] = handle(place)
    for name, value in step.stated.items():
        match name, value:
            case "num_outputs", 1:
                pass
            case "resolution", str():
                fields[name] = _RESOLUTION_NAMES.get(value, value)
            case (("negative_prompt" | "target"), str()):
                words = _as_said(value, text)
                if words is not None:
                    fields[name] = words
            case "aspect_ratio", "1:1" if not re.search(r"\b1|one", text):
                fields[name] = "square"
            case _:
                fields[name] = value
    return fields


def name_attachments(kinds: tuple[MediaKind, ...]) -> tuple[Attachment, ...]:
    """Return attachments of those kinds: image_1, image_2, video_1, counted per kind."""
    return tuple(
        Attachment(handle=f"{kind}_{kinds[: place + 1].count(kind)}", kind=kind)
        for place, kind in enumerate(kinds)
    )


def _as_said(words: str, text: str) -> str | None:
    """Return `words` in the case of the request, with single spaces, or None if it is not there."""
    stated, words = read_stated(text), re.sub(r"\s+", " ", words)
    if stated.places(words):
        return words
    joined = "".join(stated.pieces)
    for match in re.finditer(re.escape(words), joined, re.IGNORECASE):
        if stated.places(match.group()):
            return match.group()
    return None
