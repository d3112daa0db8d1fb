"""The wrappers of data/planning as they lie in their files, and how they are shared out; it fills nothing."""

import hashlib
import json
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, cast

from unison_agent.planning.call_fields import MOST_STEPS
from unison_agent.tasks import MediaKind
from unison_agent.training.nano_wording import Place

Part = Literal["train", "held_out"]

DATA = Path(__file__).parents[2] / "data" / "planning"
_HELD_OUT_PERCENT = 10
# Files written to tell apart what is easily confused; few of their lines are alike.
_CONTRASTS = frozenset(
    {
        "edits",
        "languages_east",
        "languages_west",
        "missing_or_not",
        "plans",
        "roles",
        "values",
        "weak_spots_2",
        "which_task",
    }
)


# Written for what the planner then did worst.
_WEAKEST = frozenset({"languages_more", "weak_spots_3", "weak_spots_4", "weak_spots_5"})
# Written later, as somebody would write who knows no other line.
_NATURAL = frozenset(
    {"attachments", "edits_more", "implied", "natural", "plans_more", "roles_more"}
)
# Written last, in the same way.
_NEWEST = frozenset({"chains", "hard_words", "languages_again", "natural_more", "which_task_more"})


class WrapperStep(TypedDict):
    """What one call of a wrapper means; `prompt` or `question` is a part of the wrapper's request."""

    task: str
    roles: dict[str, Place | list[Place]]
    stated: dict[str, str | int | float]
    prompt: NotRequired[str]
    question: NotRequired[str]
    target: NotRequired[str]


class Wrapper(WrapperStep):
    """One line of data/planning: a request with slots and what it means, in one call or in steps."""

    request: str
    media: list[MediaKind]
    lang: str
    missing: NotRequired[str]
    steps_plan: NotRequired[list[WrapperStep]]


def load_wrappers(part: Part, folder: Path = DATA) -> list[tuple[str, Wrapper]]:
    """Return (file stem, wrapper) of one part, without the plans of more steps than a plan may have."""
    wrappers: list[tuple[str, Wrapper]] = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.strip():
                continue
            wrapper = cast("Wrapper", json.loads(line))
            digest = hashlib.sha256(wrapper["request"].encode()).digest()
            held_out = digest[0] * 100 < _HELD_OUT_PERCENT * 256
            too_long = len(wrapper.get("steps_plan", ())) > MOST_STEPS
            if not too_long and held_out == (part == "held_out"):
                wrappers.append((path.stem, wrapper))
    return wrappers


def load_contents(folder: Path = DATA) -> dict[str, list[str]]:
    """Return the lines that fill each content slot, by slot name."""
    return {
        path.stem: [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        for path in sorted((folder / "content").glob("*.txt"))
    }


def times(stem: str, wrapper: Wrapper) -> int:
    """Return how often a wrapper of a file comes in one round of training."""
    if stem in _NEWEST:
        return 14
    if stem in _WEAKEST or stem in _NATURAL:
        return 4
    if stem in _CONTRASTS:
        return 2
    if "steps_plan" in wrapper:
        return 1
    roles, stated = wrapper["roles"], wrapper["stated"]
    references = roles.get("references")
    seldom = (
        wrapper["lang"] != "en"
        or wrapper["task"] in ("needs_input", "video_reference_generation")
        or bool({"mask", "last_frame"} & roles.keys())
        or len(stated) > 1
        or bool({"negative_prompt", "num_outputs", "aspect_ratio"} & stated.keys())
        or (isinstance(references, list) and len(references) > 1)
    )
    return 2 if seldom else 1
