"""A real HTTP server on this machine that serves files, and misbehaves when it is told to."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves ``files`` (path → bytes), with ranges, and writes down what was asked in ``asked``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and range of each request."""
        self.cuts: list[int] = []
        """The next answers break off after so many bytes of body."""
        self.ranges = True
        self.heads = True
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def tell_md5(self, content: bytes) -> None:
        """Answer with the checksums that Google's storage sends."""
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        self.headers["x-goog-hash"] = f"crc32c=AAAAAA==, md5={md5}"

    def fetched(self) -> list[str | None]:
        """The ranges of the requests that took a body."""
        return [span for method, _, span in self.asked if method == "GET"]

    def handle_error(self, request, client_address) -> None:
        """A client that goes away is nothing to talk of."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_) -> None:
        pass

    def _answer(self, body: bool) -> None:
        span = self.headers.get("Range")
        path = self.path.partition("?")[0]
        self.server.asked.append((self.command, path, span))
        content = self.server.files.get(path)
        if content is None or (not body and not self.server.heads):
            self.send_response(404 if content is None else 405)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        begin = int(span.removeprefix("bytes=").split("-")[0]) if span and self.server.ranges else 0
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            cut = self.server.cuts.pop(0) if self.server.cuts else None
            self.wfile.write(content[begin:][:cut])
            self.close_connection = cut is not None


@contextmanager
def serving() -> Iterator[FileServer]:
    """A server for the time of a test."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
