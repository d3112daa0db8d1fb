"""Where a request comes from: the command line, or standard input for ``-``; it does not know what is asked."""

import sys

from unison_agent.errors import RequestError

_MOST_CHARACTERS = (
    100_000  # more than any request may have: how much too long it is, is told elsewhere
)


def request_text(given: str) -> str:
    """Return the request, read from standard input to its end where it is given as ``-``.

    Raises:
        RequestError: What comes in is no UTF-8 text.
    """
    if given != "-":
        return given
    try:
        return sys.stdin.read(_MOST_CHARACTERS).strip()
    except UnicodeDecodeError as error:
        msg = f"Standard input is no text: {error}."
        raise RequestError(msg, hint="Attach pictures and clips with --media.") from error
