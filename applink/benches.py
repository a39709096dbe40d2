"""Where a worker's threads wait for work: items claimed for each org, and how many calls each org may have under way.

A thread takes an item together with a place among its org's calls, and gives the place up as soon as the org has
answered: writing rows overlaps with the calls of others. Orgs take turns. Knows neither database nor org.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from applink.claims import ClaimedItem

AHEAD: Final = 2
"""Items kept ready for each call that an org may have under way."""


@dataclass(slots=True)
class _Bench:
    """One org: items ready, with the time they were claimed; calls allowed, calls under way, chores waiting."""

    items: deque[tuple[float, ClaimedItem]] = field(default_factory=deque)
    share: int = 0
    busy: int = 0
    wanted: int = 0


class Benches:
    """All orgs of one worker process. Thread-safe. most: calls of the process at a time, whatever the shares."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._benches: dict[str, _Bench] = {}
        self._turn = 0
        self._changed = threading.Condition()
        self._closed = False

    def add(self, items: Sequence[ClaimedItem]) -> None:
        """Items that were claimed just now."""
        with self._changed:
            for item in items:
                self._bench(item.org_id).items.append((time.monotonic(), item))
            self._changed.notify_all()

    def take(self) -> tuple[ClaimedItem, float] | None:
        """The next item and when it was claimed, with a place that `leave` gives up; None once closed. Waits."""
        with self._changed:
            while not self._closed:
                for org_id in self._in_turn():
                    bench = self._benches[org_id]
                    if bench.items and not bench.wanted and self._may_begin(bench):
                        self._begin(bench)
                        claimed_at, item = bench.items.popleft()
                        self._changed.notify_all()
                        return item, claimed_at
                self._changed.wait()
            return None

    def leave(self, org_id: str) -> None:
        """A call has ended."""
        with self._changed:
            self._bench(org_id).busy -= 1
            self._busy -= 1
            self._changed.notify_all()

    @contextlib.contextmanager
    def place(self, org_id: str, seconds: float) -> Iterator[bool]:
        """A place for something else than an item, before any further item begins. False: none came free in time."""
        ends = time.monotonic() + seconds
        with self._changed:
            bench = self._bench(org_id)
            bench.wanted += 1
            self._changed.notify_all()
            while not (free := self._may_begin(bench)) and not self._closed and time.monotonic() < ends:
                self._changed.wait(max(0.0, ends - time.monotonic()))
            bench.wanted -= 1
            if free:
                self._begin(bench)
            self._changed.notify_all()
        try:
            yield free
        finally:
            if free:
                self.leave(org_id)

    def share(self, shares: Mapping[str, int]) -> None:
        """How many calls each org may have under way; an org that is not named: none."""
        with self._changed:
            for org_id in shares:
                self._bench(org_id)
            for org_id, bench in self._benches.items():
                bench.share = shares.get(org_id, 0)
            for org_id in [org for org, b in self._benches.items() if not (b.share or b.busy or b.items or b.wanted)]:
                del self._benches[org_id]
            self._changed.notify_all()

    def under_way(self) -> dict[str, int]:
        """Calls under way in each org for which there is anything to do here."""
        with self._changed:
            return {org: b.busy for org, b in self._benches.items() if b.busy or b.items or b.wanted}

    def rooms(self) -> dict[str, int]:
        """How many items each org could take now."""
        with self._changed:
            found = {}
            for org_id, bench in self._benches.items():
                wanted = min(bench.share, self._most) * AHEAD
                if bench.share and len(bench.items) * 2 <= wanted:
                    found[org_id] = wanted - len(bench.items)
            return found

    def wait_for_room(self, orgs: Sequence[str], seconds: float) -> None:
        """Until one of these orgs has room for more items, at most so long."""
        ends = time.monotonic() + seconds
        with self._changed:
            while not self._closed and time.monotonic() < ends:
                for org_id in orgs:
                    bench = self._benches.get(org_id)
                    if bench and bench.share and len(bench.items) * 2 <= min(bench.share, self._most) * AHEAD:
                        return
                self._changed.wait(max(0.0, ends - time.monotonic()))

    def clear(self, org_id: str | None = None) -> tuple[ClaimedItem, ...]:
        """Take back the items of an org, or of all, that nobody has begun."""
        with self._changed:
            found: list[ClaimedItem] = []
            for name, bench in self._benches.items():
                if org_id in (None, name):
                    found.extend(item for _, item in bench.items)
                    bench.items.clear()
            return tuple(found)

    def close(self) -> None:
        """Whoever waits goes home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _bench(self, org_id: str) -> _Bench:
        return self._benches.setdefault(org_id, _Bench())

    def _may_begin(self, bench: _Bench) -> bool:
        return bench.busy < bench.share and self._busy < self._most

    def _begin(self, bench: _Bench) -> None:
        bench.busy += 1
        self._busy += 1

    def _in_turn(self) -> Sequence[str]:
        names = list(self._benches)
        self._turn += 1
        start = self._turn % len(names) if names else 0
        return names[start:] + names[:start]
