import pytest

from unison_agent.planning.edit_targets import (
    find_target,
    is_wanted_colour,
    of_thing,
    recoloured_pronoun,
)


@pytest.mark.parametrize(
    ("edit", "target"),
    [
        ("turn the star green", "star"),
        ("replace the red cat with a dog", "red cat"),
        ("make the background yellow", "background"),
        ("recolour her scarf to burnt orange, leaving the coat alone", "scarf"),
        ("remove the tattoo from his forearm", "tattoo"),
        ("erase the guy second from the left", "guy second from the left"),
        ("make the car matte grey", "car"),
        ("give the room a fireplace", None),
        ("erase the boy's reflection while he sings", "boy's reflection"),
        ("change the groom's suit from grey to burgundy", "groom's suit"),
        ("Turn the red mitten green", "red mitten"),
        ("turn the star green and the moon red", None),
        ("remove the car and the tree", None),
        ("Remove the people and the cars from the street", None),
        ("remove the car and the rest stays as it is", "car"),
        ("remove the tree and make it night", "tree"),
        ("make it winter, but don't remove the tree", None),
        ("add snow, do not change the dog to white", None),
        ("never change the hat to red", None),
        ("make everything but the car black and white", None),
        ("make everything except the car darker", None),
        ("turn the small red star on the left into a heart", "small red star on the left"),
        ("changing the colour of the front door to teal", "front door"),
        ("please blur out the licence plate", "licence plate"),
        ("sky purple", "sky"),
        ("curtains to dark red", "curtains"),
        ("front door -> sunflowers", "front door"),
        ("swap horse -> zebra", "horse"),
        ("I'd like to have the background replaced with a beach", "background"),
        ("no more fog", "fog"),
        ("black and white", None),
        ("white region -> frost", None),
        ("remove the car and make the sky blue", None),
        ("remove the car and remove the bus", None),
        ("navy blue", None),
        ("winter -> summer", None),
        ("no changes", None),
        ("make the van white and get rid of the van", "van"),
        ("sharpen it up", None),
        ("straighten the horizon", None),
        ("turn this into a watercolour", None),
        ("add a rainbow behind the barn", None),
        ("replace it with a dog", None),
    ],
)
def test_targets_of_edits(edit: str, target: str | None):
    assert find_target(edit) == target


@pytest.mark.parametrize(
    ("edit", "target", "pronoun"),
    [
        ("make it green", "green", "it"),
        ("now turn it into bright blue, please", "blue", "it"),
        ("paint this red", None, "this"),
        ("make it green", "star", None),
        ("make the star green", "green", None),
        ("make it black and white", None, None),
        ("make it golden hour", None, None),
    ],
)
def test_a_pronoun_is_the_target_of_its_new_colour(
    edit: str, target: str | None, pronoun: str | None
) -> None:
    assert recoloured_pronoun(edit, target) == pronoun


def test_a_colour_that_it_is_to_have_is_no_target() -> None:
    assert is_wanted_colour("make it black and white", "black")
    assert not is_wanted_colour("change red to green", "red")
    assert not is_wanted_colour("make it black", "it")


@pytest.mark.parametrize(
    "words", ["the clip", "white part", "the marked area", "what's inside", "under the mask"]
)
def test_words_for_a_place_or_a_mask_name_no_thing(words: str) -> None:
    assert of_thing(f"fill {words} with sunflowers", words) is None


def test_a_thing_keeps_its_place_and_loses_its_change() -> None:
    assert of_thing("make the sign behind me blue", "sign behind me") == "sign behind me"
    assert of_thing("turn it from red to blue", "cape from red to blue") == "cape"
    walker = "man walking from left to right"
    assert of_thing(f"remove the {walker}", walker) == walker
