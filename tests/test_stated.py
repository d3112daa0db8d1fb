import json
import time

import pytest

from unison_agent.planning.evidence import find_evidence
from unison_agent.planning.numbers import canonical
from unison_agent.planning.stated import read_stated
from unison_agent.tasks import TASK_CALL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sixty-four by nine hundred and two", {"64", "902"}),
        ("two thousand and five", {"2005"}),
        ("half a minute", {"30"}),
        ("3 minutes", {"3", "180"}),
        ("fourty", {"40"}),
        ("two dozen", {"24"}),
        ("half dozen", {"6"}),
        ("hundred and twenty frames", {"120"}),
        ("seven point five", {"7.5"}),
        (".5 s", {"0.5"}),
        ("2½ seconds", {"2.5"}),
        ("1 1/2 seconds", {"1.5"}),
        ("three quarters of a second", {"0.75"}),
        ("nineteen twenty", {"1920"}),
        ("vierundzwanzig Bilder", {"24"}),
        ("trois secondes et demie", {"3.5"}),
        ("segundo y medio", {"1.5"}),
        ("une seconde", {"1"}),
        ("ثانية ونصف", {"1.5"}),
        ("عشرون ثانية", {"20"}),
        ("两秒半", {"2.5"}),
        ("1,024 px", {"1024", "1.024"}),
        ("7,5", {"75", "7.5"}),
        ("drei Bilder", {"3"}),
        ("两张", {"2"}),
        ("٦٤", {"64"}),
        ("500 ms", {"500", "0.5"}),
        ("a second and a half", {"1.5"}),
        ("seven and a half seconds", {"7.5"}),
        ("a quarter of a minute", {"15"}),
        ("1 min 30 s", {"90"}),
        ("sieben Sekunden", {"7"}),
        ("quinze secondes", {"15"}),
        ("medio minuto", {"30"}),
        ("eine halbe Minute", {"30"}),
        ("二十四 fps", {"24"}),
        ("九秒", {"9"}),
        ("一只猫", set[str]()),
        ("nothing", set[str]()),
    ],
)
def test_numbers(text: str, expected: set[str]):
    assert set(read_stated(text).numbers) == expected


def test_ratios_and_shapes():
    assert tuple(read_stated("sixteen by nine").aspect_ratios) == ("16:9",)
    assert tuple(read_stated("nine-sixteen, upright").aspect_ratios) == ("portrait", "9:16")
    assert tuple(read_stated("2.39 to 1").aspect_ratios) == ("2.39:1",)
    assert tuple(read_stated("an aspect ratio of 20:15").aspect_ratios) == ("20:15",)
    assert tuple(read_stated("an 18:24 poster").aspect_ratios) == ("18:24",)
    assert not read_stated("a clock showing 20:15").aspect_ratios
    assert not read_stated("the harbour, 6:30 pm").aspect_ratios
    assert not read_stated("a board of 64 squares").aspect_ratios
    assert not read_stated("1024x768").aspect_ratios
    assert tuple(read_stated("a tall portrait, upright").aspect_ratios) == ("portrait",)


def test_canonical_numbers_are_json():
    for value, text in ((2.0, "2"), (2.50, "2.5"), ("1000000", "1000000"), (0, "0")):
        assert canonical(value) == text
        assert json.loads(text) == float(value)


@pytest.mark.parametrize(
    ("text", "number", "places"),
    [
        ("sixty-four by 64", "64", ["sixty-four", "64"]),
        ("2 min, 120 s", "120", ["2 min", "120"]),
        ("two minutes", "120", ["two minutes"]),
        ("half a minute", "30", ["half a minute"]),
        ("a dozen", "12", ["dozen"]),
        ("1,024 px", "1024", ["1,024"]),
        ("500ms", "0.5", ["500ms"]),
        ("zwei Bilder, 2", "2", ["zwei", "2"]),
        ("İ two", "2", ["two"]),
        ("٦٤ pixels", "64", ["٦٤"]),
        ("two thousand and five stars", "2005", ["two thousand and five"]),
    ],
)
def test_numbers_have_their_places(text: str, number: str, places: list[str]):
    assert [text[start:end] for start, end in read_stated(text).numbers[number]] == places


@pytest.mark.parametrize(
    "text", ["c\u0131nq", "SE\u0130", "d\u0131x", "\u017feis", "\u212a 4\u212a"]
)
def test_letters_that_only_look_alike(text: str):
    assert read_stated(text).text == text


def test_names_and_negations_have_their_places():
    text = "widescreen (16:9) in 480p or full HD, these edges and skeletons, without text"
    stated = read_stated(text)

    def said(places: tuple[tuple[int, int], ...]) -> list[str]:
        return [text[start:end] for start, end in places]

    assert said(stated.aspect_ratios["16:9"]) == ["widescreen", "16:9"]
    assert said(stated.resolutions["480p"]) == ["480p"]
    assert said(stated.resolutions["1080p"]) == ["full HD"]
    assert said(stated.control_types["canny"]) == ["edges"]
    assert said(stated.control_types["pose"]) == ["skeletons"]
    assert said(stated.negations) == ["without"]


def test_places_of_words_begin_and_end_at_words():
    stated = read_stated("a star, a\n\nstar; stars  a star")
    assert stated.places("a star") == ((0, 6), (8, 15), (24, 30))
    assert stated.places("star") == ((2, 6), (11, 15), (26, 30))
    for words in ("sta", "a star ", " star", "", "star stars", "A star"):
        assert stated.places(words) == ()
    assert len(read_stated("a " * 4000).places("a")) == 32


def evidence(text: str, **fields: object) -> list[tuple[str, str, int]]:
    call = {"task": "text_to_video", "prompt": text, **fields}
    found = find_evidence(1, TASK_CALL.validate_python(call), read_stated(text))
    return [(one.field, text[one.start : one.end], one.start) for one in found]


def test_a_number_stands_where_its_neighbours_fit():
    text = "a 768x480 clip in 480p, 8 seconds at 8 fps, 8 steps, seed 8, cfg 8, 8 frames, eight versions"
    fields = (
        "duration_seconds",
        "fps",
        "steps",
        "seed",
        "guidance_scale",
        "num_frames",
        "num_outputs",
    )
    found = evidence(text, width=768, height=480, **dict.fromkeys(fields, 8))
    assert {name: text[at:].split(",")[0] for name, _, at in found} == {
        "width": "768x480 clip in 480p",
        "height": "480 clip in 480p",
        "num_frames": "8 frames",
        "duration_seconds": "8 seconds at 8 fps",
        "fps": "8 fps",
        "seed": "8",
        "steps": "8 steps",
        "guidance_scale": "8",
        "num_outputs": "eight versions",
    }
    assert len(found) == 9
    starts = {name: at for name, _, at in found}
    assert starts["seed"] == text.index("seed 8") + 5
    assert starts["guidance_scale"] == text.index("cfg 8") + 4


@pytest.mark.parametrize(
    ("text", "fields", "found"),
    [
        ("64x64", {"width": 64, "height": 64}, [("width", "64", 0), ("height", "64", 3)]),
        ("64 mal 64", {"width": 64, "height": 64}, [("width", "64", 0), ("height", "64", 7)]),
        ("64 por 64", {"width": 64, "height": 64}, [("width", "64", 0), ("height", "64", 7)]),
        ("a star 64 64", {"width": 64}, [("width", "64", 7), ("width", "64", 10)]),
        ("2 cats, 2 images", {"num_outputs": 2}, [("num_outputs", "2", 8)]),
        (
            "2 s or 2 sec",
            {"duration_seconds": 2},
            [("duration_seconds", "2", 0), ("duration_seconds", "2", 7)],
        ),
        ("2 min at 120", {"duration_seconds": 120}, [("duration_seconds", "2 min", 0)]),
        ("text, no text", {"negative_prompt": "text"}, [("negative_prompt", "text", 9)]),
        (
            "text and text",
            {"negative_prompt": "text"},
            [("negative_prompt", "text", 0), ("negative_prompt", "text", 9)],
        ),
        ("a cat, a cat", {"prompt": "a cat"}, [("prompt", "a cat", 0), ("prompt", "a cat", 7)]),
        ("8 fps, 8 steps", {"fps": 8}, [("fps", "8", 0)]),
    ],
)
def test_one_of_several_equal_places_is_never_picked(
    text: str, fields: dict[str, object], found: list[tuple[str, str, int]]
):
    assert evidence(text, **fields) == found


def test_a_target_stands_in_its_prompt():
    text = "draw a star, then turn the star green"
    edit = {"task": "image_editing", "source": "step_1", "target": "star"}
    assert evidence(text, **edit, prompt="turn the star green") == [
        ("target", "star", 27),
        ("prompt", "turn the star green", 18),
    ]
    assert [at for _, _, at in evidence(text, **edit)] == [7, 27]


def test_the_whole_request_is_no_evidence():
    assert evidence("a star") == []


@pytest.mark.parametrize(
    "text",
    [
        "9" * 8192,
        "九" * 8192,
        "九十" * 4096,
        "٩" * 8192,
        "nine " * 1600,
        "1 " * 4096,
        "one hundred " * 680,
        "no 480p " * 1000,
        "é̀" * 4000,
        "x" * 8192,
        "خمس " * 2048,
        "خمسة و" * 1365,
        "십" * 8192,
    ],
)
def test_reading_takes_no_long(text: str):
    began = time.process_time()
    read_stated(text)
    assert time.process_time() - began < 2
