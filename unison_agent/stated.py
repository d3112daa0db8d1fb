"""What a text states: its numbers, its names of sizes and structure maps, its words.

It reads characters only. It does not know which task a value belongs to, nor what a tool can do. Every
reading is generous, because the grammar only uses it to close off what the text does not say.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

_UNITS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {"single": 1, "couple": 2, "pair": 2, "twice": 2, "trio": 3, "dozen": 12}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 1000}
# Small numbers in the other languages of the planning data; found as substrings where words have no spaces.
_FOREIGN: dict[str, int] = {
    **dict.fromkeys(
        ("zwei", "deux", "dos", "due", "dois", "duas", "两", "二", "二つ", "दो", "두"), 2
    ),
    **dict.fromkeys(("drei", "trois", "tres", "tre", "três", "三", "तीन", "세", "ثلاث"), 3),
    **dict.fromkeys(("vier", "quatre", "cuatro", "quattro", "quatro", "四", "चार", "네"), 4),
    **dict.fromkeys(("fünf", "cinq", "cinco", "cinque", "五", "पांच", "पाँच", "다섯", "خمس"), 5),
    **dict.fromkeys(("sechs", "six", "seis", "sei", "六"), 6),
    **dict.fromkeys(("acht", "huit", "ocho", "otto", "oito", "八"), 8),
    **dict.fromkeys(("zehn", "dix", "diez", "dieci", "dez", "十"), 10),
    **dict.fromkeys(("صورتين", "مقطعين"), 2),
}

_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W\d_]+")
_MINUTES = re.compile(r"\s*-?\s*(?:m\b|min|分)", re.IGNORECASE)
_HOURS = re.compile(r"\s*-?\s*(?:h\b|hr|hour)", re.IGNORECASE)
_MILLISECONDS = re.compile(r"\s*-?\s*(?:ms\b|millisecond)", re.IGNORECASE)
_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bhalf an? min", re.IGNORECASE), "30"),
    (re.compile(r"\bhalf an? sec", re.IGNORECASE), "0.5"),
    (re.compile(r"\ban? min", re.IGNORECASE), "60"),
    (re.compile(r"\b(?:an?|single) sec", re.IGNORECASE), "1"),
    (re.compile(r"\bhalf[ -]a[ -]dozen", re.IGNORECASE), "6"),
)
# Numbers beyond this many would only be noise, and they would make the grammar large.
_MOST_NUMBERS = 64

_RESOLUTIONS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"\b([1-9]\d{2,3}) ?p\b", re.IGNORECASE), None),
    (re.compile(r"\bfull[ -]?hd\b|\bfhd\b|\bten[ -]eighty", re.IGNORECASE), "1080p"),
    (re.compile(r"(?<!full )(?<!full-)(?<!ultra )\bhd\b|\bseven[ -]twenty", re.IGNORECASE), "720p"),
    (re.compile(r"\b4 ?k\b|\bu(?:ltra[ -]?)?hd\b", re.IGNORECASE), "2160p"),
    (re.compile(r"\b8 ?k\b", re.IGNORECASE), "4320p"),
    (re.compile(r"\b2 ?k\b|\bqhd\b", re.IGNORECASE), "1440p"),
    (re.compile(r"\bsd\b|\bstandard def|\bfour[ -]eighty", re.IGNORECASE), "480p"),
)
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bsq\w*are\b|quadrat|carr[ée]|cuadrad|正方", re.IGNORECASE), "square"),
    (
        re.compile(
            r"\bportrait|\bvert\w*cal|\bupright\b|hochformat|hochkant|竖|縦|세로", re.IGNORECASE
        ),
        "portrait",
    ),
    (
        re.compile(
            r"\blandscape\b|\bhorizontal|\bwide|querformat|paysage|apaisad|横|가로", re.IGNORECASE
        ),
        "landscape",
    ),
    (re.compile(r"\bwide ?scre+n", re.IGNORECASE), "16:9"),
)
_RATIO = re.compile(
    r"(?<![\d.])(\d{1,3}(?:\.\d+)?) ?(?:[:/x\u00d7-]|by|to|zu) ?(\d{1,3}(?:\.\d+)?)(?![\d.]*\d)"
)
_LARGEST_RATIO_PART = 32

CONTROL_WORDS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "depth": r"d[ep]{2}th|disparity|z-?buffer|midas|tiefe|prof[ou]nd|深度|distance|near|heightmap"
        r"|lidar|عمق|डेप्थ|깊이",
        "pose": r"pos[eait]|skell?e?t|stick|keypoint|joint|bone|limb|mannequin|stance|gesture|body|mocap"
        r"|姿|ポーズ|پوز|وضعية|पोज़|포즈",
        "canny": r"canny|edge|egde|sobel|contour|outline|lines|kanten|contorno|边缘|حواف|किनार",
        "scribble": r"scri+bb?l|sketch|skecth|doodle|squiggle|drawing|drawn|line ?art|linart|linework|lines"
        r"|animati|pencil|rough|outline|skizze|croquis|kritzel|garabato|scarabocchi|涂鸦|草图|線画"
        r"|خربش|स्केच|낙서",
        "gray": r"gr[ae]y|black[ -]and[ -]white|\bb&w|\bb/w|monochrom|lumina|luma|desaturat|\bgris|灰|흑백",
        "layout": r"layout|segment|\bseg\b|semantic|instance|box|bbox|region|colou?r blocks|distribuci|布局",
        "normal": r"norm[al]{2}|surface orientation|\bnormali",
    }.items()
}
_NEGATION = re.compile(
    r"\b(?:no|not|nothing|dont|without|avoid\w*|exclud\w*|free|minus|except|never|leave|negative|skip|neg"
    r"|nix|kein\w*|ohne|sans|pas|sin|sem|senza|non)\b|n['\u2019]t\b|不|没|無|无|なし|ない|بدون|لا |बिना|없",
    re.IGNORECASE,
)
# Scripts without spaces between words: every character is a word of its own.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_PIECES = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|\s+|[^\w\s]")
# Spans may reach this far into the text; the rest of a very long request is still the prompt.
_LONGEST_SPAN_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Stated:
    """What one text states, ready to be written into a grammar.

    Attributes:
        numbers: Canonical decimals ("64", "2.5"), without repeats, in order of value.
        resolutions: Lines, e.g. "480p".
        aspect_ratios: "16:9", "square", "portrait" or "landscape".
        control_types: Structure maps that a word supports.
        negated: Whether any word could introduce what to leave out.
        pieces: The text cut into words, marks and single spaces, so that spans begin and end at words.
    """

    numbers: tuple[str, ...]
    resolutions: tuple[str, ...]
    aspect_ratios: tuple[str, ...]
    control_types: tuple[str, ...]
    negated: bool
    pieces: tuple[str, ...]


def read_stated(text: str) -> Stated:
    """Return everything that `text` can be said to state."""
    spelled = _spell_digits(text)
    return Stated(
        numbers=_numbers(text, spelled),
        resolutions=_resolutions(text),
        aspect_ratios=_aspect_ratios(spelled),
        control_types=tuple(name for name, words in CONTROL_WORDS.items() if words.search(text)),
        negated=_NEGATION.search(text) is not None,
        pieces=tuple(
            " " if piece.isspace() else piece
            for piece in _PIECES.findall(text[:_LONGEST_SPAN_TEXT])
        ),
    )


def canonical(value: Decimal | float | str) -> str:
    """Return a number as JSON would write it at its shortest: "2", "2.5", never "2.0" or "1e3"."""
    number = Decimal(str(value))
    whole = number == number.to_integral_value()
    return f"{number.to_integral_value() if whole else number.normalize():f}"


def _numbers(text: str, spelled: str) -> tuple[str, ...]:
    found: set[str] = set()
    for source in (text, spelled):
        for match in _DIGITS.finditer(source):
            for value in _readings(match.group()):
                found.add(canonical(value))
                if _MINUTES.match(source, match.end()):
                    found.add(canonical(value * 60))
                elif _HOURS.match(source, match.end()):
                    found.add(canonical(value * 3600))
                elif _MILLISECONDS.match(source, match.end()):
                    found.add(canonical(value / 1000))
            if len(found) > _MOST_NUMBERS:
                break
    found.update(value for phrase, value in _PHRASES if phrase.search(text))
    lowered = text.lower()
    words = set(_WORD.findall(lowered))
    found.update(
        str(value)
        for word, value in _FOREIGN.items()
        if word in words or (not word.isascii() and word in lowered)
    )
    return tuple(sorted(found, key=Decimal))[:_MOST_NUMBERS]


def _readings(digits: str) -> list[Decimal]:
    """Return the values of "1,024" and "7,5": with the comma grouping, and as a decimal mark."""
    if len(digits) > 32:
        return []
    plain = "".join(str(int(char)) if char.isdigit() else char for char in digits)
    readings: list[Decimal] = []
    if plain.count(".") <= 1:
        readings.append(Decimal(plain.replace(",", "")))
    if plain.count(",") == 1 and "." not in plain:
        readings.append(Decimal(plain.replace(",", ".")))
    if plain.count(".") > 1:
        readings.append(Decimal(plain.replace(".", "").replace(",", "")))
    return readings


def _spell_digits(text: str) -> str:
    """Return `text` with English number words as digits: "sixty-four by nine" becomes "64 by 9"."""
    words = list(_WORD.finditer(text))
    out: list[str] = []
    done = at = 0
    while at < len(words):
        end, value = _number_words(text, words, at)
        if value is None:
            at += 1
            continue
        out += [text[done : words[at].start()], str(value)]
        done = words[end - 1].end()
        at = end
    return "".join([*out, text[done:]])


def _number_words(text: str, words: list[re.Match[str]], at: int) -> tuple[int, int | None]:
    """Read the number words that begin at word `at`; return the word after them and the value."""
    total: int | None = None
    part, room, end = 0, 10_000, at
    for here in range(at, min(at + 8, len(words))):
        if here > at and not re.fullmatch(
            r"[ -]", text[words[here - 1].end() : words[here].start()]
        ):
            break
        spoken = words[here].group().lower()
        if spoken == "and" and total and part == 0:
            continue
        if spoken in _SCALES and (total is not None or part):
            part = max(part, 1) * _SCALES[spoken]
            total, part, room = (total or 0) + part, 0, _SCALES[spoken]
        elif spoken in _TENS and room > 99:
            total, part, room = total or 0, part + _TENS[spoken], 10
        elif spoken in _UNITS and _UNITS[spoken] < room and (room != 10 or _UNITS[spoken] > 0):
            total, part, room = total or 0, part + _UNITS[spoken], 0
        else:
            break
        end = here + 1
    return (end, None) if total is None else (end, total + part)


def _resolutions(text: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern, name in _RESOLUTIONS:
        for match in pattern.finditer(text):
            found[name or f"{int(match.group(1))}p"] = None
    return tuple(found)


def _aspect_ratios(spelled: str) -> tuple[str, ...]:
    found = {name: None for pattern, name in _SHAPES if pattern.search(spelled)}
    for width, height in _RATIO.findall(spelled):
        if 0 < float(width) <= _LARGEST_RATIO_PART and 0 < float(height) <= _LARGEST_RATIO_PART:
            found[f"{canonical(width)}:{canonical(height)}"] = None
    return tuple(found)
