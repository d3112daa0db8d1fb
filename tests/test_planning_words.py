"""How values are said in Arabic, East Asian languages, Russian and German, and what only looks like it."""

import pytest

from unison_agent.planning.evidence import find_evidence
from unison_agent.planning.stated import read_stated
from unison_agent.planning.units import numbers_for
from unison_agent.tasks import TASK_CALL


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("فيديو مدته ثانيتان", "2"),
        ("مدته ثانيتان ونصف", "2.5"),
        ("ثانيتين ونص", "2.5"),
        ("ثانية ونص", "1.5"),
        ("ثلاث ثواني ونص", "3.5"),
        ("٤ ثواني ونصف", "4.5"),
        ("ثانية وحدة", "1"),
        ("نصف دقيقة", "30"),
        ("نص دقيقة", "30"),
        ("دقيقة ونص", "90"),
        ("خمس عشرة ثانية", "15"),
        ("خمسة عشر إطارا", "15"),
        ("خمسة وعشرين", "25"),
        ("خمستاشر ثانية", "15"),
        ("اتناشر", "12"),
        ("أربعين خطوة", "40"),
        ("خمسين", "50"),
        ("ستين", "60"),
        ("اربع صور", "4"),
        ("تمان صور", "8"),
        ("ثمان صور", "8"),
        ("تلت صور", "3"),
        ("جوج صور", "2"),
        ("بست ثوانٍ", "6"),
        ("ولخمس ثوان", "5"),
        ("الثلاث صور", "3"),
        ("صورتان", "2"),
        ("نسختان", "2"),
        ("لوحتين", "2"),
        ("كليبين", "2"),
        ("فيديوهين", "2"),
        ("２秒半", "2.5"),
        ("3秒半の動画", "3.5"),
        ("三秒半", "3.5"),
        ("一分半", "90"),
        ("ふたつください", "2"),
        ("삼 초 영상", "3"),
        ("십 초짜리", "10"),
        ("이십오 초", "25"),
        ("2초 반", "2.5"),
        ("두 초 반짜리", "2.5"),
        ("열다섯 장", "15"),
        ("세장", "3"),
        ("пять секунд", "5"),
        ("две картинки", "2"),
        ("двадцать пять шагов", "25"),
        ("две с половиной секунды", "2.5"),
        ("полторы секунды", "1.5"),
        ("полминуты", "30"),
        ("пятисекундный ролик", "5"),
        ("dreiviertel Sekunde", "0.75"),
        ("eine drei viertel Sekunde", "0.75"),
    ],
)
def test_a_number_in_words(text: str, number: str):
    assert tuple(read_stated(text).numbers) == (number,)


@pytest.mark.parametrize(
    "text",
    [
        "يستخدم",
        "مستطيل",
        "استبدل السماء",
        "مدينة المستقبل",
        "لست متأكدا",
        "ولست",
        "두부",
        "세상",
        "이 초록색 사과",
        "이 프레임",
        "दोस्त",
        "семья",
    ],
)
def test_letters_inside_other_words_are_no_number(text: str):
    assert not read_stated(text).numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2초 반복", {"2"}),
        ("画像を4分割", {"4"}),
        ("4분할", {"4"}),
        ("٣ دقائق", {"3", "180"}),
    ],
)
def test_a_unit_is_a_whole_word(text: str, numbers: set[str]):
    assert set(read_stated(text).numbers) == numbers


def test_words_for_two_of_a_thing_say_which_field_they_fill():
    text = "صورتان، فيديو ثانيتان"
    call = TASK_CALL.validate_python(
        {"task": "text_to_video", "prompt": text, "num_outputs": 2, "duration_seconds": 2}
    )
    found = {
        one.field: text[one.start : one.end] for one in find_evidence(1, call, read_stated(text))
    }
    assert found == {"num_outputs": "صورتان", "duration_seconds": "ثانيتان"}


@pytest.mark.parametrize(
    ("text", "resolution"),
    [
        ("فل اتش دي", "1080p"),
        ("فول إتش دي", "1080p"),
        ("اتش دي", "720p"),
        ("فور كي", "2160p"),
        ("٤ كي", "2160p"),
        ("بدقة ١٠٨٠", "1080p"),
        ("1080 بكسل", "1080p"),
        ("٧٢٠p", "720p"),
        ("７２０ｐ", "720p"),
        ("フルHD", "1080p"),
        ("全高清", "1080p"),
    ],
)
def test_a_resolution(text: str, resolution: str):
    assert tuple(read_stated(text).resolutions) == (resolution,)


def test_a_number_of_pixels_may_be_a_side():
    assert not read_stated("بدقة ١٩٢٠×١٠٨٠").resolutions
    assert numbers_for("height", "ارتفاع 1080 بكسل") == ("1080",)
    assert numbers_for("height", "٧٢٠p") == ()


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("شاشة عريضة", {"landscape", "16:9"}),
        ("الشاشة العريضة", {"landscape", "16:9"}),
        ("صورة بالعرض", {"landscape"}),
        ("صورة بالطول", {"portrait"}),
        ("صورة رأسية", {"portrait"}),
        ("بشكل رأسي", {"portrait"}),
        ("真四角", {"square"}),
        ("スクエア", {"square"}),
        ("ワイド画面", {"landscape", "16:9"}),
        ("정사각형", {"square"}),
        ("정방형", {"square"}),
        ("方形", {"square"}),
        ("вертикально", {"portrait"}),
        ("квадрат", {"square"}),
        ("im Querformat", {"landscape"}),
        ("比例16：9", {"16:9"}),
        ("十六比九", {"16:9"}),
        ("16対9で", {"16:9"}),
        ("16 대 9", {"16:9"}),
        ("بنسبة 4 إلى 3", {"4:3"}),
        ("ستة عشر على تسعة", {"16:9"}),
        ("16 auf 9", {"16:9"}),
        ("one: Otto", set[str]()),
        ("ein Clip, quer", {"landscape"}),
        ("bitte quer und in 4K", {"landscape"}),
        ("eu quero um gato", set[str]()),
        ("quería un gato", set[str]()),
        ("o que ele quer ver", set[str]()),
        ("قبعة على رأسي", set[str]()),
        ("一张长方形的桌子", set[str]()),
    ],
)
def test_a_shape(text: str, shapes: set[str]):
    assert set(read_stated(text).aspect_ratios) == shapes


@pytest.mark.parametrize(
    ("text", "control_type"),
    [
        ("مخطط التوزيع", "layout"),
        ("خريطة النورمال", "normal"),
        ("follow the outlins", "canny"),
        ("الشخبطة", "scribble"),
        ("سكيتش", "scribble"),
        ("مسودة", "scribble"),
        ("البوز", "pose"),
        ("القعدة", "pose"),
        ("وضع الجسم", "pose"),
        ("الحدود", "canny"),
        ("كانّي", "canny"),
        ("ديبث", "depth"),
        ("أبيض وأسود", "gray"),
        ("الأبيض والأسود", "gray"),
        ("تقسيم", "layout"),
        ("骨格", "pose"),
        ("棒人間", "pose"),
        ("体勢", "pose"),
        ("ラフ", "scribble"),
        ("下書き", "scribble"),
        ("スケッチ", "scribble"),
        ("デプス", "depth"),
        ("奥行き", "depth"),
        ("グレースケール", "gray"),
        ("法線マップ", "normal"),
        ("線だけ", "canny"),
        ("스케치", "scribble"),
        ("윤곽선", "canny"),
        ("뎁스", "depth"),
        ("자세", "pose"),
        ("골격", "pose"),
        ("分割图", "layout"),
        ("法线图", "normal"),
        ("简笔画", "scribble"),
        ("线条图", "canny"),
        ("线条图", "scribble"),
        ("карта глубины", "depth"),
        ("поза", "pose"),
        ("контуры", "canny"),
        ("эскиз", "scribble"),
    ],
)
def test_a_structure_map(text: str, control_type: str):
    assert control_type in read_stated(text).control_types


@pytest.mark.parametrize(
    "text",
    ["グラフ", "クラフト", "자세하게", "поздний вечер", "позади дома", "нормально", "بوزن خفيف"],
)
def test_a_word_that_only_looks_like_a_structure_map(text: str):
    assert not read_stated(text).control_types


@pytest.mark.parametrize(
    "text",
    [
        "ما أبي نص",
        "ما في ناس",
        "خالية من الناس",
        "خالي من الناس",
        "تجنب النص",
        "تجنّب النص",
        "بدون نص",
        "دون نص",
        "من غير ناس",
        "لا يكون فيها نص",
        "بلا نص",
        "ولا نص",
        "إلا النص",
        "مش عايز نص",
        "人物NG",
        "文字がない",
        "人を入れないで",
        "無背景",
        "无文字",
        "사람 제외",
        "避免文字",
        "去掉文字",
        "без текста",
    ],
)
def test_a_negation(text: str):
    assert read_stated(text).negations


@pytest.mark.parametrize(
    "text",
    [
        "غزالا يجري",
        "مثلا قطة",
        "قطة صغيرة",
        "الكلب الصغير",
        "يريدون قطة",
        "يبدون سعداء",
        "ما في الصورة",
        "مشّي القطة",
        "少ない色の絵",
        "危ない橋",
        "切ない表情",
        "猫を描いてくれない?",
        "描いてもらえないかな",
        "無料の地図",
        "無限の宇宙",
        "無事に着く",
        "无人机航拍",
        "无限的宇宙",
        "特别的猫",
        "別の猫",
        "небо",
    ],
)
def test_a_word_that_only_looks_like_a_negation(text: str):
    assert not read_stated(text).negations


@pytest.mark.parametrize(
    "text",
    [
        "ارسم قطة، بعدين حركها",
        "ما هذا؟ بعدها ارسمه",
        "ارسم قطة؛ عقبها حركها",
        "ارسم قطة بعدين حركها",
        "нарисуй кота а затем оживи его",
        "нарисуй кота потом оживи",
    ],
)
def test_a_turn(text: str):
    assert read_stated(text).several


@pytest.mark.parametrize("text", ["ارسم قطة؟", "ارسم قطة بيضاء", "нарисуй кота"])
def test_one_wish_has_no_turn(text: str):
    assert not read_stated(text).several


def test_counted_creatures_are_no_number_of_outputs():
    assert numbers_for("num_outputs", "桜の木の下で眠る三毛猫の絵") == ()
    assert numbers_for("num_outputs", "画三只鸟") == ()
    assert numbers_for("num_outputs", "画三张鸟") == ("3",)
