import pytest

from unison_agent.training.spans import capitalized, mark, marked, read_marks, span_words, strip_end


def test_marks_lie_around_the_words_of_each_step_and_come_out_again():
    request = "draw a cat, then make the cat red"
    text = mark(mark(request, "a cat"), "make the cat red", 1)
    plain, spans = read_marks(text)
    assert plain == request
    assert [plain[slice(*spans[step])] for step in (0, 1)] == ["a cat", "make the cat red"]


def test_spans_may_overlap():
    text = mark(mark("paint a cat on a mat", "a cat on a mat"), "paint a cat", 1)
    plain, spans = read_marks(text)
    assert [plain[slice(*spans[step])] for step in (0, 1)] == ["a cat on a mat", "paint a cat"]


def test_words_that_are_not_there_are_not_marked():
    assert mark("draw a cat", "a dog") == "draw a cat"
    assert read_marks("draw a cat") == ("draw a cat", {})


def test_dressing_looks_through_marks():
    text = marked("[a cat].")
    assert read_marks(capitalized(strip_end(text, ".")))[0] == "A cat"
    assert read_marks(strip_end(marked("draw [a cat!]"), "!"))[1] == {0: (5, 10)}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("draw [a cat]", "a cat"),
        ("draw [a cat], 64 by 64", "a cat"),
        ("draw [ a\n cat, ]now", "a cat"),
        ("[a cat]", None),
        ("[a cat].", None),
        ("please, [a cat], thanks!", None),
        ("[what is it?] tell me", "what is it?"),
        ("[.] draw", None),
    ],
)
def test_the_words_of_a_span(form: str, words: str | None):
    text, spans = read_marks(marked(form))
    assert span_words(text, *spans[0]) == words
