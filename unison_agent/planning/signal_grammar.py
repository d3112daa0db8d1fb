"""A request's grammar in signal tokens: the calls its attachments allow, with no value it does not state.

Lark for llguidance, in which a control token stands by its id: its spelled-out characters never match, and
no text of the request is in the grammar. It knows the request and the ids, no model.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from unison_agent.planning.call_fields import may_hold
from unison_agent.planning.signal_calls import frame_counts, named_sizes
from unison_agent.planning.signal_tokens import Signal
from unison_agent.planning.stated import read_stated
from unison_agent.planning.units import numbers_for
from unison_agent.tasks import Attachment, MediaKind, Request

# An answer is told by its first token, whatever it is; what begins with "<" could be a token in characters.
_ANSWER = "answer[max_tokens=1]: /(?s:[^<].*)/"


def signal_grammar(request: Request, ids: Mapping[Signal, int]) -> str:
    """Return the Lark grammar of the signal calls that a request can mean, or of the first token of an answer.

    Args:
        request: What was asked, and what is attached.
        ids: Of the tokens in the vocabulary.
    """
    lines = ["start: image | clip | answer", _ANSWER]
    optional: dict[MediaKind, str] = {"image": "", "video": ""}
    if sizes := _sizes(request.text):
        lines.append(_between("size", ids, Signal.BORES, sizes, Signal.EORES))
        optional = dict.fromkeys(optional, " size?")
    if counts := _counts(request.text):
        lines.append(_between("frames", ids, Signal.BONF, counts, Signal.EONF))
        optional["video"] += " frames?"
    rules: tuple[tuple[MediaKind, str, Signal], ...] = (
        ("image", "image", Signal.CFI),
        ("video", "clip", Signal.CFV),
    )
    for kind, name, made in rules:
        roles = list(_roles(kind, request.attachments, ids))
        if edits := _edits(kind, request.attachments):
            lines.append(_between(f"edit_{name}", ids, Signal.BOEDIT, edits, Signal.EOEDIT))
            roles.append(f"edit_{name}")
        role = f" ({' | '.join(roles)})?" if roles else ""
        lines.append(f"{name}:{role}{optional[kind]} {_token(ids, made)}")
    return "\n".join(lines) + "\n"


def _roles(
    kind: MediaKind, attachments: Sequence[Attachment], ids: Mapping[Signal, int]
) -> Iterator[str]:
    """Yield the ways to begin a call that makes a picture or a clip."""
    kinds = [one.kind for one in attachments]
    if "image" in kinds:
        yield _token(ids, Signal.REF)
    if kind in kinds:
        yield _token(ids, Signal.CTRL)
    if kind == "video" and "image" in kinds:
        yield f'{_token(ids, Signal.BOFIDX)} ("0" | "1") {_token(ids, Signal.EOFIDX)}'


def _edits(kind: MediaKind, attachments: Sequence[Attachment]) -> list[str]:
    """Return the places that mask and source can have."""
    kinds = [one.kind for one in attachments]
    masks = {"image"} if kind == "image" else {"image", "video"}
    return [
        f'"{mask},{source}"'
        for source in range(len(kinds))
        for mask in range(len(kinds))
        if kinds[source] == kind and kinds[mask] in masks and mask != source
    ]


def _sizes(text: str) -> list[str]:
    widths, heights = numbers_for("width", text), numbers_for("height", text)
    sizes = [f'"{width},{height}"' for width, height in named_sizes(read_stated(text))]
    if widths and heights:
        sizes.append(f'{_one_of(widths)} "," {_one_of(heights)}')
    return sizes


def _counts(text: str) -> list[str]:
    stated = numbers_for("num_frames", text)
    meant = [str(count) for count in frame_counts(text) if may_hold("num_frames", str(count))]
    return [f'"{count}"' for count in dict.fromkeys((*stated, *meant))]


def _one_of(numbers: Iterable[str]) -> str:
    ways = " | ".join(f'"{number}"' for number in numbers)
    return f"({ways})"


def _between(
    name: str, ids: Mapping[Signal, int], begin: Signal, values: Iterable[str], end: Signal
) -> str:
    """Return the rule of a value; it is one terminal, for of two literals the lexer takes the longer."""
    terminal = name.upper()
    rule = f"{name}: {_token(ids, begin)} {terminal} {_token(ids, end)}"
    return f"{rule}\n{terminal}: {' | '.join(values)}"


def _token(ids: Mapping[Signal, int], signal: Signal) -> str:
    return f"<[{ids[signal]}]>"
