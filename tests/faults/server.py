"""A misbehaving server on 127.0.0.1: each request plays the next act, and the last act again and again."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STRONG = {"ETag": '"v1"'}
Act = Callable[["Handler"], object]


class Handler(BaseHTTPRequestHandler):
    """One request; an act writes the answer."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.asked.append((self.path, dict(self.headers)))
        with contextlib.suppress(OSError):
            self.server.next_act()(self)

    def log_message(self, *_: Any) -> None:
        pass

    def head(self, status: int, **headers: object) -> None:
        """Send the status and headers; ``_`` in a name is ``-``."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, data: bytes, pause: float = 0, step: int = 1 << 17) -> None:
        """Send bytes, counted, in steps with a pause after each."""
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            self.wfile.write(piece)
            self.server.sent += len(piece)
            if pause and self.server.closing.wait(pause):
                return

    def wait(self) -> None:
        """Say nothing more until the server ends."""
        self.server.closing.wait(20)


class Server(ThreadingHTTPServer):
    """The server: `plays` sets what the next requests meet, `asked` and `sent` say what happened."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, payload: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.payload, self.scheme = payload, "http"
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.sent = 0
        self.closing = threading.Event()
        self._acts: list[Act] = [good]
        self._lock = threading.Lock()

    def handle_error(self, *_: Any) -> None:
        pass

    def plays(self, *acts: Act) -> None:
        """Play these acts, the last one for ever; forget what was asked and sent."""
        with self._lock:
            self._acts = list(acts)
            self.asked.clear()
            self.sent = 0

    def keep_act(self) -> None:
        """Play the next act once more: what asks now is not the download."""
        with self._lock:
            self._acts.insert(0, self._acts[0])

    def next_act(self) -> Act:
        with self._lock:
            return self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def url(self, path: str = "/set.zip") -> str:
        return f"{self.scheme}://{self.place}{path}"


@contextlib.contextmanager
def serving(payload: bytes, tls: tuple[Path, Path] | None = None) -> Iterator[Server]:
    """Yield a server at work in a thread; `tls` is (certificate, key)."""
    server = Server(payload)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def certificate(folder: Path) -> tuple[Path, Path] | None:
    """Return (certificate, key) of 127.0.0.1, its own authority; None where openssl is not installed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
               "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]  # fmt: skip
    done = subprocess.run([*map(str, command)], capture_output=True, check=False)
    return (cert, key) if done.returncode == 0 else None


def good(h: Handler) -> None:
    """The right file, with ranges under If-Range."""
    sends(h.server.payload)(h)


def sends(data: bytes, pause: float = 0, cut: int | None = None, **headers: object) -> Act:
    """Send `data` with its length and ranges under If-Range; `cut` ends the connection after so many bytes."""
    said = headers or {"ETag": '"v1"'}

    def act(h: Handler) -> None:
        start = 0
        wanted = h.headers.get("Range", "")
        if wanted and h.headers.get("If-Range") in said.values():
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        place = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        h.head(206 if start else 200, Content_Length=len(data) - start, **place, **said)
        h.body(data[start:] if cut is None else data[start : start + cut], pause)

    return act


def whole(data: bytes, status: int = 200, **headers: object) -> Act:
    """Send `data` with its length, whatever range was asked."""

    def act(h: Handler) -> None:
        h.head(status, **({"Content_Length": len(data)} | headers))
        h.body(data)

    return act


def redirects(place: str, status: int = 302) -> Act:
    """Lead to another address."""
    return whole(b"moved", status, Location=place)


def half_length(h: Handler) -> None:
    whole(h.server.payload[: len(h.server.payload) // 2], Content_Length=len(h.server.payload))(h)


def chunked(h: Handler, data: bytes, ended: bool) -> None:
    h.head(200, Transfer_Encoding="chunked")
    for start in range(0, len(data), 1 << 17):
        piece = data[start : start + (1 << 17)]
        h.body(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    if ended:
        h.body(b"0\r\n\r\n")


def half_chunked(h: Handler) -> None:
    chunked(h, h.server.payload[: len(h.server.payload) // 2], ended=False)


def whole_chunked(h: Handler) -> None:
    chunked(h, h.server.payload, ended=True)


def too_much(h: Handler) -> None:
    chunked(h, h.server.payload * 8, ended=True)


def twice(h: Handler) -> None:
    """The right file and the right file again, as one: a zip reader looks at the end alone."""
    chunked(h, h.server.payload * 2, ended=True)


def appended(h: Handler) -> None:
    """The right file with a web page behind it, as a proxy may add one."""
    chunked(h, h.server.payload + b"<html>" + b"x" * 4000, ended=True)


def half_to_close(h: Handler) -> None:
    h.head(200)
    h.body(h.server.payload[: len(h.server.payload) // 2])


def flipped(h: Handler) -> None:
    data = bytearray(h.server.payload)
    data[len(data) // 2] ^= 4
    whole(bytes(data), ETag='"v1"')(h)


def gzipped(h: Handler) -> None:
    whole(gzip.compress(h.server.payload, 1), Content_Encoding="gzip")(h)


def stalls(h: Handler) -> None:
    h.head(200, Content_Length=len(h.server.payload), ETag='"v1"')
    h.body(h.server.payload[: 1 << 20])
    h.wait()


def drips(h: Handler) -> None:
    h.head(200, Content_Length=len(h.server.payload))
    h.body(h.server.payload, pause=0.05, step=1)


def drips_headers(h: Handler) -> None:
    h.body(b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 4000, pause=0.05, step=1)


def livelock(h: Handler) -> None:
    """Always cut after a little; each answer is in itself right."""
    sends(h.server.payload, cut=1 << 16)(h)


def wrong_offset(h: Handler) -> None:
    """Answer a range with other bytes than were asked for."""
    data = h.server.payload
    if "Range" not in h.headers:
        sends(data, cut=1 << 20)(h)
    else:
        h.head(206, Content_Range=f"bytes 5-{len(data) - 1}/{len(data)}", Content_Length=len(data) - 5, ETag='"v1"')
        h.body(data[5:])


def ranges_ignored(h: Handler) -> None:
    if "Range" not in h.headers:
        sends(h.server.payload, cut=1 << 20)(h)
    else:
        whole(h.server.payload, ETag='"v1"')(h)


def another_206(h: Handler) -> None:
    """Go on, against If-Range, with the bytes of a file that was changed in between, its length the same."""
    data = bytes(len(h.server.payload))
    start = int(h.headers["Range"].removeprefix("bytes=").rstrip("-"))
    h.head(206, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}", Content_Length=len(data) - start,
           ETag='"v2"')  # fmt: skip
    h.body(data[start:])


def pauses(seconds: float) -> Act:
    """The right file, slowly."""
    return lambda h: sends(h.server.payload, pause=seconds)(h)


def wait_until(ready: Callable[[], bool], seconds: float = 10) -> None:
    """Return once `ready` says so, or after so many seconds."""
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        time.sleep(0.005)
