"""Small numbers as words of other languages than English, with their places; knows nothing of their use.

Up to a hundred, as requests have them; in Hindi and Korean up to ten and a few more. Chinese and Japanese
numerals are read up to 9,999. Arabic has a module of its own.
"""

import re
from collections.abc import Iterator

from unison_agent.planning.arabic_numbers import read_arabic

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
    "ru": "ноль - два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать"
    " четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
    "hi": "- - दो तीन चार पाँच छह सात आठ नौ दस",
    "ko": "- - 두 세 네 다섯 여섯 일곱 여덟 아홉 열",
}
_TENS = {
    "de": "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert",
    "fr": "trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix cent",
    "es": "treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
    "it": "trenta quaranta cinquanta sessanta settanta ottanta novanta cento",
    "pt": "trinta quarenta cinquenta sessenta setenta oitenta noventa cem",
    "ru": "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто сто",
}
_MORE = {
    "zwo": 2, "ein paar": 2, "fuenf": 5, "zwoelf": 12, "dutzend": 12, "dreissig": 30, "douzaine": 12, "docena": 12,
    "dieciseis": 16, "dozzina": 12, "duas": 2, "dúzia": 12, "dezasseis": 16, "dezanove": 19, "पांच": 5, "छः": 6, "仨": 3,
    "ふたつ": 2, "みっつ": 3, "よっつ": 4, "две": 2, "двух": 2, "пара": 2, "пару": 2, "двое": 2, "трое": 3, "трех": 3,
    "трёх": 3, "четырех": 4, "четырёх": 4, "пяти": 5, "шести": 6, "семи": 7, "восьми": 8, "девяти": 9, "десяти": 10,
    "пятнадцати": 15, "двадцати": 20, "тридцати": 30, "дюжина": 12, "дюжину": 12, "스무": 20,
}  # fmt: skip
_JOINTS = (("fr", "-"), ("fr", " "), ("es", " y "), ("it", ""), ("pt", " e "), ("ru", " "))
_TWENTY = {
    "de": "zwanzig",
    "fr": "vingt",
    "es": "veinte",
    "it": "venti",
    "pt": "vinte",
    "ru": "двадцать",
}


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
    for value, unit in enumerate(["한", *small["ko"]], start=1):
        yield f"열{unit}", 10 + value


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
# Words are whole words, where a script leaves spaces between them. A Korean one has a counter written with it.
_BEGINS, _ENDS = r"(?<![^\W\d_])", r"(?![^\W\d_])"
_DEVANAGARI = "\u0900-\u0963\u0971-\u097f"
_COUNTER = "개|장|초|분|번|가지|편|컷|명|마리|배|단계|프레임|버전|벌|사람|살|줄|송이|그루|권|잔|군데|째|차례|씬|샷"


def _any(script: str) -> str:
    words = (word for word in _WORDS if re.match(script, word))
    return "|".join(sorted(words, key=len, reverse=True))


_SPACED = _any("[a-zà-ÿа-яё]")
_KOREAN = _any("[가-힣]")
_WORD = re.compile(
    rf"{_BEGINS}(?:{_SPACED})(?:{_ENDS}|(?=секунд))"
    rf"|(?<![{_DEVANAGARI}])(?:{_any(f'[{_DEVANAGARI}]')})(?![{_DEVANAGARI}])"
    rf"|(?<![가-힣])(?:{_KOREAN})(?:(?![가-힣])|(?={_COUNTER}))"
    rf"|{_any('[ぁ-んァ-ヶ一-龯]')}",
    re.IGNORECASE,
)
_AND_A_HALF = re.compile(
    rf"{_BEGINS}(\d{{1,3}}|{_SPACED})(?: \w+)?"
    r" (?:et demie?|y medi[oa]|e mezz[oa]|e mei[oa]|с половиной)\b",
    re.IGNORECASE,
)
_DIGITS = {"\u3007": 0, "一": 1, "二": 2, "两": 2, "兩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}  # fmt: skip
_SCALES = {"十": 10, "百": 100, "千": 1000}
_SIGNS = f"[{''.join(_DIGITS)}{''.join(_SCALES)}]"
_NUMERAL = re.compile(rf"{_SIGNS}+")
# Their Korean readings are syllables of many words: they are numbers before a unit alone.
_SYLLABLES = str.maketrans("일이삼사오육칠팔구십백", "一二三四五六七八九十百")
_SYLLABLE_NUMERAL = re.compile(
    r"(?<![가-힣])(?!이 ?(?:프레임|스텝))([일이삼사오육칠팔구십백]{1,6})"
    r"(?= ?(?:초(?:(?![가-힣])|짜리|간|동안|로|만|정도|의|쯤|분량|씩|반)|프레임|스텝|fps))"
)
_LONGEST_NUMERAL = 16
_EAST_ASIAN_HALF = re.compile(
    rf"((?<![\d.])\d{{1,3}}|(?<!{_SIGNS}){_SIGNS}{{1,{_LONGEST_NUMERAL}}}"
    rf"|(?<![가-힣])(?:[일이삼사오육칠팔구십백]{{1,6}}|{_KOREAN}))"
    r" ?(?:秒|초|(?P<minutes>分[钟鐘]?|분)) ?(?:半|반(?:(?![가-힣])|(?=짜리|간|동안|으로|만|정도|의|쯤)))"
)
_HALVES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), value)
    for pattern, value in (
        (r"\bhalbe\w? minute|\bdemi[ -]minute|\bmedio minuto|\bmezzo minuto|\bmeio minuto|半分[钟鐘]|30秒|\bпол ?минуты", "30"),
        (r"\bhalbe\w? sekunde|\bdemi[ -]seconde|\bmedio segundo|\bmeio segundo|\bmezzo secondo|半秒|\bпол ?секунды", "0.5"),
        (r"\banderthalb\w*|\beineinhalb\w*|\bun segundo y medio|\bun secondo e mezzo|\bum segundo e meio|\b(?:une |un )?(?:seconde|minute) et demie|\bполтор[аы]", "1.5"),
        (r"\beine[rn]? sekunde|\bune seconde|\bun segundo|\bun secondo|\bum segundo|(?<![一-龯])一秒|\bодн[ау] секунд[ау]", "1"),
        (r"\bmedia docena|\bune demi-douzaine|\bein halbes dutzend|\bmezza dozzina|\bmeia dúzia", "6"),
        (r"\bun par de|\bun paio di|\bum par de|\bune paire de", "2"),
        (r"\bsegundo y medio", "1.5"),
        (r"\bdrei ?viertel ?sekunde", "0.75"),
        (r"\bviertel ?sekunde", "0.25"),
        (r"\bодн[ау] минут[ау]", "60"),
        (r"\bdreieinhalb\w*", "3.5"),
        (r"\bzweieinhalb\w*|\b(?:deux|dos) (?:\w+ )?(?:et demi|y medi)\w*", "2.5"),
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
    for match in _SYLLABLE_NUMERAL.finditer(text):
        yield str(_numeral(match.group(1).translate(_SYLLABLES))), match.span(1)
    for match in _EAST_ASIAN_HALF.finditer(text):
        whole = _east_asian(match.group(1))
        yield f"{60 * whole + 30}" if match.group("minutes") else f"{whole}.5", match.span()
    for match in _AND_A_HALF.finditer(text):
        number = match.group(1).lower()
        if number.isdecimal() or number in _WORDS:
            yield f"{int(_WORDS.get(number, number))}.5", match.span()
    for phrase, value in _HALVES:
        for match in phrase.finditer(text):
            yield value, match.span()
    yield from read_arabic(text)


def _east_asian(number: str) -> int:
    if number.isdecimal():
        return int(number)
    if number in _WORDS:
        return _WORDS[number]
    return _numeral(number.translate(_SYLLABLES))


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
