"""Brief connections beside the pool: for what must not wait behind reads, and must not pile up either.

In: a database URL. Out: a connection of its own for one look-up, or whether the database answers. Each cannot write,
and every wait on it ends at a deadline. Whoever calls bounds how many there are at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

import psycopg

from odata.sql.read_connection import ReadConnection

BRIEF_SECONDS: Final = 3.0
SHARED_SECONDS: Final = 1.0
PROBE_WAIT_SECONDS: Final = 0.5
_LIMITS: Final = "SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '3s', true)"
"""So that a statement nobody waits for any more ends in the database, too."""


@contextmanager
def brief_connection(url: str, *, name: str, connect_seconds: float = BRIEF_SECONDS) -> Iterator[ReadConnection]:
    """A connection for the time of the block, in one transaction; 3 seconds for all that is done with it.

    Args:   name: what the database shows as the application. connect_seconds: before that, whole ones.
    Raises: psycopg.Error when there is none, or its time is over.
    """
    connection = ReadConnection.connect(
        url, connect_timeout=max(round(connect_seconds), 1), application_name=name, prepare_threshold=None
    )
    connection.deadline = monotonic() + BRIEF_SECONDS
    connection.read_only = True
    with connection:
        connection.execute(_LIMITS)
        yield connection


class Readiness:
    """Whether the database answers: asked once at a time, the answer good for a second, whoever wants to know."""

    def __init__(self, ask: Callable[[], None]) -> None:
        """ask: raises psycopg.Error when the database does not answer."""
        self._ask = ask
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._ready = False

    def __call__(self) -> bool:
        """Ready or not. While another thread has been asking for half a second, it is not."""
        if not self._asking.acquire(timeout=PROBE_WAIT_SECONDS):
            return False
        try:
            if monotonic() - self._asked_at >= SHARED_SECONDS:
                self._ready = self._answers()
                self._asked_at = monotonic()
            return self._ready
        finally:
            self._asking.release()

    def _answers(self) -> bool:
        try:
            self._ask()
        except psycopg.Error:
            return False
        return True


def ask_database(url: str) -> None:
    """One round trip over a connection of its own. Raises: psycopg.Error without an answer."""
    with brief_connection(url, name="gateway readiness") as connection:
        connection.execute("SELECT 1")
