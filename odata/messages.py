"""Request and Response as plain values: Flask, $batch, explain and tests all speak them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One OData request relative to the service root.

    method: upper case, X-HTTP-METHOD already applied. path: percent-encoded, no leading slash, "" is the service root.
    query: percent-encoded, without "?". headers: names in lower case. body: raw bytes, already inflated.
    """

    method: str = "GET"
    path: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """status, headers in order, body as parts to be joined or streamed; facts are for the log line only."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[bytes | memoryview, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
