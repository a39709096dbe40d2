"""One HTTP exchange over a connection of its own, as values; used by the mesh and by the caller."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, whole. headers: in order, repeated ones too."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header of this name in any case, or nothing."""
        return next((value for sent, value in self.headers if sent.lower() == name.lower()), "")

    def json(self) -> Any:
        """The body as JSON. Raises: ValueError, with its beginning, when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ValueError(f"{self.status} with no JSON but {self.body[:200]!r}") from None


def send(
    url: str, method: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float | None = None
) -> Answer:
    """Send one request, exactly with these headers beside Host and Content-Length, and read the whole answer.

    Args:   seconds: longest wait for connection or bytes, None for ever.
    Raises: OSError, HTTPException: nobody there, cut off, too late; HTTPException also for a URL of another scheme.
    """
    parts = urlsplit(url)
    kind = {"http": HTTPConnection, "https": HTTPSConnection}.get(parts.scheme)
    if kind is None or not parts.hostname:
        raise HTTPException(f"no http address: {url}")
    path = url.partition("#")[0].removeprefix(f"{parts.scheme}://{parts.netloc}")
    connection = kind(parts.hostname, parts.port, timeout=seconds)
    with contextlib.closing(connection):
        connection.putrequest(method, path if path.startswith("/") else f"/{path}", skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1"))
        if body or method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        return Answer(status=response.status, headers=tuple(response.getheaders()), body=response.read())
