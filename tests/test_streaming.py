"""Answers piece by piece, through the agent, and stopped on the way."""

import threading

import pytest

from unison_agent import Unison
from unison_agent.errors import GenerationError, NegotiationError, RunCancelledError
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import ProgressEvent
from unison_agent.router import AdapterTool, AnswerTool, Router, Tool
from unison_agent.testing import EchoAdapter, ScriptedUnderstanding, ScriptedWriter

ASK = {"task": "text_understanding"}
ANSWER = "Paris is the capital of France."


def make(plan: object, answer: str = ANSWER) -> Unison:
    answering, drawing = load_pack("nano").tools
    model = ScriptedUnderstanding(answer=answer)
    tools: list[Tool] = [
        AnswerTool(answering, lambda _: model),
        AdapterTool(drawing, EchoAdapter()),
    ]
    return Unison(Planner(ScriptedWriter(plan)), Router(tools))  # pyright: ignore[reportArgumentType]


def test_the_pieces_are_the_answer_and_the_result_is_that_of_run() -> None:
    unison = make(ASK)
    stream = unison.stream("What is the capital of France?")
    pieces = list(stream)
    assert len(pieces) == 6
    assert "".join(pieces) == ANSWER == stream.result.text
    assert stream.result.notes == ()
    assert list(stream) == []


def test_the_limit_is_an_argument_and_a_cut_answer_says_so() -> None:
    unison = make(ASK)
    stream = unison.stream("What is the capital of France?", max_new_tokens=2)
    assert "".join(stream) == "Paris is"
    assert "limit of 2 tokens" in stream.result.notes[0]
    assert unison.run("What is the capital of France?", max_new_tokens=3).text == "Paris is the"
    with pytest.raises(NegotiationError, match="max_new_tokens must be 1 or more, got 0"):
        list(unison.stream("What is the capital of France?", max_new_tokens=0))


def test_a_picture_has_no_pieces() -> None:
    stream = make({"task": "text_to_image"}).stream("Draw a red star")
    assert list(stream) == []
    assert stream.result.image.width == 64


def test_what_goes_wrong_is_raised_where_the_stream_is_read() -> None:
    stream = make(ASK, answer=" ").stream("Why?")
    with pytest.raises(GenerationError, match="no answer"):
        list(stream)
    with pytest.raises(GenerationError, match="no answer"):
        _ = stream.result


def test_who_stops_reading_stops_the_run() -> None:
    unison, events = make(ASK, answer="word " * 500), list[ProgressEvent]()
    more = threading.Event()

    def wait(event: ProgressEvent) -> None:
        events.append(event)
        if event.done == 3:
            assert more.wait(30)

    stream = unison.stream("Why?", progress=wait)
    with stream:
        for count, _ in enumerate(stream, start=1):
            if count == 2:
                threading.Timer(0.1, more.set).start()
                break
    assert events[-1].done <= 4
    with pytest.raises(RunCancelledError, match="closed"):
        _ = stream.result
    assert unison.run("Why?").text is not None


def test_a_stream_that_is_closed_first_runs_nothing() -> None:
    events: list[ProgressEvent] = []
    stream = make(ASK).stream("Why?", progress=events.append)
    stream.close()
    with pytest.raises(RunCancelledError):
        list(stream)
    assert events == []
