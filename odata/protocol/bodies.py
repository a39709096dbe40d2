"""Bodies: request bodies read within their limits, answers compressed when the client can take it.

Nothing is read past a limit, so a small body cannot become a large one in memory. Source: RFC 9110, "Content-Encoding".
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from odata.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

LEAST_ZIPPED_BYTES = 1400
MOST_JOINED_BYTES = 500_000
LEAST_ALONE_BYTES = 64_000
ZIP_LEVEL = 1
WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_GZIP_REFUSED = re.compile(r"\bgzip\s*;\s*q=0(?:\.0*)?(?![.0-9])")


class Stream(Protocol):
    """What a body is read from; read(n) gives n bytes at most."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """raw and inflated bytes of a request body, and how many times it may grow when inflated."""

    raw_bytes: int = 500_000
    inflated_bytes: int = 500_000
    ratio: int = 100


def inflated(stream: Stream, headers: Mapping[str, str], limits: BodyLimits) -> bytes:
    """The body, decompressed.

    Raises: PayloadTooLarge (413) naming the limit, before anything is read where the headers say it; BadRequest (400)
    for broken data and for less than was promised; UnsupportedMediaType (415) for an encoding.
    """
    raw = _whole(stream, headers.get("content-length", ""), limits.raw_bytes)
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding not in WINDOW_BITS:
        raise UnsupportedMediaType(f"Content-Encoding '{encoding[:40]}' is not served; gzip and deflate are.")
    return _inflate(raw, WINDOW_BITS[encoding], limits)


def _whole(stream: Stream, promised: str, most: int) -> bytes:
    """The body as sent. A server may end it quietly when the client hangs up: half a query is another query."""
    length = int(promised) if promised.isdecimal() else None
    if length is not None and length > most:
        raise PayloadTooLarge(f"The body is longer than the limit of {most} bytes.")
    raw = stream.read(most + 1)
    if len(raw) > most:
        raise PayloadTooLarge(f"The body is longer than the limit of {most} bytes.")
    if length is not None and len(raw) < length:
        raise BadRequest(f"The body ended early: {len(raw)} of {length} bytes came.", target="Content-Length")
    return raw


def _inflate(raw: bytes, window_bits: int, limits: BodyLimits) -> bytes:
    most = min(limits.inflated_bytes, max(len(raw), 100) * limits.ratio)
    inflater = zlib.decompressobj(window_bits)
    try:
        text = inflater.decompress(raw, most + 1)
    except zlib.error:
        raise BadRequest("The body is not what its Content-Encoding says.", target="Content-Encoding") from None
    if len(text) > most:
        raise PayloadTooLarge(
            f"The body inflates to more than {most} bytes; the limits are {limits.inflated_bytes} bytes and "
            f"{limits.ratio} times its size."
        )
    if not inflater.eof or inflater.unused_data:
        raise BadRequest("The compressed body is cut off or followed by something else.", target="Content-Encoding")
    return text


def encoded(parts: Sequence[bytes | memoryview], accept_encoding: str) -> tuple[str | None, list[bytes]]:
    """(Content-Encoding, chunks to send), compressed when the client takes gzip and it pays.

    A large answer is not put together once more: its parts are sent one after the other.
    """
    size = sum(map(len, parts))
    if size > MOST_JOINED_BYTES and not _takes_gzip(accept_encoding):
        return None, list(_sent_together(parts))
    body = b"".join(parts)
    if size < LEAST_ZIPPED_BYTES or not _takes_gzip(accept_encoding):
        return None, [body]
    return "gzip", [gzip.compress(body, ZIP_LEVEL, mtime=0)]


def _sent_together(parts: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Large parts as they are, what stands between them as one: each is written to the network by itself."""
    between = b""
    for part in parts:
        if len(part) < LEAST_ALONE_BYTES:
            between += part
            continue
        if between:
            yield between
        between = b""
        yield bytes(part)
    if between:
        yield between


def _takes_gzip(accept_encoding: str) -> bool:
    accepted = accept_encoding.lower()
    return "gzip" in accepted and not _GZIP_REFUSED.search(accepted)
