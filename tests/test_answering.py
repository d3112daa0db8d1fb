"""How an answer becomes text while it grows."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from unison_agent.answering import Pieces

CONTROL = 256


def decode(tokens: Sequence[int]) -> str:
    """Tokens are bytes, as in the byte-level tokenizers of the models; 256 is a control token."""
    return bytes(one for one in tokens if one != CONTROL).decode("utf-8", errors="replace")


def pieces_of(tokens: Sequence[int]) -> list[str]:
    pieces = Pieces(decode)
    return [*[pieces.take(one) for one in tokens], pieces.rest()]


@given(text=st.text(max_size=40))
def test_the_pieces_are_the_text_without_blanks_around_it(text: str) -> None:
    tokens = [*text.encode("utf-8"), CONTROL]
    assert "".join(pieces_of(tokens)) == decode(tokens).strip()


@given(tokens=st.lists(st.integers(0, 256), max_size=24))
def test_bytes_that_are_no_letters_are_in_their_place(tokens: list[int]) -> None:
    assert "".join(pieces_of(tokens)) == decode(tokens).strip()


def test_a_letter_of_several_tokens_comes_whole() -> None:
    assert pieces_of("\n a \U0001f98a! \n".encode())[2:] == [
        "a", "", "", "", "", " \U0001f98a", "!", "", "", "",
    ]  # fmt: skip
