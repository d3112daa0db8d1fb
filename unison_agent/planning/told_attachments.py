"""What the words of a request say of its attachments: which are left out, and which one has which role.

"The second one is the mask", "ignore the clip", "from image_2 to image_1". Only what is certain is told: the words
beside a mention have to say it, and the mention has to be plain. It knows no calls and no grammar.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, pairwise

from unison_agent.planning import attachment_words as words
from unison_agent.planning.attachment_words import ToldRole
from unison_agent.tasks import Attachment


@dataclass(frozen=True, slots=True)
class Told:
    """What a request says of its attachments.

    Attributes:
        left_out: Handles that it does not want used.
        roles: The handle that it gives a role.
        maskable: Handles that could be a mask: it speaks of one, or of them.
    """

    left_out: frozenset[str] = frozenset()
    roles: Mapping[ToldRole, str] = field(default_factory=dict[ToldRole, str])
    maskable: frozenset[str] = frozenset()

    def admits(self, role: str, handle: str) -> bool:
        """Whether a handle may have a role, "seen" too, by what is said; what a step makes always may."""
        if handle.startswith("step_"):
            return True
        if handle in self.left_out:
            return False
        match role:
            case "source":
                return handle != self.roles.get("mask")
            case "mask" if "mask" not in self.roles:
                taken = (self.roles.get("control"), self.roles.get("last_frame"))
                return handle in self.maskable and handle not in taken
            case "mask" | "control" | "first_frame" | "last_frame":
                return self.roles.get(role, handle) == handle
            case _:
                return True


@dataclass(frozen=True, slots=True)
class _Mention:
    """Where a text speaks of attachments; of several only as a group."""

    handles: tuple[str, ...]
    start: int
    end: int


@lru_cache(maxsize=256)
def read_told(text: str, attachments: tuple[Attachment, ...]) -> Told:
    """Return what `text` says of the attachments."""
    if not attachments:
        return Told()
    handles = frozenset(one.handle for one in attachments)
    mentions = list(_mentions(text, attachments))
    ignored = set(_ignored(text, mentions))
    left_out = _meant_throughout(ignored, mentions)
    if others := handles - left_out:
        passed = _meant_throughout({*ignored, *_passed(text, mentions)}, mentions)
        left_out |= passed if others - passed else frozenset()
    claims: dict[ToldRole, set[str]] = {}
    for role, handle in _roles(text, mentions, attachments):
        if handle not in left_out and (role != "mask" or len(handles - left_out) > 1):
            claims.setdefault(role, set()).add(handle)
    # Where two are said to be the same, neither is certain.
    roles: dict[ToldRole, str] = {}
    for role, (one, *more) in claims.items():
        if not more:
            roles[role] = one
    spoken = frozenset(m.handles[0] for m in mentions if len(m.handles) == 1)
    maskable = handles if words.MASK_WORD.search(text) else spoken
    return Told(left_out, roles, maskable)


def _meant_throughout(found: set[_Mention], mentions: Sequence[_Mention]) -> frozenset[str]:
    """Return the handles of mentions that are not spoken of in another way as well."""
    others = {handle for one in mentions if one not in found for handle in one.handles}
    return frozenset(handle for one in found for handle in one.handles) - others


def _mentions(text: str, attachments: Sequence[Attachment]) -> Iterator[_Mention]:
    for match in words.MENTION.finditer(text):
        if found := tuple(_meant(match, attachments)):
            yield _Mention(found, *match.span())


def _meant(match: re.Match[str], attachments: Sequence[Attachment]) -> Sequence[str]:
    """Return the handles that a mention means, none where it is not plain."""
    handles = [one.handle for one in attachments]
    if handle := match["handle"]:
        return [handle] if handle in handles else []
    if noun := match["all"]:
        there = _of(noun, attachments)
        return there if len(there) > 1 and noun.lower().endswith("s") else []
    if noun := match["only"]:
        there = _of(noun, attachments)
        return there if len(there) == 1 else []
    noun, number = match["counted"], 0
    if match["numbered"]:
        noun, number = match["numbered"], words.NUMBERS[match["number"].lower()]
    elif said := match["chinese"] or match["japanese"]:
        noun, number = match["chinese_noun"] or match["japanese_noun"], words.NUMBERS[said]
    else:
        said = match["ordinal"] or match["bare"]
        number = next(n for n, w in words.ORDINALS.items() if re.fullmatch(w, said, re.IGNORECASE))
    there = _of(noun, attachments) if noun else handles
    if number < 0:
        return there[-1:]
    return there[number - 1 : number]


def _of(noun: str, attachments: Sequence[Attachment]) -> list[str]:
    """Return the handles of the kind that a noun means, all of them for a noun of any kind."""
    kind = words.FOREIGN_NOUNS.get(noun)
    kinds = [k for k, w in words.NOUNS.items() if re.fullmatch(w, noun, re.IGNORECASE)]
    if kind is None and not kinds:
        return [one.handle for one in attachments]
    return [one.handle for one in attachments if one.kind in (kind, *kinds)]


def _ignored(text: str, mentions: Sequence[_Mention]) -> Iterator[_Mention]:
    for one in mentions:
        before = words.IGNORED_BEFORE.search(text[: one.start])
        done = words.DONE.match(text, one.end)
        if (before and done) or words.IGNORED_AFTER.match(text, one.end):
            yield one


def _passed(text: str, mentions: Sequence[_Mention]) -> Iterator[_Mention]:
    for one in mentions:
        said = text[: one.start]
        before = words.PASSED_BEFORE.search(said) and words.DONE.match(text, one.end)
        alone = words.ALONE_BEFORE.search(said) and words.ALONE_AFTER.match(text, one.end)
        if before or alone:
            yield one


def _roles(
    text: str, mentions: Sequence[_Mention], attachments: Sequence[Attachment]
) -> Iterator[tuple[ToldRole, str]]:
    images = [one.handle for one in attachments if one.kind == "image"]
    for one in mentions:
        if len(one.handles) != 1:
            continue
        handle = one.handles[0]
        for role, before in words.ROLE_BEFORE.items():
            if role.endswith("_frame") and handle not in images:
                continue
            after = words.ROLE_AFTER[role]
            said = text[: one.start]
            if before.search(said) or (
                after.match(text, one.end) and not words.UNDER_IT.search(said)
            ):
                yield role, handle
    for first, second in pairwise(mentions):
        pair = (*first.handles, *second.handles)
        if (
            len(pair) == 2
            and {*pair} <= {*images}
            and words.PAIR_BEFORE.search(text[: first.start])
            and words.PAIR_BETWEEN.fullmatch(text, first.end, second.start)
        ):
            yield "first_frame", pair[0]
            yield "last_frame", pair[1]
    if len(attachments) == 2:
        placed = (place for order, place in words.MASK_ORDER if order.search(text))
        for place in islice(placed, 1):
            yield "mask", attachments[place].handle
