"""Numbers and durations as Arabic words, of the standard language and of dialects; knows nothing of their use.

A number is a word of its own, but for "and", "in", "for" and the article, which are written with it: the six
of "and for six" is one, the same letters inside a verb are none. Up to a hundred, as requests have them.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

# Spellings that many do not tell apart are read as one; each letter stays one letter, so places stay.
_FOLD = str.maketrans("أإآةىیک", "اااهييك")
_UNITS = {
    2: "اثنان اثنين اثنتان اثنتين اتنين ثنتين ثنين جوج",
    3: "ثلاث ثلاثة تلات تلاتة تلت",
    4: "أربع أربعة",
    5: "خمس خمسة",
    6: "ست ستة",
    7: "سبع سبعة",
    8: "ثماني ثمانية ثمان تمانية تمان تمن",
    9: "تسع تسعة",
}
# Further words for one and two that only stand before a ten.
_BEFORE_TENS = {1: "أحد إحدى حادي واحد واحدة", 2: "اثنا اثني اثنتا اثنتي"}
_TENS = {
    20: "عشرون عشرين",
    30: "ثلاثون ثلاثين تلاتين",
    40: "أربعون أربعين",
    50: "خمسون خمسين",
    60: "ستون ستين",
    70: "سبعون سبعين",
    80: "ثمانون ثمانين تمانين",
    90: "تسعون تسعين",
}
_MORE = {
    10: "عشر عشرة",
    11: "حداشر حدعشر إحدعش إحداعش",
    12: "اتناشر إتناشر اطناعش اثنعش اثناعش طناش",
    13: "تلتاشر تلاتاشر ثلاثطعش تلطعش",
    14: "أربعتاشر أربعطعش",
    15: "خمستاشر خمسطعش خمسطاش",
    16: "ستاشر ستطعش سطعش",
    17: "سبعتاشر سبعطعش",
    18: "تمنتاشر تمانتاشر ثمنطعش تمنطعش",
    19: "تسعتاشر تسعطعش",
    100: "مئة مائة",
}
_THINGS = "صورت نسخت لوحت لقطت رسمت كليب فيديوه فيديو مقطع تصميم"  # two of them are one word
_SECONDS = "(?:ثانيه|ثواني|ثوان)"
_MINUTES = "(?:دقيقه|دقائق|دقايق)"
_HALF = "(?:نصف|نص)"
_ONE = "(?:واحده|وحده)"


def _folded(words: str) -> list[str]:
    return words.translate(_FOLD).split()


def _words() -> Iterator[tuple[str, int]]:
    for table in (_UNITS, _TENS, _MORE):
        yield from ((word, value) for value, line in table.items() for word in _folded(line))
    for table in (_UNITS, _BEFORE_TENS):
        for value, line in table.items():
            for unit in _folded(line):
                yield from ((f"{unit} {ten}", 10 + value) for ten in _folded("عشر عشرة"))
                for tens, names in _TENS.items():
                    yield from ((f"{unit} و{ten}", tens + value) for ten in _folded(names))
    for stem in (*_folded(_THINGS), "ثانيت"):
        yield from ((f"{stem}{dual}", 2) for dual in ("ان", "ين"))
    yield from (("دقيقتان", 120), ("دقيقتين", 120))


_WORDS = dict(_words())
_ANY = "|".join(sorted(_WORDS, key=len, reverse=True))
_BEGINS = r"(?<![^\W\d_])"
_ENDS = r"(?![^\W\d_])"
# What is written with a word; "I am not" looks like "for six".
_ATTACHED = r"(?!و?لست\b)و?(?:[بل]?ال|لل|[بل])?"
_NUMBER = re.compile(rf"{_BEGINS}{_ATTACHED}({_ANY}){_ENDS}")
_AND_A_HALF = re.compile(
    rf"{_BEGINS}{_ATTACHED}((?P<number>(?<!\d)\d{{1,3}}|{_ANY})"
    rf" ?(?:{_SECONDS}|(?P<minutes>{_MINUTES})) و ?{_HALF}){_ENDS}"
)
_PHRASES = tuple(
    (re.compile(rf"{_BEGINS}{_ATTACHED}({phrase}){_ENDS}"), value)
    for phrase, value in (
        (rf"ثانيه {_ONE}", "1"),
        (rf"ثانيه و ?{_HALF}", "1.5"),
        (rf"ثانيت[اي]ن و ?{_HALF}", "2.5"),
        (rf"{_HALF} ثانيه", "0.5"),
        (r"ربع ثانيه", "0.25"),
        (rf"دقيقه {_ONE}", "60"),
        (rf"دقيقه و ?{_HALF}", "90"),
        (rf"دقيقت[اي]ن و ?{_HALF}", "150"),
        (rf"{_HALF} دقيقه", "30"),
        (r"ربع دقيقه", "15"),
    )
)


def read_arabic(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the numbers that `text` says, as decimals, with where each begins and ends."""
    folded = text.translate(_FOLD)
    for match in _NUMBER.finditer(folded):
        yield str(_WORDS[match.group(1)]), match.span(1)
    for match in _AND_A_HALF.finditer(folded):
        number = match.group("number")
        value = Decimal(_WORDS.get(number) or int(number)) + Decimal("0.5")
        yield f"{(value * 60 if match.group('minutes') else value).normalize():f}", match.span(1)
    for phrase, value in _PHRASES:
        for match in phrase.finditer(folded):
            yield value, match.span(1)
