# ruff: noqa: RUF001 - Arabic letters are meant
"""The words of some languages besides English that point back at what was seen before; it reads no text.

Each entry is a regular expression, read without regard to case. A word that another language has in another sense
(German "es" is Spanish "is") stands with the words that give it its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from unison_agent.tasks import MediaKind


@dataclass(frozen=True, slots=True)
class Pointing:
    """How one language points back.

    Attributes:
        back: What was seen before, as pronouns and the like.
        new: What begins something new: "a", a number.
        several: All or both of several.
        both: Two of several.
        places: Which of several, by its place from 1; -1 is the last, -2 the one before.
        kinds: A picture or a clip that is known already.
    """

    back: str
    new: str
    several: str
    both: str
    places: Mapping[str, int]
    kinds: Mapping[MediaKind, str]


_DE_THE = r"(?:das|dem|den|der|die|dieses?|diesem|dieser|diesen)(?: (?:erste|zweite|dritte|letzte|vorige|gleiche)[nrs]?)?"
_DE_VERB = r"(?:mach|färb|dreh|lass|beweg|animier|änder|verwandl|zeig|nimm|setz|stell|verschieb)e?"
_FR_THE = r"(?:cette|cet|ce|la même|le même|la|le)(?: (?:première?|premier|deuxième|second|seconde|troisième|dernière?|dernier))?"
_ES_VERB = r"(?:haz|hacer|pon|poner|p[ií]nt[ae]|m[uú]?[eé]v[ea]|muév[ea]|c[aá]mbia|convi[eé]rte|an[ií]ma|g[ií]ra|agr[aá]nda|qu[ií]ta|[uú]sa|v[uú][eé]lve)"
_ES_THE = r"(?:esta|este|esa|ese|la misma|el mismo|la|el)(?: (?:primera?|primer|segund[ao]|tercera?|tercer|últim[ao]))?"
_ZH_ONE = r"[个張张幅段只颗個]"
_JA_ONE = r"(?:つ目|枚目|番目|本目|個目)"

LANGUAGES: Mapping[str, Pointing] = {
    "de": Pointing(
        back=rf"\b(?:{_DE_VERB} (?:jetzt |nun |bitte )?(?:es|sie|ihn|das|die|ihm)|diese[mnrs]?|davon|daraus|darin|darauf|(?:das|den|die)selben?|beide[ns]?|{_DE_THE} (?:bild|foto|zeichnung|video|clip|film))\b",
        new=r"\b(?:ein(?:e[mnrs]?)?|noch ein\w*|zwei|drei|vier|fünf|einige)\b",
        several=rf"\b(?:beide[ns]?|alle (?:davon|diese)|{_DE_VERB} (?:jetzt |nun )?sie alle|diese (?:bilder|fotos|videos|clips))\b",
        both=r"\bbeide[ns]?\b",
        places={
            r"\b(?:das|die|der|den|dem) erste[nrs]?\b": 1,
            r"\b(?:das|die|der|den|dem) zweite[nrs]?\b": 2,
            r"\b(?:das|die|der|den|dem) dritte[nrs]?\b": 3,
            r"\b(?:das|die|der|den|dem) letzte[nrs]?\b(?! (?:frame|bild des|sekunde|teil))": -1,
            r"\b(?:das|die|der|den|dem) vorige[nrs]?\b": -2,
        },
        kinds={
            "image": rf"\b{_DE_THE} (?:bild|foto|zeichnung)\b",
            "video": rf"\b{_DE_THE} (?:video|clip|film)\b",
        },
    ),
    "fr": Pointing(
        back=rf"\b(?:\w+-(?:le|la|les|lui)|cel(?:le|ui|les)-(?:ci|là)|ceux-(?:ci|là)|ça|cela|ceci|les deux|{_FR_THE} (?:image|photo|dessin|vidéo|clip|animation)|l['\u2019](?:image|animation|autre))\b",
        new=r"\b(?:une?|des|deux|trois|quatre|cinq|quelques)\b(?<!les deux)",
        several=r"\b(?:\w+-les|les deux|ceux-(?:ci|là)|celles-(?:ci|là)|ces (?:images|photos|vidéos|dessins|clips))\b",
        both=r"\bles deux\b",
        places={
            r"\b(?:la première|le premier)\b": 1,
            r"\b(?:la|le) (?:deuxième|seconde?)\b": 2,
            r"\b(?:la|le) troisième\b": 3,
            r"\b(?:la dernière|le dernier)\b(?! (?:image du|seconde|partie))": -1,
            r"\b(?:la précédente|le précédent|l['\u2019](?:image|vidéo) précédente)\b": -2,
        },
        kinds={
            "image": rf"\b(?:{_FR_THE} (?:image|photo|dessin)|l['\u2019]image)\b",
            "video": rf"\b(?:{_FR_THE} (?:vidéo|clip|animation)|l['\u2019]animation)\b",
        },
    ),
    "es": Pointing(
        back=rf"\b(?:{_ES_VERB}(?:lo|la|los|las|le|les)|esto|eso|éste?a?|est[ao]s|es[ao]s|amb[ao]s|l[ao]s dos|{_ES_THE} (?:imagen|foto|dibujo|v[ií]deo|clip|animación)|l[ao] mism[ao])\b",
        new=r"\b(?:un|una|unos|unas|otr[ao]|dos|tres|cuatro|cinco|algun[ao]s)\b(?<!l[ao]s dos)",
        several=rf"\b(?:{_ES_VERB}(?:los|las)|amb[ao]s|l[ao]s dos|tod[ao]s (?:ell[ao]s|est[ao]s)|(?:est|es)[ao]s (?:imágenes|fotos|v[ií]deos|dibujos|clips))\b",
        both=r"\b(?:amb[ao]s|l[ao]s dos)\b",
        places={
            r"\b(?:la primera|el primero|el primer)\b": 1,
            r"\b(?:la segunda|el segundo)\b": 2,
            r"\b(?:la tercera|el tercero|el tercer)\b": 3,
            r"\b(?:la última|el último)\b(?! (?:fotograma|segundo|parte))": -1,
            r"\b(?:la|el) anterior\b": -2,
        },
        kinds={
            "image": rf"\b{_ES_THE} (?:imagen|foto|dibujo)\b",
            "video": rf"\b{_ES_THE} (?:v[ií]deo|clip|animación)\b",
        },
    ),
    "zh": Pointing(
        back=rf"[它牠]们?|[这那這]|上一{_ZH_ONE}|刚才|剛才|同一{_ZH_ONE}|两{_ZH_ONE}都",
        new=rf"(?<![第上后後同这那這])[一两兩三四五几幾]{_ZH_ONE}(?!都)|(?<![第上])一(?:朵|辆|条|位|座|棵)|另一",
        several=rf"[它牠]们|[这那這]些|全部|都(?:变|改|换|要)|两{_ZH_ONE}都",
        both=rf"两{_ZH_ONE}都|[这那這]两",
        places={
            rf"第[一1]{_ZH_ONE}": 1,
            rf"第[二2]{_ZH_ONE}": 2,
            rf"第[三3]{_ZH_ONE}": 3,
            rf"最[后後]一{_ZH_ONE}": -1,
            rf"上一{_ZH_ONE}": -2,
        },
        kinds={
            "image": rf"(?:[这那這]|第.|最[后後]一|上一){_ZH_ONE}?(?:图|圖|照片|画(?!面))",
            "video": rf"(?:[这那這]|第.|最[后後]一|上一){_ZH_ONE}?(?:视频|視頻|影片|动画|動畫|短片)",
        },
    ),
    "ja": Pointing(
        back=r"これ|それ|あれ|この|その|あの|さっきの|先ほどの|同じ|両方",
        new=r"(?<!も)[一二三1-9](?:つの|匹の|枚の|本の|個の)|別の|新しい|もう一|描[いき]",
        several=r"これら|それら|両方|(?:これ|それ|この|その)?全部",
        both=r"両方",
        places={
            rf"最初の|[一1]{_JA_ONE}": 1,
            rf"[二2]{_JA_ONE}": 2,
            rf"[三3]{_JA_ONE}": 3,
            r"最後の(?!フレーム|コマ|[0-9一二三]*秒|部分)": -1,
            r"(?<!以)前の(?=画像|絵|写真|動画|ビデオ|もの)": -2,
        },
        kinds={
            "image": r"(?:この|その|あの|目の|番目の|最初の|最後の|前の|同じ)(?:画像|絵|写真|イラスト)",
            "video": r"(?:この|その|あの|目の|番目の|最初の|最後の|前の|同じ)(?:動画|ビデオ|クリップ|アニメ)",
        },
    ),
    "ar": Pointing(
        back=r"\b(?:[وف]?(?:اجعل|لو?ّ?ن|حرّ?ك|غيّر|حوّل|كبّر|صغّر)(?:ها|ه|هما|هم)|هذه?|هذا|ذلك|تلك|هؤلاء|كلاهما|كلتاهما|(?:ال)?نفس|منها|منه|الصورة|الفيديو|المقطع)\b",
        new=r"\b(?:ارسم|أنشئ|انشئ|آخر|أخرى)\b",
        several=r"\b(?:[وف]?(?:اجعل|لوّ?ن|حرّ?ك)(?:هما|هم)|كلاهما|كلتاهما|هذه الصور|هذه المقاطع|كلها)\b",
        both=r"\b(?:كلاهما|كلتاهما|[وف]?(?:اجعل|لوّ?ن|حرّ?ك)هما)\b",
        places={
            r"\b(?:الصورة |المقطع |الفيديو )?ال(?:أولى|أول|اولى|اول)\b": 1,
            r"\b(?:الصورة |المقطع |الفيديو )?الثاني(?:ة)?\b": 2,
            r"\b(?:الصورة |المقطع |الفيديو )?الثالث(?:ة)?\b": 3,
            r"\b(?:الصورة |المقطع |الفيديو )?ال(?:أخيرة?|اخيرة?)\b": -1,
            r"\b(?:الصورة |المقطع |الفيديو )?السابقة?\b": -2,
        },
        kinds={"image": r"\bالصورة\b", "video": r"\b(?:الفيديو|المقطع)\b"},
    ),
}
