"""The words, in eleven languages, that name sizes, shapes, structure maps, negations and turns; reads no text.

Every pattern is generous, with the misspellings people make: it only serves to close off what is not said.
"""

import re

RESOLUTIONS: tuple[tuple[re.Pattern[str], str | None], ...] = (
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
SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"\bsq\w*are?\b|\bsqa?u?a?re|\bsqu\w*re\b|quadrat|quadrado|carr[ée]|cuadrad|正方|مربع",
            re.IGNORECASE,
        ),
        "square",
    ),
    (
        re.compile(
            r"\bportr?ait|\bvert\w*cal|\bupright\b|\btall (?:format|image|picture|video)"
            r"|hochformat|hochkan+t|portr[äa]tformat|en hauteur|formato retrato|竖|豎|縦|세로"
            r"|طولي|عمودي",
            re.IGNORECASE,
        ),
        "portrait",
    ),
    (
        re.compile(
            r"\blandscape\b|\bhorizontal|\bwide|\bquer|breitbild|breitformat|panor[áa]mic"
            r"|paysage|apaisad|paisagem|orizzontal|横|橫|가로|عرضي|أفقي",
            re.IGNORECASE,
        ),
        "landscape",
    ),
    (re.compile(r"\bwide[ -]?scre+n", re.IGNORECASE), "16:9"),
)
RATIO = re.compile(
    r"(?<![\d._])(\d{1,3}(?:\.\d+)?)[ -]?(?:[:/x\u00d7-]|by|to"
    r"|zu)[ -]?(\d{1,3}(?:\.\d+)?)(?![\d.]*\d)"
)

CONTROL_WORDS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "depth": r"d[ep]{2}(?:th|ht|t)\b|d[ep]{2}th|disparity|z-?buffer|midas|tiefe|prof[ou]nd|深度"
        r"|distance|near|heightmap"
        r"|lidar|عمق|أعماق|डेप्थ|깊이",
        "pose": r"pose|\bpos(?:a\b|it[iu]|tur)|skell?e?t|squelette|esqueleto|scheletr|strichm"
        r"|haltung|bonhomme|monigote|palit|omino|stick|keypoint|joint|bone|limb|mannequin"
        r"|stance|gesture|body|mocap"
        r"|姿|ポーズ|骨骼|骨架|پوز|وضعي|وقفة|هيكل|पोज़|포즈",
        "canny": r"canny|edge|egde|sobel|contour|outline|lines|kant[ei]|umriss|kontur|contorn[oi]"
        r"|\bbord(?:s|[aeio]s?)\b|arêtes|边缘|邊緣|轮廓|輪廓|輪郭|エッジ|线框|حواف|كان+ي|خطوط|किनार",
        "scribble": r"scri+bb?l|sketch|skecth|doodle|squiggle|drawing|drawn|line ?art|linart|linework"
        r"|lines"
        r"|animati|pencil|rough|outline|skizze|croquis|schizz|esquiss|esboço|gribouill"
        r"|\bdrew\b|drawin|dibuj|ébauche|bozzett|rascunh|rabisc|strichz|kritzel|garabato"
        r"|scarabocchi|boceto|涂鸦|塗鴉|草图|草圖|线稿|線稿|线画|線画|落書き"
        r"|خربش|سكتش|رسم|स्केच|낙서",
        "gray": r"gr[ae]y|black[ -]and[ -]white|\bb&w|\bb/w|monochrom|lumina|luma|desaturat"
        r"|\bgris|\bgrau|\bgrigi|cinza|blanco y negro|noir et blanc|schwarz[ -]?wei|灰|黑白"
        r"|白黒|モノクロ|رمادي|흑백",
        "layout": r"layout|segment|\bseg\b|semantic|instance|box|bbox|region|colou?r blocks"
        r"|distribuci|disposition|anordnung|grundriss|mise en page|布局|版面|レイアウト|配置|تخطيط",
        "normal": r"norm[al]{2}|surface orientation|\bnormali",
    }.items()
}
NEGATION = re.compile(
    r"\b(?:no|not|nothing|dont|w[a-z]{0,3}t[a-z]?out|avoid\w*|omit\w*|exclud\w*|free"
    r"|minus|except|never|leave"
    r"|out of|skip|zero|w/o(?:ut)?|neg(?:ative)?(?:_prompt)?|nix|kein\w*|ohne|negativ\w*"
    r"|sans|aucune?|pas|niente|nessun\w*|jamais|évite\w*|evit[ae]\w*|vermeid\w*|niemals"
    r"|weder|ni|nada"
    r"|ning[uú]n\w*|nenhum\w*|sin|sem|senza|non)\b|n['\u2019]t\b"
    r"|不|没|無|无|なし|抜き|ない|别|別|بدون|دون|غير|لا |बिना|없|빼",
    re.IGNORECASE,
)
# What may come between two wishes. Only its absence says something: one wish.
TURN = re.compile(
    r"[,.;:!?\u2026)](?=\s+\S)|[\n\u3001\u3002\uff0c\uff1b\uff01\uff1f\u2192>+&|]"
    r"|\s[-\u2013]|\u2014"
    r"|(?<![^\W\d_])(?:an|and|than|then|n|also|plus|after\w*|next|once|before|und|dann"
    r"|danach|et|puis|ensuite"
    r"|y|luego|después|e|poi|dopo|depois|en|daarna)(?![^\W\d_])"
    r"|然后|然後|再|并|並|接着|から|て|그리고|다음|후|ثم|\bو|फिर|और",
    re.IGNORECASE,
)
