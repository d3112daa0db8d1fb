"""A plan beside the words it came from: for terminals, notebooks and plain text; it plans nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from rich.text import Text

from unison_agent.tasks import Call, CustomCall, Evidence, Plan, Task
from unison_agent.wording import call_words, unused_words

_TASK_WORDS: dict[Task, str] = {
    "text_understanding": "answer in words",
    "image_understanding": "answer about an image",
    "video_understanding": "answer about a video",
    "text_to_image": "make an image",
    "text_to_video": "make a video",
    "image_to_video": "make a video from an image",
    "image_editing": "edit an image",
    "video_editing": "edit a video",
    "image_controllable_generation": "make an image that follows the structure of another",
    "video_controllable_generation": "make a video that follows the structure of another",
    "image_reference_generation": "make an image with a given subject",
    "video_reference_generation": "make a video with a given subject",
}
# Field to style in terminals and background in notebooks; what is not named is a setting.
_STYLES: dict[str, tuple[str, str]] = {
    "prompt": ("underline", ""),
    "question": ("underline", ""),
    "target": ("bold yellow", "rgba(240, 190, 0, .35)"),
    "negative_prompt": ("bold red", "rgba(230, 60, 60, .30)"),
    **dict.fromkeys(
        ("width", "height", "resolution", "aspect_ratio"), ("bold cyan", "rgba(0, 170, 200, .30)")
    ),
    **dict.fromkeys(
        ("num_frames", "duration_seconds", "fps"), ("bold magenta", "rgba(190, 80, 200, .30)")
    ),
    "control_type": ("bold blue", "rgba(70, 110, 240, .30)"),
}
_SETTING = ("bold green", "rgba(60, 170, 80, .30)")
_LONGEST_QUOTE = 80
# They change the direction of what follows, also of what is not theirs.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def reading_words(steps: Sequence[Call]) -> str:
    """Return what calls do in plain words: ``make an image (width 64) of "a red star", then ...``."""
    return ", then ".join(_call_line(call, quote=True) for call in steps)


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """Shows a plan with its request, where the words that state its values are marked.

    `print` it, give it to `rich.print`, or leave it at the end of a notebook cell or a prompt's line.
    """

    plan: Plan

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        marked = "".join(_bracketed(self.plan))
        return "\n".join([marked, *(line.plain for line in self._lines())])

    def __rich__(self) -> Text:
        return Text("\n").join([self.request(), *self._lines()])

    def request(self) -> Text:
        """Return the request, with the words marked, for a terminal."""
        text = Text()
        for part, stating in _parts(self.plan):
            text.append(part, " ".join(_style(one.field)[0] for one in stating))
        return text

    def html(self) -> str:
        """Return the same for a notebook: marks say on hover which value they state."""
        request = "".join(_html(part, stating) for part, stating in _parts(self.plan))
        lines = "".join(f"<div>{escape(line.plain)}</div>" for line in self._lines())
        return f'<div><bdi dir="auto" style="white-space: pre-wrap">{request}</bdi>{lines}</div>'

    def _repr_html_(self) -> str:
        return self.html()

    def _lines(self) -> Iterator[Text]:
        plan = self.plan
        if plan.missing is not None:
            yield Text.assemble(
                ("missing", "yellow"), f" {plan.missing.slot}: {_visible(plan.missing.question)}"
            )
        for number, call in enumerate(plan.steps or plan.unsure, start=1):
            whole = getattr(call, "prompt", getattr(call, "question", "")) == plan.request.text
            line = _call_line(call, quote=not whole)
            yield Text.assemble((f"step {number}", "bold cyan"), f" {_visible(line)}")
        for words in unused_words(plan):
            yield Text.assemble(("not used", "yellow"), f" {words}")
        if plan.confidence is not None:
            yield Text(f"confidence {plan.confidence:.0%}", "dim")


def _call_line(call: Call, *, quote: bool) -> str:
    if isinstance(call, CustomCall):
        arguments = ", ".join(f"{name} {value}" for name, value in call.arguments.items())
        return f"run {call.tool}" + (f" ({arguments})" if arguments else "")
    values = call_words(call)
    line = _TASK_WORDS[call.task] + (f" ({values})" if values else "")
    words: str = getattr(call, "prompt", getattr(call, "question", ""))
    if not quote:
        return line
    shown = words if len(words) <= _LONGEST_QUOTE else f"{words[: _LONGEST_QUOTE - 3]}..."
    return f'{line}: "{shown}"'


def _parts(plan: Plan) -> Iterator[tuple[str, tuple[Evidence, ...]]]:
    """Yield the request cut where evidence begins or ends, with the evidence of each part, longest first."""
    text = plan.request.text
    cuts = sorted({0, len(text), *(cut for one in plan.evidence for cut in (one.start, one.end))})
    for start, end in pairwise(cuts):
        stating = [one for one in plan.evidence if one.start <= start and end <= one.end]
        stating.sort(key=lambda one: one.start - one.end)
        yield _visible(text[start:end]), tuple(stating)


def _bracketed(plan: Plan) -> Iterator[str]:
    """Yield the request with brackets: ``a star, [64 width] by [64 height]``."""
    opened: tuple[Evidence, ...] = ()
    for part, stating in (*_parts(plan), ("", ())):
        kept = 0
        while kept < min(len(opened), len(stating)) and opened[kept] == stating[kept]:
            kept += 1
        for one in reversed(opened[kept:]):
            yield f" {_name(one, plan)}]"
        yield "[" * (len(stating) - kept)
        yield part
        opened = stating


def _html(part: str, stating: Sequence[Evidence]) -> str:
    if not stating:
        return escape(part)
    title = ", ".join(f"step {one.step}: {one.field.replace('_', ' ')}" for one in stating)
    background = _style(stating[-1].field)[1] or "transparent"
    line = "; border-bottom: 2px solid" if _style(stating[0].field)[0] == "underline" else ""
    style = f"color: inherit; background: {background}{line}"
    return f'<mark style="{style}" title="{escape(title)}">{escape(part)}</mark>'


def _name(one: Evidence, plan: Plan) -> str:
    several = len(plan.steps or plan.unsure) > 1
    return one.field.replace("_", " ") + (f" {one.step}" if several else "")


def _style(field: str) -> tuple[str, str]:
    return _STYLES.get(field, _SETTING)


def _visible(text: str) -> str:
    """Return the text with what would steer a terminal made visible, character for character."""
    return "".join(map(_visible_character, text))


def _visible_character(one: str) -> str:
    if one in "\n\t" or (one.isprintable() and one not in _BIDI):
        return one
    if ord(one) < 0x20:
        return chr(0x2400 + ord(one))
    return "\ufffd" if ord(one) < 0xA0 or one in _BIDI else one
