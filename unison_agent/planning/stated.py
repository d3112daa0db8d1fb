"""What a text states: its numbers, its names of sizes and structure maps, its words, each with its places.

It reads characters only. It does not know which task a value belongs to, nor what a tool can do. Every
reading is generous, because it only serves to close off what the text does not say.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from unison_agent.planning.numbers import Spelled, canonical, read_numbers, spell_digits

Place: TypeAlias = tuple[int, int]
"""Where something begins and ends in the text."""
Said: TypeAlias = Mapping[str, tuple[Place, ...]]
"""Values, and the places that say them, in order."""

_RESOLUTIONS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"(?<![a-z0-9])([1-9]\d{2,3}) ?p(?![a-z])", re.IGNORECASE), None),
    (re.compile(r"\bfull[ -]?hd\b|\bfhd\b|\bten[ -]eighty", re.IGNORECASE), "1080p"),
    (re.compile(r"(?<!full )(?<!full-)(?<!ultra )\bhd\b|\bseven[ -]twenty", re.IGNORECASE), "720p"),
    (
        re.compile(
            r"(?<![a-z0-9])4 ?k(?![a-z])|(?<![a-z])u(?:ltra[ -]?)?hd(?![a-z])", re.IGNORECASE
        ),
        "2160p",
    ),
    (re.compile(r"\b8 ?k\b", re.IGNORECASE), "4320p"),
    (re.compile(r"\b2 ?k\b|\bqhd\b", re.IGNORECASE), "1440p"),
    (re.compile(r"\bsd\b|\bstandard def|\bfour[ -]eighty", re.IGNORECASE), "480p"),
)
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"\bsq\w*are?\b|\bsqa?u?a?re|\bsqu\w*re\b|quadrat|quadrado|carr[ée]|cuadrad|正方|مربع",
            re.IGNORECASE,
        ),
        "square",
    ),
    (
        re.compile(
            r"\bportr?ait|\bvert\w*cal|\bupright\b|\btall (?:format|image|picture|video)|hochformat|hochkan+t|portr[äa]tformat|en hauteur|formato retrato|竖|豎|縦|세로|طولي|عمودي",
            re.IGNORECASE,
        ),
        "portrait",
    ),
    (
        re.compile(
            r"\blandscape\b|\bhorizontal|\bwide|\bquer|breitbild|breitformat|panor[áa]mic|paysage|apaisad|paisagem|orizzontal|横|橫|가로|عرضي|أفقي",
            re.IGNORECASE,
        ),
        "landscape",
    ),
    (re.compile(r"\bwide[ -]?scre+n", re.IGNORECASE), "16:9"),
)
_RATIO = re.compile(
    r"(?<![\d._])(\d{1,3}(?:\.\d+)?)[ -]?(?:[:/x\u00d7-]|by|to|zu)[ -]?(\d{1,3}(?:\.\d+)?)(?![\d.]*\d)"
)
_LARGEST_RATIO_PART = 32

CONTROL_WORDS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "depth": r"d[ep]{2}(?:th|ht|t)\b|d[ep]{2}th|disparity|z-?buffer|midas|tiefe|prof[ou]nd|深度|distance|near|heightmap"
        r"|lidar|عمق|أعماق|डेप्थ|깊이",
        "pose": r"pose|\bpos(?:a\b|it[iu]|tur)|skell?e?t|squelette|esqueleto|scheletr|strichm|haltung|bonhomme|monigote|palit|omino|stick|keypoint|joint|bone|limb|mannequin|stance|gesture|body|mocap"
        r"|姿|ポーズ|骨骼|骨架|پوز|وضعي|وقفة|هيكل|पोज़|포즈",
        "canny": r"canny|edge|egde|sobel|contour|outline|lines|kant[ei]|umriss|kontur|contorn[oi]|\bbord(?:s|[aeio]s?)\b|arêtes|边缘|邊緣|轮廓|輪廓|輪郭|エッジ|线框|حواف|كان+ي|خطوط|किनार",
        "scribble": r"scri+bb?l|sketch|skecth|doodle|squiggle|drawing|drawn|line ?art|linart|linework|lines"
        r"|animati|pencil|rough|outline|skizze|croquis|schizz|esquiss|esboço|gribouill|\bdrew\b|drawin|dibuj|ébauche|bozzett|rascunh|rabisc|strichz|kritzel|garabato|scarabocchi|boceto|涂鸦|塗鴉|草图|草圖|线稿|線稿|线画|線画|落書き"
        r"|خربش|سكتش|رسم|स्केच|낙서",
        "gray": r"gr[ae]y|black[ -]and[ -]white|\bb&w|\bb/w|monochrom|lumina|luma|desaturat|\bgris|\bgrau|\bgrigi|cinza|blanco y negro|noir et blanc|schwarz[ -]?wei|灰|黑白|白黒|モノクロ|رمادي|흑백",
        "layout": r"layout|segment|\bseg\b|semantic|instance|box|bbox|region|colou?r blocks|distribuci|disposition|anordnung|grundriss|mise en page|布局|版面|レイアウト|配置|تخطيط",
        "normal": r"norm[al]{2}|surface orientation|\bnormali",
    }.items()
}
_NEGATION = re.compile(
    r"\b(?:no|not|nothing|dont|w[a-z]{0,3}t[a-z]?out|avoid\w*|omit\w*|exclud\w*|free|minus|except|never|leave"
    r"|out of|skip|zero|w/o(?:ut)?|neg(?:ative)?(?:_prompt)?|nix|kein\w*|ohne|negativ\w*|sans|aucune?|pas|niente|nessun\w*|jamais|évite\w*|evit[ae]\w*|vermeid\w*|niemals|weder|ni|nada"
    r"|ning[uú]n\w*|nenhum\w*|sin|sem|senza|non)\b|n['\u2019]t\b"
    r"|不|没|無|无|なし|抜き|ない|别|別|بدون|دون|غير|لا |बिना|없|빼",
    re.IGNORECASE,
)
# Scripts without spaces between words: every character is a word of its own.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_PIECES = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|\s+|[^\w\s]")
_LETTERS = re.compile(rf"[^\W\d_{_UNSPACED}]")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")
# What may come between two wishes. Only its absence says something: one wish.
_TURN = re.compile(
    r"[,.;:!?\u2026)](?=\s+\S)|[\n\u3001\u3002\uff0c\uff1b\uff01\uff1f\u2192>+&|]|\s[-\u2013]|\u2014"
    r"|(?<![^\W\d_])(?:an|and|than|then|n|also|plus|after\w*|next|once|before|und|dann|danach|et|puis|ensuite"
    r"|y|luego|después|e|poi|dopo|depois|en|daarna)(?![^\W\d_])"
    r"|然后|然後|再|并|並|接着|から|て|그리고|다음|후|ثم|\bو|फिर|और",
    re.IGNORECASE,
)
# More places of the same words would only make a plan long.
_MOST_PLACES = 32


@dataclass(frozen=True, slots=True)
class Stated:
    """What one text states.

    Attributes:
        text: What was read.
        numbers: Canonical decimals ("64", "2.5"), in order of value.
        resolutions: Lines, e.g. "480p".
        aspect_ratios: "16:9", "square", "portrait" or "landscape".
        control_types: Structure maps that a word supports.
        negations: Where a word could introduce what to leave out.
        several: Whether the words could ask for one thing after another.
        pieces: The text cut into words, marks and single spaces, so that spans begin and end at words.
        edges: Where each piece begins, and the end of the last.
    """

    text: str
    numbers: Said
    resolutions: Said
    aspect_ratios: Said
    control_types: Said
    negations: tuple[Place, ...]
    several: bool
    pieces: tuple[str, ...]
    edges: tuple[int, ...]

    def places(self, words: str) -> tuple[Place, ...]:
        """Return where the text has exactly these words, from word to word; white space counts as one space."""
        joined = "".join(self.pieces)
        if not words or words[0] == " " or words[-1] == " ":
            return ()
        begins: dict[int, int] = {}
        at = 0
        for number, piece in enumerate(self.pieces):
            begins[at] = number
            at += len(piece)
        begins[at] = len(self.pieces)
        found: list[Place] = []
        at = joined.find(words)
        while at >= 0 and len(found) < _MOST_PLACES:
            first, last = begins.get(at), begins.get(at + len(words))
            if first is not None and last is not None:
                # The edge after the last piece: a space that follows is a piece of its own.
                found.append((self.edges[first], self.edges[last]))
            at = joined.find(words, at + 1)
        return tuple(found)


@lru_cache(maxsize=256)
def read_stated(text: str) -> Stated:
    """Return everything that `text` can be said to state."""
    spelled = spell_digits(text)
    pieces: list[str] = []
    edges: list[int] = []
    for match in _PIECES.finditer(text):
        piece = " " if match.group().isspace() else match.group()
        # What is drawn on or with the sign before it is no word of its own.
        after = pieces[-1][-1] if pieces else " "
        if after != " " and (after == "\u200d" or _joins(piece)):
            pieces[-1] += piece
            continue
        pieces.append(piece)
        edges.append(match.start())
    return Stated(
        text=text,
        numbers=MappingProxyType(read_numbers(text, spelled)),
        resolutions=MappingProxyType(_resolutions(text)),
        aspect_ratios=MappingProxyType(_aspect_ratios(spelled)),
        control_types=MappingProxyType(_control_types(text)),
        negations=tuple(_words(match) for match in _NEGATION.finditer(text)),
        several=_TURN.search(text.strip().strip(".!?")) is not None,
        pieces=tuple(pieces),
        edges=(*edges, len(text)),
    )


def _joins(piece: str) -> bool:
    first = piece[0]
    return not first.isalnum() and (first in _JOINERS or unicodedata.category(first)[0] == "M")


def _resolutions(text: str) -> Said:
    found: dict[str, tuple[Place, ...]] = {}
    for pattern, name in _RESOLUTIONS:
        for match in pattern.finditer(text):
            value = name or f"{int(match.group(1))}p"
            found[value] = (*found.get(value, ()), _words(match))
    return found


def _aspect_ratios(spelled: Spelled) -> Said:
    found: dict[str, tuple[Place, ...]] = {}
    for pattern, name in _SHAPES:
        for match in pattern.finditer(spelled.text):
            found[name] = (*found.get(name, ()), spelled.origin(*_words(match)))
    for match in _RATIO.finditer(spelled.text):
        width, height = match.groups()
        if 0 < float(width) <= _LARGEST_RATIO_PART and 0 < float(height) <= _LARGEST_RATIO_PART:
            value = f"{canonical(width)}:{canonical(height)}"
            found[value] = (*found.get(value, ()), spelled.origin(*match.span()))
    return found


def _control_types(text: str) -> Said:
    return {
        name: places
        for name, words in CONTROL_WORDS.items()
        if (places := tuple(dict.fromkeys(_words(match) for match in words.finditer(text))))
    }


def _words(match: re.Match[str]) -> Place:
    """Return the place of the whole words that a match lies in: "edges" for "edge"."""
    text, (start, end) = match.string, match.span()
    while start > 0 and _LETTERS.match(text, start - 1) and _LETTERS.match(text, start):
        start -= 1
    while end < len(text) and _LETTERS.match(text, end) and _LETTERS.match(text, end - 1):
        end += 1
    return start, end
