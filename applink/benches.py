"""Where a worker's threads wait for items, which are claimed for each org ahead of need.

Pricing and writing rows overlap with the calls of others; therefore more items of an org are in hand than it may get
calls. Orgs take turns. Knows neither database nor org.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from applink.claims import ClaimedItem

AHEAD: Final = 2
"""Items kept ready for each call that an org may have under way."""


def in_hand(calls: int) -> int:
    """How many items are worked on where there may be so many calls at a time."""
    return 2 * calls + 2 if calls else 0


@dataclass(slots=True)
class _Bench:
    """One org: items ready, with the time they were claimed; items in hand; calls allowed."""

    items: deque[tuple[float, ClaimedItem]] = field(default_factory=deque)
    in_hand: int = 0
    share: int = 0


class Benches:
    """All orgs of one worker process. Thread-safe. most: calls of the process at a time, whatever the shares."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._benches: dict[str, _Bench] = {}
        self._turn = 0
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._closed = False

    def add(self, items: Sequence[ClaimedItem]) -> None:
        """Items that were claimed just now."""
        with self._lock:
            for item in items:
                self._bench(item.org_id).items.append((time.monotonic(), item))
            self._more.notify(len(items))

    def take(self) -> tuple[ClaimedItem, float] | None:
        """The next item, and when it was claimed; `done` ends it. None once closed. Waits."""
        with self._lock:
            while not self._closed:
                for org_id in self._in_turn():
                    bench = self._benches[org_id]
                    if bench.items and bench.in_hand < in_hand(bench.share):
                        bench.in_hand += 1
                        claimed_at, item = bench.items.popleft()
                        if self._has_room(bench):
                            self._room.notify()
                        return item, claimed_at
                self._more.wait()
            return None

    def done(self, org_id: str) -> None:
        """An item is out of hand."""
        with self._lock:
            self._bench(org_id).in_hand -= 1
            self._more.notify()

    def share(self, shares: Mapping[str, int]) -> None:
        """How many calls each org may have under way; an org that is not named: none."""
        with self._lock:
            for org_id in shares:
                self._bench(org_id)
            for org_id, bench in list(self._benches.items()):
                bench.share = shares.get(org_id, 0)
                if not (bench.share or self._in_use(bench)):
                    del self._benches[org_id]
            self._more.notify_all()

    def in_use(self) -> tuple[str, ...]:
        """Orgs that have items here."""
        with self._lock:
            return tuple(org_id for org_id, bench in self._benches.items() if self._in_use(bench))

    def rooms(self) -> dict[str, int]:
        """How many items each org could take now."""
        with self._lock:
            return {
                org_id: self._wanted(bench) - len(bench.items)
                for org_id, bench in self._benches.items()
                if self._has_room(bench)
            }

    def wait_for_room(self, orgs: Sequence[str], seconds: float) -> None:
        """Until one of these orgs has room for more items, at most so long."""
        ends = time.monotonic() + seconds
        with self._lock:
            while not self._closed and time.monotonic() < ends:
                if any(org in self._benches and self._has_room(self._benches[org]) for org in orgs):
                    return
                self._room.wait(max(0.0, ends - time.monotonic()))

    def clear(self, org_id: str | None = None) -> tuple[ClaimedItem, ...]:
        """Take back the items of an org, or of all, that nobody has begun."""
        with self._lock:
            found: list[ClaimedItem] = []
            for name, bench in self._benches.items():
                if org_id in (None, name):
                    found.extend(item for _, item in bench.items)
                    bench.items.clear()
            return tuple(found)

    def close(self) -> None:
        """Whoever waits for an item goes home."""
        with self._lock:
            self._closed = True
            self._more.notify_all()
            self._room.notify_all()

    def _bench(self, org_id: str) -> _Bench:
        found = self._benches.get(org_id)
        if found is None:
            found = self._benches[org_id] = _Bench()
        return found

    def _wanted(self, bench: _Bench) -> int:
        return min(bench.share, self._most) * AHEAD

    def _has_room(self, bench: _Bench) -> bool:
        return bench.share > 0 and len(bench.items) * 2 <= self._wanted(bench)

    def _in_use(self, bench: _Bench) -> bool:
        return bool(bench.items or bench.in_hand)

    def _in_turn(self) -> Sequence[str]:
        names = list(self._benches)
        self._turn += 1
        start = self._turn % len(names) if names else 0
        return names[start:] + names[:start]
