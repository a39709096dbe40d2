"""The worker process: claims items for the orgs that have any, and gives threads to items and chores.

    this thread     which orgs have work, which share of their calls is ours, claim what there is room for
    item threads    item_work.py        chore threads     chores.py

Any number of worker processes may run, none knows another but through the database. It never ends by itself: whatever
fails is tried again, after a database outage at the latest 32 s after its end. On SIGTERM it claims no more, gives back
what has not begun, writes nothing new to an org, keeps its share of calls for what is under way, and leaves after at
most `shutdown_seconds`; what is still under way then is looked up in the org by whoever claims it next.
"""

from __future__ import annotations

import logging
import math
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Engine

from applink import claims, shares
from applink.benches import Benches, in_hand
from applink.chores import Chores
from applink.gate import GatedOrgs, Orgs
from applink.item_work import ItemWork, Limits, Maker
from applink.places import Places
from applink.transactions import DatabaseAway, Transactions

log = logging.getLogger("gateway.worker")

SHARE_SECONDS: Final = 10.0
"""Lease of a share, at most: for so long the calls of a worker that died are nobody's."""
HANDING_OVER_SECONDS: Final = 0.03
"""Between two looks while a share is handed over: about a call's time."""
FOR_ENDING_SECONDS: Final = 2.0
"""Of the shutdown time, for giving back and closing."""


class Worker:
    """One worker process. orgs: `authorizations.Orgs`; maker: `quotes.Quotes`, best over an engine of its own, since
    it may ask for a connection while this worker's transactions hold theirs; name: `status.worker_name`.
    """

    def __init__(self, engine: Engine, orgs: Orgs, maker: Maker, limits: Limits, *, name: str) -> None:
        self.name = name
        self.ending = threading.Event()
        self._gone = threading.Event()
        self._limits = limits
        self._transactions = Transactions(engine, self._gone)
        self._looks = Transactions(engine, self.ending)
        self._benches = Benches(limits.concurrency)
        self._places = Places(limits.concurrency)
        gated = GatedOrgs(orgs, self._places)
        self.work = ItemWork(
            self.name, self._transactions, self._benches, self._places, gated, maker, limits, self.ending
        )
        self.chores = Chores(self.name, self._transactions, gated, orgs, maker, limits, self.work)
        self._full: set[str] = set()
        self._unsettled_since: float | None = None

    def run(self) -> bool:
        """Work until `stop`; whether everything that was under way has ended."""
        limits = self._limits
        log.info("worker=%s started=yes concurrency=%d org_concurrency=%d",
                 self.name, limits.concurrency, limits.org_concurrency)  # fmt: skip
        items = [self._thread(f"item-{n}", self._items) for n in range(in_hand(limits.concurrency))]
        chores = [self._thread(name, self._chore, seconds, do) for name, seconds, do in self.chores.all()]
        while not self.ending.is_set():
            self._guarded(self._round)
        return self._end(items, chores)

    def stop(self, *_: Any) -> None:
        """End soon; a signal handler. Thread-safe."""
        threading.Thread(target=self._close, name="closing", daemon=True).start()

    def _close(self) -> None:
        """What `stop` may not do itself: a signal comes while this thread holds any lock, that of `ending` too."""
        self.ending.set()
        self._places.close()
        self._benches.close()

    def handle_signals(self) -> None:
        """Let SIGTERM and SIGINT end the work; from the main thread."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)

    def _round(self) -> None:
        """Look which orgs have work, then keep their items coming until the next look."""
        begun = time.monotonic()
        ready = self._looks.run(claims.ready)
        paused = [one.org_id for one in ready if one.paused]
        self._places.pause(*paused, every=True)
        for org_id in paused:
            self._give_back(org_id)
        settled = self._divide([one.org_id for one in ready if not one.paused])
        self._full = {one.org_id for one in ready if not one.paused}
        next_look = begun + self._seconds_to_next_look(settled)
        while not self.ending.is_set() and time.monotonic() < next_look:
            self._claim()
            left = max(0.0, next_look - time.monotonic())
            if self._full:
                self._benches.wait_for_room(sorted(self._full), left)
            else:
                self.ending.wait(left)

    def _seconds_to_next_look(self, settled: bool) -> float:
        """Soon while shares are handed over between workers, which takes no longer than each needs to look again."""
        now, usual = time.monotonic(), self._limits.poll_seconds * random.uniform(0.8, 1.2)
        self._unsettled_since = None if settled else (self._unsettled_since or now)
        if self._unsettled_since is None or now - self._unsettled_since > 2 * self._limits.poll_seconds:
            return usual
        return min(usual, HANDING_OVER_SECONDS)

    def _divide(self, ready: list[str], *, ends: float = math.inf) -> bool:
        """Renew this worker's shares; whether they are settled. ends: monotonic, of waiting for the database."""
        orgs = {*ready, *self._benches.in_use(), *self._places.in_use()}
        limits = self._limits
        lease = max(min(SHARE_SECONDS, limits.lease_seconds / 6), 4 * limits.poll_seconds)
        asked_at = time.monotonic()
        shares_now = self._looks.run(
            lambda connection: shares.divide(
                connection,
                self.name,
                orgs,
                self._places.limit,
                most=limits.concurrency,
                org_concurrency=limits.org_concurrency,
                lease_seconds=lease,
            ),
            until=min(asked_at + lease, ends),
        )
        self._places.share(shares_now.calls, asked_at + lease)
        self._benches.share(shares_now.calls)
        return shares_now.settled

    def _claim(self) -> None:
        """Fill the benches of orgs that had more when they were last asked."""
        rooms = {org: room for org, room in self._benches.rooms().items() if org in self._full}
        if not rooms:
            return
        lease = self._limits.lease_seconds
        claimed = self._looks.run(lambda connection: claims.claim(connection, self.name, rooms, lease_seconds=lease))
        found = {org: sum(item.org_id == org for item in claimed) for org in rooms}
        self._full -= {org for org, count in found.items() if count < rooms[org]}
        self._benches.add(claimed)

    def _give_back(self, org_id: str | None = None) -> None:
        unstarted = self._benches.clear(org_id)
        if unstarted:
            self._looks.run(lambda connection: claims.give_back(connection, unstarted))

    def _items(self) -> None:
        while (taken := self._benches.take()) is not None:
            item, claimed_at = taken
            try:
                self._guarded(lambda: self.work.do(item, claimed_at))  # noqa: B023
            finally:
                self._benches.done(item.org_id)

    def _chore(self, seconds: float, do: Callable[[], bool]) -> None:
        while not self.ending.is_set():
            more = self._guarded(do)
            if not more:
                self.ending.wait(seconds * random.uniform(0.8, 1.2))

    def _guarded(self, do: Callable[[], Any]) -> Any:
        """Nothing ends a thread of a worker: a defect is told, and the next round begins after a moment."""
        try:
            return do()
        except DatabaseAway:
            return None
        except Exception:
            log.exception("worker=%s defect=yes", self.name)
            self.ending.wait(1.0)
            return None

    def _end(self, items: list[threading.Thread], chores: list[threading.Thread]) -> bool:
        begun = time.monotonic()
        ends = begun + max(self._limits.shutdown_seconds - FOR_ENDING_SECONDS, 0.5)
        unstarted = self._benches.clear()
        self._guarded(
            lambda: self._transactions.run(lambda connection: claims.give_back(connection, unstarted), until=ends)
        )
        left = self._joined([*items, *chores], ends)
        if not left:
            self._guarded(self._leave)
        self._gone.set()
        log.info("worker=%s ended=yes left_under_way=%d after_seconds=%.1f", self.name, left, time.monotonic() - begun)
        return left == 0

    def _joined(self, threads: list[threading.Thread], ends: float) -> int:
        """Wait for threads, whose calls keep their share meanwhile; how many are left at `ends`."""
        while (left := [thread for thread in threads if thread.is_alive()]) and time.monotonic() < ends:
            self._guarded(lambda: self._divide([], ends=ends))
            next_look = min(ends, time.monotonic() + self._limits.poll_seconds)
            for thread in left:
                thread.join(max(0.0, next_look - time.monotonic()))
        return len(left)

    def _leave(self) -> None:
        """Give up all shares, when no call is under way; those of calls left behind end by themselves."""
        soon = time.monotonic() + FOR_ENDING_SECONDS / 2
        self._transactions.run(lambda connection: shares.leave(connection, self.name), until=soon)

    def _thread(self, name: str, target: Callable[..., None], *given: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=given, name=name, daemon=True)
        thread.start()
        return thread
