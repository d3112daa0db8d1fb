import base64
import io
import os
import socket
import ssl
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from urllib.parse import quote

import numpy as np
import PIL.Image
import pytest

from unison_agent.artifacts import ArtifactStore
from unison_agent.errors import (
    MediaError,
    MediaLimitError,
    ToolCallError,
    UnsupportedMediaError,
)
from unison_agent.functions import HttpsFetcher, MediaPolicy
from unison_agent.functions.fetching import is_public
from unison_agent.functions.incoming import Incoming, read_data_uri
from unison_agent.media import Image, MediaSet, Medium, Video
from unison_agent.media.sources import Limits

ANY: dict[str, object] = {"type": "string", "x-media": "any"}
RED = PIL.Image.new("RGB", (16, 8), (255, 0, 0))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="3"/></svg>'
PEM = Path(__file__).parent / "data" / "loopback.pem"


def encoded(kind: str, *more: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    RED.save(buffer, kind, **({"save_all": True, "append_images": more} if more else {}))
    return buffer.getvalue()


PNG = encoded("PNG")


def data_uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def opened(value: object, policy: MediaPolicy | None = None) -> Medium:
    incoming = Incoming(ArtifactStore(), MediaSet(), policy or MediaPolicy())
    handle = incoming.take("source", value, ANY)
    return incoming.media_set().medium(handle)


# --- from the program ----------------------------------------------------------------------------


def test_a_program_passes_what_it_has() -> None:
    import torch

    pixels = np.asarray(RED)
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
    same = (RED, pixels, tensor, tensor[None], tensor.float() / 255, PNG, Image.from_pil(RED))
    for one in same:
        found = opened(one)
        assert isinstance(found, Image)
        assert found.pil.tobytes() == RED.tobytes()
    grey = opened(torch.ones(8, 16, dtype=torch.uint8) * 7)
    assert isinstance(grey, Image)
    assert grey.pil.getpixel((0, 0)) == (7, 7, 7)


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 3, 8, 8), (8,), (3, 0, 0)])
def test_tensors_that_are_no_picture_are_refused(shape: tuple[int, ...]) -> None:
    import torch

    with pytest.raises(UnsupportedMediaError, match=r"Got a tensor of float32 with shape"):
        opened(torch.zeros(shape))


def test_tensors_of_another_range_are_told_theirs() -> None:
    import torch

    with pytest.raises(UnsupportedMediaError, match=r"values from -1 to -1.* floats in 0\.\.1"):
        opened(-torch.ones(3, 8, 8))


@pytest.mark.parametrize("value", [5, None, ["x"], object()])
def test_anything_else_is_no_medium(value: object) -> None:
    with pytest.raises(ToolCallError, match="is no medium"):
        opened(value)


def test_one_medium_named_twice_is_opened_once() -> None:
    incoming = Incoming(ArtifactStore(), MediaSet.of([RED]))
    uri = data_uri(PNG)
    names = [incoming.take("x", one, ANY) for one in ("image_1", uri, "image_1", uri)]
    assert names == ["image_1", "image_2", "image_1", "image_2"]
    assert len(incoming.media_set()) == 2


# --- data URIs -----------------------------------------------------------------------------------


def test_a_data_uri_is_what_its_bytes_are() -> None:
    assert opened(data_uri(PNG)).kind == "image"
    assert opened(data_uri(PNG, "text/html")).kind == "image"
    assert opened(f"DATA:;base64,{base64.b64encode(PNG).decode()}").kind == "image"
    assert opened(f"data:image/png,{quote(PNG)}").kind == "image"
    moving = encoded("GIF", PIL.Image.new("RGB", (16, 8)))
    assert isinstance(opened(data_uri(moving)), Video)


def test_a_large_data_uri_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = data_uri(bytes(50 * 1024 * 1024))

    def decode(*_: object, **__: object) -> bytes:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(base64, "b64decode", decode)
    start = monotonic()
    with pytest.raises(MediaLimitError, match="more than 20 MiB") as caught:
        opened(uri)
    assert monotonic() - start < 1
    assert caught.value.field == "source"
    assert len(str(caught.value)) < 200


def test_the_limit_of_a_data_uri_is_exact() -> None:
    limits = Limits(max_bytes=len(PNG))
    assert read_data_uri(data_uri(PNG), limits) == PNG
    for uri in (data_uri(PNG + b"x"), f"data:,{quote(PNG + b'x')}"):
        with pytest.raises(MediaLimitError):
            read_data_uri(uri, limits)


@pytest.mark.parametrize(
    "uri", ["data:", "data:,", "data:image/png;base64,", "data:image/png;base64,@@@@", "data:;x"]
)
def test_damaged_data_uris_are_refused(uri: str) -> None:
    with pytest.raises(UnsupportedMediaError, match="data URI"):
        opened(uri)


# --- what is inside ------------------------------------------------------------------------------


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (SVG, UnsupportedMediaError, "(?i)svg|not.*(image|type|container)|text"),
        (b"<html><body>Not found</body></html>", UnsupportedMediaError, "."),
        (b"MZ\x90\x00" + bytes(64), UnsupportedMediaError, "."),
        (PNG[: len(PNG) // 2], MediaError, "damaged or cut short"),
        (encoded("JPEG")[:200], MediaError, "damaged or cut short|ends"),
        (bomb(), MediaLimitError, "3600 million pixels"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, error: type[MediaError], words: str) -> None:
    for value in (data, data_uri(data)):
        with pytest.raises(error, match=words) as caught:
            opened(value)
        assert caught.value.field == "source"


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "red.png").write_bytes(PNG)
    (inside / "gif.png").write_bytes(encoded("GIF"))
    (inside / "large.png").write_bytes(bytes(2048))
    (tmp_path / "secret.png").write_bytes(PNG)
    (inside / "out.png").symlink_to(tmp_path / "secret.png")
    (inside / "in.png").symlink_to(inside / "red.png")
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "up").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe.png")
    return inside


def test_files_are_opened_below_the_allowed_folders_only(folder: Path) -> None:
    policy = MediaPolicy(roots=[folder])
    for name in ("red.png", "in.png", "gif.png", "../inside/red.png"):
        found = opened(str(folder / name), policy)
        assert isinstance(found, Image)  # a GIF is one, whatever its name says
    assert opened(folder / "red.png", policy).kind == "image"
    outside = ("out.png", "../secret.png", "up/secret.png", "loop.png", "missing.png", "x\0y.png")
    for name in (*(str(folder / one) for one in outside), "/etc/passwd", "red.png", "~/x.png", "/"):
        with pytest.raises(UnsupportedMediaError, match="no file in the folders that are allowed"):
            opened(name, policy)


def test_pipes_and_folders_are_no_files(folder: Path) -> None:
    policy = MediaPolicy(roots=[folder])
    with pytest.raises(UnsupportedMediaError, match="not a regular file"):
        opened(str(folder / "pipe.png"), policy)
    with pytest.raises(UnsupportedMediaError):
        opened(str(folder), policy)


def test_a_large_file_is_not_read_whole(folder: Path) -> None:
    policy = MediaPolicy(roots=[folder], limits=Limits(max_bytes=1024))
    with pytest.raises(MediaLimitError, match=r"large\.png holds more than"):
        opened(str(folder / "large.png"), policy)


def test_no_folder_is_allowed_by_default(folder: Path) -> None:
    with pytest.raises(ToolCallError, match="is no handle; attached: none"):
        opened(str(folder / "red.png"))
    with pytest.raises(UnsupportedMediaError, match="files are not opened here"):
        opened(folder / "red.png")


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "localhost",
        "",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "http://example.com/x.png",
        "ftp://example.com/x.png",
        "HTTP://example.com",
        "javascript:alert(1)",
        "gopher://127.0.0.1:6379/_x",
    ],
)
def test_only_https_is_fetched(url: str) -> None:
    for policy in (MediaPolicy(), MediaPolicy(allow_urls=True, roots=["/"])):
        with pytest.raises(UnsupportedMediaError, match="Addresses of the sort"):
            opened(url, policy)


def test_nothing_is_fetched_unless_it_is_allowed() -> None:
    with pytest.raises(UnsupportedMediaError, match="not fetched here"):
        opened("https://example.com/x.png")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/x.png", "https://169.254.169.254/", "https://[::1]:8443/x"]
)
def test_a_private_address_is_refused_by_itself(url: str) -> None:
    with pytest.raises(UnsupportedMediaError, match="is not a public address"):
        opened(url, MediaPolicy(allow_urls=True))


@pytest.mark.parametrize(
    "url", ["https://", "https://me@example.com/", "https://x.example/a b", "https://x:99999/"]
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(UnsupportedMediaError):
        opened(url, MediaPolicy(allow_urls=True))


@dataclass
class Server:
    """A real https server on loopback; it answers what `pages` say."""

    port: int = 0
    pages: dict[str, tuple[int, Mapping[str, str], bytes]] = field(
        default_factory=dict[str, tuple[int, Mapping[str, str], bytes]]
    )
    hosts: list[str] = field(default_factory=list[str])
    drip: float = 0

    def url(self, path: str, host: str = "pictures.example") -> str:
        return f"https://{host}:{self.port}{path}"

    def policy(
        self,
        resolve: Callable[[str, int], Sequence[str]] = lambda host, port: ["127.0.0.1"],
        permits: Callable[[str], bool] = lambda address: address == "127.0.0.1",
        max_bytes: int = 4096,
        timeout_seconds: float = 10,
    ) -> MediaPolicy:
        fetch = HttpsFetcher(
            resolve=resolve,
            permits=permits,
            context=ssl.create_default_context(cafile=str(PEM)),
            timeout_seconds=timeout_seconds,
        )
        return MediaPolicy(allow_urls=True, limits=Limits(max_bytes=max_bytes), fetch=fetch)


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.hosts.append(str(self.headers["Host"]))
            status, headers, body = served.pages[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for start in range(0, len(body), 16 if served.drip else len(body)):
                    self.wfile.write(body[start : start + (16 if served.drip else len(body))])
                    sleep(served.drip)
            except OSError:
                pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    with Quiet(("127.0.0.1", 0), Handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        served.port = http.server_port
        thread = Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield served
        http.shutdown()
        thread.join()


PICTURE = {"Content-Type": "image/png"}


def test_an_https_address_is_fetched(server: Server) -> None:
    server.pages["/red.png?x=1"] = (200, PICTURE, PNG)
    found = opened(server.url("/red.png?x=1"), server.policy())
    assert isinstance(found, Image)
    assert server.hosts == [f"pictures.example:{server.port}"]


def test_a_redirect_is_followed_to_where_it_is_allowed(server: Server) -> None:
    server.pages["/a"] = (302, {"Location": server.url("/b", "other.example")}, b"")
    server.pages["/b"] = (307, {"Location": "/red.png"}, b"")
    server.pages["/red.png"] = (200, PICTURE, PNG)
    assert opened(server.url("/a"), server.policy()).kind == "image"
    assert server.hosts[1].startswith("other.example")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 .*is not a public address"),
        ("http://169.254.169.254/latest/meta-data", "sort http:"),
        ("file:///etc/passwd", "sort file:"),
        ("https://inside.example/", "resolves to 10.0.0.7, which is not a public address"),
    ],
)
def test_a_redirect_is_checked_like_an_address(server: Server, place: str, words: str) -> None:
    server.pages["/a"] = (302, {"Location": place}, b"")

    def resolve(host: str, port: int) -> Sequence[str]:
        del port
        known = {"pictures.example": "127.0.0.1", "inside.example": "10.0.0.7"}
        return [known.get(host, host)]

    with pytest.raises(UnsupportedMediaError, match=words):
        opened(server.url("/a"), server.policy(resolve))


def test_redirects_in_a_circle_end(server: Server) -> None:
    server.pages["/a"] = (301, {"Location": "/a"}, b"")
    with pytest.raises(MediaError, match="More than 3 redirects"):
        opened(server.url("/a"), server.policy())
    assert len(server.hosts) == 4


def test_the_address_that_was_checked_is_the_one_connected_to(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/red.png"] = (200, PICTURE, PNG)
    asked: list[str] = []
    connected: list[str] = []
    real = socket.create_connection

    def resolve(host: str, port: int) -> Sequence[str]:
        """Answer with another address every time, as a server that rebinds its name does."""
        del port
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.7"]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address[0])
        return real(address, timeout)

    monkeypatch.setattr(socket, "create_connection", connect)
    assert opened(server.url("/red.png"), server.policy(resolve)).kind == "image"
    assert (asked, connected) == (["pictures.example"], ["127.0.0.1"])


def test_one_closed_address_of_several_closes_the_host(server: Server) -> None:
    policy = server.policy(lambda host, port: ["127.0.0.1", "10.0.0.7"])
    with pytest.raises(UnsupportedMediaError, match=r"10\.0\.0\.7"):
        opened(server.url("/red.png"), policy)
    assert server.hosts == []


def test_a_host_without_its_certificate_is_not_believed(server: Server) -> None:
    with pytest.raises(MediaError, match=r"could not be fetched: .*certificate"):
        opened(server.url("/red.png", "bank.example"), server.policy())


@pytest.mark.parametrize("headers", [{"Content-Length": "9999999"}, {}])
def test_what_is_too_large_is_not_read_whole(server: Server, headers: dict[str, str]) -> None:
    server.pages["/large.png"] = (200, {**PICTURE, **headers}, bytes(1_000_000))
    with pytest.raises(MediaLimitError, match=r"sent more than 0\.00391 MiB"):
        opened(server.url("/large.png"), server.policy())


def test_what_is_no_picture_is_not_read(server: Server) -> None:
    server.pages["/page"] = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>")
    server.pages["/svg"] = (200, {"Content-Type": "image/svg+xml"}, SVG)
    server.pages["/lost"] = (404, PICTURE, PNG)
    with pytest.raises(UnsupportedMediaError, match="sent text/html; expected an image"):
        opened(server.url("/page"), server.policy())
    with pytest.raises(UnsupportedMediaError):
        opened(server.url("/svg"), server.policy())
    with pytest.raises(MediaError, match="answered 404"):
        opened(server.url("/lost"), server.policy())


def test_a_body_that_is_cut_short_is_refused(server: Server) -> None:
    server.pages["/cut.png"] = (200, {**PICTURE, "Content-Length": "4000"}, PNG)
    with pytest.raises(MediaError, match=r"sent \d+ of 4000 bytes"):
        opened(server.url("/cut.png"), server.policy())


def test_a_server_that_drips_is_left(server: Server) -> None:
    server.pages["/slow.png"] = (200, PICTURE, bytes(4096))
    server.drip = 0.05
    start = monotonic()
    with pytest.raises(MediaError, match="it took too long"):
        opened(server.url("/slow.png"), server.policy(timeout_seconds=0.8))
    assert monotonic() - start < 4


def test_a_name_that_no_host_can_have_is_told() -> None:
    with pytest.raises(MediaError, match="could not be fetched"):
        opened(f"https://{'a' * 70}.example/", MediaPolicy(allow_urls=True))


def test_a_name_that_nobody_knows_is_told() -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(f"{host}:{port} is not known")

    policy = MediaPolicy(allow_urls=True, fetch=HttpsFetcher(resolve=resolve))
    with pytest.raises(MediaError, match=r"nobody\.example could not be fetched"):
        opened("https://nobody.example/x.png", policy)
