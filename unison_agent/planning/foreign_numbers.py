"""Small numbers as words of other languages than English, with their places; knows nothing of their use.

Up to a hundred, as requests have them; in Arabic, Hindi and Korean up to ten and a few more. Chinese and
Japanese numerals are read up to 9,999.
"""

import re
from collections.abc import Iterator

_UP_TO_TWENTY = {
    "de": "null - zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn"
    " siebzehn achtzehn neunzehn zwanzig",
    "fr": "zéro - deux trois quatre cinq six sept huit - dix onze douze treize quatorze quinze seize dix-sept"
    " dix-huit dix-neuf vingt",
    "es": "cero - dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis"
    " diecisiete dieciocho diecinueve veinte",
    "it": "zero - due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici"
    " sedici diciassette diciotto diciannove venti",
    "pt": "zero - dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis"
    " dezessete dezoito dezenove vinte",
    "hi": "- - दो तीन चार पाँच छह सात आठ नौ दस",
    "ko": "- - 두 세 네 다섯 여섯 일곱 여덟 아홉 열",
    "ar": "- - اثنين ثلاث أربع خمس ست سبع ثماني تسع عشر",
}
_TENS = {
    "de": "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert",
    "fr": "trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix cent",
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
    "it": "trenta quaranta cinquanta sessanta settanta ottanta novanta cento",
    "pt": "trinta quarenta cinquenta sessenta setenta oitenta noventa cem",
}
_MORE = {
    "zwo": 2, "ein paar": 2, "fuenf": 5, "zwoelf": 12, "dutzend": 12, "dreissig": 30, "douzaine": 12, "docena": 12,
    "dieciseis": 16, "dozzina": 12, "duas": 2, "dúzia": 12, "dezasseis": 16, "dezanove": 19, "पांच": 5, "छः": 6, "仨": 3,
    "صورتين": 2, "مقطعين": 2, "ثانيتين": 2, "نسختين": 2, "لقطتين": 2, "دقيقتين": 120, "تلات": 3, "تلاتة": 3, "ثلاثة": 3,
    "أربعة": 4, "خمسة": 5, "ستة": 6, "سبعة": 7, "ثمانية": 8, "تمن": 8, "تسعة": 9, "عشرة": 10, "عشرون": 20, "عشرين": 20,
    "ثلاثين": 30, "ثلاثون": 30,
}  # fmt: skip
_JOINTS = (("fr", "-"), ("fr", " "), ("es", " y "), ("it", ""), ("pt", " e "))
_TWENTY = {"de": "zwanzig", "fr": "vingt", "es": "veinte", "it": "venti", "pt": "vinte"}


def _compounds() -> Iterator[tuple[str, int]]:
    """Yield twenty-two to ninety-nine, French to sixty-nine."""
    small = {language: line.split()[2:10] for language, line in _UP_TO_TWENTY.items()}
    tens = {language: [_TWENTY[language], *line.split()[:7]] for language, line in _TENS.items()}
    for value, unit in enumerate(["ein", *small["de"]], start=1):
        yield from (
            (f"{unit}und{name}", ten * 10 + value) for ten, name in enumerate(tens["de"], 2)
        )
    for language, joint in _JOINTS:
        for ten, name in enumerate(tens[language][: 5 if language == "fr" else 8], 2):
            for value, unit in enumerate(small[language], start=2):
                yield f"{name}{joint}{unit}", ten * 10 + value
    for value, unit in enumerate(small["es"], start=2):
        yield f"veinti{unit}", 20 + value


_WORDS: dict[str, int] = {
    **{
        word: value
        for line in _UP_TO_TWENTY.values()
        for value, word in enumerate(line.split())
        if word != "-"
    },
    **{
        word: value
        for line in _TENS.values()
        for value, word in zip(range(30, 101, 10), line.split(), strict=True)
    },
    **dict(_compounds()),
    **_MORE,
}
# Words of alphabets with spaces are whole words; the others are found inside longer ones.
_LONGEST_FIRST = sorted(_WORDS, key=len, reverse=True)
_SPACED = "|".join(word for word in _LONGEST_FIRST if re.match(r"[a-zà-ÿ]", word))
_UNSPACED = "|".join(word for word in _LONGEST_FIRST if not re.match(r"[a-zà-ÿ]", word))
_WORD = re.compile(rf"(?<![^\W\d_])(?:{_SPACED})(?![^\W\d_])|{_UNSPACED}", re.IGNORECASE)
_AND_A_HALF = re.compile(
    rf"(?<![^\W\d_])(\d{{1,3}}|{_SPACED})(?: \w+)? (?:et demie?|y medi[oa]|e mezz[oa]|e mei[oa])\b",
    re.IGNORECASE,
)
_DIGITS = {"\u3007": 0, "一": 1, "二": 2, "两": 2, "兩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}  # fmt: skip
_SCALES = {"十": 10, "百": 100, "千": 1000}
_NUMERAL = re.compile(rf"[{''.join(_DIGITS)}{''.join(_SCALES)}]+")
_LONGEST_NUMERAL = 16
_HALVES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), value)
    for pattern, value in (
        (r"\bhalbe\w? minute|\bdemi[ -]minute|\bmedio minuto|\bmezzo minuto|\bmeio minuto|半分[钟鐘]|30秒", "30"),
        (r"\bhalbe\w? sekunde|\bdemi[ -]seconde|\bmedio segundo|\bmeio segundo|\bmezzo secondo|半秒", "0.5"),
        (r"\banderthalb\w*|\beineinhalb\w*|\bun segundo y medio|\bun secondo e mezzo|\bum segundo e meio|ثانية ونصف|一秒半|1秒半|\b(?:une |un )?(?:seconde|minute) et demie", "1.5"),
        (r"\beine[rn]? sekunde|\bune seconde|\bun segundo|\bun secondo|\bum segundo|(?<![一-龯])一秒|ثانية واحدة", "1"),
        (r"\bmedia docena|\bune demi-douzaine|\bein halbes dutzend|\bmezza dozzina|\bmeia dúzia", "6"),
        (r"\bun par de|\bun paio di|\bum par de|\bune paire de", "2"),
        (r"\bsegundo y medio", "1.5"),
        (r"\bdreieinhalb\w*", "3.5"),
        (r"\bzweieinhalb\w*|ثانيتين ونصف|[两兩]秒半|2秒半|\b(?:deux|dos) (?:\w+ )?(?:et demi|y medi)\w*", "2.5"),
    )
)  # fmt: skip


def read_foreign(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the numbers that `text` says, as decimals, with where each begins and ends."""
    for match in _WORD.finditer(text):
        # Where case is ignored, letters match that look alike and are not the same, e.g. a dotless i.
        if (value := _WORDS.get(match.group().lower())) is not None:
            yield str(value), match.span()
    for match in _NUMERAL.finditer(text):
        value = _numeral(match.group()) if len(match.group()) <= _LONGEST_NUMERAL else 0
        if value > 1:  # 一 alone is mostly an article
            yield str(value), match.span()
    for match in _AND_A_HALF.finditer(text):
        number = match.group(1).lower()
        if number.isdecimal() or number in _WORDS:
            yield f"{int(_WORDS.get(number, number))}.5", match.span()
    for phrase, value in _HALVES:
        for match in phrase.finditer(text):
            yield value, match.span()


def _numeral(numeral: str) -> int:
    """Return the value of e.g. 二十四; digits side by side (二〇) are read one after the other."""
    total = pending = 0
    for sign in numeral:
        if sign in _SCALES:
            total += (pending or 1) * _SCALES[sign]
            pending = 0
        else:
            pending = pending * 10 + _DIGITS[sign]
    return total + pending
