"""Stage `sql.run`: a statement and its values become a row of JSON bytes; the one place of a read that waits.

In: SQL text with $1 placeholders, parameters as text, a time limit. Out: one row, or rows. A fault is retried where a
read may be, and else told as `sql.errors` says. Knows no plan, no URL, no HTTP.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, perf_counter, sleep
from typing import Final, TypeVar

import psycopg

from odata.errors import Busy, InvalidLiteral, LimitExceeded, ODataError, QueryTimeout, Unavailable
from odata.sql.connections import ConnectionLimits, Connections, Gate
from odata.sql.errors import CONFLICT, CONNECTION_LOST, stale, translation
from odata.sql.read_connection import Parameters, ReadConnection, Row

logger = logging.getLogger(__name__)

T = TypeVar("T")

MOST_PARAMETERS: Final = 65_535
MOST_ATTEMPTS: Final = 3
FOLLOWER_REST_SECONDS: Final = 5.0
MOST_BUFFERED_BYTES: Final = 4_000_000

_POOLED_BEGIN: Final = (
    "BEGIN READ ONLY; SET LOCAL statement_timeout = '{statement:.0f}ms'; SET LOCAL lock_timeout = '{lock:.0f}ms'; "
    "SET LOCAL TimeZone = 'UTC'"
)
"""What a session option sets elsewhere, for one transaction behind a transaction pooler; one message, one round trip.

Not in libpq's pipeline mode with what follows: PgBouncer 1.18 lost about one of 200 such pipelines, which then hung.
"""


@dataclass(slots=True)
class Timings:
    """What one request spent here, for its log line: waiting for a connection, running statements, going again."""

    wait_ms: float = 0.0
    run_ms: float = 0.0
    statements: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class _Statement:
    """What to run; deadline is a monotonic time."""

    sql: str
    parameters: Parameters
    deadline: float
    prepare: bool | None


@dataclass(slots=True)
class _Server:
    """One server, and until when it is left alone after a fault (a monotonic time)."""

    connections: Connections
    resting_until: float = 0.0


class Database:
    """The primary and its followers, as one process reads from them.

    Connections are made at the first read, so after gunicorn has forked; a forked child makes its own.
    Example: Database("postgresql:///app").fetch("SELECT json_agg(t) FROM t WHERE id = $1::uuid", ["6f0c..."])
    """

    def __init__(self, url: str, *, replica_urls: Sequence[str] = (), limits: ConnectionLimits | None = None) -> None:
        limits = limits or ConnectionLimits()
        self.limits = limits
        self.counters: Counter[str] = Counter()
        self._url = url
        self._replica_urls = tuple(replica_urls)
        self._lock = threading.Lock()
        self._process = 0
        self._primary: _Server
        self._followers: tuple[_Server, ...] = ()
        self._turn = itertools.count()
        self._pooled_begin = _POOLED_BEGIN.format(
            statement=limits.statement_timeout_seconds * 1000, lock=limits.lock_timeout_seconds * 1000
        )

    def fetch(
        self,
        sql: str,
        parameters: Parameters = (),
        *,
        deadline_seconds: float = 25.0,
        prepare: bool | None = None,
        timings: Timings | None = None,
    ) -> Row | None:
        """Run one statement and return its first row, None if there is none.

        Args:   sql: placeholders $1, $2; every one with an explicit cast, since values travel as text of unknown type.
                deadline_seconds: what is left of the request; counts for waiting, running and going again.
                prepare: True at once, False never, None after some runs. timings: added to.
        Returns: json, jsonb and text columns as bytes, other types as psycopg loads them.
        Raises: BadRequest and its kinds for values the database refuses; Unavailable, QueryTimeout (503); Forbidden
                for a statement that would write; InternalError.
        """
        statement = _Statement(sql, _bindable(parameters), monotonic() + deadline_seconds, prepare)
        return self._run(statement, _first, timings or Timings())

    def fetch_all(
        self, sql: str, parameters: Parameters = (), *, deadline_seconds: float = 25.0, prepare: bool | None = None
    ) -> list[Row]:
        """As `fetch`, with all rows."""
        statement = _Statement(sql, _bindable(parameters), monotonic() + deadline_seconds, prepare)
        return self._run(statement, _all, Timings())

    def open(self) -> None:
        """Start connecting in the background; does nothing when this process has done so."""
        with self._lock:
            if self._process == os.getpid():
                return
            # What a parent process opened belongs to the parent: it is left alone, not closed.
            gate = Gate(self.limits.waiting)
            self._primary = _Server(Connections(self._url, self.limits, gate, name="primary"))
            self._followers = tuple(
                _Server(Connections(url, self.limits, gate, name=f"follower-{number}"))
                for number, url in enumerate(self._replica_urls, 1)
            )
            self._process = os.getpid()

    def close(self) -> None:
        """Close every connection of this process; the next read would open them again."""
        with self._lock:
            if self._process == os.getpid():
                for server in (self._primary, *self._followers):
                    server.connections.close()
            self._process = 0

    def measures(self) -> dict[str, int]:
        """Connections in use, requests waiting, and counters since start, for the log."""
        if self._process != os.getpid():
            return dict(self.counters)
        measured: Counter[str] = Counter()
        for server in (self._primary, *self._followers):
            measured.update(server.connections.measures())
        return dict(measured) | dict(self.counters)

    def _run(self, statement: _Statement, read: Callable[[list[Row]], T], timings: Timings) -> T:
        """Run on a follower that is well, else on the primary. What is too much for one is not tried on the other."""
        if self._process != os.getpid():
            self.open()
        follower = self._next_follower()
        if follower is not None:
            try:
                return self._run_on(follower.connections, statement, read, timings)
            except (QueryTimeout, Busy):
                raise
            except Unavailable:
                follower.resting_until = monotonic() + FOLLOWER_REST_SECONDS
                self._count("follower_faults")
        return self._run_on(self._primary.connections, statement, read, timings)

    def _next_follower(self) -> _Server | None:
        if not self._followers:
            return None
        now, first = monotonic(), next(self._turn)
        turns = (self._followers[(first + step) % len(self._followers)] for step in range(len(self._followers)))
        return next((server for server in turns if server.resting_until <= now), None)

    def _run_on(
        self,
        connections: Connections,
        statement: _Statement,
        read: Callable[[list[Row]], T],
        timings: Timings,
    ) -> T:
        """Run until it works, or until going again makes no sense; a read can always go again safely."""
        attempt = 1
        while True:
            try:
                return self._attempt(connections, statement, read, timings)
            except psycopg.Error as error:
                if not _may_go_again(error, attempt) or monotonic() >= statement.deadline:
                    raise self._told(error) from error
            # What ended this line or held this lock may be about to meet the next one: let it pass.
            sleep(random.uniform(0.01, 0.05) * attempt)
            attempt += 1
            timings.retries += 1
            self._count("retries")

    def _attempt(
        self,
        connections: Connections,
        statement: _Statement,
        read: Callable[[list[Row]], T],
        timings: Timings,
    ) -> T:
        asked = perf_counter()
        try:
            connection = connections.take(statement.deadline)
        finally:
            began = perf_counter()
            timings.wait_ms += (began - asked) * 1000
        try:
            found = read(self._rows(connection, statement))
            if _swollen(found):
                connection.close()
            return found
        except UnicodeEncodeError:
            raise InvalidLiteral("A text of the request holds a character that is none (a lone surrogate).") from None
        except psycopg.Error as error:
            if _line_is_lost(error):
                connection.close()
            raise
        finally:
            connections.give(connection)
            timings.run_ms += (perf_counter() - began) * 1000
            timings.statements += 1

    def _rows(self, connection: ReadConnection, statement: _Statement) -> list[Row]:
        if not self.limits.transaction_pooler:
            return connection.rows(statement.sql, statement.parameters, prepare=statement.prepare)
        try:
            connection.execute(self._pooled_begin)
            rows = connection.execute(statement.sql, statement.parameters).fetchall()
            connection.execute("COMMIT")
        except (psycopg.Error, UnicodeEncodeError):
            with contextlib.suppress(psycopg.Error):
                connection.rollback()
            raise
        return rows

    def _told(self, error: psycopg.Error) -> ODataError:
        entry = translation(error)
        if entry.logged:
            self._count("faults")
            logger.warning("database: %s %s", error.sqlstate or type(error).__name__, str(error).partition("\n")[0])
        return entry.error(entry.message)

    def _count(self, name: str) -> None:
        with self._lock:
            self.counters[name] += 1


def _swollen(found: object) -> bool:
    """Whether an answer was so large that libpq's buffer, which never shrinks, is worth a new connection."""
    return isinstance(found, tuple) and any(isinstance(one, bytes) and len(one) > MOST_BUFFERED_BYTES for one in found)


def _bindable(parameters: Parameters) -> Parameters:
    if len(parameters) > MOST_PARAMETERS:
        raise LimitExceeded(f"The request needs {len(parameters)} values; the database takes {MOST_PARAMETERS}.")
    return parameters


def _first(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None


def _all(rows: list[Row]) -> list[Row]:
    return rows


def _line_is_lost(error: psycopg.Error) -> bool:
    """The connection is of no use any more: the server gave it up, it broke, or nothing came before the deadline."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return state in CONNECTION_LOST or stale(error)


def _may_go_again(error: psycopg.Error, attempt: int) -> bool:
    """A read may always go again; it makes sense after a lost line and after a conflict."""
    return attempt < MOST_ATTEMPTS and (error.sqlstate in CONFLICT or _line_is_lost(error))
