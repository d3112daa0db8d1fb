"""A connection to an MCP server that is used from threads; it does not know what the server's tools are for."""

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar, cast

from unison_agent.errors import GenerationError, MissingDependencyError, ToolError

try:
    import mcp_types as types
    from mcp import Client, StdioServerParameters
    from mcp.client import Transport
    from mcp.server import MCPServer, Server
except ImportError as error:  # mcp 1 has no mcp_types
    raise MissingDependencyError(error.name or "mcp", extra="mcp") from error

T = TypeVar("T")
Connectable = str | StdioServerParameters | Transport | Server[Any] | MCPServer
Reachable = Connectable | Sequence[str]
_LOG = logging.getLogger(__name__)
_CLOSING_SECONDS = 15


class Connection:
    """A client in a thread with an event loop of its own, which other threads hand their calls to.

    Args:
        server: What ``mcp.Client`` takes.
        seconds: How long it may take to start the server and to list its tools.
    """

    def __init__(self, server: Connectable, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._opened: Future[tuple[str, Sequence[types.Tool]]] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._client: Client | None = None
        self._calls: set[Future[Any]] = set()
        self._thread = threading.Thread(target=self._serve, name="unison-mcp", daemon=True)
        self._thread.start()

    def opened(self) -> tuple[str, Sequence[types.Tool]]:
        """Wait for the connection; return what the server calls itself and its tools.

        Raises:
            ToolError: It cannot be reached.
        """
        return self._opened.result()

    def run(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Do work with the client and wait for it.

        Raises:
            GenerationError: The connection is closed.
        """
        client = self._client
        if client is None:
            msg = "The connection to the server is closed."
            raise GenerationError(msg, hint="Open another: ServerTools(...).")
        future = asyncio.run_coroutine_threadsafe(work(client), self._loop)
        self._calls.add(future)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # nobody waits any more
            raise
        finally:
            self._calls.discard(future)

    def close(self) -> None:
        """End the connection and wait until it has ended."""
        self._client = None
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSING_SECONDS)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._live())
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is told to who waits
                if self._opened.done():
                    _LOG.warning("The connection to a server ended badly: %s.", reason(error))
                else:
                    self._opened.set_exception(self._unreachable(error))
            finally:
                self._client = None
        for call in list(self._calls):
            call.cancel()  # the loop has ended, and would never answer it

    def _unreachable(self, error: BaseException) -> ToolError:
        late = f"it did not answer within {self._seconds:g} seconds"
        why = late if isinstance(error, TimeoutError) else reason(error)
        found = ToolError(f"{_shown(self._server)} cannot be reached: {why}.")
        found.__cause__ = error
        return found

    async def _live(self) -> None:
        async with asyncio.timeout(self._seconds) as limit, Client(self._server) as client:
            told = client.server_info
            listed = await _listed(client)
            limit.reschedule(None)
            self._client = client
            self._opened.set_result((told.name if told is not None else "server", listed))
            await self._stop.wait()


def reachable(server: Reachable) -> Connectable:
    """Return a server as ``mcp.Client`` takes it.

    Raises:
        ToolError: It is neither an address nor a command.
    """
    if isinstance(server, str):
        if not server.startswith(("http://", "https://")):
            msg = f"{server!r} is no address of a server."
            raise ToolError(msg, hint='A command is a list of words: ["uvx", "mcp-server-time"].')
        return server
    if isinstance(server, list | tuple):
        words = [str(word) for word in cast("Sequence[object]", server)]
        if not words:
            raise ToolError("The command of the server is empty.")
        return StdioServerParameters(command=words[0], args=words[1:])
    return cast("Connectable", server)


async def _listed(client: Client) -> list[types.Tool]:
    page = await client.list_tools()
    tools = list(page.tools)
    while page.next_cursor is not None:
        page = await client.list_tools(cursor=page.next_cursor)
        tools += page.tools
    return tools


def reason(error: BaseException) -> str:
    """Return in words why something failed: the first cause of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return (str(error) or type(error).__name__).rstrip(".")


def _shown(server: Connectable) -> str:
    match server:
        case str():
            return re.sub(r"//[^/@]*@", "//", server)  # without a password
        case StdioServerParameters():
            return f"The server {server.command}"
        case _:
            return f"The {type(server).__name__}"
