import pytest

from unison_agent.planning.call_fields import SETTINGS, SIZES, TIMES, NumberField
from unison_agent.planning.stated import read_stated
from unison_agent.planning.units import numbers_for

FIELDS: tuple[NumberField, ...] = (*SIZES, *TIMES, *SETTINGS)


def _meant(text: str) -> dict[str, tuple[str, ...]]:
    return {name: found for name in FIELDS if (found := numbers_for(name, text))}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a clip at 24 fps", {"fps": ("24",)}),
        ("zehn Bilder pro Sekunde", {"fps": ("10",)}),
        ("24 images par seconde", {"fps": ("24",)}),
        ("sixteen frames", {"num_frames": ("16",)}),
        ("a 3-second loop", {"duration_seconds": ("3",)}),
        ("2.5秒", {"duration_seconds": ("2.5",)}),
        ("768x512", {"width": ("512", "768"), "height": ("512", "768")}),
        ("400 px wide", {"width": ("400",), "height": ("400",)}),
        ("seed 7", {"seed": ("7",)}),
        ("steps=30", {"steps": ("30",)}),
        ("forty sampling steps", {"steps": ("40",)}),
        ("guidance_scale: 4.5", {"guidance_scale": ("4.5",)}),
    ],
)
def test_a_unit_closes_off_every_other_field(text: str, meant: dict[str, tuple[str, ...]]):
    assert _meant(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "85mm lens",
        "a 30 year old man",
        "20 % grey",
        "in 720p",
        "in 4K",
        "16:9",
        "40 kmh",
        "at 20:15",
    ],
)
def test_numbers_of_the_content_and_of_names_state_no_field(text: str):
    assert _meant(text) == {}


@pytest.mark.parametrize("text", ["7 dwarfs", "give me 4", "three", "number 12"])
def test_a_bare_number_is_open_to_every_field_that_can_hold_it(text: str):
    assert {"width", "num_frames", "seed", "steps", "num_outputs"} <= set(_meant(text))


def test_the_words_beside_each_place_count_for_it_alone():
    text = "12 frames, 6 frames per second, 24 fps three videos, 2x 512x512"
    assert numbers_for("num_frames", text) == ("2", "3", "12")
    assert numbers_for("fps", text) == ("2", "3", "6", "24")
    assert numbers_for("num_outputs", text) == ("2", "3")
    assert "512" in numbers_for("width", text)


def test_the_same_number_at_another_place_may_mean_another_field():
    assert numbers_for("num_outputs", "8 fps, 8 of them") == ("8",)
    assert numbers_for("num_outputs", "8 fps") == ()


def test_keys_of_the_next_setting_are_no_unit_of_the_number_before():
    assert numbers_for("seed", "s=12 steps=20") == ("12",)
    assert "512" in numbers_for("width", "-W 512 -H 768 -s 45 -S 9")
    assert "45" in numbers_for("steps", "-W 512 -H 768 -s 45 -S 9")


def test_minutes_are_a_duration_in_seconds_and_keep_their_own_number_for_other_tools():
    assert numbers_for("duration_seconds", "a 2 minute film") == ("120",)
    assert set(read_stated("timer 10 minutes").numbers) == {"10", "600"}


@pytest.mark.parametrize(
    "text", ["Generate 4 minimalist logos", "4 miniature castles", "4 minor changes", "4 mint cars"]
)
def test_words_that_begin_like_minutes_are_none(text: str):
    assert numbers_for("num_outputs", text) == ("4",)
    assert "240" not in numbers_for("duration_seconds", text)


@pytest.mark.parametrize("text", ["2 min 30 s", "2min30s", "2 minutes and 30 seconds", "2m30s"])
def test_minutes_and_seconds_are_one_duration(text: str):
    assert "150" in numbers_for("duration_seconds", text)
