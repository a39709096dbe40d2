"""Reads offered at a fixed rate, whatever becomes of those before: each is timed from the moment it was due.

A client that waits for answers asks less when the server is slow, and so hides what its users would feel.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from bench.stacks import Stack

CONNECTIONS = 32
"""Opened as they are needed; a read that finds all of them busy waits, and its time counts."""
SECONDS = 30.0
"""For one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """milliseconds: of every read, in the order they were due. errors: no success, or no answer."""

    milliseconds: tuple[float, ...]
    errors: int

    def percentile(self, percent: int) -> float:
        """Milliseconds below which so many percent of the reads were."""
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


def offer(stack: Stack, paths: Sequence[str], *, rate: float, until: Callable[[float], bool]) -> Reads:
    """Ask for the paths one after the other, `rate` a second. until: seconds since the begin -> whether to end."""
    return asyncio.run(_offer(stack, paths, rate, until))


async def _offer(stack: Stack, paths: Sequence[str], rate: float, until: Callable[[float], bool]) -> Reads:
    host, _, port = stack.url.rpartition("/")[2].partition(":")
    fields = "".join(f"{name}: {value}\r\n" for name, value in stack.headers.items())
    free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        free.put_nowait(_Connection(host, int(port)))
    asked: list[asyncio.Task[float | None]] = []
    begun = time.perf_counter()

    async def ask(path: str, due: float) -> float | None:
        connection = await free.get()
        try:
            request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()
            good = await asyncio.wait_for(connection.ask(request), SECONDS)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            connection.close()
            good = False
        finally:
            free.put_nowait(connection)
        return (time.perf_counter() - due) * 1000 if good else None

    while not until(time.perf_counter() - begun):
        due = begun + len(asked) / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.create_task(ask(paths[len(asked) % len(paths)], due)))
    took = await asyncio.gather(*asked)
    while not free.empty():
        free.get_nowait().close()
    return Reads(milliseconds=tuple(one for one in took if one is not None), errors=took.count(None))


class _Connection:
    """A kept connection, opened with its first request."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> bool:
        """Send, and read the answer whole: whether it was 200."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r")[0]
        await reader.readexactly(int(length))
        if b"\r\nconnection: close" in head:
            self.close()
        return b" 200 " in head.partition(b"\r")[0]

    def close(self) -> None:
        """The next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None
