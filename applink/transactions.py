"""Transactions of the worker: tried again while the database is away, full or read-only, and never stuck for ever.

A worker outlives every outage of its database: what it wanted to write is fenced and may be written twice without harm,
so a transaction whose outcome is unknown is simply run again. A connection that says nothing for too long is cut by a
watch, since neither a time limit of the server nor TCP ends it when something in between keeps it alive.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

T = TypeVar("T")
log = logging.getLogger("gateway.worker")

LONGEST_WAIT_SECONDS: Final = 32.0
MOST_SECONDS: Final = 25.0
"""For one transaction; then its connection is cut."""
ITS_OWN_FAULT: Final = frozenset({"21", "22", "23"})
"""SQLSTATE classes of statements that fail again however often they run: values and constraints."""


class DatabaseAway(Exception):
    """The transaction did not take place in the time there was for it, or the worker is ending."""


class Transactions:
    """Runs functions of a connection, each in a transaction of its own. Thread-safe; one a worker.

    ending: set when the worker ends; nothing is tried again from then on.
    """

    def __init__(self, engine: Engine, ending: threading.Event) -> None:
        self.engine = engine
        self.away_since: float | None = None
        self._ending = ending
        self._watch = Watch()

    def run(self, work: Callable[[Connection], T], *, until: float | None = None) -> T:
        """What `work` returns, committed. until: a monotonic time after which nothing is tried again.

        Raises: DatabaseAway; what else `work` raises, rolled back.
        """
        failures = 0
        while True:
            try:
                with self.engine.begin() as connection, self._watch.over(connection):
                    done = work(connection)
                self._is_back()
                return done
            except (DBAPIError, NoConnection) as error:
                if _state(error)[:2] in ITS_OWN_FAULT:
                    raise
                failures += 1
                self._wait(failures, error, until)

    def close(self) -> None:
        """End the watch."""
        self._watch.close()

    def _wait(self, failures: int, error: Exception, until: float | None) -> None:
        if self.away_since is None:
            self.away_since = time.monotonic()
        seconds = min(LONGEST_WAIT_SECONDS, 0.05 * 4 ** min(failures, 8)) * random.uniform(0.5, 1.0)
        log.warning("database trouble=%s state=%s failures=%d wait_seconds=%.1f",
                    type(error).__name__, _state(error) or "-", failures, seconds)  # fmt: skip
        over = until is not None and time.monotonic() + seconds > until
        if over or self._ending.wait(seconds):
            raise DatabaseAway from error

    def _is_back(self) -> None:
        if self.away_since is not None:
            log.warning("database back=yes after_seconds=%.1f", time.monotonic() - self.away_since)
            self.away_since = None


def _state(error: Exception) -> str:
    """SQLSTATE, "" where the server said nothing."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


class Watch:
    """Shuts down the sockets of transactions that take too long: whoever waits for them gets an error."""

    def __init__(self, most_seconds: float = MOST_SECONDS) -> None:
        self._most_seconds = most_seconds
        self._running: dict[int, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._look, name="database-watch", daemon=True).start()

    @contextlib.contextmanager
    def over(self, connection: Connection) -> Iterator[None]:
        """For the time of a block."""
        driver = connection.connection.driver_connection
        me = threading.get_ident()
        with self._lock:
            self._running[me] = time.monotonic() + self._most_seconds, 0 if driver is None else driver.pgconn.socket
        try:
            yield
        finally:
            with self._lock:
                self._running.pop(me, None)

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(1.0):
            with self._lock:
                late = [me for me, (ends, _) in self._running.items() if ends < time.monotonic()]
                for me in late:
                    _shut(self._running.pop(me)[1])


def _shut(descriptor: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as silent:
        silent.shutdown(socket.SHUT_RDWR)
        log.warning("database cut=yes reason=silent")
