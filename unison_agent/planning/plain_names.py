"""Words that name a structure map, a picture's shape or how many are wanted, and nothing else; it knows no calls.

`stated_words` is generous, for it closes off what is not said. These are strict: what they find is put into a plan
that overlooked it.
"""

import re
from collections.abc import Collection, Iterator

from unison_agent.planning.stated import Place, Stated
from unison_agent.planning.stated_words import PLAIN_MAPS

# The ratios of screens and prints; another one may be a score or a time.
_RATIOS = frozenset({"16:9", "9:16", "4:3", "3:4", "1:1", "21:9", "3:2", "2:3", "4:5", "5:4"})
_SHAPES = {
    "portrait": r"(?:portrait|vertical|upright)[ -](?:format|orientation|mode|aspect|video|clip|framing)|hochformat|竖[屏版]|縦長"
    r"|(?:format|orientation|aspect)[:=]? ?(?:portrait|vertical)",
    "landscape": r"(?:landscape|horizontal)[ -](?:format|orientation|mode|aspect|framing)|querformat|横[屏版]|横長"
    r"|(?:format|orientation|aspect)[:=]? ?landscape",
    "square": r"square[ -](?:format|aspect|crop|image|picture|video|clip)|(?:format|aspect)[:=]? ?square",
}
# "A scoreboard showing 3:2", "a 1:1 scale model".
_SCORED = re.compile(
    r"\b(?:show(?:s|ing)?|scores?|scored|sa(?:ys?|ying)|read(?:s|ing)?|w[io]ns?|lost|lead\w*|odds|bets?)(?: \w+)? $",
    re.IGNORECASE,
)
_SCALED = re.compile(
    r" ?(?:scale|scores?|odds|wins?|victory|defeat|replica|models?)\b", re.IGNORECASE
)
_NO_LETTER_BEFORE, _NO_LETTER_AFTER = r"(?<![a-zäöüß\u0621-\u064a])", r"(?![a-zäöüß\u0621-\u064a])"
_SHAPE_WORDS, _MAP_WORDS = (
    {
        name: re.compile(rf"{_NO_LETTER_BEFORE}(?:{words}){_NO_LETTER_AFTER}", re.IGNORECASE)
        for name, words in kinds.items()
    }
    for kinds in (_SHAPES, PLAIN_MAPS)
)
_NEGATED = re.compile(r"[^.,;:!?]{0,16}")
# "Please make me two short clips of", but not "my two pictures of".
_ASKING = re.compile(
    r"(?:(?:please|hi|hey|hello|ok|can|could|you|i|want|need|we|would|like|give|make|me|us|generate|create|draw"
    r"|render|produce|a|show|kindly|get|i'd)[ ,!]+)*",
    re.IGNORECASE,
)
_PICTURES = (
    r"\s(?:(?:different|short|separate|small|new|more|distinct) )?(?:images?|pictures?|pics?|thumbnails?|renders?"
    r"|wallpapers?|illustrations?|clips?|videos?|animations?) (?:of|please)\b"
)
_WANTED = re.compile(_PICTURES, re.IGNORECASE)
# Behind a number, of what is made and hardly of what is shown: "four options", not "four pictures".
_OUTPUTS = re.compile(
    r"\s*(?:[a-z-]+ )?(?:options|versions|variations|variants|alternatives|results"
    r"|varianten|versionen|variantes|versiones|versioni|varianti)\b",
    re.IGNORECASE,
)
_MOST_OUTPUTS = 16


def plain_shapes(stated: Stated) -> Iterator[tuple[str, Place]]:
    """Yield the ratios and shapes that a text asks for, with their places."""
    for name, places in stated.aspect_ratios.items():
        if name in _RATIOS:
            yield from ((name, p) for p in places if _is_ratio(p, stated.text))
    for name, words in _SHAPE_WORDS.items():
        if name in stated.aspect_ratios:
            yield from ((name, match.span()) for match in words.finditer(stated.text))


def _is_ratio(place: Place, text: str) -> bool:
    start, end = place
    scored = _SCORED.search(text[:start]) or _SCALED.match(text, end)
    return ":" in text[start:end] and not scored


def plain_maps(stated: Stated) -> Iterator[tuple[str, Place]]:
    """Yield the kinds of structure map that a text names and does not want left out, with their places."""
    for name, words in _MAP_WORDS.items():
        if name in stated.control_types:
            places = (match.span() for match in words.finditer(stated.text))
            yield from ((name, place) for place in places if not _negated(place, stated))


def _negated(place: Place, stated: Stated) -> bool:
    """Whether a negation stands right before it, with no mark between: "without blurry edges"."""
    gaps = (stated.text[end : place[0]] for _, end in stated.negations if end <= place[0])
    return any(_NEGATED.fullmatch(gap) for gap in gaps)


def plain_counts(stated: Stated, attached: Collection[int]) -> Iterator[tuple[str, Place]]:
    """Yield how many results a text asks for, with their places.

    Args:
        stated: What the text states.
        attached: How many attachments there are: "two photos of my dog" may be those.
    """
    text = stated.text
    for number, places in stated.numbers.items():
        if not 1 < float(number) <= _MOST_OUTPUTS:
            continue
        for start, end in places:
            asked = _WANTED.match(text, end) and _ASKING.fullmatch(text, 0, start)
            if (_OUTPUTS.match(text, end) or asked) and float(number) not in attached:
                yield number, (start, end)
