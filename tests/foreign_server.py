"""An MCP server that knows nothing of us, for the tests of `mcp_client`; run as a program it serves its starter."""

import asyncio
import base64
import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import mcp_types as types
import PIL.Image
from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

Base64Png = Annotated[
    str, Field(json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/png"})
]


def foreign_server(ended: Path | None = None) -> MCPServer:
    """Return a server.

    Args:
        ended: Written to when `wait` is cancelled.
    """
    server = MCPServer("Odd Jobs")

    @server.tool()
    def weather(city: str, days: int = 1, unit: Literal["celsius", "kelvin"] = "celsius") -> str:
        """Tell the weather of a city."""
        return f"{city}: {days} days of 20 {unit}"

    @server.tool(structured_output=False)
    def text_to_image(prompt: str) -> list[Any]:
        """Draw a green square."""
        return [f"drawn: {prompt}", Image(data=_png((0, 200, 0)), format="png")]

    @server.tool(name="Invert-Colors")
    def invert(picture: Base64Png) -> Image:
        """Turn the colours of a picture into their opposites."""
        given = PIL.Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
        turned = given.point(lambda value: 255 - value)
        buffer = io.BytesIO()
        turned.save(buffer, "PNG")
        return Image(data=buffer.getvalue(), format="png")

    @server.tool()
    def report() -> types.CallToolResult:
        """Give a report as a link."""
        link = types.ResourceLink(uri="memo://full", name="full report")
        return types.CallToolResult(content=[link])

    @server.tool()
    def count() -> types.CallToolResult:
        """Count the jobs."""
        return types.CallToolResult(content=[], structured_content={"jobs": 3})

    @server.tool()
    def fail(reason: str) -> str:
        """Fail for a reason."""
        raise ToolError(f"no, because of {reason}")

    @server.tool()
    def end() -> str:
        """End the process."""
        os._exit(3)

    @server.tool()
    async def wait(seconds: float) -> str:
        """Wait some seconds."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if ended is not None:
                ended.touch()
            raise
        return "waited"

    @server.tool()
    def store(values: dict[str, str]) -> str:
        """Store values under names."""
        return str(values)

    return server


def _png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (32, 16), colour).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    foreign_server(Path(sys.argv[1]) if sys.argv[1:] else None).run("stdio")
