"""Answers how a client of the Model Context Protocol opens on standard input; it knows neither the SDK nor the tools.

Importing the SDK takes more than a second, and what its server says to a handshake and to ``tools/list`` is the
same at every start. So it stands in a file, which `mcp_opening_file` writes. Only lines that are exactly known are
answered from there. The server gets all of them afterwards, as if nobody had answered yet, and what it says to
those that were is left out; so it stands where it would stand anyway, and everything else is its own to answer.
"""

import io
import json
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

FILE = Path(__file__).with_name("mcp_opening.json")
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION = "2026-07-28"
_META = "io.modelcontextprotocol/"
_KEYS = {"jsonrpc", "id", "method", "params"}
_LONGEST_LINE_BYTES = 64 * 1024
Json: TypeAlias = Mapping[str, object]


class Known:
    """What the server answers to an opening, for one profile and one tool a task.

    Args:
        profile: The name of a profile that ships with the library.

    Raises:
        KeyError: The profile is another one.
    """

    def __init__(self, profile: str) -> None:
        known = json.loads(FILE.read_bytes())
        shared = {"outputSchema": known["outputSchema"]}
        tools = [{**tool, **shared} for tool in known["tools/list"][profile]]
        self._initialize = cast("Json", known["initialize"])
        self._discover = cast("Json", known["server/discover"])
        self._list: dict[str, Json] = {
            "handshake": {"tools": tools},
            "modern": {"tools": tools, **known["tools/list/modern"]},
        }
        self._era: Literal["handshake", "modern"] | None = None

    def reply(self, message: Json) -> Json | None:
        """Return the result for a message, empty for one that wants none; None leaves it to the server.

        Args:
            message: The values of one line of JSON, in the order in which the lines came.
        """
        params = _object(message.get("params", {}))
        if params is None or message.get("jsonrpc") != "2.0" or not message.keys() <= _KEYS:
            return None
        match self._era, "id" in message, message.get("method"):
            case None, True, "initialize":
                return self._hello(params)
            case "handshake", False, "notifications/initialized" if not params:
                return {}
            case "handshake", True, "ping" if not params:
                return {}
            case "handshake", True, "tools/list" if not params:
                return self._list["handshake"]
            case None | "modern", True, "server/discover" | "tools/list" as method:
                if set(params) != {"_meta"} or not _is_modern(params["_meta"]):
                    return None
                self._era = "modern"
                return self._discover if method == "server/discover" else self._list["modern"]
            case _:
                return None

    def _hello(self, params: Json) -> Json | None:
        if set(params) != {"protocolVersion", "capabilities", "clientInfo"}:
            return None
        version = params["protocolVersion"]
        is_client = _is_client(params["clientInfo"], params["capabilities"])
        if version not in HANDSHAKE_VERSIONS or not is_client:
            return None
        self._era = "handshake"
        return {**self._initialize, "protocolVersion": version}


class Opening:
    """What was said on standard input and output until the server takes them over.

    From the moment it is made both are its own: what else reads or writes there meets the null device and
    standard error.

    Args:
        known: What can be answered.

    Raises:
        OSError: One of the three standard streams is closed.
    """

    def __init__(self, known: Known) -> None:
        for descriptor in (0, 1, 2):
            os.fstat(descriptor)
        self._known = known
        self._read = io.FileIO(os.dup(0), "rb")
        self._write = io.FileIO(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._said = b""
        self._answered: set[object] = set()

    def answer(self) -> bool:
        """Answer until the tools are listed or a line comes that is not known.

        Returns:
            Whether the client is still there.
        """
        while line := self._read.readline(_LONGEST_LINE_BYTES):
            self._said += line
            message = _parsed(line)
            if "id" in message and not self._is_new(message["id"]):
                return True
            if (result := self._known.reply(message)) is None:
                return True
            if "id" in message:
                reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
                if not self._written(json.dumps(reply, ensure_ascii=False).encode() + b"\n"):
                    return False
                self._answered.add(message["id"])
            if message.get("method") == "tools/list":
                return True
        return False

    def _written(self, data: bytes) -> bool:
        """Write all of it; return whether anybody is there to read it."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._write.write(rest) :]
        except BrokenPipeError:
            return False
        return True

    def _is_new(self, number: object) -> bool:
        """Return whether a request may have this id; of one used twice too much would be left out later."""
        is_one = isinstance(number, int | str) and not isinstance(number, bool)
        return is_one and number not in self._answered

    def streams(self) -> tuple[IO[str], IO[str]]:
        """Return what the server reads, the lines so far first, and where it writes."""
        rest = io.BufferedReader(_Again(self._said, self._read))
        return (
            io.TextIOWrapper(rest, encoding="utf-8", errors="replace"),
            _Unanswered(io.BufferedWriter(self._write), self._answered),
        )


def open_stdio(profile: str) -> Opening | None:
    """Take over standard input and output where an opening can be answered from the file."""
    # Windows keeps handles beside the descriptors, which the SDK knows how to move.
    if sys.platform == "win32" or find_spec("mcp_types") is None:
        return None
    try:
        return Opening(Known(profile))
    except (OSError, KeyError):
        return None


class _Again(io.RawIOBase):
    """Bytes that were read before, then the rest of a stream."""

    def __init__(self, before: bytes, rest: io.FileIO) -> None:
        super().__init__()
        self._before, self._rest = before, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int | None:
        if not self._before:
            return self._rest.readinto(buffer)
        view = memoryview(buffer)
        count = min(len(view), len(self._before))
        view[:count] = self._before[:count]
        self._before = self._before[count:]
        return count


class _Unanswered(io.TextIOWrapper):
    """Writes messages, one at a time, without the first reply to each request that has been answered."""

    def __init__(self, stream: IO[bytes], answered: set[object]) -> None:
        super().__init__(stream, encoding="utf-8")
        self._answered = answered

    def write(self, text: str, /) -> int:
        if self._answered:
            message = _parsed(text)
            if "method" not in message and message.get("id") in self._answered:
                self._answered.remove(message["id"])
                return len(text)
        return super().write(text)


def _parsed(line: str | bytes) -> Json:
    try:
        return _object(json.loads(line)) or {}
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> Json | None:
    return cast("Json", value) if isinstance(value, dict) else None


def _is_client(who: object, can: object) -> bool:
    """Return whether a client tells of itself in the plainest way."""
    told, able = _object(who), _object(can)
    return (
        told is not None
        and able is not None
        and {"name", "version"} <= told.keys()
        and all(isinstance(one, str) for one in told.values())
        and all(isinstance(one, dict) for one in able.values())
    )


def _is_modern(meta: object) -> bool:
    match {key.removeprefix(_META): one for key, one in (_object(meta) or {}).items()}:
        case {
            "protocolVersion": "2026-07-28",
            "clientInfo": who,
            "clientCapabilities": can,
            **more,
        }:
            return not more and _is_client(who, can)
        case _:
            return False
