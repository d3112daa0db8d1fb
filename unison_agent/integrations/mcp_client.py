"""The tools of an MCP server that others wrote, as tools of one's own; the planner and the router do not know it.

::

    with ServerTools(["uvx", "mcp-server-time"]) as server:
        unison = Unison.from_pretrained("nano", tools=server.tools)
        unison.run("What time is it in Vienna?")
"""

import asyncio
import base64
import itertools
import json
import logging
import re
import weakref
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any, Self, cast

from pydantic import JsonValue

from unison_agent.custom.fields import Field, HandleField, ListField, ObjectField
from unison_agent.custom.foreign import closable
from unison_agent.custom.schema import Schema, read_arguments_schema
from unison_agent.custom.tool import CustomTool, custom_tool
from unison_agent.errors import GenerationError, MissingDependencyError, ToolError
from unison_agent.functions.catalog import WHOLE
from unison_agent.integrations.mcp_connection import Connection, Reachable, reachable, reason
from unison_agent.media import Image, MediaSet, Medium, open_medium
from unison_agent.tasks import TASKS, OutputKind

try:
    import mcp_types as types
    from mcp import Client
except ImportError as error:  # mcp 1 has no mcp_types
    raise MissingDependencyError(error.name or "mcp", extra="mcp") from error

_LOG = logging.getLogger(__name__)
_LONGEST_NAME = 64
_LONGEST_DESCRIPTION = 200


class ServerTools:
    """A connection to a server, and its tools; close it, or use it in a ``with``. Safe to call from threads.

    A tool's name is in lower case; where that is the name of a task, of one of `taken` or of another tool of the
    server, the prefix stands before it. A tool that a plan cannot hold is left out. What the tools do is the
    server's doing: look at the plan of a tool that does something that you cannot take back.

    Args:
        server: An address, a command as a list of words, or what ``mcp.Client`` takes, such as a transport with
            headers of its own.
        prefix: Stands before names that are taken; the server's own name when left out.
        taken: Names of other tools.
        outputs: What a tool makes, by its name at the server, where that is pictures or clips; the protocol
            does not tell. The others give words.
        timeout_seconds: How long one call may take.
        connect_timeout_seconds: How long it may take to start the server and to list its tools.

    Attributes:
        name: What the server calls itself.
        tools: Its tools, for ``Unison.from_pretrained(tools=...)`` or ``Router(custom=...)``.
        left_out: Why which of its tools, or of their arguments (``"tool.argument"``), cannot be used.

    Raises:
        ToolError: The server cannot be reached, or has no tool that can be used.
        MissingDependencyError: jsonschema is not installed.
    """

    def __init__(
        self,
        server: Reachable,
        *,
        prefix: str | None = None,
        taken: Iterable[str] = (),
        outputs: Mapping[str, OutputKind] | None = None,
        timeout_seconds: float = 60,
        connect_timeout_seconds: float = 60,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._connection = Connection(reachable(server), connect_timeout_seconds)
        self._finalizer = weakref.finalize(self, self._connection.close)
        self.left_out: Mapping[str, str] = {}
        self.tools: tuple[CustomTool, ...] = ()
        try:
            self.name, listed = self._connection.opened()
            self._make(listed, prefix or self.name, {*TASKS, WHOLE, *taken}, outputs or {})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and a server that was started for it; its tools cannot be called any more."""
        self._finalizer()

    def _make(
        self,
        listed: Sequence[types.Tool],
        prefix: str,
        taken: set[str],
        outputs: Mapping[str, OutputKind],
    ) -> None:
        if unknown := outputs.keys() - {tool.name for tool in listed}:
            msg = f"{self.name} has no tool {', '.join(sorted(unknown))}."
            raise ToolError(msg, hint=f"It has {', '.join(tool.name for tool in listed)}.")
        made: list[CustomTool] = []
        left_out: dict[str, str] = {}
        for tool in listed:
            name = _free_name(tool.name, prefix, taken)
            try:
                schema, parts = closable(name, cast("Schema", tool.input_schema))
                kind = outputs.get(tool.name, "text")
                made.append(self._tool(tool, name, schema, kind))
            except MissingDependencyError:
                raise
            except ToolError as error:
                left_out[tool.name] = str(error)
            else:
                taken.add(name)
                left_out |= {f"{tool.name}.{part}": why for part, why in parts.items()}
        for name, why in left_out.items():
            _LOG.warning("%s: %s is left out: %s", self.name, name, why)
        if not made:
            told = " ".join(left_out.values()) or "It lists none."
            raise ToolError(f"{self.name} has no tool that can be used.", hint=told)
        self.left_out, self.tools = left_out, tuple(made)

    def _tool(self, tool: types.Tool, name: str, schema: Schema, output: OutputKind) -> CustomTool:
        parameters = read_arguments_schema(name, schema)

        def call(arguments: Mapping[str, JsonValue], media: MediaSet) -> list[str | Medium]:
            sent = cast("dict[str, Any]", _sent(parameters, arguments, media))
            return self._call(tool.name, sent, output)

        said = _description(tool)
        return custom_tool(schema, call, name=name, description=said, output=output)

    def _call(self, tool: str, arguments: dict[str, Any], output: OutputKind) -> list[str | Medium]:
        async def called(client: Client) -> list[str | Medium]:
            async with asyncio.timeout(self._timeout_seconds):
                result = await client.call_tool(tool, arguments)
                content = [await _fetched(client, block, output) for block in result.content]
            return self._given(tool, result, content, output)

        try:
            return self._connection.run(called)
        except GenerationError:
            raise
        except CancelledError as error:
            msg = f"{self.name}: the connection was closed before {tool} was done."
            raise GenerationError(msg, hint="Close it when no call runs any more.") from error
        except TimeoutError as error:
            msg = f"{self.name}: {tool} gave nothing within {self._timeout_seconds:g} seconds."
            raise GenerationError(msg, hint="Give it longer: timeout_seconds=.") from error
        except Exception as error:
            msg = f"{self.name}: {tool} failed: {reason(error)}."
            raise GenerationError(msg, hint="The cause is at the server.") from error

    def _given(
        self,
        tool: str,
        result: types.CallToolResult,
        content: Iterable[str | Medium],
        output: OutputKind,
    ) -> list[str | Medium]:
        given = list(content)
        words = [one for one in given if isinstance(one, str)]
        media = [one for one in given if not isinstance(one, str)]
        if result.is_error:
            told = " ".join(words).strip() or "it does not say why"
            msg = f"{self.name}: {tool} refused: {told.rstrip('.')}."
            raise GenerationError(msg, hint="Other arguments may help; the server decides.")
        if not given and result.structured_content is not None:
            words = [json.dumps(result.structured_content, ensure_ascii=False)]
        wanted = [
            one for one in media if one.kind == output
        ]  # beside a clip is often its first frame
        if not wanted and (media or output != "text"):
            got: OutputKind = media[0].kind if media else "text"
            msg = f"{self.name}: {tool} gave {_COUNTED[got]}, expected {_COUNTED[output]}."
            raise GenerationError(msg, hint=f'Say so: outputs={{"{tool}": "{got}"}}.')
        return [*words, *wanted]


_COUNTED: Mapping[OutputKind, str] = {"text": "words", "image": "a picture", "video": "a clip"}


async def _fetched(client: Client, block: types.ContentBlock, output: OutputKind) -> str | Medium:
    """Return a block of a result as words or a medium; what a link stands for, where that is wanted."""
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent():
            return open_medium(base64.b64decode(block.data))
        case types.EmbeddedResource():
            return _resource(block.resource)
        case types.ResourceLink():
            if (block.mime_type or "").startswith(f"{output}/"):
                read = await client.read_resource(block.uri)
                return _resource(read.contents[0])
            return f"{block.name}: {block.uri}"
        case types.AudioContent():
            return f"({block.mime_type}, which is left out)"


def _resource(resource: types.TextResourceContents | types.BlobResourceContents) -> str | Medium:
    match resource:
        case types.TextResourceContents():
            return resource.text
        case types.BlobResourceContents():
            if (resource.mime_type or "").startswith(("image/", "video/")):
                return open_medium(base64.b64decode(resource.blob))
            return f"{resource.uri} ({resource.mime_type}, which is left out)"


def _sent(field: Field, value: object, media: MediaSet) -> object:
    """Return a value as the server takes it: media as PNG or MP4 in base64."""
    match field, value:
        case HandleField(), str():
            medium = media.medium(value)
            data = medium.png_bytes() if isinstance(medium, Image) else medium.mp4_bytes()
            return base64.b64encode(data).decode("ascii")
        case ListField(), list():
            return [_sent(field.item, one, media) for one in cast("list[object]", value)]
        case ObjectField(), Mapping():
            named = {one.name: one.field for one in field.arguments}
            given = cast("Mapping[str, object]", value)
            return {name: _sent(named[name], one, media) for name, one in given.items()}
        case _:
            return value


def _free_name(name: str, prefix: str, taken: set[str]) -> str:
    """Return a name in our letters that is not taken, with the prefix where that is needed."""
    plain = _plain(name)
    for one in (plain, f"{_plain(prefix)}_{plain}"[:_LONGEST_NAME]):
        if one not in taken:
            return one
    numbered = (f"{one[: _LONGEST_NAME - 4]}_{number}" for number in itertools.count(2))
    return next(one for one in numbered if one not in taken)


def _plain(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    plain = re.sub(r"[^a-z0-9]+", "_", snake).strip("_")
    return (plain if plain[:1].isalpha() else f"tool_{plain}")[:_LONGEST_NAME]


def _description(tool: types.Tool) -> str:
    """Return what a tool does in one line; the planner reads no more."""
    said = " ".join((tool.description or tool.title or "").split("\n\n")[0].split())
    said = said or tool.name.replace("_", " ")
    if len(said) <= _LONGEST_DESCRIPTION:
        return said
    head = said[: _LONGEST_DESCRIPTION - 3]
    sentence = head.rfind(". ") + 1
    return head[:sentence] if sentence else head.rsplit(" ", 1)[0] + "..."
