"""The words that speak of attachments: how one is named, and what says that it is left out or has a role.

It reads no text. Every pattern is strict, for what it finds closes off a handle: a comma ends what is said of one.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from unison_agent.planning.stated_words import PLAIN_MAPS
from unison_agent.tasks import MediaKind

ToldRole: TypeAlias = Literal["mask", "control", "first_frame", "last_frame"]

NOUNS: Mapping[MediaKind, str] = {
    "image": r"(?:images?|pictures?|pics?|photo(?:graph)?s?|stills?|screenshots?|pngs?|jpe?gs?|snapshots?|bild(?:er|s|es)?|fotos?"
    r"|imagen(?:es)?|immagin[ei])",
    "video": r"(?:videos?|vids?|clips?|footage|movies?|mp4s?|recordings?|gifs?|vídeos?)",
}
ANY_NOUN = r"(?:ones?|attachments?|files?|uploads?|inputs?)"
ORDINALS: Mapping[int, str] = {
    1: "first|1st|erste[nrsm]?|premi[eè]re?|primer[oa]?|prim[oa]",
    2: "second|2nd|zweite[nrsm]?|deuxi[eè]me|seconde?|segund[oa]|second[oa]",
    3: "third|3rd|dritte[nrsm]?|troisi[eè]me|tercer[oa]?|terz[oa]",
    4: "fourth|4th|vierte[nrsm]?|quatri[eè]me|cuart[oa]",
    5: "fifth|5th|fünfte[nrsm]?",
    -1: "last|final|letzte[nrsm]?|derni[eè]re?|últim[oa]",
}
NUMBERS: Mapping[str, int] = {
    **{digit: int(digit) for digit in "123456789"},
    **{word: n for n, words in enumerate(("one eins", "two zwei", "three drei", "four vier", "five fünf"), 1)
       for word in words.split()},
    **dict(zip("一二三四五", range(1, 6), strict=True)),
}  # fmt: skip
_ORDINAL = "|".join(ORDINALS.values())
_NOUN = f"{NOUNS['image']}|{NOUNS['video']}|{ANY_NOUN}"
_OWN = r"(?:(?:the|this|that|my|our|your|attached|very|das|dem|den|die|der|la|le|el|il|lo) )*"
_NUMBER = "|".join(key for key in NUMBERS if key not in "一二三四五")
MENTION = re.compile(
    rf"\b(?P<handle>(?:image|video)_\d+)\b"
    rf"|\b{_OWN}(?P<numbered>{_NOUN}) ?(?:#|no\.? ?|number |nr\.? ?)?(?P<number>{_NUMBER})\b(?![.,:]\d)"
    rf"|\b{_OWN}(?P<ordinal>{_ORDINAL}) (?P<counted>{_NOUN})\b"
    rf"|\b(?:the|den|dem|der|la|le|el) (?P<bare>{_ORDINAL})(?= ?(?:[,.;:)!?]|$)| (?:and|to|with|as|is|und|zum|et|y)\b)"
    rf"|\b(?:both|all|these|those|the (?:two|three|four|other two|attached)|my (?:two|three)) (?:of (?:the|these|those|my) )?"
    rf"(?:two |three |four )?(?P<all>{_NOUN})\b"
    rf"|\b(?:the|this|that|my|our|your|attached|das|dem|la|le|el|il)(?: attached)? (?P<only>{NOUNS['image']}|{NOUNS['video']})\b"
    r"|第(?P<chinese>[一二三四五1-5])(?:张|張|个|個|幅|段)(?P<chinese_noun>图片?|圖片?|照片|视频|影片)?"
    r"|(?P<japanese>[一二三四五1-5])(?:枚目|つ目|番目)(?:の(?P<japanese_noun>画像|写真|動画))?",
    re.IGNORECASE,
)
FOREIGN_NOUNS: Mapping[str, MediaKind] = {
    **dict.fromkeys(("图", "图片", "圖", "圖片", "照片", "画像", "写真"), "image"),
    **dict.fromkeys(("视频", "影片", "動画"), "video"),
}

# What is said of an attachment is said: a mark, the end, or the next wish follows.
_DONE = r"(?= ?(?:[.,;:!?)\]\u2014\u2013。，！]|- |\n|$)| (?:and|but|or|please|pls|for (?:now|this|that|the moment)|here|und|aber)\b)"
DONE = re.compile(_DONE, re.IGNORECASE)
# With nothing else attached, only these words say that an attachment is none of the matter.
IGNORED_BEFORE = re.compile(
    r"(?:\bignor(?:e|ing)|\bdisregard(?:ing)?|\bforget(?:ting)?(?: about)?|\bskip(?:ping)?|\bleav(?:e|ing) out|\bexclud(?:e|ing)"
    r"|\b(?:do not|don['\u2019]?t|dont|never|without) (?:use|using|include|including|need|consider|look(?:ing)? at)"
    r"|\bno need for|\bnever mind|\bignorier\w*|\bignora\w*|\bvergiss|\boublie\w*|忽略|无视) ?(?:about )?$",
    re.IGNORECASE,
)
_USELESS = (
    r"(?:unused|irrelevant|unrelated|unimportant|superfluous|left ?over|junk|discarded|a mistake|an accident|for (?:later|next time)"
    r"|(?:for|from) (?:another|some other|a different) (?:day|time|job|project|task|one)|some other project)"
)
_NOT = r"(?:not|isn['\u2019]?t|aren['\u2019]?t|wasn['\u2019]?t|never)"
_BY_MISTAKE = r"(?:got|came|slipped|attached|added|sent|uploaded|included) (?:in |along |here )?by (?:mistake|accident)"
# Right after an attachment, however it is named, and nothing more of it.
IGNORED_AFTER = re.compile(
    rf"(?: ?\)?(?: (?:is|was|are|were|stays)|['\u2019]s| ?[=:(,])? ?(?:(?:just|only|merely|totally|all|there|here|attached) )*"
    rf"(?:{_USELESS}|{_NOT} (?:relevant|needed|important|used|to be used|part of (?:this|it))|there by (?:mistake|accident))"
    rf"| (?:was )?{_BY_MISTAKE}"
    r"| ?,? ?(?:ignore|skip|disregard|forget)(?: (?:it|that|this|them)(?: one)?)?| (?:can|should|must|may) (?:be (?:ignored|skipped|left out)|stay out)"
    r"|,? (?:do not|don['\u2019]?t|dont) (?:use|need) (?:it|that|this)(?: one)?|(?: bitte)? nicht (?:verwenden|benutzen|nehmen)"
    rf"|不用|不要用|别用|无关|は使わない(?:で)?|は無視(?:して)?){_DONE}",
    re.IGNORECASE,
)
# Beside another attachment these say it as well.
PASSED_BEFORE = re.compile(
    r"(?:(?:^|[,(;:.!\u2014\u2013-] ?|\b(?:but|and) )not(?: with| from| using| in)?"
    r"|\bnothing (?:with|from)|\b(?:except|besides|apart from|other than|rather than|instead of)) $",
    re.IGNORECASE,
)
ALONE_BEFORE = re.compile(r"\b(?:leave|leaving) $", re.IGNORECASE)
ALONE_AFTER = re.compile(rf" (?:alone|aside|out(?: of (?:this|it|that))?){_DONE}", re.IGNORECASE)

# "Image_1 is the", "image_1 (", "image_1: " and the like.
_IS = (
    r"(?: ?[:=(]| \)?(?:is|['\u2019]s|as|being|serves? as|works as|acts as|to be|should be|gives|for|als|ist|comme"
    r"|como|come|es|est)\b|是|が|は)"
)
_ARTICLE = r"(?:a|an|the|my|our|your|its|die|das|eine?|le|la|un|una)"
_MASK = r"(?:masks?|maks|maske|masque|m[áa]scara|maschera|mattes?|stencil|蒙版|遮罩|マスク)"
MASK_WORD = re.compile(
    rf"{_MASK}|\bma[sck]{{1,2}}(?:ed)?\b|\bmsa?k|\bselect|region|\bareas?\b|silhouette|wh?ite|\bmark|inpaint|black[- ]and|b/?w\b|\broto|cut-?out|alpha"
    r"|\bwhere\b|\bwher\b|\bspot\b|\bparts?\b|\bshapes?\b|attach|upload|\bfiles?\b|\bother (?:image|pic|photo|clip|video|one)"
    r"|掩码|掩膜|区域|區域|範囲|領域|영역|표시|област|выдел|[áa]rea|regi[óã]|masqu|\bpart(?:e|ie)\b|inside|covered|segment|painted|blob|brush|hi?gh?li(?:gh)?ted|circled|stelle|bereich|markier|maskiert"
    r"|\bzon[ae]|blanco|blanche?|weiß|schwarz|选区|選区|白|قناع|ماسك|मास्क|마스크|маск",
    re.IGNORECASE,
)
_MAPS = f"(?:{'|'.join(PLAIN_MAPS.values())}|structure|composition)(?: maps?)?"
_FIRST = "first|opening|starting|start|initial|startbild|anfangsbild"
_LAST = "last|final|closing|ending|end|endbild|schlussbild"
_WORDS_BEFORE: dict[ToldRole, str] = {
    "mask": rf"\b{_MASK}(?: is(?: in)?|:| ?=|, in|, namely| file is) (?:in )?$|\b{_MASK} ?= ?$",
    "control": rf"\b{_MAPS}(?: is(?: in)?|:| in| of| from|, from) $|\b(?:control|pose|depth|edges?|sketch) ?[=:] ?$",
    "first_frame": r"(?<!n't )(?<!not )\b(?:start\w*|begin\w*|opens?|opening|commen\w+|begonnen)(?: out| off)?"
    r"(?: with| on| from| at| in| is|:| mit)? $"
    r"|\bfirst frame(?: is|:| =| from| should be)? $|\bfirst ?= ?$",
    "last_frame": r"(?<!n't )(?<!not )\b(?:ends?|ending|finish\w*|land\w*|clos(?:es?|ing)|stops?)(?: up)?"
    r"(?: with| on| at| in| is|:)? $|\blast frame(?: is|:| =| from| should be)? $|\blast ?= ?$",
}
_WORDS_AFTER: dict[ToldRole, str] = {
    "mask": rf"{_IS}(?: (?:only|just|simply|actually))?(?: ?{_ARTICLE} )? ?(?:(?:b/?w|black[- ]and[- ]white|rough|hand[- ]?\w+"
    rf"|inpaint\w*|matching|corresponding|moving) )?{_MASK}(?![a-z])(?! ?[:=])"
    r"|,? (?:which )?(?:marks|marking)(?: you| only)? (?:the (?:region|area|spot|part|place)|where|what)\b"
    r"|,? (?:which )?(?:shows|says|tells)(?: you| only)? (?:the (?:region|area|spot|part|place) (?:to|that should|you)|where to|what to)\b"
    r"| is white where\b",
    "control": rf"{_IS}(?: (?:only|just))?(?: ?{_ARTICLE} )? ?(?:\w+ )?{_MAPS}(?![a-z])(?! ?[:=])",
    "first_frame": rf"{_IS}(?: ?{_ARTICLE} )? ?(?:{_FIRST})(?: (?:frame|shot|image|picture|one))?\b(?! ?[:=])",
    "last_frame": rf"{_IS}(?: ?{_ARTICLE} )? ?(?:{_LAST})(?: (?:frame|shot|image|picture|one))?\b(?! ?[:=])",
}


# "From image_2 to image_1", "morph image_1 into image_2": words before the first, between the two.
PAIR_BEFORE = re.compile(
    r"(?:\b(?:from|between|von|vom|de|depuis|desde|da|dal)|从|從|\b(?:fad|morph|transition|turn|dissolv|blend|go)\w*(?: from)?) ?$",
    re.IGNORECASE,
)
PAIR_BETWEEN = re.compile(
    r",? ?(?:(?:slowly|gently|smoothly|over|all the way|then|on|fading|morphing|ending) )*(?:(?:in)?to|into|towards|bis|zu[mr]?|nach"
    r"|auf|à|a|al|hasta|vers|到)(?: (?:the|my|das|dem|la|le|el))? ?",
    re.IGNORECASE,
)


# "Image_1 lies over image_2 as its mask" says nothing more of image_2.
UNDER_IT = re.compile(r"\b(?:over|onto|on top of|upon) $", re.IGNORECASE)


def _compiled(said: Mapping[ToldRole, str]) -> Mapping[ToldRole, re.Pattern[str]]:
    return {role: re.compile(words, re.IGNORECASE) for role, words in said.items()}


ROLE_BEFORE, ROLE_AFTER = _compiled(_WORDS_BEFORE), _compiled(_WORDS_AFTER)
# Where an order is listed, not where a mask is used: "mask first, then the photo", "apply the mask first".
_LISTED = (
    r"(?:^|[(\[,;:.!?\n\u2013\u2014-]\s*|\b(?:attach\w*|upload\w*|sent|sending|gave|order(?: is)?|files?|inputs?|is|are|and|here's|have) )"
    r"(?:(?:the|a|my|is|die|eine|le|la|un|una) )?"
)
_PICTURED = r"(?:photo\w*|images?|pictures?|pics?|videos?|clips?|footage|originals?|sources?|shots?|foto|bild)"
# "And then mask the sky" is an order of another kind.
_ALONE = (
    r"(?! (?:the|an?|out|off|only|over|this|that|these|those|my|his|her|its|their|everything|it)\b)"
)
# Which of two comes first; "photo first, mask second" holds "first, mask" too, so the mask's own number goes first.
MASK_ORDER: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), place)
    for pattern, place in (
        (rf"\b(?:first|1st|1) ?[=:] ?{_MASK}\b", 0),
        (rf"{_LISTED}{_MASK} (?:(?:is|comes|goes|ist|kommt) )?(?:first|1st|zuerst)\b", 0),
        (rf"{_LISTED}{_MASK} (?:(?:is|comes|goes) )?(?:second|last|afterwards|2nd)\b", 1),
        (
            rf"\b(?:first|1st|zuerst|d['\u2019]abord)(?: is| comes| the| my| a| die| le)*,? {_MASK}\b{_ALONE}",
            0,
        ),
        (
            rf"{_LISTED}{_MASK},? (?:and )?then (?:the |a |my )?{_PICTURED}\b|\b1\) ?(?:the )?{_MASK}",
            0,
        ),
        (
            rf"\b(?:then|second|2nd|followed by|dann|ensuite)(?: is| comes| the| its| a| die| le)*,? {_MASK}\b{_ALONE}|\b2\) ?(?:the )?{_MASK}",
            1,
        ),
    )
)
