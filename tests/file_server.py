"""A local web server on which each path has one fault, or one property of real servers."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

BODY = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Records (path, Range header) of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()

    def urls(self, *paths: str) -> tuple[str, ...]:
        return tuple(f"http://127.0.0.1:{self.server_port}/{path}" for path in paths)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


class Handler(BaseHTTPRequestHandler):
    """The path names the fault; one that ends in "-once" has it at the first request only."""

    server: Server

    def do_HEAD(self) -> None:
        self.respond(body=False)

    def do_GET(self) -> None:
        self.respond(body=True)

    def respond(self, body: bool) -> None:
        first = not self.server.requests
        self.server.requests.append((self.path, self.headers.get("Range")))
        fault = self.path.removeprefix("/")
        if fault.endswith("-once"):
            fault = fault.removesuffix("-once") if first else "good"
        if fault == "reset":
            self.close_connection = True
        elif fault.isdecimal():
            self.send_error(int(fault))
        elif fault.startswith("redirect"):  # to a path or a URL after "?"
            self.send_response(302)
            self.send_header("Location", fault.partition("?")[2] or "/good")
            self.end_headers()
        elif fault == "trickle":
            self.trickle()
        else:
            self.send_file(fault, body)

    def trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        while not self.server.released.is_set():
            self.wfile.write(b"x")
            time.sleep(0.02)

    def send_file(self, fault: str, send_body: bool) -> None:
        pages = {"html": b"<html>log in first</html>", "disguised": b"<html>sorry</html>", "wrong": BODY[::-1]}
        content = pages.get(fault, BODY)
        start = self.start(len(content)) if fault in ("good", "elsewhere") else 0
        if start >= len(content):
            return self.send_error(416)
        self.protocol_version = "HTTP/1.1" if fault == "chunked" else "HTTP/1.0"
        self.close_connection = True
        self.send_response(206 if start else 200)
        if start:
            first = 0 if fault == "elsewhere" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Type", "text/html; charset=utf-8" if fault == "html" else "application/octet-stream")
        if fault == "encoded":  # as servers label .gz files, which arrive changed if a client decodes them
            self.send_header("Content-Encoding", "gzip")
        if fault == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif fault != "endless":
            self.send_header("Content-Length", str(len(content) - start + (fault == "large")))
        self.end_headers()
        if send_body:
            self.send_body(fault, content[start:])

    def start(self, length: int) -> int:
        value = self.headers.get("Range", "bytes=0-")
        return int(value.removeprefix("bytes=").removesuffix("-"))

    def send_body(self, fault: str, content: bytes) -> None:
        if fault == "chunked":
            for position in range(0, len(content), 70_000):
                piece = content[position : position + 70_000]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        sent = {"short": 100_000, "stall": 50_000}.get(fault, len(content))
        self.wfile.write(content[:sent] + (b"more" if fault == "endless" else b""))
        self.wfile.flush()
        if fault == "stall":
            self.server.released.wait(10)

    def log_message(self, *args: object) -> None:
        pass
