"""The command that serves the tools to clients of the Model Context Protocol; the serving is done elsewhere."""

import asyncio
import os
from typing import Annotated

import typer

from unison_agent.cli.options import AllowUrls, Also, Debug, Profile, Root, Tools
from unison_agent.cli.telling import told
from unison_agent.errors import RequestError
from unison_agent.functions import Granularity, MediaPolicy


@told
def mcp(
    context: typer.Context,
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP, instead of standard input and output.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --http: the port; 0 takes a free one.")
    ] = 8000,
    token_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --http: the environment variable that holds the bearer token clients must send; "
            "needed when other machines reach --host.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="With --http: a name clients reach it by; repeat it for several."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="With --http: the origin of a web page that may use it."),
    ] = None,
    granularity: Annotated[
        Granularity, typer.Option(help="One tool that plans by itself, one a task, or both.")
    ] = "tasks",
    allow_urls: AllowUrls = False,
    root: Root = None,
    profile: Profile = "nano",
    also: Also = None,
    tool: Tools = None,
    debug: Debug = False,
) -> None:
    """Serve the tools to clients of the Model Context Protocol, such as desktop assistants and editors."""
    del debug
    from unison_agent.custom.finding import find_tools
    from unison_agent.integrations.mcp import UnisonServer, serve_stdio

    server = UnisonServer(
        profile=profile,
        also=also or (),
        tools=find_tools(tool or ()),
        granularity=granularity,
        policy=MediaPolicy(allow_urls=allow_urls, roots=tuple(root or ())),
    )
    if not http:
        asyncio.run(serve_stdio(server, context.obj))
        return
    from unison_agent.integrations.mcp_http import Access, serve_http

    access = Access(
        host=host,
        token=None if token_env is None else _token(token_env),
        hosts=tuple(allow_host or ()),
        origins=tuple(allow_origin or ()),
    )
    asyncio.run(serve_http(server, access, port))


def _token(name: str) -> str:
    if not (token := os.environ.get(name)):
        msg = f"The environment variable {name} is not set."
        raise RequestError(msg, hint="It must hold the token that clients send.")
    return token
