"""Places among the calls that orgs may get from a worker: `Places` is the gate that its calls pass.

    a place ends with the answer    announced writes have it next, then what was begun before, then what begins
    announced                       a quarter of an org's share, so that a free place finds a write that is ready

Places are handed over on the loop that sends the calls: between the end of one and the begin of the next no thread has
to wake. Shares, pauses and the end come from other threads. Knows neither database nor org.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from applink.errors import NoPlace, NotSent, OrgLimitReached
from applink.gate import Announced

CALLS_AN_ANNOUNCED: Final = 4
"""For so many calls of an org's share one write may be announced; at least one for each org."""
Waits: TypeAlias = "asyncio.Future[bool]"


class Queue(IntEnum):
    """Who has a place first: what was begun ends soon, and few things are under way at a time."""

    ANNOUNCED = 0
    GOES_ON = 1
    BEGINS = 2


@dataclass(slots=True)
class _Calls:
    """One org: calls allowed and under way; who waits for a place, and for being announced."""

    unannounced: threading.Condition
    share: int = 0
    busy: int = 0
    announced: int = 0
    waiting: int = 0
    queues: tuple[deque[Waits], ...] = field(default_factory=lambda: tuple(deque() for _ in Queue))

    def in_use(self) -> bool:
        """Whether there is a call, or somebody to make one."""
        return bool(self.busy or self.waiting or self.announced)

    def first(self) -> tuple[Waits, bool] | None:
        """Who has the next place, and whether it is an announced write; it still waits."""
        for name in Queue:
            found = next((waits for waits in self.queues[name] if not waits.done()), None)
            if found is not None:
                return found, name is Queue.ANNOUNCED
        return None

    def forget_done(self) -> None:
        """Let go of those at the front who wait no more."""
        for queue in self.queues:
            while queue and queue[0].done():
                queue.popleft()


class Places:
    """All orgs of one worker process. Thread-safe; one loop sends. most: calls of the process at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._calls: dict[str, _Calls] = {}
        self._turn = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._shared_until = math.inf
        self._paused: frozenset[str] = frozenset()

    def share(self, shares: Mapping[str, int], until: float = math.inf) -> None:
        """How many calls each org may have under way; an org that is not named: none. until: monotonic; then none."""
        with self._lock:
            self._shared_until = until
            for org_id in shares:
                self._of(org_id)
            for org_id, calls in list(self._calls.items()):
                calls.share = shares.get(org_id, 0)
                if not (calls.share or calls.in_use()):
                    del self._calls[org_id]
        self._changed()

    def limit(self, shares: Mapping[str, int]) -> dict[str, int]:
        """Begin no call above these shares from now on; the calls that are under way, by org."""
        with self._lock:
            for org_id, calls in self._calls.items():
                calls.share = min(calls.share, shares.get(org_id, 0))
            return {org_id: calls.busy for org_id, calls in self._calls.items() if calls.busy}

    def pause(self, *orgs: str, every: bool = False) -> None:
        """Let nobody call these orgs from now on, besides others before; every: these and no others."""
        with self._lock:
            self._paused = frozenset(orgs) if every else self._paused.union(orgs)
        self._changed()

    def close(self) -> None:
        """No write that was announced is sent from now on, and no other is announced; what is asked still is."""
        with self._lock:
            self._closed = True
        self._changed()

    def in_use(self) -> tuple[str, ...]:
        """Orgs that are called, or that somebody waits to call."""
        with self._lock:
            return tuple(org_id for org_id, calls in self._calls.items() if calls.in_use())

    @contextlib.contextmanager
    def announced(self, org_id: str, until: float) -> Iterator[Announced]:
        """See `Gate.announced`."""
        with self._lock:
            calls = self._of(org_id)
            calls.waiting += 1
            while not (free := calls.announced < self._most_announced(calls)) and not self._refuses(org_id, until):
                calls.unannounced.wait(max(0.0, until - time.monotonic()))
            calls.waiting -= 1
            if not free or self._refuses(org_id, until):
                raise _no_place(NoPlace)
            calls.announced += 1
        write = Announced(org_id)
        try:
            yield write
        finally:
            with self._lock:
                self._no_longer(calls, write)

    @contextlib.asynccontextmanager
    async def place(
        self, org_id: str, until: float, announced: Announced | None = None, *, goes_on: bool = False
    ) -> AsyncIterator[None]:
        """See `Gate.place`."""
        calls = await self._take(org_id, until, announced, Queue.GOES_ON if goes_on else Queue.BEGINS)
        try:
            yield
        finally:
            self._leave(calls)

    async def _take(self, org_id: str, until: float, write: Announced | None, queue: Queue) -> _Calls:
        while True:
            calls, given = self._ask(org_id, until, write, queue)
            if given is None:
                break
            if await self._wait_for(calls, given, until):
                if not (self._refuses(org_id, until, write is not None) or self._shares_are_over()):
                    break
                self._leave(calls)  # it may not be used any more since it was given
        if write is not None:
            with self._lock:
                self._no_longer(calls, write)
        return calls

    def _ask(self, org_id: str, until: float, write: Announced | None, queue: Queue) -> tuple[_Calls, Waits | None]:
        """None: a place is taken at once."""
        with self._lock:
            calls = self._of(org_id)
            self._loop = asyncio.get_running_loop()
            if self._refuses(org_id, until, write is not None):
                raise _no_place(NoPlace if write is None else NotSent)
            if self._has_place(calls) and calls.first() is None:
                self._begin(calls)
                return calls, None
            given: Waits = self._loop.create_future()
            calls.queues[queue if write is None else Queue.ANNOUNCED].append(given)
            calls.waiting += 1
            return calls, given

    async def _wait_for(self, calls: _Calls, given: Waits, until: float) -> bool:
        """Wait to be given a place, at most so long; whether it was."""
        over = given.get_loop().call_at(until, _tell, given, False)
        try:
            return await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled() and given.result():
                self._leave(calls)
            raise
        finally:
            over.cancel()
            with self._lock:
                calls.waiting -= 1

    def _leave(self, calls: _Calls) -> None:
        with self._lock:
            calls.busy -= 1
            self._busy -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        """Give free places to those who wait, and say no to those who wait in vain. On the loop alone."""
        with self._lock:
            for org_id in self._in_turn():
                calls = self._calls[org_id]
                calls.forget_done()
                while (first := calls.first()) is not None:
                    waits, write = first
                    if self._refuses(org_id, math.inf, write):
                        _tell(waits, False)
                    elif self._has_place(calls):
                        self._begin(calls)
                        _tell(waits, True)
                    else:
                        break

    def _changed(self) -> None:
        """What decides about places is another: everybody looks again."""
        with self._lock:
            loop = self._loop
            for calls in self._calls.values():
                calls.unannounced.notify_all()
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits on it
                loop.call_soon_threadsafe(self._hand_out)

    def _has_place(self, calls: _Calls) -> bool:
        return calls.busy < calls.share and self._busy < self._most and not self._shares_are_over()

    def _shares_are_over(self) -> bool:
        return time.monotonic() >= self._shared_until

    def _refuses(self, org_id: str, until: float, write: bool = True) -> bool:
        return org_id in self._paused or (write and self._closed) or time.monotonic() >= until

    def _begin(self, calls: _Calls) -> None:
        calls.busy += 1
        self._busy += 1

    def _most_announced(self, calls: _Calls) -> int:
        return max(1, calls.share // CALLS_AN_ANNOUNCED) if calls.share else 0

    def _no_longer(self, calls: _Calls, write: Announced) -> None:
        """Another write may be announced."""
        if write.waits:
            write.waits = False
            calls.announced -= 1
            calls.unannounced.notify()

    def _of(self, org_id: str) -> _Calls:
        found = self._calls.get(org_id)
        if found is None:
            found = self._calls[org_id] = _Calls(unannounced=threading.Condition(self._lock))
        return found

    def _in_turn(self) -> Sequence[str]:
        names = list(self._calls)
        self._turn += 1
        start = self._turn % len(names) if names else 0
        return names[start:] + names[:start]


def _no_place(kind: type[NoPlace]) -> NoPlace:
    return kind("Every call that this org may get for now was taken.", code=OrgLimitReached.__name__)


def _tell(waits: Waits, free: bool) -> None:
    if not waits.done():
        waits.set_result(free)
