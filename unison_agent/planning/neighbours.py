"""The words beside a number that say which field it states; knows no calls and no grammar.

Some leave no doubt: "24 fps" is a frame rate and nothing else, "85mm" no field at all. Others only speak for a
field against its rivals: of two equal numbers, the one in "3 versions" is how many are wanted.
"""

import re
from collections.abc import Iterator

from unison_agent.planning.call_fields import NumberField
from unison_agent.planning.stated import Place

_NEAR = 28
_SIZE = frozenset[NumberField]({"width", "height"})
_NONE = frozenset[NumberField]()
_SECOND = (
    r"(?:s\b|secs?\b|seconds?\b|sek\w*|second[ie]\b|segundos?\b|secondes?\b|秒|초|ثوان"
    r"|ثاني[ةه]|सेकंड|сек\w*)"
)
# "64 by 48" in other languages.
_BY = "(?:mal|sur|por|per|на)"
_A_SECOND = r"(?:per|an?|/|each|every|pro|je|par|por|al)"
# A text that ends right before the number, a text that begins right after it, and what the number then is.
_UNITS: tuple[tuple[str, str, frozenset[NumberField]], ...] = (
    (
        r"(?:\d|px|pixels?)(?:[x\u00d7*]| (?:[x\u00d7*]|by) )|(?<!in )\b(?:width"
        r"|height)\s*[:=]?\s*(?:(?:of|is) )?",
        r"(?:px|pixels?)?(?:[x\u00d7*]| (?:[x\u00d7*]|by) )\d|\s?-?(?:px|pixels?)\b",
        _SIZE,
    ),
    (
        r"(?<!\d )(?<!\d)\b(?:fps|frame ?rate|frames per second)(?:\s*[:=]\s*| (?:of|is|at) )",
        rf"\s?-?(?:fps\b|f/s|hz\b|(?:frames?|bilder|images?|im[áa]genes?|imagens|immagini"
        rf"|fotogramas|fotogrammi|quadros) ?{_A_SECOND}\b|帧每秒|帧/秒|コマ/秒)",
        frozenset({"fps"}),
    ),
    (
        r"\b(?:num_frames|frame count|frames)\s*[:=]\s*",
        rf"\s?-?frames?\b(?!\s*{_A_SECOND}\b|\s*/)",
        frozenset({"num_frames"}),
    ),
    (
        r"\b(?:duration|duration_seconds)\s*[:=]\s*",
        rf"[ -]?{_SECOND}",
        frozenset({"duration_seconds"}),
    ),
    (r"\b(?:seed|graine|semilla)\s*[:=#]?\s*(?:(?:of|is|number|no\.) )?", r"(?!)", frozenset({"seed"})),
    (
        r"\bsteps\s*[:=]\s*",
        r"\s?-?(?:(?:sampling|inference|denoising|diffusion) )?(?:steps?\b(?!\s*[:=])"
        r"|schritte\b|pasos\b)",
        frozenset({"steps"}),
    ),
    (
        r"\b(?:cfg|guidance)(?:[ _]scale)?\s*[:=]?\s*(?:(?:of|is|at) )?",
        r"(?!)",
        frozenset({"guidance_scale"}),
    ),
    (r"(?!)", r"\s?(?:mm|cm|km|kg|mph|kmh|km/h)\b|\s?[%°]|[ -]years?\b|[ -]?min(?:s|ut\w{1,2})?\b"
        r"|[ -]hours?\b", _NONE),
    # A time of day, or a ratio.
    (r"(?<!\d)\d{1,2}:", r":[0-5]\d(?!\d)", _NONE),
    # Counted creatures and things, and words that begin with a numeral.
    (r"(?!)", r"(?:[只隻匹朵杯辆輛棵羽]|[头頭](?!像))|人(?!分)|毛|角(?![度色])|日月", _NONE),
)  # fmt: skip
_CERTAIN = tuple(
    (re.compile(rf"(?:{before})$", re.IGNORECASE), re.compile(after, re.IGNORECASE), fields)
    for before, after, fields in _UNITS
)
# What stands right before a value, what in it, and what right after it.
_NEIGHBOURS: dict[NumberField, tuple[str, str, str]] = {
    "width": (
        r"(?:width|wide|breite|largeur|ancho|larghezza)[\s:=#(-]{0,3}(?:of |is |von |de )?",
        "",
        rf"\s*(?:[x\u00d7*]|by\b)\s*\w|\s{_BY}\s\d|\s*-?\s*(?:px|pixels?)?\s*wide|\s*(?:px"
        r"|pixels?)?\s*(?:in )?width",
    ),
    "height": (
        rf"\w\s*(?:[x\u00d7*]|by)\s*|\d\s{_BY}\s|(?:height|high|tall|h\u00f6he|hauteur|alto"
        r"|altezza)[\s:=#(-]{0,3}(?:of |is |von |de )?",
        "",
        r"\s*-?\s*(?:px|pixels?)?\s*(?:high|tall)|\s*(?:px|pixels?)?\s*(?:in )?height",
    ),
    "num_frames": (
        r"(?:frames|frame count|num_frames)[\s:=#(-]{0,3}(?:of |is )?",
        "",
        r"\s*-?\s*(?:frames?\b(?!\s*(?:per\b|an?\b|/|each|every))|bilder\b(?! pro| je)"
        r"|fotogramas|帧(?!每)|コマ|フレーム|프레임)",
    ),
    "duration_seconds": (
        r"(?:duration|length|lasting|dauer|dur\u00e9e|duraci\u00f3n)[\s:=#(-]{0,3}(?:of |is )?",
        r"(?:s|sec[a-z]*|ms|millisec[a-z]*|m|min(?:s|ut\w{1,2})?|h|hrs?|hours?|分[钟鐘]?|[秒초] ?[半반]|ثاني.*"
        r"|دقيق.*|(?:сек|мин)\w*)",
        r"\s*-?\s*(?:s\b|secs?\b|seconds?\b|sek|segund|second[ie]|秒|초|ثان|ثوا|सेकंड|сек)",
    ),
    "fps": (
        r"(?:fps|frame ?rate|frames per second)[\s:=#(-]{0,3}(?:of |is |at )?",
        "",
        r"\s*-?\s*(?:fps\b|f/s|hz\b|(?:frames?|bilder|images|fotogramas)\s*(?:per|an?|/"
        r"|each|every|pro|par|por)|帧每秒|帧/秒)",
    ),
    "seed": (
        r"(?:seed|zufallszahl|graine|semilla|种子)[\s:=#(-]{0,3}(?:of |is |number |no\.? "
        r"|to |value )?",
        "",
        r"\s*(?:as |for )?(?:the )?seed",
    ),
    "steps": (
        r"(?:steps|schritte)[\s:=#(-]{0,3}(?:of |is |to )?",
        "",
        r"\s*-?\s*(?:[\w-]+ )?(?:steps?\b|iterations?\b|schritte|\u00e9tapes|pasos"
        r"|passaggi|步|ステップ)",
    ),
    "guidance_scale": (
        r"(?:cfg|guidance|scale|strength)[\s:=#(-]{0,3}(?:scale )?(?:of |is |at |to )?",
        "",
        r"\s*(?:for )?(?:the )?(?:cfg|guidance)",
    ),
    "num_outputs": (
        r"(?:outputs|images|pictures|versions|num_outputs)[\s:=#-]{1,3}",
        r"(?:صور|نسخ|لوح|لقط|رسم|كليب|فيديو|مقطع|تصميم)\w*",
        r"\s*(?:[\w-]+ ){0,2}(?:images?|pictures?|pics|photos?|versions?|variations?"
        r"|variants?|options?|outputs?"
        r"|copies|clips?|videos?|takes|results?|samples?|alternatives?|drawings?|bilder"
        r"|im\u00e1genes|张|枚|本|장|صور|نسخ|картин|изображ|вариант|верси)",
    ),
}
_FITS = {
    name: (
        re.compile(rf"(?:{before})$", re.IGNORECASE),
        re.compile(rf"{inside}$", re.IGNORECASE) if inside else None,
        re.compile(after, re.IGNORECASE),
    )
    for name, (before, inside, after) in _NEIGHBOURS.items()
}


def certain_fields(place: Place, text: str) -> Iterator[frozenset[NumberField]]:
    """Yield, for each unit or name right beside a number, the only fields that it can be."""
    start, end = place
    for before, after, fields in _CERTAIN:
        if before.search(text[max(0, start - _NEAR) : start]) or after.match(text, end):
            yield fields


def speaks_for(name: NumberField, place: Place, text: str) -> bool:
    """Return whether the words beside or in a number fit a field."""
    before, inside, after = _FITS[name]
    start, end = place
    return (
        before.search(text[max(0, start - _NEAR) : start]) is not None
        or after.match(text[end : end + _NEAR]) is not None
        or (inside is not None and inside.search(text[start:end]) is not None)
    )
