"""How `unison-agent mcp` answers before the SDK is loaded, held against what the SDK answers."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from unison_agent.cli.mcp_start import opened
from unison_agent.integrations.mcp import UnisonServer
from unison_agent.integrations.mcp_opening import HANDSHAKE_VERSIONS, Known
from unison_agent.integrations.mcp_opening_file import (
    CLIENT,
    MODERN,
    handshake,
    main,
    modern,
    replies,
)
from unison_agent.packs import known_profiles

HELLO, READY, PING, LIST = handshake("2025-11-25")
DISCOVER, LIST_MODERN = modern()
COMMAND = [sys.executable, "-c", "from unison_agent.cli import main; main()", "mcp"]


def said(messages: Sequence[dict[str, Any]], profile: str = "nano") -> list[Any]:
    known = Known(profile)
    return [known.reply(message) for message in messages]


def spoken(lines: Sequence[dict[str, Any] | str], *more: str, count: int) -> list[dict[str, Any]]:
    """Return the first lines that the process writes, which is told all at once; then leave it."""
    text = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines)
    with subprocess.Popen(
        [*COMMAND, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text.encode())
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(count)]
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0
    return answers


# --- what is known -------------------------------------------------------------------------------------


def test_the_file_is_what_the_server_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
def test_a_handshake_is_answered_as_the_server_does(version: str) -> None:
    messages = handshake(version)
    answers = said(messages)
    assert answers.pop(1) == {}  # the notification
    assert answers == asyncio.run(replies(UnisonServer(), messages))


@pytest.mark.parametrize("profile", known_profiles())
def test_a_profile_without_sessions_is_answered_as_the_server_does(profile: str) -> None:
    answers = asyncio.run(replies(UnisonServer(profile=profile), modern()))
    assert said(modern(), profile) == answers
    assert said([LIST_MODERN], profile) == answers[1:]


def changed(message: dict[str, Any], **params: object) -> dict[str, Any]:
    before: dict[str, Any] = message.get("params", {})
    return {**message, "params": {**before, **params}}


@pytest.mark.parametrize(
    "messages",
    [
        [LIST],
        [PING],
        [READY],
        [HELLO, HELLO],
        [HELLO, DISCOVER],
        [HELLO, LIST_MODERN],
        [DISCOVER, HELLO],
        [DISCOVER, LIST],
        [HELLO, changed(LIST, cursor="x")],
        [HELLO, {**LIST, "params": None}],
        [HELLO, {**LIST, "method": "resources/list"}],
        [HELLO, {**LIST, "jsonrpc": "1.0"}],
        [HELLO, {**LIST, "more": 1}],
        [HELLO, {**READY, "id": 9}],
        [HELLO, changed(READY, more=1)],
        [changed(HELLO, protocolVersion="2026-07-28")],
        [changed(HELLO, protocolVersion="1999-01-01")],
        [changed(HELLO, protocolVersion=None)],
        [changed(HELLO, capabilities=None)],
        [changed(HELLO, capabilities={"roots": 1})],
        [changed(HELLO, clientInfo={"name": "x"})],
        [changed(HELLO, clientInfo={**CLIENT, "icons": []})],
        [changed(HELLO, _meta={})],
        [changed(LIST_MODERN, cursor="x")],
        [changed(LIST_MODERN, _meta={**MODERN["_meta"], "progressToken": 1})],
        [{**DISCOVER, "params": {"_meta": {}}}],
    ],
)
def test_what_is_not_exactly_known_is_left_to_the_server(messages: list[dict[str, Any]]) -> None:
    *before, last = said(messages)
    assert None not in before
    assert last is None


# --- the process ---------------------------------------------------------------------------------------

OPENS = """
import sys
from unison_agent.cli.mcp_start import opened
opening = opened(["mcp", "--allow-urls", "--root", "."])
print("a stray line")
assert opening is not None and opening.answer()
assert not {"mcp", "mcp_types", "pydantic", "typer", "rich", "asyncio"} & set(sys.modules)
"""


def test_the_opening_is_answered_before_anything_heavy_is_loaded() -> None:
    text = "".join(json.dumps(one) + "\n" for one in (HELLO, READY, PING, LIST))
    done = subprocess.run([sys.executable, "-c", OPENS], input=text.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.split() == b"a stray line".split()
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 2, 3]


@pytest.mark.parametrize("opening", [[HELLO, READY, LIST], [DISCOVER, LIST_MODERN]])
def test_the_server_goes_on_where_the_opening_ended(opening: list[dict[str, Any]]) -> None:
    again: dict[str, Any] = {**opening[-1], "id": "again"}
    params: dict[str, Any] = {**again["params"], "name": "no_such_tool", "arguments": {}}
    call = {**again, "id": 9, "method": "tools/call", "params": params}
    asked = [one["id"] for one in opening if "id" in one]
    answers = spoken([*opening, again, call], count=len(asked) + 2)
    assert {str(one["id"]) for one in answers} == {*map(str, asked), "again", "9"}
    by_id = {one["id"]: one["result"] for one in answers}
    assert by_id["again"] == by_id[asked[-1]]
    assert by_id[9]["isError"]


def test_what_the_server_must_answer_it_answers() -> None:
    unknown = {**HELLO, "id": 1, "method": "nothing"}
    newer = changed(HELLO, protocolVersion="1999-01-01")
    refused, met, pong = spoken(
        ["no JSON", unknown, {**newer, "id": 2}, {**PING, "id": 2}], count=3
    )
    assert refused["error"]["code"] == -32601
    assert met["result"]["protocolVersion"] == "2025-11-25"
    assert (met["id"], pong["id"]) == (2, 2)


def test_an_id_used_twice_is_answered_twice() -> None:
    answers = spoken([HELLO, READY, {**PING, "id": 1}], count=2)
    assert [one["id"] for one in answers] == [1, 1]


def test_a_long_first_line_arrives_whole() -> None:
    hello = changed(HELLO, clientInfo={"name": "x" * 200_000, "version": "ü"})
    (answer,) = spoken([hello], count=1)
    assert answer["result"]["serverInfo"]["name"] == "unison-agent"


def test_a_client_that_leaves_at_once_ends_the_process() -> None:
    assert spoken([], count=0) == []
    assert [one["id"] for one in spoken([HELLO], count=1)] == [1]


def test_a_client_that_does_not_listen_ends_the_process() -> None:
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, said = process.communicate(json.dumps(HELLO).encode() + b"\n", timeout=120)
    assert (process.returncode, said) == (0, b"")


# --- the command line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "",
        "run mcp",
        "mcp --http",
        "mcp --granularity one",
        "mcp --tool a.py",
        "mcp --profile",
        "mcp --profile --debug",
        "mcp --profile nothing",
        "mcp --profile pack.toml",
        "mcp --help",
        "mcp more",
    ],
)
def test_other_command_lines_start_as_all_do(line: str) -> None:
    before = [os.fstat(one).st_ino for one in (0, 1)]
    assert opened(line.split()) is None
    assert [os.fstat(one).st_ino for one in (0, 1)] == before


def test_other_tools_are_listed_by_the_server() -> None:
    (_, listed) = spoken([HELLO, READY, LIST], "--granularity", "one", count=2)
    assert [tool["name"] for tool in listed["result"]["tools"]] == ["unison"]
