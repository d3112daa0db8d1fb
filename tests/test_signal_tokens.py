"""The signal-token language: its published calls, both ways, what it loses, and what is no call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unison_agent.errors import PlanningError
from unison_agent.planning.signal_calls import fields_of
from unison_agent.planning.signal_tokens import (
    Control,
    Edit,
    Frame,
    Piece,
    Reference,
    Signal,
    SignalCall,
    parse_pieces,
    write_pieces,
)
from unison_agent.planning.signal_writing import Lost, write_signals
from unison_agent.tasks import TASK_CALL, Attachment, MediaKind, Request, TaskCall

PLACES = st.integers(0, 9)
ROLES = st.one_of(
    st.none(),
    st.just(Reference()),
    st.just(Control()),
    st.builds(Edit, PLACES, PLACES).filter(lambda edit: edit.mask != edit.source),
)
SIZES = st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999))
IMAGES = st.builds(SignalCall, st.just("image"), ROLES, SIZES)
CLIPS = st.builds(
    SignalCall,
    st.just("video"),
    ROLES | st.builds(Frame, st.sampled_from(["first", "last"])),
    SIZES,
    st.none() | st.integers(1, 9999),
)


def request(text: str, *kinds: MediaKind) -> Request:
    counts = dict.fromkeys(kinds, 0)
    attachments: list[Attachment] = []
    for kind in kinds:
        counts[kind] += 1
        attachments.append(Attachment(handle=f"{kind}_{counts[kind]}", kind=kind))
    return Request(text=text, attachments=tuple(attachments))


def call(task: str, text: str, **fields: object) -> TaskCall:
    words = "question" if task.endswith("understanding") else "prompt"
    return TASK_CALL.validate_python({"task": task, words: text, **fields})


def pieces(text: str) -> list[Piece]:
    """Cut "<BORES>640,480<EORES>" at its tokens."""
    found: list[Piece] = []
    for part in text.replace("<", "\n<").replace(">", ">\n").split("\n"):
        if part:
            known = [signal for signal in Signal if signal.value == part]
            found.append(known[0] if known else part)
    return found


# --- the language -----------------------------------------------------------------------------------


def test_there_are_14_tokens():
    assert len(Signal) == 14


@given(IMAGES | CLIPS)
def test_what_is_written_is_read_again(said: SignalCall):
    assert parse_pieces(write_pieces(said)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<BORES>640,480<EORES><CFI>", SignalCall("image", None, (640, 480))),
        ("<CFI>", SignalCall("image")),
        ("<CFV>", SignalCall("video")),
        ("<BORES>768,480<EORES><BONF>72<EONF><CFV>", SignalCall("video", None, (768, 480), 72)),
        ("<BOEDIT>1,0<EOEDIT><CFI>", SignalCall("image", Edit(mask=1, source=0))),
        ("<BOEDIT>0,1<EOEDIT><CFI>", SignalCall("image", Edit(mask=0, source=1))),
        ("<BOFIDX>0<EOFIDX><CFV>", SignalCall("video", Frame("first"))),
        ("<BOFIDX>1<EOFIDX><CFV>", SignalCall("video", Frame("last"))),
        ("<REF><CFI>", SignalCall("image", Reference())),
        ("<REF><CFV>", SignalCall("video", Reference())),
        ("<CTRL><CFI>", SignalCall("image", Control())),
        ("<CTRL><CFV>", SignalCall("video", Control())),
    ],
)
def test_the_published_forms(text: str, said: SignalCall):
    assert parse_pieces(pieces(text)) == said
    assert list(write_pieces(said)) == pieces(text)


@pytest.mark.parametrize("text", ["", "Paris.", "Write it as CFI, in brackets."])
def test_words_alone_are_an_answer(text: str):
    assert parse_pieces([text] if text else []) is None


def test_a_token_that_is_spelled_out_is_words():
    assert parse_pieces(["<CFI>"]) is None
    with pytest.raises(PlanningError, match=r"at piece 1, got '<CFI>'"):
        parse_pieces(["<CFI>", Signal.CFI])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<REF>", "expected <CFI> or <CFV> at piece 2, got the end"),
        ("<BORES>640,480<EORES>", "expected <CFI> or <CFV> at piece 4, got the end"),
        ("<BORES>640<EORES><CFI>", "expected width and height in pixels at piece 2, got '640'"),
        ("<BORES>640,480,3<EORES><CFI>", "at piece 2, got '640,480,3'"),
        ("<BORES>640,-480<EORES><CFI>", "at piece 2, got '640,-480'"),
        ("<BORES>0,480<EORES><CFI>", "expected sides above 0 at piece 2, got '0,480'"),
        ("<BORES><EORES><CFI>", "at piece 2, got <EORES>"),
        ("<BORES>640,480<CFI>", "expected <EORES> at piece 3, got <CFI>"),
        ("<BONF>0<EONF><CFV>", "above 0 at piece 2, got '0'"),
        ("<BONF>x<EONF><CFV>", "a number of frames at piece 2, got 'x'"),
        ("<BONF>12<EONF><CFI>", "without <BONF>.* at piece 4, got <CFI>"),
        ("<BOFIDX>0<EOFIDX><CFI>", "without <BOFIDX>.* at piece 4, got <CFI>"),
        ("<BOFIDX>2<EOFIDX><CFV>", r"0 \(first\) or 1 \(last\) at piece 2, got '2'"),
        ("<BOEDIT>-1,0<EOEDIT><CFI>", "mask and source at piece 2, got '-1,0'"),
        ("<BOEDIT>1<EOEDIT><CFI>", "mask and source at piece 2, got '1'"),
        ("<BOEDIT>1,1<EOEDIT><CFI>", "different places of mask and source at piece 2"),
        ("<BOEDIT>1,0<EOEDIT><REF><CFI>", "at piece 4, got <REF>"),
        ("<BONF>9<EONF><BORES>64,64<EORES><CFV>", "at piece 4, got <BORES>"),
        ("<CFI><CFV>", "nothing behind the class at piece 2, got <CFV>"),
        ("<IMGPAD><CFI>", "at piece 1, got <IMGPAD>"),
        ("A star. <CFI>", r"at piece 1, got 'A star\. '"),
    ],
)
def test_what_is_no_call_is_an_error_that_says_where(text: str, why: str):
    with pytest.raises(PlanningError, match=why):
        parse_pieces(pieces(text))


# --- calls of requests ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written", "fields"),
    [
        ("480P image of a cat", "<BORES>640,480<EORES><CFI>", {"resolution": "480p"}),
        ("a cat, 16:9", "<BORES>1280,720<EORES><CFI>", {"aspect_ratio": "16:9"}),
        ("a vertical image", "<BORES>720,1280<EORES><CFI>", {"aspect_ratio": "portrait"}),
        ("a cat, 640 by 480", "<BORES>640,480<EORES><CFI>", {"width": 640, "height": 480}),
        (
            "width of 768 and height of 480, 3 seconds",
            "<BORES>768,480<EORES><BONF>72<EONF><CFV>",
            {"width": 768, "height": 480, "duration_seconds": 3},
        ),
        (
            "a horizontal video with a total of 120 frames",
            "<BORES>1280,720<EORES><BONF>120<EONF><CFV>",
            {"aspect_ratio": "landscape", "num_frames": 120},
        ),
        (
            "a clip of 5 seconds, 120 frames, seed 7, at 16 fps",
            "<BONF>120<EONF><CFV>",
            {"num_frames": 120, "seed": 7, "fps": 16},
        ),
        ("a half second clip, cfg 4.5", "<BONF>12<EONF><CFV>", {"duration_seconds": 0.5, "guidance_scale": 4.5}),
        ("3 cats and 2 dogs in 1999", "<CFI>", {}),
    ],
)  # fmt: skip
def test_values_are_read_as_the_request_states_them(
    text: str, written: str, fields: dict[str, object]
):
    made = fields_of(parse_pieces(pieces(written)), request(text))[1]
    assert made == fields


def test_what_the_request_does_not_state_is_given_as_it_was_written():
    # The reader of plans refuses it: no such number stands in the request.
    said = SignalCall("image", None, (640, 512), None)
    assert fields_of(said, request("640x640"))[1] == {"width": 640, "height": 512}


def test_answers_are_about_what_is_attached():
    assert fields_of(None, request("what is this?"))[0] == "text_understanding"
    assert fields_of(None, request("what is this?", "image"))[0] == "image_understanding"
    assert fields_of(None, request("what is this?", "image", "video"))[0] == "video_understanding"


def test_roles_are_filled_from_the_attachments():
    both = request("follow this skeleton", "image", "image", "video")
    assert fields_of(SignalCall("video", Control()), both)[1] == {
        "control": "video_1",
        "control_type": "pose",
    }
    assert fields_of(SignalCall("image", Control()), both)[1]["control"] == "image_1"
    assert fields_of(SignalCall("image", Reference()), both)[1] == {
        "references": ("image_1", "image_2")
    }
    assert fields_of(SignalCall("video", Frame("last")), both) == (
        "image_to_video",
        {"last_frame": "image_1"},
    )
    assert fields_of(SignalCall("video", Edit(mask=0, source=2)), both) == (
        "video_editing",
        {"source": "video_1", "mask": "image_1"},
    )


def test_a_call_without_its_attachment_is_an_error():
    with pytest.raises(PlanningError, match="need an attached video; there is none"):
        fields_of(SignalCall("video", Control()), request("follow it", "image"))
    with pytest.raises(PlanningError, match=r"attachment 1 \(from 0\); there are 1"):
        fields_of(SignalCall("image", Edit(1, 0)), request("mend it", "image"))


# --- what is lost -----------------------------------------------------------------------------------


def test_what_the_language_cannot_say_is_listed():
    text = "the first and the last frame, without birds"
    both = request(text, "image", "image")
    asked = call(
        "image_to_video",
        text,
        first_frame="image_2",
        last_frame="image_1",
        negative_prompt="birds",
        num_outputs=2,
    )
    written = write_signals(asked, both)
    assert list(written.pieces) == pieces("<BOFIDX>0<EOFIDX><CFV>")
    assert written.lost == (
        Lost("negative_prompt", "birds", None),
        Lost("num_outputs", 2, None),
        Lost("first_frame", "image_2", "image_1"),
        Lost("last_frame", "image_1", None),
    )


def test_several_references_and_types_of_control():
    text = "this fox on a lawn"
    one_of_two = call("image_reference_generation", text, references=("image_2",))
    lost = write_signals(one_of_two, request(text, "image", "image")).lost
    assert lost == (Lost("references", ("image_2",), ("image_1", "image_2")),)
    control = call("video_controllable_generation", text, control="video_1", control_type="depth")
    assert write_signals(control, request(text, "video")).lost == (
        Lost("control_type", "depth", None),
    )
    assert write_signals(control, request(f"{text}, this depth map", "video")).lost == (
        Lost("prompt", text, f"{text}, this depth map"),
    )


def test_a_single_side_is_lost():
    asked = call("text_to_image", "a cat, 640 wide", width=640)
    written = write_signals(asked, request("a cat, 640 wide"))
    assert written.pieces == (Signal.CFI,)
    assert written.lost == (Lost("width", 640, None),)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (call("image_editing", "x", source="image_1"), "image_editing without a mask"),
        (call("image_to_video", "x", first_frame="step_1"), "got step_1; attached: image_1"),
        (call("image_reference_generation", "x", references=("image_9",)), "got image_9"),
    ],
)
def test_what_has_no_form_is_refused(asked: TaskCall, why: str):
    with pytest.raises(PlanningError, match=why):
        write_signals(asked, request("x", "image"))


TEXTS = st.sampled_from(
    [
        "a cat",
        "a red fox, 640x480, 3 seconds, seed 7",
        "480p vertical clip of 49 frames at 16 fps, no birds",
        "follow the depth map, 30 steps, cfg 5, 1024x1024, 720p, square",
        "use this pose and these edges, 2.5 seconds, 832 by 480",
    ]
)
KINDS = st.sampled_from([("image", "image", "video"), ("video", "image", "image")])
IMAGE, VIDEO = st.sampled_from(["image_1", "image_2"]), st.just("video_1")
SETTINGS: dict[str, st.SearchStrategy[object]] = {
    "width": st.sampled_from([640, 832, 1024]),
    "height": st.sampled_from([480, 1024]),
    "resolution": st.sampled_from(["480p", "720p"]),
    "aspect_ratio": st.sampled_from(["portrait", "square", "16:9"]),
    "seed": st.just(7),
    "steps": st.just(30),
    "guidance_scale": st.just(5.0),
    "num_outputs": st.just(2),
    "negative_prompt": st.just("birds"),
    "prompt": st.just("a cat"),
}
TIMES: dict[str, st.SearchStrategy[object]] = {
    "num_frames": st.sampled_from([49, 72]),
    "duration_seconds": st.sampled_from([3.0, 2.5]),
    "fps": st.just(16.0),
}
OF_TASK: dict[str, dict[str, st.SearchStrategy[object]]] = {
    "text_to_image": {},
    "text_to_video": {},
    "image_to_video": {"first_frame": IMAGE, "last_frame": st.none() | IMAGE},
    "image_editing": {"source": st.just("image_1"), "mask": st.just("image_2")},
    "video_editing": {"source": VIDEO, "mask": IMAGE},
    "image_controllable_generation": {"control": IMAGE},
    "video_controllable_generation": {"control": VIDEO, "control_type": st.just("depth")},
    "image_reference_generation": {"references": st.lists(IMAGE, min_size=1, unique=True)},
    "video_reference_generation": {"references": st.lists(IMAGE, min_size=1, unique=True)},
}


@given(st.data(), TEXTS, KINDS, st.sampled_from(sorted(OF_TASK)))
def test_a_call_comes_back_but_for_what_is_listed(
    data: st.DataObject, text: str, kinds: tuple[MediaKind, ...], task: str
):
    optional = SETTINGS | (TIMES if task.endswith("video") or task[:5] == "video" else {})
    fields = data.draw(st.fixed_dictionaries(OF_TASK[task], optional=optional))
    asked = TASK_CALL.validate_python({"task": task, "prompt": text, **fields})
    written = write_signals(asked, request(text, *kinds))
    back, found = fields_of(parse_pieces(written.pieces), request(text, *kinds))
    read = TASK_CALL.validate_python({"task": back, "prompt": text, **found})
    lost = {one.field: one.meant for one in written.lost}
    assert read.model_copy(update=lost) == asked
    sayable = {"task", "source", "mask"}
    assert not sayable & set(lost)
    assert all(getattr(read, name) == getattr(asked, name) for name in set(fields) - set(lost))
