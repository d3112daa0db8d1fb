"""The MCP server before the official client: in process, over stdio as a process, and over HTTP on loopback."""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import mcp_types as types
import PIL.Image
import pytest
import uvicorn
from echoing import STEPS, Slow, echo_agent
from loopback import serving
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from typer.testing import CliRunner

from unison_agent.agent import Unison
from unison_agent.artifacts import SCHEME
from unison_agent.cli.app import app
from unison_agent.errors import MissingDependencyError, RequestError
from unison_agent.functions import CallReport, functions, in_format
from unison_agent.integrations.mcp import UnisonServer
from unison_agent.integrations.mcp_http import Access, http_app
from unison_agent.media import open_medium
from unison_agent.packs import load_pack

TOKEN = "a token of one's own"


def serving_agent(unison: Unison, access: Access | None = None) -> AbstractContextManager[str]:
    return serving(http_app(UnisonServer(unison), access))


async def draw(client: Client, prompt: str = "a red star", **more: object) -> types.CallToolResult:
    return await client.call_tool("text_to_image", {"prompt": prompt, **more})


def handle(result: types.CallToolResult) -> str:
    return result.structured_content["artifacts"][0]["handle"]


def kinds(result: types.CallToolResult) -> list[str]:
    return [block.type for block in result.content]


def report(result: types.CallToolResult) -> CallReport:
    return CallReport.model_validate(result.structured_content)


def blob(read: types.ReadResourceResult) -> bytes:
    (content,) = read.contents
    assert isinstance(content, types.BlobResourceContents)
    return base64.b64decode(content.blob)


# --- in process ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("granularity", ["one", "tasks", "both"])
def test_the_schemas_are_published_as_they_are(granularity: Any) -> None:
    async def run() -> None:
        async with Client(UnisonServer(echo_agent(), granularity=granularity)) as client:
            listed = (await client.list_tools()).tools
        ours = functions(load_pack("nano").tools, (), granularity)
        assert [tool.name for tool in listed] == [one.name for one in ours]
        for tool, one in zip(listed, ours, strict=True):
            assert tool.input_schema == in_format(one, "mcp")["inputSchema"]
            assert tool.description == one.description
            assert tool.output_schema == CallReport.model_json_schema()

    asyncio.run(run())


def test_a_picture_comes_inline_and_can_be_read_and_named_again() -> None:
    async def run() -> None:
        async with Client(UnisonServer(echo_agent())) as client:
            assert (await client.list_resources()).resources == []
            drawn = await draw(client, width=64, height=64)
            assert kinds(drawn) == ["text", "image"]
            text, image = drawn.content
            assert isinstance(text, types.TextContent)
            assert isinstance(image, types.ImageContent)
            assert "name what was made" in json.loads(text.text)["how_to_go_on"]
            assert report(drawn).artifacts[0].width == 64
            uri = SCHEME + handle(drawn)
            data = blob(await client.read_resource(uri))
            inline = open_medium(base64.b64decode(image.data))
            assert open_medium(data).sha256 != ""
            assert inline.width == open_medium(data).width == 64
            (resource,) = (await client.list_resources()).resources
            assert (resource.uri, resource.mime_type) == (uri, "image/png")
            edited = await client.call_tool(
                "image_editing", {"prompt": "blue", "source": handle(drawn), "target": "star"}
            )
            assert report(edited).ok

    asyncio.run(run())


def test_a_clip_comes_as_its_first_frame_and_a_link() -> None:
    async def run() -> None:
        async with Client(UnisonServer(echo_agent())) as client:
            made = await client.call_tool("text_to_video", {"prompt": "it rolls", "num_frames": 5})
            assert kinds(made) == ["text", "image", "resource_link"]
            link = made.content[-1]
            assert isinstance(link, types.ResourceLink)
            assert (link.uri, link.mime_type) == (SCHEME + handle(made), "video/mp4")
            clip = open_medium(blob(await client.read_resource(link.uri)))
            assert clip.kind == "video"
            asked = {"question": "what rolls?", "media": [handle(made)]}
            answer = await client.call_tool("video_understanding", asked)
            assert report(answer).text == "what rolls?"
            assert kinds(answer) == ["text"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "arguments", "field", "nearest"),
    [
        ("text_to_image", {"prompt": "a star", "width": "wide"}, "width", ()),
        ("text_to_image", {"prompt": "a star", "widht": 64}, "widht", ("width",)),
        ("text_to_image", {}, "prompt", ()),
        ("text_to_imge", {"prompt": "a star"}, None, ("text_to_image",)),
    ],
)
def test_a_wrong_argument_is_told_so_that_the_model_can_mend_it(
    name: str, arguments: dict[str, Any], field: str | None, nearest: tuple[str, ...]
) -> None:
    async def run() -> None:
        async with Client(UnisonServer(echo_agent())) as client:
            told = await client.call_tool(name, arguments)
        assert told.is_error
        error = report(told).error
        assert error is not None
        assert (error.code, error.field) == ("invalid_call", field)
        assert error.nearest[: len(nearest)] == nearest
        assert isinstance(told.content[0], types.TextContent)
        assert error.message in json.loads(told.content[0].text)["error"]["message"]

    asyncio.run(run())


@pytest.mark.parametrize("name", ["image-000000000000", "../secret", "video-1"])
def test_what_is_not_kept_cannot_be_read(name: str) -> None:
    async def run() -> None:
        async with Client(UnisonServer(echo_agent())) as client:
            with pytest.raises(MCPError, match="No artifact"):
                await client.read_resource(SCHEME + name)

    asyncio.run(run())


def test_files_and_addresses_are_not_opened_by_default() -> None:
    async def run() -> None:
        async with Client(UnisonServer(echo_agent())) as client:
            for source in ("/etc/hostname", "https://example.org/a.png"):
                asked = {"prompt": "blue", "source": source, "target": "star"}
                told = await client.call_tool("image_editing", asked)
                assert told.is_error

    asyncio.run(run())


def test_two_clients_in_one_process_have_sessions_of_their_own() -> None:
    async def run() -> None:
        server = UnisonServer(echo_agent())
        async with Client(server) as one, Client(server) as other:
            await _have_their_own(one, other)

    asyncio.run(run())


async def _have_their_own(one: Client, other: Client) -> None:
    drawn = await draw(one, "a red star")
    mine = SCHEME + handle(drawn)
    assert (await other.list_resources()).resources == []
    with pytest.raises(MCPError, match="belongs to a session"):
        await other.read_resource(mine)
    asked = {"prompt": "blue", "source": handle(drawn), "target": "star"}
    assert (await other.call_tool("image_editing", asked)).is_error
    assert not (await one.call_tool("image_editing", asked)).is_error
    assert len(blob(await one.read_resource(mine))) > 0


# --- over HTTP -----------------------------------------------------------------------------------------


def test_http_clients_have_sessions_of_their_own_and_a_deleted_one_is_forgotten() -> None:
    server = UnisonServer(echo_agent())
    ended: list[object] = []
    end = server.end_session
    server.end_session = lambda key: (ended.append(key), end(key))[1]
    config = uvicorn.Config(http_app(server), port=0, log_level="error")

    async def run() -> None:
        running = uvicorn.Server(config)
        task = asyncio.create_task(running.serve())
        while not running.started:
            await asyncio.sleep(0.05)
        port = running.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/mcp"
        async with Client(url) as one, Client(url) as other:
            assert one.protocol_version == other.protocol_version == "2025-11-25"
            await _have_their_own(one, other)
        assert len(set(ended)) == 2
        running.should_exit = True
        await task

    asyncio.run(run())


def test_progress_reaches_an_http_client() -> None:
    told: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        del total
        told.append((progress, message))

    async def run(url: str) -> None:
        async with Client(url) as client:
            await client.call_tool("text_to_image", {"prompt": "a star"}, progress_callback=note)

    with serving_agent(echo_agent()) as url:
        asyncio.run(run(url))
    numbers = [number for number, _ in told]
    assert numbers == sorted(set(numbers))
    assert told[-1][1] is not None


@pytest.mark.parametrize("over_http", [True, False], ids=["http", "in process"])
def test_a_cancelled_call_stops_within_a_step(over_http: bool) -> None:
    slow = Slow()

    async def run(server: str | UnisonServer) -> None:
        async with Client(server) as client:
            calling = asyncio.create_task(draw(client))
            while slow.steps < 3:
                await asyncio.sleep(0.01)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            async with asyncio.timeout(30):
                while not slow.stopped.is_set():
                    await asyncio.sleep(0.01)
            cancelled_at = slow.steps
            await asyncio.sleep(0.2)
            assert slow.steps == cancelled_at < STEPS - 1

    if over_http:
        with serving_agent(echo_agent(slow)) as url:
            asyncio.run(run(url))
    else:
        asyncio.run(run(UnisonServer(echo_agent(slow))))


def _initialize(url: str, headers: Mapping[str, str]) -> httpx2.Response:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    accept = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    return httpx2.post(url, json=body, headers={**accept, **headers})


def test_a_bad_host_origin_or_token_is_refused() -> None:
    with serving_agent(echo_agent(), Access(token=TOKEN, origins=("https://example.org",))) as url:
        right = {"authorization": f"Bearer {TOKEN}"}
        assert _initialize(url, right).status_code == 200
        for origin in ("http://localhost:6274", "https://example.org"):
            assert _initialize(url, {**right, "origin": origin}).status_code == 200
        for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example"):
            assert _initialize(url, {**right, "origin": origin}).status_code == 403
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
            assert _initialize(url, {**right, "host": host}).status_code == 421
        wrong: list[Mapping[str, str]] = [
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": f"Basic {TOKEN}"},
            {"authorization": TOKEN},
        ]
        for headers in wrong:
            refused = _initialize(url, headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
        stateless = _initialize(url, {**right, "mcp-protocol-version": "2026-07-28"})
        assert stateless.status_code == 400
        assert "2025-11-25" in stateless.json()["error"]["data"]["supported"]


def test_a_client_with_the_token_calls() -> None:
    async def run(url: str) -> None:
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers))
            transport = streamable_http_client(url, http_client=http)
            client = await stack.enter_async_context(Client(transport))
            assert not (await draw(client)).is_error

    with serving_agent(echo_agent(), Access(token=TOKEN)) as url:
        asyncio.run(run(url))


def test_beyond_this_machine_a_token_and_names_are_needed() -> None:
    assert Access().is_local
    assert Access("::1").is_local
    with pytest.raises(RequestError, match="needs a token"):
        Access("0.0.0.0")
    with pytest.raises(RequestError, match="needs a token"):
        Access("example.org")
    with pytest.raises(RequestError, match="stands for all addresses"):
        Access("0.0.0.0", token=TOKEN)
    with pytest.raises(RequestError, match="empty"):
        Access(token=" ")
    far = Access("0.0.0.0", token=TOKEN, hosts=("example.org",))
    assert far.headers().allowed_hosts == ["example.org", "example.org:*"]
    assert far.headers().allowed_origins == []
    assert "[fd00::1]:*" in Access("fd00::1", token=TOKEN).headers().allowed_hosts


# --- the command ---------------------------------------------------------------------------------------


def test_the_command_tells_what_is_wrong_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)

    def said(*options: str) -> str:
        done = CliRunner().invoke(app, ["mcp", *options], env={"COLUMNS": "200"})
        assert done.exit_code == 1
        return done.stderr

    assert "no profile" in said("--profile", "none").lower()
    assert "NO_SUCH_TOKEN is not set" in said("--http", "--token-env", "NO_SUCH_TOKEN")
    assert "needs a token" in said("--http", "--host", "0.0.0.0")
    assert "two packs are named 'nano'" in said("--also", "nano")


def test_tools_of_other_packs_are_listed_and_opened_beside_the_profile() -> None:
    server = UnisonServer(profile="nano", also=["sdxl"])

    async def listed() -> types.Tool:
        async with Client(server) as client:
            tools = (await client.list_tools()).tools
            return next(tool for tool in tools if tool.name == "text_to_image")

    width = asyncio.run(listed()).input_schema["properties"]["width"]["description"]
    assert width == "Pixels. Possible here: 64 or 512 to 1536 in steps of 8."

    async def refused() -> types.CallToolResult:
        async with Client(server) as client:
            return await client.call_tool("text_to_image", {"prompt": "x", "steps": 0})

    assert asyncio.run(refused()).is_error
    assert server._unison is not None
    assert server._unison.packs == ("nano", "sdxl")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("mcp", "mcp_types", "mcp"),
        ("pydantic_ai", "pydantic_ai", "pydantic-ai"),
        ("langchain", "langchain_core.tools", "langchain"),
        ("smolagents", "smolagents", "smolagents"),
        ("haystack", "haystack.tools", "haystack"),
        ("llama_index", "llama_index.core.tools.types", "llama-index"),
        ("openai_agents", "agents", "openai-agents"),
    ],
)
def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    module = f"unison_agent.integrations.{name}"
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(MissingDependencyError, match=re.escape(f"unison-agent[{extra}]")):
        import_module(module)


SLOW = """
import asyncio, sys, time
from pathlib import Path
from unison_agent.agent import Unison
from unison_agent.errors import RunCancelledError
from unison_agent.integrations.mcp import UnisonServer, serve_stdio
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import ProgressEvent
from unison_agent.router import AdapterTool, Router
from unison_agent.testing import EchoAdapter, ScriptedWriter

class Slow(EchoAdapter):
    def run(self, call, granted, media, conditioning, progress):
        print("on standard output, which is not the client's")
        try:
            for step in range(3000):
                progress(ProgressEvent("denoise", step, 3000))
                time.sleep(0.02)
        except RunCancelledError:
            Path(sys.argv[1]).touch()
            raise

tools = [AdapterTool(spec, Slow()) for spec in load_pack("nano").tools]
unison = Unison(Planner(ScriptedWriter({})), Router(tools, profile="slow"))
asyncio.run(serve_stdio(UnisonServer(unison)))
"""


@pytest.mark.parametrize("leaves", [False, True], ids=["cancels", "leaves"])
def test_the_process_stops_what_nobody_waits_for(leaves: bool, tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    script = ["-c", SLOW, str(stopped)]

    async def run() -> None:
        begun = asyncio.Event()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            del progress, total, message
            begun.set()

        started = StdioServerParameters(command=sys.executable, args=script, env=dict(os.environ))
        async with Client(started) as client:
            star = {"prompt": "a star"}
            calling = asyncio.create_task(
                client.call_tool("text_to_image", star, progress_callback=note)
            )
            await begun.wait()
            if not leaves:
                calling.cancel()
                await _appears(stopped)
                assert len((await client.list_tools()).tools) == 12
        await asyncio.gather(calling, return_exceptions=True)
        await _appears(stopped)

    asyncio.run(run())


async def _appears(path: Path) -> None:
    async with asyncio.timeout(60):
        while not path.exists():
            await asyncio.sleep(0.05)


LISTS_FIRST = """
import sys
from unison_agent.cli import mcp
from unison_agent.integrations.mcp import UnisonServer
import unison_agent.integrations.mcp_http
UnisonServer()
heavy = ("torch", "transformers", "diffusers", "unison_agent.agent")
print([name for name in heavy if name in sys.modules])
"""


def test_listing_tools_loads_no_model_library() -> None:
    done = subprocess.run([sys.executable, "-c", LISTS_FIRST], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_nano_draws_for_a_client_over_stdio(mode: Any, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (64, 64), (255, 0, 0)).save(tmp_path / "red.png")
    stages: list[str] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        stages.append((message or "").split(" ")[0])

    async def run() -> None:
        main = "from unison_agent.cli import main; main()"
        started = StdioServerParameters(
            command=sys.executable,
            args=["-c", main, "mcp", "--root", str(tmp_path)],
            env=dict(os.environ),
        )
        async with Client(started, mode=mode) as client:
            assert len((await client.list_tools()).tools) == 12
            asked = {"prompt": "a red star on a blue background", "width": 64, "height": 64}
            drawn = await client.call_tool("text_to_image", asked, progress_callback=note)
            assert kinds(drawn) == ["text", "image"]
            picture = open_medium(blob(await client.read_resource(SCHEME + handle(drawn))))
            assert (picture.width, picture.height) == (64, 64)
            path = str(tmp_path / "red.png")
            seen = {"question": "What color is it?", "media": [path]}
            assert report(await client.call_tool("image_understanding", seen)).text

    asyncio.run(run())
    assert "denoise" in stages
