"""Carries the MCP server over streamable HTTP to those who may use it; it knows no tools.

Every request is held against a list of Host and Origin headers, so that no web page reaches a server on this
machine through the browser, and against a bearer token where there is one. Only protocol versions with sessions
are spoken: the stateless one has nothing that tells one client from another, and handles would be everybody's.
"""

import hmac
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass

from unison_agent.errors import MissingDependencyError, RequestError
from unison_agent.integrations.mcp import MOST_SESSIONS, UnisonServer

try:
    import mcp_types as types
    import uvicorn
    from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
    from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
except ImportError as error:
    raise MissingDependencyError(error.name or "mcp", extra="mcp") from error

PATH = "/mcp"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MOST_BODY_BYTES = 32 * 1024 * 1024  # a data URI of 20 MiB fits


@dataclass(frozen=True, slots=True)
class Access:
    """Where a server listens and who may use it.

    Attributes:
        host: The address to listen on.
        token: What clients must send as ``Authorization: Bearer ...``; needed beyond this machine.
        hosts: Names by which clients reach the server, besides `host` itself and this machine's own.
        origins: Origins of web pages that may use it, such as ``"https://example.org"``, besides pages of
            this machine where `host` is of this machine.

    Raises:
        RequestError: `host` is reached from other machines and there is no token, or it stands for all
            addresses and there is no name in `hosts`.
    """

    host: str = "127.0.0.1"
    token: str | None = None
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.token is not None and not self.token.strip():
            raise RequestError("The token is empty.", hint="Use a long random one.")
        if self.token is None and not self.is_local:
            msg = f"{self.host} is reached from other machines; that needs a token."
            raise RequestError(msg, hint="Name the variable that holds it: --token-env NAME.")
        if self._is_any and not self.hosts:
            msg = f"{self.host} stands for all addresses; which of them clients use is not known."
            raise RequestError(msg, hint="Name them: --allow-host example.org.")

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the address."""
        address = _address(self.host)
        return self.host == "localhost" if address is None else address.is_loopback

    @property
    def _is_any(self) -> bool:
        address = _address(self.host)
        return address is not None and address.is_unspecified

    def headers(self) -> TransportSecuritySettings:
        """Return which Host and Origin headers are let in, on any port."""
        names = [*self.hosts, *(_LOOPBACK if self.is_local else ())]
        if not self._is_any:
            names.append(f"[{self.host}]" if ":" in self.host else self.host)
        pages = [f"http://{name}" for name in _LOOPBACK] if self.is_local else []
        return TransportSecuritySettings(
            allowed_hosts=[*names, *(f"{name}:*" for name in names)],
            allowed_origins=[*self.origins, *pages, *(f"{page}:*" for page in pages)],
        )


def http_app(server: UnisonServer, access: Access | None = None) -> Starlette:
    """Return an ASGI application that serves ``/mcp``.

    Args:
        server: What is served.
        access: Who may use it; this machine alone when left out.
    """
    access = Access() if access is None else access
    headers = access.headers()
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=headers,
        max_sessions=MOST_SESSIONS,
        max_request_body_size=_MOST_BODY_BYTES,
    )
    app.add_middleware(_Guard, server=server, headers=headers, token=access.token)
    return app


async def serve_http(server: UnisonServer, access: Access | None = None, port: int = 8000) -> None:
    """Serve over HTTP until the process is told to end.

    Args:
        server: What is served.
        access: Where it listens and who may use it; this machine alone when left out.
        port: The port; 0 takes a free one.
    """
    access = Access() if access is None else access
    config = uvicorn.Config(
        http_app(server, access),
        host=access.host,
        port=port,
        log_level="info",
        timeout_graceful_shutdown=2,
    )
    await uvicorn.Server(config).serve()


class _Guard:
    """Lets through what may come in, and forgets sessions that clients end."""

    def __init__(
        self,
        app: ASGIApp,
        server: UnisonServer,
        headers: TransportSecuritySettings,
        token: str | None,
    ) -> None:
        self._app = app
        self._server = server
        self._headers = TransportSecurityMiddleware(headers)
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = await self._headers.validate_request(request) or self._refusal(request)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
        if request.method == "DELETE" and (session := request.headers.get("mcp-session-id")):
            self._server.end_session(session)

    def _refusal(self, request: Request) -> Response | None:
        if self._token is not None:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            # Compared in constant time, so that a wrong one tells nothing of the right one.
            is_right = hmac.compare_digest(given.strip().encode(), self._token)
            if scheme.lower() != "bearer" or not is_right:
                challenge = {"WWW-Authenticate": "Bearer"}
                return Response("A bearer token is needed.", status_code=401, headers=challenge)
        version = request.headers.get("mcp-protocol-version")
        if version is None or version in HANDSHAKE_PROTOCOL_VERSIONS:
            return None
        spoken = list(HANDSHAKE_PROTOCOL_VERSIONS)
        problem = types.ErrorData(
            code=types.UNSUPPORTED_PROTOCOL_VERSION,
            message="Only protocol versions with sessions are spoken over HTTP.",
            data={"supported": spoken, "requested": version},
        )
        body = types.JSONRPCError(jsonrpc="2.0", id=None, error=problem)
        said = json.dumps(body.model_dump(mode="json", by_alias=True))
        return Response(said, status_code=400, media_type="application/json")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
