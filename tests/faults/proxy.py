"""A TCP proxy whose line can go bad: pass, blackhole (takes everything, delivers nothing), reset, latency."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass(slots=True)
class Proxy:
    """mode: pass, blackhole, reset or latency; may be changed at any time and counts for lines that are open, too."""

    conninfo: dict[str, Any]
    mode: str = "pass"
    latency_seconds: float = 0.0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where the database is, through this proxy."""
        return make_conninfo(**self.conninfo | {"host": "127.0.0.1", "port": self.port})

    @property
    def web_url(self) -> str:
        """The same as a URL, as DATABASE_URL takes it."""
        return f"postgresql://{quote(str(self.conninfo['user']))}@127.0.0.1:{self.port}/{self.conninfo['dbname']}"

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            far = self._reach()
            threading.Thread(target=self._pump, args=(far, near), daemon=True).start()
            self._pump(near, far)

    def _reach(self) -> socket.socket:
        host, port = str(self.conninfo.get("host", "localhost")), int(self.conninfo.get("port", 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{host}/.s.PGSQL.{port}")
        return far

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.mode == "reset":
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                if self.mode == "blackhole":
                    continue
                time.sleep(self.latency_seconds if self.mode == "latency" else 0)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                if self.mode != "reset":
                    end.shutdown(socket.SHUT_RDWR)  # close alone waits for the other pump, which still reads
                end.close()


@contextlib.contextmanager
def proxying(database_url: str) -> Iterator[Proxy]:
    """A proxy in front of a database for the time of the block."""
    proxy = Proxy(conninfo_to_dict(database_url))
    threading.Thread(target=proxy.accept, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.listener.close()
