"""Fetches files from public addresses, and from nowhere else; it does not know what is in them.

An address is resolved once, every address it resolves to is checked, and the connection goes to the very
address that was checked: a name that resolves to another host a moment later gains nothing. Each redirect is
an address of its own. Proxies of the environment are not used.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from urllib.parse import SplitResult, urljoin, urlsplit

from unison_agent.errors import MediaError, MediaLimitError, UnsupportedMediaError

Resolve = Callable[[str, int], Sequence[str]]
Permits = Callable[[str], bool]
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 64 * 1024
_TYPES = ("image/", "video/", "application/octet-stream", "binary/octet-stream")


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the IP addresses of a host, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet: not private, loopback, link-local, reserved ..."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        # These carry an IPv4 address inside, which is where a gateway would connect to.
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if inner:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class HttpsFetcher:
    """Fetches https addresses within limits.

    Args:
        resolve: Host and port to IP addresses.
        permits: Whether an IP address may be connected to.
        context: Checks certificates; the system's authorities when left out.
        max_redirects: How many are followed.
        timeout_seconds: For the whole of it, redirects and all.
    """

    def __init__(
        self,
        *,
        resolve: Resolve = resolve,
        permits: Permits = is_public,
        context: ssl.SSLContext | None = None,
        max_redirects: int = 3,
        timeout_seconds: float = 20.0,
    ) -> None:
        self._resolve = resolve
        self._permits = permits
        self._context = context
        self._max_redirects = max_redirects
        self._timeout = timeout_seconds

    def __call__(self, url: str, max_bytes: int) -> bytes:
        """Return the bytes of an address.

        Raises:
            UnsupportedMediaError: It is not https, not public, or no image or video.
            MediaLimitError: It has more than `max_bytes`.
            MediaError: It could not be fetched.
        """
        until = monotonic() + self._timeout
        for _ in range(self._max_redirects + 1):
            parts = _https(url)
            try:
                address = self._checked(parts, until)
                found = self._get(parts, address, max_bytes, until)
            except (OSError, HTTPException, UnicodeError) as error:  # the last: no name of a host
                why = "it took too long" if isinstance(error, TimeoutError) else str(error)
                raise MediaError(f"{parts.hostname} could not be fetched: {why}.") from error
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
        msg = f"More than {self._max_redirects} redirects; the last is to {urlsplit(url).hostname}."
        raise MediaError(msg, hint="Pass the address at their end.")

    def _checked(self, parts: SplitResult, until: float) -> str:
        """Return an address of the host that may be connected to."""
        host = parts.hostname or ""
        found = self._resolve(host, parts.port or 443)
        _left(until)
        closed = [address for address in found if not self._permits(address)]
        if closed or not found:
            where = f" resolves to {closed[0]}, which" if closed else ""
            msg = f"{host}{where} is not a public address."
            raise UnsupportedMediaError(
                msg, hint="Pass a handle, or the address of a public server."
            )
        return found[0]

    def _get(self, parts: SplitResult, address: str, max_bytes: int, until: float) -> bytes | str:
        """Return the bytes, or where they are said to be instead."""
        context = self._context or ssl.create_default_context()
        connection = _Pinned(parts, address, context, _left(until))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Accept": "image/*, video/*", "Accept-Encoding": "identity"}
        try:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            if answer.status in _REDIRECTS and (place := answer.getheader("Location")):
                return place
            if answer.status != 200:
                msg = f"{parts.hostname} answered {answer.status} {answer.reason}."
                raise MediaError(msg, hint="Check the address.")
            return _body(connection, answer, max_bytes, until)
        finally:
            connection.close()


class _Pinned(HTTPSConnection):
    """A connection to one IP address, with the certificate of the host's name."""

    def __init__(
        self, parts: SplitResult, address: str, context: ssl.SSLContext, timeout: float
    ) -> None:
        host = parts.hostname or ""
        super().__init__(host, parts.port or 443, timeout=timeout, context=context)
        self._address = address
        self._verifying = context

    def connect(self) -> None:
        raw = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._verifying.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise


def _https(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UnsupportedMediaError(f"This is no address: {error}.") from error
    if parts.scheme != "https":
        msg = f"Addresses of the sort {parts.scheme}: are not opened."
        raise UnsupportedMediaError(msg, hint="Use an https address.")
    if not parts.hostname or parts.username is not None:
        msg = "The address has no host, or a user name in it."
        raise UnsupportedMediaError(msg, hint="Use https://host/path.")
    if not url.isascii() or any(sign <= " " for sign in url):
        msg = "The address has signs that must be percent-encoded."
        raise UnsupportedMediaError(msg, hint="Write it in ASCII, without spaces.")
    return parts


def _body(connection: _Pinned, answer: HTTPResponse, max_bytes: int, until: float) -> bytes:
    kind = (answer.getheader("Content-Type") or "application/octet-stream").lower()
    if not kind.startswith(_TYPES):
        msg = f"{connection.host} sent {kind.partition(';')[0]}; expected an image or a video."
        raise UnsupportedMediaError(msg, hint="Pass the address of the file itself.")
    stated = answer.getheader("Content-Length") or ""
    if stated.isdigit() and int(stated) > max_bytes:
        raise _too_large(connection.host, max_bytes)
    data = bytearray()
    while True:
        left = _left(until)
        if connection.sock is not None:  # it is gone where the server closes after its answer
            connection.sock.settimeout(left)
        part = answer.read1(_CHUNK)
        if not part:
            break
        data += part
        if len(data) > max_bytes:
            raise _too_large(connection.host, max_bytes)
    if stated.isdigit() and len(data) < int(stated):
        msg = f"{connection.host} sent {len(data)} of {stated} bytes."
        raise MediaError(msg, hint="Try again.")
    return bytes(data)


def _too_large(host: str, max_bytes: int) -> MediaLimitError:
    msg = f"{host} sent more than {max_bytes / 2**20:.3g} MiB, which is the limit."
    return MediaLimitError(msg, hint="Pass a smaller file.")


def _left(until: float) -> float:
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
