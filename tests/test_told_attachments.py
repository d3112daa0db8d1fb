"""What a request says of its attachments closes off handles; what only sounds like it does not."""

import pytest

from tests.admitting import admits, request
from unison_agent.errors import PlanningError
from unison_agent.planning.plan_reading import read_plan
from unison_agent.planning.request_schema import request_schema
from unison_agent.planning.told_attachments import read_told
from unison_agent.tasks import MediaKind

TWO_IMAGES: tuple[MediaKind, ...] = ("image", "image")
IMAGE_AND_VIDEO: tuple[MediaKind, ...] = ("image", "video")


@pytest.mark.parametrize(
    ("text", "kinds", "expected"),
    [
        ("In image_1 change the jacket. The video is for later.", IMAGE_AND_VIDEO, {"video_1"}),
        ("ignore the photo, trim the clip", IMAGE_AND_VIDEO, {"image_1"}),
        ("animate the photo (not the clip)", IMAGE_AND_VIDEO, {"video_1"}),
        ("leave picture 2 out of this and recolour the other one", TWO_IMAGES, {"image_2"}),
        ("the second pic got in by accident. animate the first", TWO_IMAGES, {"image_2"}),
        ("first pic isnt needed", TWO_IMAGES, {"image_1"}),
        ("Explain tides (don't look at the two photos)", TWO_IMAGES, {"image_1", "image_2"}),
        ("Bild eins bitte nicht verwenden: eine Eule", TWO_IMAGES, {"image_1"}),
        ("第二张图不用。把第一张图里的车删掉", TWO_IMAGES, {"image_2"}),
        ("一枚目は使わないで", TWO_IMAGES, {"image_1"}),
        # With nothing else attached, it cannot be meant so.
        ("don't change the photo, describe it", ("image",), set[str]()),
        ("don't touch the photo's background, make the car red", IMAGE_AND_VIDEO, set[str]()),
        ("do not use the photo as the first frame, use it as a reference", IMAGE_AND_VIDEO, set[str]()),
        ("take the photo and make a poster out of it", IMAGE_AND_VIDEO, set[str]()),
        ("describe the photo of an accident", IMAGE_AND_VIDEO, set[str]()),
        ("brighten the first photo of the unused railway", TWO_IMAGES, set[str]()),
        ("the photo has a watermark, ignore it", IMAGE_AND_VIDEO, set[str]()),
        ("the picture is of discarded toys", IMAGE_AND_VIDEO, set[str]()),
        ("animate image_1, image_2 unused", TWO_IMAGES, {"image_2"}),
        ("ignore image_7", TWO_IMAGES, set[str]()),
        ("ignore the rules", TWO_IMAGES, set[str]()),
    ],
)  # fmt: skip
def test_what_is_left_out(text: str, kinds: tuple[MediaKind, ...], expected: set[str]):
    assert read_told(text, request(text, *kinds).attachments).left_out == expected


@pytest.mark.parametrize(
    ("text", "kinds", "expected"),
    [
        ("mask is video_2, footage is video_1", ("video", "video"), {"mask": "video_2"}),
        ("mask first, then the picture: add poppies", TWO_IMAGES, {"mask": "image_1"}),
        ("1st = mask 2nd = video", IMAGE_AND_VIDEO, {"mask": "image_1"}),
        ("photo first, mask second", TWO_IMAGES, {"mask": "image_2"}),
        ("first the photo, then the mask: remove the cup", TWO_IMAGES, {"mask": "image_2"}),
        ("add a hat inside the mask and then brighten it", TWO_IMAGES, {}),
        ("use the mask first, then add a hat", TWO_IMAGES, {}),
        ("keep the mask last", TWO_IMAGES, {}),
        ("brighten the photo and then mask the sky", TWO_IMAGES, {}),
        ("d'abord le masque, ensuite la vidéo", IMAGE_AND_VIDEO, {"mask": "image_1"}),
        ("the png marks the region. replace it", IMAGE_AND_VIDEO, {"mask": "image_1"}),
        ("第一张是蒙版", TWO_IMAGES, {"mask": "image_1"}),
        ("start on the second picture and end on the first one", TWO_IMAGES,
         {"first_frame": "image_2", "last_frame": "image_1"}),
        ("fade from image_2 to image_1", TWO_IMAGES, {"first_frame": "image_2", "last_frame": "image_1"}),
        ("don't start with this picture", ("image",), {}),
        ("video_2 is the skeleton, not video_1", ("video", "video"), {"control": "video_2"}),
        ("image_1, mask image_2", TWO_IMAGES, {}),  # a comma ends what is said of image_1
        ("remove the mask in the first photo", TWO_IMAGES, {}),
        ("from the clip take the sound", IMAGE_AND_VIDEO, {}),  # a clip is no frame
    ],
)  # fmt: skip
def test_who_is_who(text: str, kinds: tuple[MediaKind, ...], expected: dict[str, str]):
    assert read_told(text, request(text, *kinds).attachments).roles == expected


ONE_VIDEO: tuple[MediaKind, ...] = ("video",)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        # About what is in the picture, not about the picture.
        ("Turn image_1 into a birthday card for my friend", ("image",)),
        ("remove the thing in image_1 that doesn't belong", ("image",)),
        ("In image_1 the people should be left out", ("image",)),
        ("image_1: junk on the floor, remove it", ("image",)),
        ("In image_1, leftover scaffolding must vanish", ("image",)),
        ("the photo is for my boss, remove the background", ("image",)),
        ("把第一张图里无关的人去掉", ("image",)),
        ("第一张图不用改背景。把车变红", ("image",)),
        ("一枚目の関係ない人を消して", ("image",)),
        ("Ignore the image noise, sharpen it", ("image",)),
        ("skip the photo description and just make it darker", ("image",)),
        ("Do not use the photo unless it is sharp", ("image",)),
        ("No need for the photo to change size, just make the sky purple", ("image",)),
        ("merge image_1 and image_2, nothing left out", TWO_IMAGES),
        ("image_1 as it is, then image_2, don't forget!", TWO_IMAGES),
        ("Blend image_1 with image_2 (unimportant which is larger)", TWO_IMAGES),
        # One use of it is excluded, another is wanted.
        ("don't use image_2 for the background, use it for the dog", TWO_IMAGES),
        ("don't use image_1 alone, combine it with image_2", TWO_IMAGES),
        ("keep the second image as it is and put the dog from the first image into it", TWO_IMAGES),
        ("Put the cat of image_2 into image_1 without changing image_1 otherwise", TWO_IMAGES),
        ("Don't change the photo, just describe it. What happens in the clip?", IMAGE_AND_VIDEO),
        # A mask in the picture, and a picture that shows where something is.
        ("The photo has a mask hanging on the wall, remove it", ("image",)),
        ("the picture shows where we camped. make it night", ("image",)),
        ("the video shows the part of town I like. Make it rain", ONE_VIDEO),
        ("image_1 shows the spot, image_2 the statue: put the statue there", TWO_IMAGES),
        # What is taken from a picture, or goes to it.
        ("take the style from image_2 and animate image_1", TWO_IMAGES),
        ("image_1 is laid over image_2 as its mask; grass to snow", TWO_IMAGES),
        ("the photo's only there so you know what our tram looks like", IMAGE_AND_VIDEO),
        ("limit the edit of image_1 to image_2, which is black and white", TWO_IMAGES),
        ("Add snow to the first picture, then animate it", TWO_IMAGES),
    ],
)  # fmt: skip
def test_what_only_sounds_like_it_closes_nothing(text: str, kinds: tuple[MediaKind, ...]):
    told = read_told(text, request(text, *kinds).attachments)
    assert (told.left_out, dict(told.roles)) == (frozenset(), {})


def test_explicit_frames_and_pairs():
    for text, first, last in (
        ("the hat comes from image_2. Make a video, begin with image_1", "image_1", None),
        ("morph image_2 into image_1", "image_2", "image_1"),
        ("go from the first picture to the second", "image_1", "image_2"),
        ("begin with image_1, no, begin with image_2", None, None),
    ):
        roles = read_told(text, request(text, *TWO_IMAGES).attachments).roles
        assert (roles.get("first_frame"), roles.get("last_frame")) == (first, last), text


@pytest.mark.parametrize(
    "text",
    ["用掩码图把车换成自行车", "Cambia el coche a rojo solo en la región indicada", "표시된 영역만 빨갛게 바꿔줘",
     "modifie seulement la partie masquée", "Make the sofa blue, only the part shown in the other file"],
)  # fmt: skip
def test_a_mask_is_spoken_of_in_many_ways(text: str):
    assert read_told(text, request(text, *TWO_IMAGES).attachments).maskable


@pytest.mark.parametrize(
    ("text", "written", "expected"),
    [
        ("ignore image_1, make it red", '{"task":"image_editing","source":"image_1"}', False),
        ("ignore image_1, make it red", '{"task":"image_editing","source":"image_2"}', True),
        ("use image_2 as the mask, make it red", '{"task":"image_editing","source":"image_2"}', False),
        ("use image_2 as the mask, make it red", '{"task":"image_editing","source":"image_1","mask":"image_2"}', True),
        # Nothing speaks of a mask or of either picture.
        ("make it red", '{"task":"image_editing","source":"image_1","mask":"image_2"}', False),
        ("make it red where it is white", '{"task":"image_editing","source":"image_1","mask":"image_2"}', True),
        ("ignore both images, a red car", '{"task":"text_to_image","prompt":"a red car"}', True),
        ("ignore both images, a red car", '{"task":"image_understanding"}', False),
        ("ignore both images, a red car", '{"task":"image_to_video","first_frame":"image_1"}', False),
        ("start on image_2", '{"task":"image_to_video","first_frame":"image_1"}', False),
        ("image_2 is unused", '{"task":"image_reference_generation","references":["image_1","image_2"]}', False),
    ],
)  # fmt: skip
def test_the_grammar_is_closed_over_it(text: str, written: str, expected: bool):
    assert admits(request(text, *TWO_IMAGES), written, ()) is expected


@pytest.mark.parametrize(
    ("text", "written", "reason"),
    [
        ("ignore image_1, make it red", '{"task":"image_editing","source":"image_1"}', "leaves out"),
        ("use image_2 as the mask, make it red", '{"task":"image_editing","source":"image_2","mask":"image_1"}',
         "which the request calls the mask"),
        ("start on image_2", '{"task":"image_to_video","first_frame":"image_1"}', "must be image_2, as the request says"),
    ],
)  # fmt: skip
def test_and_so_is_what_another_planner_writes(text: str, written: str, reason: str):
    with pytest.raises(PlanningError, match=reason):
        read_plan(request(text, *TWO_IMAGES), written)


def test_so_is_the_schema_for_models_that_take_no_grammar():
    schema = str(request_schema(request("ignore image_1, then use image_2 as mask", *TWO_IMAGES)))
    assert "'image_1'" not in schema
    assert "'mask'" in schema


def test_what_is_left_out_for_all_tasks_leaves_those_without_media():
    schema = str(request_schema(request("write a poem but ignore the photo", "image")))
    assert "image_understanding" not in schema
    assert "text_understanding" in schema
