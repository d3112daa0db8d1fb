"""The tools as a server of the Model Context Protocol, whatever carries it; what they do it does not know.

The schemas are published as they are. A result has the report as structured content and as text, each picture
inline, and of a clip the first frame with a link to the whole, which ``resources/read`` gives.
"""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from unison_agent.artifacts import SCHEME, ArtifactInfo
from unison_agent.custom.tool import CustomTool
from unison_agent.errors import MissingDependencyError, UnisonError
from unison_agent.functions import CallReport, CallResult, Function, Granularity, MediaPolicy
from unison_agent.functions.catalog import WHOLE, functions
from unison_agent.functions.incoming import NOTHING_FROM_OUTSIDE
from unison_agent.functions.replies import in_words, pictures
from unison_agent.functions.results import refused
from unison_agent.integrations.mcp_opening import Opening
from unison_agent.integrations.mcp_register import register as register
from unison_agent.integrations.offering import input_schema
from unison_agent.integrations.stopping import run_stoppable
from unison_agent.media import Image
from unison_agent.packs import load_packs
from unison_agent.progress import Progress, ProgressEvent

try:
    import anyio
    import mcp_types as types
    from mcp import MCPError
    from mcp.server import CacheHint, Server, ServerRequestContext
    from mcp.server.stdio import stdio_server
except ImportError as error:  # mcp 1 has no mcp_types
    raise MissingDependencyError(error.name or "mcp", extra="mcp") from error

if TYPE_CHECKING:
    from unison_agent.agent import Unison
    from unison_agent.session import Session

Context = ServerRequestContext[object, Any]
MOST_SESSIONS = 64
_SESSION_HEADER = "mcp-session-id"
_INSTRUCTIONS = (
    "What is made has a handle, such as image-3f2a9c1b7d4e: pass it as a medium in later calls. "
    f"Read {SCHEME}<handle> for the whole picture or clip."
)
_DAY_MS = 24 * 60 * 60 * 1000


class UnisonServer(Server[object]):
    """A server for any transport of the SDK; listing tools loads no model, nor the library that runs them.

    Each client session has a `Session` of its own: over stdio the connection, over HTTP what the header
    ``Mcp-Session-Id`` names. A request over HTTP without that header gets a new one that ends with it.

    Args:
        unison: Whose tools are served; the agent of `profile`, opened at the first call, when left out.
        profile: The name of a profile, or the path of a tool pack.
        also: Other profiles and packs whose tools serve beside those of `profile`.
        tools: Tools of your own besides those of the profile.
        granularity: One tool a task, one that takes a request in words, or both.
        policy: Which media a client may name besides handles and data URIs.
        most_sessions: How many sessions over HTTP are kept; those not used for longest go first.

    Raises:
        UnknownProfileError: There is no such profile.
        PackError: A tool pack is wrong, or two have the same name.
        RequestError: No such granularity.
    """

    def __init__(
        self,
        unison: "Unison | None" = None,
        *,
        profile: str | Path = "nano",
        also: Sequence[str | Path] = (),
        tools: Sequence[CustomTool] = (),
        granularity: Granularity = "tasks",
        policy: MediaPolicy = NOTHING_FROM_OUTSIDE,
        most_sessions: int = MOST_SESSIONS,
    ) -> None:
        from importlib.metadata import version

        super().__init__(
            "unison-agent",
            version=version("unison-agent"),
            title="Unison",
            instructions=_INSTRUCTIONS,
            cache_hints={"tools/list": CacheHint(ttl_ms=_DAY_MS, scope="public")},
            lifespan=self._connected,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
        )
        if unison is None:
            specs = tuple(spec for pack in load_packs(profile, also) for spec in pack.tools)
        else:
            specs = unison.tools()
        own = tuple(tools) if unison is None else unison.custom_tools()
        known = functions(specs, own, granularity)
        self._tools = [_tool(function, is_own=bool(own)) for function in known]
        self._policy = policy
        self._unison = unison
        self._profile, self._also, self._own = profile, tuple(also), own
        self._most_sessions = most_sessions
        self._sessions: OrderedDict[object, Session] = OrderedDict()
        self._opening = Lock()

    def end_session(self, key: object) -> None:
        """Forget a session; what it made stays in the agent's store until newer things need the place."""
        with self._opening:
            self._sessions.pop(key, None)

    @asynccontextmanager
    async def _connected(self, _: Server[object]) -> AsyncGenerator[object]:
        """Name what one run of the server serves: over stdio one connection, over HTTP all of them."""
        key = object()
        try:
            yield key
        finally:
            self.end_session(key)

    def _session(self, context: Context) -> "Session":
        """Return the session of a client. It may take long, so it belongs in a thread."""
        key = context.lifespan_context
        if context.request is not None:
            key = context.request.headers.get(_SESSION_HEADER)
        with self._opening:
            if self._unison is None:
                from unison_agent.agent import Unison

                self._unison = Unison.from_pretrained(
                    self._profile, also=self._also, tools=self._own
                )
            if key is None:
                return self._unison.session()
            if key not in self._sessions:
                self._sessions[key] = self._unison.session()
            self._sessions.move_to_end(key)
            while len(self._sessions) > self._most_sessions:
                self._sessions.popitem(last=False)
            return self._sessions[key]

    # --- what clients ask --------------------------------------------------------------------------------

    async def _list_tools(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._tools)

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        def carry_out(listen: Progress) -> types.CallToolResult:
            try:
                session = self._session(context)
            except UnisonError as error:
                return _told(refused(params.name, error))
            arguments = params.arguments
            done = session.call(params.name, arguments, policy=self._policy, progress=listen)
            return _told(done)

        async with _telling(context) as tell:
            return await run_stoppable(carry_out, tell)

    async def _list_resources(
        self, context: Context, _: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        def listed() -> list[types.Resource]:
            session = self._session(context)
            kept = session.artifacts
            return [_resource(kept.info(handle)) for handle in kept.handles(session.id)]

        return types.ListResourcesResult(resources=await asyncio.to_thread(listed))

    async def _list_templates(
        self, _: Context, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            uri_template=SCHEME + "{handle}",
            name="artifact",
            description="A picture or a clip that a tool has made, by its handle.",
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def _read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        def read() -> types.BlobResourceContents:
            session = self._session(context)
            medium = session.artifacts.open(params.uri, owner=session.id).medium
            is_image = isinstance(medium, Image)
            data = medium.png_bytes() if is_image else medium.mp4_bytes()
            mime_type = _MIME[medium.kind]
            return types.BlobResourceContents(
                uri=params.uri, mime_type=mime_type, blob=_base64(data)
            )

        try:
            return types.ReadResourceResult(contents=[await asyncio.to_thread(read)])
        except UnisonError as error:
            raise MCPError(types.INVALID_PARAMS, str(error), {"uri": params.uri}) from error


async def serve_stdio(server: UnisonServer, opening: Opening | None = None) -> None:
    """Serve the client that started this process, over its standard input and output.

    Args:
        server: What is served.
        opening: What has been said there already.
    """
    streams = () if opening is None else map(anyio.wrap_file, opening.streams())
    async with stdio_server(*streams) as (read, write):
        await server.run(read, write, server.create_initialization_options())


_MIME = {"image": "image/png", "video": "video/mp4"}


@asynccontextmanager
async def _telling(context: Context) -> AsyncGenerator[Progress]:
    """Give a listener for other threads whose events reach the client; of too many at once, the last does."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[ProgressEvent | None] = asyncio.Queue()

    def tell(event: ProgressEvent) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    async def forward() -> None:
        count, is_open = 0, True
        while is_open:
            waiting = [await events.get()]
            while not events.empty():
                waiting.append(events.get_nowait())
            is_open = None not in waiting
            told = [one for one in waiting if one is not None]
            count += len(told)
            if told:
                # The protocol wants a number that only grows; each stage counts anew.
                await context.session.report_progress(count, None, _progress_words(told[-1]))

    task = asyncio.create_task(forward())
    try:
        yield tell
        events.put_nowait(None)
        await task
    finally:
        task.cancel()


def _progress_words(event: ProgressEvent) -> str:
    done = f"{event.done}" if event.total is None else f"{event.done} of {event.total}"
    return " ".join(word for word in (event.stage, done, event.note) if word)


def _tool(function: Function, *, is_own: bool) -> types.Tool:
    ours = function.task is not None or (function.name == WHOLE and not is_own)
    hints = types.ToolAnnotations(
        read_only_hint=True if (function.task or "").endswith("_understanding") else None,
        destructive_hint=False,
        open_world_hint=False,
    )
    return types.Tool(
        name=function.name,
        title=function.name.replace("_", " ").capitalize(),
        description=function.description,
        input_schema=input_schema(function),
        output_schema=CallReport.model_json_schema(),
        annotations=hints if ours else None,
    )


def _told(result: CallResult) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(text=in_words(result))]
    content += [
        types.ImageContent(data=_base64(png), mime_type="image/png") for _, png in pictures(result)
    ]
    # A link to a picture that is there already would be fetched by some clients once more.
    content += [
        types.ResourceLink(**_resource(info).model_dump())
        for info in result.artifacts
        if info.kind == "video"
    ]
    return types.CallToolResult(
        content=content, structured_content=result.to_dict(), is_error=not result.ok
    )


def _resource(info: ArtifactInfo) -> types.Resource:
    frames = "" if info.num_frames is None else f", {info.num_frames} frames at {info.fps:g} fps"
    return types.Resource(
        uri=info.uri,
        name=info.handle,
        description=f"{info.width}x{info.height}{frames}",
        mime_type=_MIME[info.kind],
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
