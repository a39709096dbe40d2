"""Transactions of the worker: tried again while the database is away, full or read-only.

A worker outlives every outage of its database: what it wanted to write is fenced and may be written twice without harm,
so a transaction whose outcome is unknown is simply run again. That none of them waits for ever is the engine's doing
(models/deadlines.py).
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

T = TypeVar("T")
log = logging.getLogger("gateway.worker")

LONGEST_WAIT_SECONDS: Final = 32.0
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

    def run(self, work: Callable[[Connection], T], *, until: float | None = None) -> T:
        """What `work` returns, committed. until: a monotonic time after which nothing is tried again.

        Raises: DatabaseAway; what else `work` raises, rolled back.
        """
        failures = 0
        while True:
            try:
                with self.engine.begin() as connection:
                    done = work(connection)
                self._is_back()
                return done
            except (DBAPIError, NoConnection) as error:
                if _state(error)[:2] in ITS_OWN_FAULT:
                    raise
                failures += 1
                self._wait(failures, error, until)

    def _wait(self, failures: int, error: Exception, until: float | None) -> None:
        if self.away_since is None:
            self.away_since = time.monotonic()
        seconds = min(LONGEST_WAIT_SECONDS, 0.05 * 4 ** min(failures, 8)) * random.uniform(0.5, 1.0)
        log.warning("database=away trouble=%s state=%s failures=%d wait_seconds=%.1f",
                    type(error).__name__, _state(error) or "-", failures, seconds)  # fmt: skip
        if refusal := _refusal(error):
            log.warning("the database takes no connection: %s", refusal)
        over = until is not None and time.monotonic() + seconds > until
        if over or self._ending.wait(seconds):
            raise DatabaseAway from error

    def _is_back(self) -> None:
        if self.away_since is not None:
            log.warning("database=back after_seconds=%.1f", time.monotonic() - self.away_since)
            self.away_since = None


def _state(error: Exception) -> str:
    """SQLSTATE, "" where the server said nothing."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def _refusal(error: Exception) -> str:
    """Why the server took no connection, as it said: psycopg keeps no SQLSTATE of that. "" for every other trouble."""
    found = re.search(r"FATAL: +(.+)", str(getattr(error, "orig", None) or ""))
    return found[1] if found else ""
