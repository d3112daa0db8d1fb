"""The words, in twelve languages, that name sizes, shapes, structure maps, negations and turns; reads no text.

All patterns but those of `PLAIN_MAPS` are generous, with the misspellings people make: they only serve to close off
what is not said.
"""

import re

# A word of its own, in scripts that set words apart by spaces.
_BEGINS, _ENDS = r"(?<![^\W\d_])", r"(?![^\W\d_])"

# Digits of every script are read as those of ASCII here.
RESOLUTIONS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"(?<![a-z0-9])([1-9]\d{2,3}) ?[pｐ](?![a-z])", re.IGNORECASE), None),
    # "At 1080" and "1080 pixels" name lines as well as a side: the place is the number alone.
    (
        re.compile(
            r"(?<=دق[ةه] )([1-9]\d{2,3})(?! ?[x\u00d7*:]|\d)"
            r"|(?<!\d)(?<![x\u00d7*])(480|720|1080|1440|2160)(?= ?بي?كسل)"
        ),
        None,
    ),
    (
        re.compile(
            r"\bfull[ -]?hd\b|\bfhd\b|\bten[ -]eighty|全高清|フル ?(?:hd|ハイビジョン)"
            r"|풀 ?(?:hd|에이치디)|فو?ل[ -]?[إا]تش[ -]?دي|\bфулл? ?(?:hd|эйч ?ди)",
            re.IGNORECASE,
        ),
        "1080p",
    ),
    (
        re.compile(
            r"(?<!full )(?<!full-)(?<!ultra )(?<!풀 )(?<!フル )\bhd\b|\bseven[ -]twenty"
            r"|(?<!فل )(?<!فول )(?<!فل-)(?<!فل)(?<!فول)[إا]تش[ -]?دي",
            re.IGNORECASE,
        ),
        "720p",
    ),
    (
        re.compile(
            r"(?<![a-z0-9])4 ?k(?![a-z])|(?<![a-z])u(?:ltra[ -]?)?hd(?![a-z])"
            r"|(?:(?<!\d)4|\bفور) ?كي\b",
            re.IGNORECASE,
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
            r"\bsq\w*are?\b|\bsqa?u?a?re(?!s\b)|\bsqu\w*re\b|quadrat|quadrado|carr[ée]|cuadrad|正方|مربع"
            r"|(?<![长長])方形|真四角|スク(?:エ|ウェ)ア|정사각|정방형|квадрат",
            re.IGNORECASE,
        ),
        "square",
    ),
    (
        re.compile(
            r"\bportr?ait|\bvert\w*cal|\bupright\b|\btall (?:format|image|picture|video)"
            r"|hochformat|hochkan+t|portr[äa]tformat|en hauteur|formato retrato|竖|豎|縦|세로"
            r"|طولي|عمودي|بالطول|رأسي[ةه]|вертикал|портретн"
            # Without a word for a shape before it, "vertical" is "my head".
            r"|(?:شكل|وضع|اتجاه|فيديو|مقطع|كليب|تصوير|مقاس|إطار|بوستر|ملصق) رأسي\b",
            re.IGNORECASE,
        ),
        "portrait",
    ),
    (
        re.compile(
            r"\blandscape\b|\bhorizontal|\bwide|breitbild|breitformat|panor[áa]mic"
            r"|paysage|apaisad|paisagem|orizzontal|横|橫|ワイド画面|가로|عرضي|[أا]فقي|بالعرض"
            r"|(?:ال)?شاشة (?:ال)?عريضة|горизонтал|альбомн|широко(?:экран|формат)"
            # Alone it is also a word of Portuguese, "he wants".
            r"|\bquer(?:-?format|-?bild|kant|lage|video|film|aus|gestellt|liegend)"
            r"|\b(?:bitte|in|im|bild|video|clip|format|alles) quer\b"
            r"|\bquer(?= (?:bitte|und|mit|in|im|als|für)\b|[,.;:!)]|$)",
            re.IGNORECASE,
        ),
        "landscape",
    ),
    (
        re.compile(
            r"\bwide[ -]?scre+n|ワイド画面|(?:ال)?شاشة (?:ال)?عريضة|широкоэкран", re.IGNORECASE
        ),
        "16:9",
    ),
)
# Between the two numbers of a ratio; a mark is only between digits.
RATIO = re.compile(
    r"(?<=\d)[ -]?[:\uff1a/x\u00d7-][ -]?(?=\d)"
    r"|(?<=[a-z])-(?=(?:one|two|three|four|five|nine|ten|sixteen|twenty-one)\b)"
    r"|[ -]?(?:(?:by|to|zu|auf|sur|par|per|por|op|на|к)(?![^\W\d_])|比|対|對|对|대|[إا]لى|على|في|بـ)[ -]?",
    re.IGNORECASE,
)

# "The clock shows 20:15" is no ratio; one of screens stays one.
CLOCK = re.compile(r"(?:[01]?\d|2[0-4])[:\uff1a][0-5]\d(?!\d)")
CLOCK_BEFORE = re.compile(
    r"\b(?:clock|watch|shows?|showing|says|saying|reads?|reading|at|time|until|since|um|alarm|zeigt)\b[^\w.,;:!?]{1,3}$",
    re.IGNORECASE,
)
CLOCK_AFTER = re.compile(r" ?(?:[ap]\.?m\b|uhr\b|o['\u2019]?clock)", re.IGNORECASE)
CLOCK_RATIOS = frozenset({"9:16", "9:21", "10:16", "16:10"})

CONTROL_WORDS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "depth": r"d[ep]{2}(?:th|ht|t)\b|d[ep]{2}th|disparity|z-?buffer|midas|tiefe|prof[ou]nd|深度"
        r"|distance|near|heightmap"
        r"|lidar|عمق|[أا]عماق|ديبث|डेप्थ|깊이|뎁스|デプス|奥行|глубин",
        "pose": r"pose|\bpos(?:a\b|it[iu]|tur)|skell?e?t|squelette|esqueleto|scheletr|strichm"
        r"|haltung|bonhomme|monigote|palit|omino|stick|keypoint|joint|bone|limb|mannequin"
        r"|stance|gesture|body|mocap"
        r"|姿|ポーズ|骨骼|骨架|پوز|وضعي|وقفة|هيكل|पोज़|포즈"
        r"|\b(?:ال)?بوز\b|قعدة|وضع الجسم|骨格|棒人間|体勢|골격|자세(?![히하한])"
        r"|\bпоз(?:[аыуе]|о[ий]|ами?|ах)?\b|скелет",
        "canny": r"canny|edge|egde|sobel|contour|outlin|lines|kant[ei]|umriss|kontur|contorn[oi]"
        r"|\bbord(?:s|[aeio]s?)\b|arêtes|边缘|邊緣|轮廓|輪廓|輪郭|エッジ|线框|حواف|حدود|كانّ?ن?ي|خطوط|किनार"
        r"|線だけ|线条|線條|윤곽|контур",
        "scribble": r"scri+bb?l|sketch|skecth|doodle|squiggle|drawing|drawn|line ?art|linart|linework"
        r"|lines"
        r"|animati|pencil|rough|outlin|skizze|croquis|schizz|esquiss|esboço|gribouill"
        r"|\bdrew\b|drawin|dibuj|ébauche|bozzett|rascunh|rabisc|strichz|kritzel|garabato"
        r"|scarabocchi|boceto|涂鸦|塗鴉|草图|草圖|线稿|線稿|线画|線画|落書き"
        r"|خربش|شخبط|سكي?تش|رسم|مسودة|स्केच|낙서|스케치|윤곽|简笔画|簡筆畫|线条|線條|下書き|スケッチ"
        # Not in the words for graph, craft or rafting.
        r"|(?<![ァ-ヺー])ラフ(?![ァ-ヺー])|эскиз|наброс|рисун|скетч|каракул",
        "gray": r"gr[ae]y|black[ -]and[ -]white|\bb&w|\bb/w|monochrom|lumina|luma|desaturat"
        r"|\bgris|\bgrau|\bgrigi|cinza|blanco y negro|noir et blanc|schwarz[ -]?wei|灰|黑白"
        r"|白黒|モノクロ|グレー|رمادي|[أا]بيض و ?(?:ال)?[أا]سود|흑백|그레이|ч[её]рно-?бел|оттенк\w* серого",
        "layout": r"layout|segment|\bseg\b|semantic|instance|box|bbox|region|colou?r blocks"
        r"|distribuci|disposition|anordnung|grundriss|mise en page|布局|版面|レイアウト|配置|تخطيط"
        r"|分割|تقسيم|مخطط (?:ال)?توزيع|خريط[ةه] (?:ال)?توزيع|레이아웃|분할|сегмент|макет",
        "normal": r"norm[al]{2}|surface orientation|\bnormali|法线|法線|нормалей|карт\w* нормал|법선|노멀|نورما?ل",
    }.items()
}
# Strict, without the words that are as often of the scene: what they find is taken for said.
PLAIN_MAPS: dict[str, str] = {
    "depth": r"depth|z-?buffer|tiefen(?:karte|bild)|profondeur|profondit[àa]|profundidad|深度|عمق|깊이",
    "pose": r"poses?|posing|skelett?(?:on)?s?|skeltons?|stick[ -]?(?:figures?|m[ae]n)|stances?|mocap|keypoints"
    r"|body (?:motion|movements?|positions?|language)|posen|squelettes?|esqueletos?|strichm[äa]nn\w+|posture"
    r"|姿势|姿勢|ポーズ|骨架|骨格|棒人間|وضعية",
    "canny": r"canny|edges?|contours?|outlines?|kanten?|umrisse?n?|kontur(?:en)?|contornos?|contorni|边缘|轮廓|輪郭"
    r"|エッジ|حواف",
    "scribble": r"scribbles?|sketch(?:es)?|skecth|doodles?|skizzen?|croquis|bocetos?|schizz[oi]|esquisse|gribouillis"
    r"|草图|涂鸦|スケッチ|落書き",
    "gray": r"gr[ae]yscale|luma|luminance|gr[ae]y (?:tones|values|levels|version)|graustufen",
    "layout": r"layout|bounding boxes|segmentation(?: map)?|布局|レイアウト",
    "normal": r"normals?|normal ?maps?|normalen",
}
# Words that only look like a negation: free of charge, limitless; few, dangerous, "would you"; special, other.
_NOT_LACKING = "料限限事線线數数邪名垢敵敌茶理視视駄重機机表論论意法奈尽盡边邊比聊辜"
_NOT_NOT = "".join(
    f"(?<!{word})"
    for word in ("少", "危", "切", "儚", "汚", "幼", "気", "つまら", "あどけ", "さりげ", "もったい", "とんでも", "違い", "ちがい",
                 "しれ", "くれ", "もらえ", "いただけ")
)  # fmt: skip
_APART = "特分区區差个個识識性类類"
NEGATION = re.compile(
    r"\b(?:no|not|nothing|dont|w[a-z]{0,3}t[a-z]?out|with[ -]out|avo[iy]d\w*|omit\w*|exclud\w*|free"
    r"|minus|except|never|leave"
    r"|out of|skip|zero|w/o(?:ut)?|neg(?:ative)?(?:_prompt)?|nix|kein\w*|ohne|negativ\w*"
    r"|sans|aucune?|pas|niente|nessun\w*|jamais|évite\w*|evit[ae]\w*|vermeid\w*|niemals"
    r"|weder|ni|nada|devoid|n[ée]gatif"
    r"|ning[uú]n\w*|nenhum\w*|sin|sem|senza|non)\b|n['\u2019]t\b"
    rf"|\b(?:без|не|нет|ни|кроме|исключ\w*|избега\w*)\b"
    rf"|反向|[负負]面|不|没|なし|抜き|避免|去掉|बिना|없|빼|제외|(?<=[\u3040-\u30ff\u4e00-\u9fff])ng(?![a-z])"
    rf"|[無无](?![{_NOT_LACKING}]|人[机機岛島])|{_NOT_NOT}ない(?!しょ)|(?<![{_APART}])[别別](?![墅荘針针的のにな])"
    # "Small", "they seem", "for example", "walk" and "what is in the" hold the same letters.
    rf"|{_BEGINS}و?بدون|{_BEGINS}(?:و|ب|ال)?غير{_ENDS}|{_BEGINS}[وف]?ب?دون{_ENDS}"
    rf"|{_BEGINS}[وف]?[بأإا]?لا{_ENDS}|{_BEGINS}و?مش(?!ّ){_ENDS}|استبعاد|خالي[ةه]? من|تجن[بّ]"
    rf"|{_BEGINS}و?ما ?(?:[أا]ب[يى]|[أا]بغ[ىي]|فيه?(?= )(?! ?(?:ال|هذ|ها))){_ENDS}",
    re.IGNORECASE,
)
# What may come between two wishes. Only its absence says something: one wish.
TURN = re.compile(
    r"[,.;:!?\u2026)\u060c\u061b\u061f\u0964](?=\s+\S)|[\n\u3001\u3002\uff0c\uff1b\uff01\uff1f\u2192>+&|]"
    r"|\s[-\u2013]|\u2014"
    r"|(?<![^\W\d_])(?:an|and|than|then|n|also|plus|after\w*|next|once|before|und|dann"
    r"|danach|et|puis|ensuite"
    r"|y|luego|después|e|poi|dopo|depois|en|daarna)(?![^\W\d_])"
    r"|然后|然後|再|并|並|接着|から|て|그리고|다음|후|ثم|\bو|फिर|और"
    rf"|{_BEGINS}(?:بعدي?ن|بعدها|عقبها|а|и|затем|потом|после|далее){_ENDS}",
    re.IGNORECASE,
)
