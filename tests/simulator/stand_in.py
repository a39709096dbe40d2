"""An HTTP server that keeps what arrives, byte for byte where it matters, and answers what a test says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One request. headers: as sent, in order, repeated ones too."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for sent, value in self.headers if sent.lower() == name.lower()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Speak = Callable[[Arrived], Said]


def _ok(request: Arrived) -> Said:
    return Said(body=b"ok")


@dataclass(slots=True)
class StandIn:
    """speak: what it answers, replaced at will; arrived: every request so far."""

    url: str = ""
    port: int = 0
    speak: Speak = _ok
    arrived: list[Arrived] = field(default_factory=list)

    def reset(self) -> StandIn:
        """As new."""
        self.speak = _ok
        self.arrived.clear()
        return self


@contextlib.contextmanager
def listening() -> Iterator[StandIn]:
    """A stand-in on a free port for the time of the block."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.requestline.split(" ")[1]
            request = Arrived(method=self.command, target=target, headers=tuple(self.headers.items()), body=body)
            stand_in.arrived.append(request)
            said = stand_in.speak(request)
            self.send_response_only(said.status)
            for name, value in said.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    stand_in.port = server.server_port
    stand_in.url = f"http://127.0.0.1:{stand_in.port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
