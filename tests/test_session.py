from typing import Any

import PIL.Image
import pytest

from unison_agent.agent import Unison
from unison_agent.errors import MissingInputError, ToolCallError
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.router import AdapterTool, Router
from unison_agent.session.pointing import Seen, pointed_at, points_back
from unison_agent.tasks import MediaKind
from unison_agent.testing import EchoAdapter, ScriptedWriter

RED = PIL.Image.new("RGB", (64, 64), (255, 0, 0))
STAR = {"task": "text_to_image"}
THREE = {"task": "text_to_image", "num_outputs": 3}
BLUE = {"task": "image_editing", "source": "image_1", "target": "it"}
MOVE = {"task": "image_to_video", "first_frame": "image_1"}
ASKED = {"task": "image_understanding"}
SOURCE = {"needs_input": "source"}


def make(*plans: dict[str, Any]) -> tuple[Unison, ScriptedWriter]:
    writer = ScriptedWriter(*plans)
    tools = [AdapterTool(spec, EchoAdapter()) for spec in load_pack("nano").tools]
    return Unison(Planner(writer), Router(tools, profile="echo")), writer


def test_a_turn_that_points_back_gets_the_latest() -> None:
    unison, writer = make(STAR, BLUE, MOVE)
    session = unison.session()
    first = session.run("Draw a red star")
    second = session.run("now make it blue")
    third = session.run("make this picture move")
    made = [turn.outputs[0].handle for turn in session.history]
    assert [turn.offered for turn in session.history] == [(), (made[0],), (made[1],)]
    assert [one.sha256 for one in second.artifacts[0].record.media] == [first.image.sha256]
    assert [one.sha256 for one in third.artifacts[0].record.media] == [second.image.sha256]
    assert session.history[0].text == "Draw a red star"
    assert len(writer.prompts) == 3


def test_a_turn_whose_plan_misses_a_medium_gets_the_latest() -> None:
    unison, writer = make(STAR, SOURCE, {**BLUE, "target": "den Stern"})
    session = unison.session()
    session.run("Draw a red star")
    session.run("Mach den Stern blau")  # no word of it is known here
    assert session.history[1].offered == (session.history[0].outputs[0].handle,)
    assert len(writer.prompts) == 3


def test_a_number_picks_one_of_several() -> None:
    unison, _ = make(THREE, MOVE)
    session = unison.session()
    stars = session.run("Draw 3 pictures of a star")
    clip = session.run("animate the second one")
    assert [one.sha256 for one in clip.artifacts[0].record.media] == [stars.outputs[1].sha256]


def test_what_is_new_gets_nothing_and_what_is_attached_stands_alone() -> None:
    unison, _ = make(STAR, STAR, BLUE, BLUE)
    session = unison.session()
    session.run("Draw a red star")
    session.run("Draw a moon and put a hat on it")
    session.run("make it blue", media=[RED])
    assert [turn.offered for turn in session.history] == [(), (), ()]
    assert len(session.history[2].plan.request.attachments) == 1


def test_after_a_question_the_picture_it_was_about_is_still_meant() -> None:
    unison, _ = make(ASKED, BLUE)
    session = unison.session()
    session.run("what is in this picture?", media=[RED])
    session.run("make it blue")
    assert len(session.history[1].offered) == 1
    assert session.history[0].answer == "what is in this picture?"


def test_a_session_with_nothing_to_point_at_asks() -> None:
    unison, writer = make(SOURCE)
    session = unison.session()
    with pytest.raises(MissingInputError):
        session.run("turn the star green")
    assert session.history == ()
    assert len(writer.prompts) == 1
    assert session.plan("now make it blue").missing is not None


def test_a_handle_of_another_session_is_refused() -> None:
    unison, _ = make(STAR)
    one, other = unison.session(), unison.session()
    one.run("Draw a red star")
    handle = one.history[0].outputs[0].handle
    arguments = {"prompt": "blue", "source": handle, "target": "star"}
    assert one.call("image_editing", arguments).ok
    for caller in (other, unison):
        refused = caller.call("image_editing", arguments)
        assert refused.error is not None
        assert refused.error.field == "source"
        assert "belongs to a session" in refused.error.message
        with pytest.raises(ToolCallError):
            caller.call("image_editing", arguments, raise_errors=True)
    shared = unison.call("text_to_image", {"prompt": "a moon"}).artifacts[0].handle
    assert other.call("image_understanding", {"question": "what?", "media": [shared]}).ok


def test_calls_are_turns_too() -> None:
    unison, _ = make(BLUE)
    session = unison.session()
    (star,) = session.call("text_to_image", {"prompt": "a star"}).artifacts
    assert session.call("unison", {"request": "now make it blue"}).ok
    assert session.history[1].offered == (star.handle,)
    assert session.tools(format="openai") == unison.tools(format="openai")
    assert session.artifacts is unison.artifacts


def test_history_and_memory_are_bounded() -> None:
    unison, _ = make(STAR)
    session = unison.session()
    for number in range(70):
        session.run(f"Draw star {number}")
    assert len(session.history) == 64
    assert session.history[-1].text == "Draw star 69"


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("now make it blue", True),
        ("animate the second one", True),
        ("make this picture move", True),
        ("what is in it?", True),
        ("Make them green", True),
        ("the last one but yellow", True),
        ("use that as a reference", True),
        ("turn the clip into a picture", True),
        ("Draw a star with a hat on it", False),
        ("a blue circle that moves", False),
        ("Draw two stars and make them red", False),
        ("a clip of 2 seconds", False),
        ("What is the capital of France?", False),
        ("Draw another red star", False),
        ("Draw the last leaf", False),
        ("please paint the first snow of the year", False),
        ("draw the last again", True),
        ("Draw the second one bigger", True),
        ("draw the first but blue", True),
    ],
)
def test_words_that_point_back(text: str, points: bool) -> None:
    assert points_back(text) is points


POINT_BACK = (
    "Kannst du die Farbe des Sterns in diesem Bild ändern?",
    "Mueve la estrella a la derecha en esta imagen",
    "Mach es jetzt blau",
    "Mache sie größer",
    "Drehe das Bild um",
    "Nimm das zweite und färbe es grün",
    "Färbe den Stern in diesem Bild grün",
    "Rends-le bleu",
    "Maintenant fais-la bouger",
    "Change la couleur de cette image",
    "La deuxième en vert",
    "Anime la dernière",
    "Hazlo azul",
    "Ahora píntala de verde",
    "Muévelo a la derecha",
    "Anima la segunda",
    "Cambia el color de esta imagen",
    "把它变成蓝色",
    "让这张图动起来",
    "第二张换成绿色",
    "把它们都变红",
    "それを青くして",
    "この画像を動かして",
    "2枚目を緑にして",
    "最後のを大きくして",
    "اجعلها زرقاء",
    "اجعله أكبر",
    "غيّر لون هذه الصورة",
    "حرّك الثانية",
)
POINT_AT_NOTHING = (
    "Zeichne einen roten Stern",
    "Zeichne zwei Sterne und färbe sie rot",
    "Was ist die Hauptstadt von Frankreich?",
    "Ein blauer Kreis, der sich bewegt",
    "Dessine une étoile rouge sur un fond bleu",
    "Dessine deux étoiles et rends-les rouges",
    "Quelle est la capitale de la France ?",
    "Une vidéo de deux secondes",
    "Dibuja una estrella roja",
    "Dibuja una estrella y hazla azul",
    "¿Cuál es la capital de Francia?",
    "Un vídeo de un gato que se mueve",
    "画一个红色的星星",
    "画两颗星然后把它们变红",
    "法国的首都是哪里",
    "一只猫的视频",
    "赤い星を描いて",
    "星を描いて、それを赤くして",
    "フランスの首都はどこですか",
    "ارسم نجمة حمراء على خلفية زرقاء",
    "ارسم نجمة واجعلها حمراء",
    "ما هي عاصمة فرنسا؟",
    "the stars of a night, die hard poster",
)


@pytest.mark.parametrize("text", POINT_BACK)
def test_words_of_other_languages_that_point_back(text: str) -> None:
    assert points_back(text)


@pytest.mark.parametrize("text", POINT_AT_NOTHING)
def test_words_of_other_languages_that_ask_for_something_new(text: str) -> None:
    assert not points_back(text)


_I: MediaKind = "image"
_V: MediaKind = "video"


@pytest.mark.parametrize(
    ("text", "turns", "which"),
    [
        ("make it blue", [(_I, 1), (_I, 2)], [1]),
        ("animate the second one", [(_I, 1), (_I, 2), (_I, 3)], [1]),
        ("animate the second one", [(_I, 1), (_I, 2), (_I, 2), (_I, 2)], [2]),
        ("the first one in green", [(_I, 1), (_I, 2)], [0]),
        ("the first image in green", [(_I, 1), (_I, 1), (_V, 2)], [0]),
        ("animate the third one", [(_I, 1), (_I, 2), (_I, 2)], [2]),
        ("animate the fourth one", [(_I, 1), (_I, 2)], [1]),
        ("the last one", [(_I, 1), (_I, 2)], [1]),
        ("the previous picture", [(_I, 1), (_I, 2)], [0]),
        ("make this picture move", [(_I, 1), (_V, 2)], [0]),
        ("the same picture in blue", [(_I, 1), (_V, 2)], [0]),
        ("slow the clip down", [(_V, 1), (_I, 2)], [0]),
        ("slow the clip down", [(_I, 1)], [0]),
        ("go from the first to the second", [(_I, 1), (_I, 2), (_I, 3)], [0, 1]),
        ("make them blue", [(_I, 1), (_I, 2), (_I, 2)], [2, 1]),
        ("make them blue", [(_I, 1), (_I, 2), (_I, 3)], [2, 1, 0]),
        ("both in blue", [(_I, 1), (_I, 2), (_I, 3)], [2, 1]),
        ("make the last frame blue", [(_I, 1), (_I, 2)], [1]),
        ("make it blue", [], []),
        ("Nimm das zweite und färbe es grün", [(_I, 1), (_I, 2), (_I, 3)], [1]),
        ("Drehe das Bild um", [(_I, 1), (_V, 2)], [0]),
        ("Färbe beide rot", [(_I, 1), (_I, 2), (_I, 3)], [2, 1]),
        ("La première en vert", [(_I, 1), (_I, 2)], [0]),
        ("Ralentis cette vidéo", [(_V, 1), (_I, 2)], [0]),
        ("Rends-les bleus", [(_I, 1), (_I, 2), (_I, 2)], [2, 1]),
        ("Anima la segunda", [(_I, 1), (_I, 2), (_I, 3)], [1]),
        ("Haz más lento este vídeo", [(_V, 1), (_I, 2)], [0]),
        ("Píntalas de azul", [(_I, 1), (_I, 2), (_I, 3)], [2, 1, 0]),
        ("第二张换成绿色", [(_I, 1), (_I, 2), (_I, 3)], [1]),
        ("让这张图动起来", [(_I, 1), (_V, 2)], [0]),
        ("上一张", [(_I, 1), (_I, 2)], [0]),
        ("2枚目を緑にして", [(_I, 1), (_I, 2), (_I, 3)], [1]),
        ("この動画を遅くして", [(_V, 1), (_I, 2)], [0]),
        ("両方とも青くして", [(_I, 1), (_I, 2), (_I, 3)], [2, 1]),
        ("حرّك الصورة الثانية", [(_I, 1), (_I, 2), (_I, 3)], [1]),
        ("أبطئ الفيديو", [(_V, 1), (_I, 2)], [0]),
        ("اجعلها زرقاء", [(_I, 1), (_I, 2)], [1]),
    ],
)
def test_what_is_pointed_at(
    text: str, turns: list[tuple[MediaKind, int]], which: list[int]
) -> None:
    assert pointed_at(text, [Seen(*one) for one in turns], 4) == which


def test_a_plan_of_a_session_can_be_looked_at_and_then_run() -> None:
    unison, _ = make(STAR, BLUE, MOVE)
    session = unison.session()
    star = session.run("Draw a red star")
    planned = session.plan("now make it blue")
    blue = session.run(planned)
    made = [turn.outputs[0].handle for turn in session.history]
    assert session.history[1].offered == (made[0],)
    assert [one.sha256 for one in blue.artifacts[0].record.media] == [star.image.sha256]
    moved = session.run("make this picture move")
    assert [one.sha256 for one in moved.artifacts[0].record.media] == [blue.image.sha256]
