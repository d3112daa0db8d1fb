"""Finds the words of an English edit that name what is changed; knows nothing of tasks or models.

It labels training data, and it speaks where the planner's model names no target, so it prefers silence to a
wrong answer: an edit whose wording it does not know gets no target.
"""

import re

_COLOURS = (
    "red|orange|yellow|green|blue|purple|pink|brown|black|white|gr[ae]y|teal|turquoise|violet|gold|silver"
    "|golden|beige|cream|navy|crimson|scarlet|lime|magenta|cyan|maroon"
)
_SHADES = (
    r"(?:(?:all|in|into|to|an?|bright|dark|light|deep|pale|hot|matte|glossy|soft|plain|solid|neon|sage|cobalt"
    r"|pastel|burnt|completely|entirely) )*"
)
_STOP = (
    r"(?= (?:with|by|for|into|to|so|but|without|except|wherever|and|while|as|until|when|because|using|please|pls|throughout|too"
    r"|instead|like|keeping|leaving|if|then|a bit|a little|slightly|in (?:every|all|each|this|the (?:image|picture|photo|clip|video"
    r"|footage|first|second|last))|from (?:the|this|that|my|our|his|her|their) (?:image|picture|photo\w*|pic|shot|scene"
    r"|clip|video|footage|frame)|(?:image|video)_\d)\b|[,.;:!?(\n]|$)"
)
_THING = r"(?P<thing>[^,.;:!?(\n]{2,60}?)"
_NAMED = (
    r"(?!(?:make|turn|paint|colou?r|change|dye|tint|recolou?r|repaint|stain|give|have|set|let|keep|go|add|use"
    r"|it|only|just|all|more|less|in|on|to|and|with|black and) )"
    # Nor a shade, a season or a look: "navy blue", "winter -> summer", "realistic -> cartoon".
    r"(?!(?:light|dark|deep|pale|hot|bright|navy|royal|baby|neon|rose|olive|mint|lime|jet|off|sky(?= blue)|forest(?= green)"
    r"|completely|fully|totally|entirely|mostly|very|too|warm|cool|soft|matte)\b)"
    rf"(?!(?:{_COLOURS}|winter|summer|spring|autumn|fall|day(?:time)?|night|dawn|dusk|morning|evening|noon|realistic|real|cartoon"
    r"|photo\w*|image|picture|pic|clip|video|modern|old|new|vintage|sunny|rainy|cloudy|colou?r|b/?w|horizontal|vertical"
    r"|happy|sad|dull|blurry|step \w+|scene|style) ?(?:->|=>|\u2192|:|to\b))"
)
_PATTERNS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:replace|swap|substitute|exchange|switch)(?: out)? {_THING} (?:with|by|for|to|against)\b",
        rf"\b(?:turn|change|changing|convert|transform) (?:the colou?r of )?{_THING}(?: colou?r)? (?:in)?to\b",
        rf"\b(?:recolou?r|repaint|paint|dye|tint|colou?r|stain) {_THING} "
        rf"(?:{_SHADES}(?:{_COLOURS})\b{_STOP}|to\b|in\b)",
        rf"\b(?:turn|make|change) {_THING} {_SHADES}(?:{_COLOURS})\b{_STOP}",
        rf"\b(?:remove|erase|delete|get rid of|take out|take away|wipe out|eliminate|cut out|clone out)"
        rf" {_THING}{_STOP}",
        rf"\b(?:take|cut|edit|clone|wipe) {_THING} (?:out|away)\b",
        rf"\b(?:make|let) {_THING} (?:look |much |a bit |a little |slightly |far |twice as )?"
        r"(?:bigger|smaller|larger|taller|shorter|wider|brighter|darker|shinier|thinner|thicker|rounder)\b",
        rf"\b(?:blur(?: out)?|sharpen|enlarge|shrink|brighten|darken|lighten|hide)(?: up)? {_THING}{_STOP}",
        r"(?:^|[,.;:!?(\n]\s*|\b(?:and|but) )(?P<thing>(?:the|this|that|these|those|all|an?|his|her|its|their|my|our) "
        r"[^,.;:!?(\n]{2,60}?) should be (?:an? |the )?[\w-]+",
        # Without a verb: "sky purple", "sky -> sunset", "the background replaced with a beach".
        rf"^(?P<thing>{_NAMED}(?:[^\W\d_]+ )??[^\W\d_]+):?(?: becomes| to| in)? (?:bright |dark |light |deep |pale )?(?:{_COLOURS})[.!]?$",
        rf"^(?:(?:swap|replace|turn|change|make) )?(?P<thing>{_NAMED}(?:[^\W\d_]+ )?[^\W\d_]+) ?(?:->|=>|\u2192) ?\w",
        r"\b(?P<thing>(?:the|this|that|my|our|his|her|its|their) [^,.;:!?(\n]{2,60}?) replaced (?:with|by)\b",
        r"^no(?: more)? (?!(?:changes?|thanks?|idea|need|sound|audio|problem|worries|rush|way|one)\b)(?P<thing>(?:[^\W\d_]+ ){0,2}[^\W\d_]+)[.!]?$",
    )
)
_PRONOUN_COLOUR = re.compile(
    r"\b(?:make|turn|paint|colou?r|recolou?r|change|dye|tint) (?P<pronoun>it|this|that|them)"
    rf" {_SHADES}(?P<colour>{_COLOURS})\b(?P<alone>(?! and (?:black|white)){_STOP})?",
    re.IGNORECASE,
)
# "Don't remove the tree"
_NEGATED = re.compile(
    r"(?:\b(?:not|dont|never|without|avoid)|n['\u2019]t)(?: \w+ing)? $", re.IGNORECASE
)
# "Remove the car and the tree" changes two things; "and the rest stays" is none.
_AND_ANOTHER = re.compile(
    r" and (?:the|an?|this|that|these|those|all|his|her|its|their|my|our) (?!rest\b|others?\b|remaining\b)",
    re.IGNORECASE,
)
_NO_THING = re.compile(
    r"^(?:it|(?:everything|nothing|all|anything) (?:but|except)\b.*|the|an?|this|that|these|those|them|him|her|me|us|everything|anything|something|things|all|what.*|one|everyone.*|day|\d.*"
    r"|the (?:image|picture|photo|clip|video|footage|film|scene|whole .*|rest|first|second|last|third|one"
    r"|mask\w*|marked .*|selected .*|white .*|area.*|region.*|spot|part.*)"
    r"|(?:white|black|marked|selected|matte) (?:part|area|region|spot|bit|zone)s?|(?:it )?up|slightly|nothing|hue.*|.*\bmask.*|.*_\d.*|.*[{}].*"
    r"|(?:image|picture|photo|clip|video|footage|scene)|.*\b(?:if|you|please|i|is|are|be)\b.*)$",
    re.IGNORECASE,
)
_WHERE = re.compile(
    r" (?:in|on|from|inside) (?:the|this|that|my|our|your) (?:image|picture|photo\w*|pic|clip|video|footage|film|scene"
    r"|shot|animation|frame)$",
    re.IGNORECASE,
)
_ARTICLE = re.compile(
    r"^(?:(?:just|only) )?(?:all? (?:of )?)?(?:(?:the|teh|an?|this|that|these|those|my|our|your|his|her|its|their) )+",
    re.IGNORECASE,
)


# What it is taken off; not "second from the left".
_OFF = re.compile(
    r" (?:off|from) (?!(?:the )?(?:left|right|top|bottom|front|back)\b).*", re.IGNORECASE
)


# The attachment as a whole, a place without a thing, or what a mask covers.
_WHOLE = re.compile(
    r"(?:the |this |that |my )?(?:images?|pictures?|photos?|clips?|videos?|footage|film|scene|inside|mask\w*)"
    r"|(?:under|inside|in|on|at) .*|masked .*|.*(?:\bthe|_\d(?:'s)?|\b(?:in|under|by|of|inside|within)) masks?\b.*"
    r"|what(?:'s|\u2019s| is|ever is)? (?:in|under|inside|there)\b.*"
    r"|(?:the )?(?:white|black|marked|selected|highlighted|matte) (?:part|area|region|spot|bit|zone)s?",
    re.IGNORECASE,
)


# "From red to blue" says what is done to the thing, not which one it is.
_CHANGE = re.compile(
    r" from (?!(?:the |one |side )*(?:left|right|top|bottom|front|back|side|end)\b)(?:[\w-]+ ){1,3}to .*",
    re.IGNORECASE,
)
_MADE = r"\b(?:make|turn|set|have) (?:it|everything)(?: look| into| to)?(?: like)? (?:an? |the )?"


def of_thing(edit: str, target: str) -> str | None:
    """Return the words of a target that name a thing in the picture; None where they name no such thing.

    None: the whole picture, a place in it, or what it is to become ("make it night").
    """
    target = _CHANGE.sub("", target)
    if _WHOLE.fullmatch(target) or re.search(_MADE + re.escape(target), edit, re.IGNORECASE):
        return None
    return target


def is_wanted_colour(edit: str, target: str) -> bool:
    """Return whether a target is the colour that "it" is to have: "black" in "make it black and white"."""
    match = _PRONOUN_COLOUR.search(edit)
    return match is not None and match.group("colour") == target


def recoloured_pronoun(edit: str, target: str | None) -> str | None:
    """Return the "it" of "make it green", where `target` is nothing or the colour it is to have."""
    match = _PRONOUN_COLOUR.search(edit)
    if match is None or match.group("alone") is None or target not in (None, match.group("colour")):
        return None
    return match.group("pronoun")


def find_target(edit: str) -> str | None:
    """Return the words of `edit` that name what is changed, without article, or None if unsure.

    Where several things are changed, none of them is the target.
    """
    hits = [
        match
        for pattern in _PATTERNS
        for match in pattern.finditer(edit)
        if not _NEGATED.search(edit[: match.start()])
    ]
    if not hits:
        return None
    first = min(hits, key=lambda hit: (hit.start(), hit.end()))
    if any(_is_another(hit, first) for hit in hits) or _AND_ANOTHER.match(edit, first.end()):
        return None
    return _bare(first.group("thing"))


def _is_another(hit: re.Match[str], first: re.Match[str]) -> bool:
    """Whether a later edit is of another thing: "remove the car and make the sky blue"."""
    other = _bare(hit.group("thing"))
    return hit.start("thing") >= first.end("thing") and other not in (
        None,
        _bare(first.group("thing")),
    )


def _bare(words: str) -> str | None:
    """Return the name of a thing without article and picture; None where it is none."""
    thing = _OFF.sub("", _WHERE.sub("", words.strip()))
    if _NO_THING.match(thing) or len(thing.split()) > 9:
        return None
    bare = _ARTICLE.sub("", thing).strip(" '\"-")
    if re.search(r" (?:an?|from)$", bare):
        bare = bare.rsplit(" ", 1)[0]
    return bare if bare and not _NO_THING.match(bare) else None
