"""Connections to one PostgreSQL server: made so that they cannot write, never waited for endlessly.

In: a database URL and the limits. Out: connections whose every wait ends at a deadline. Knows no statement and no plan.
The pool is psycopg's own (docs/decisions/connection-pool.md); what stands here is how ours are made and when one is
no longer trusted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, Final

from psycopg import RawCursor
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from odata.errors import Busy, Unavailable
from odata.sql.read_connection import ReadConnection, load_undecoded

RECONNECT_SECONDS: Final = 1.0
"""The pool tries again after a second, then begins anew: no back-off that outlives the fault."""


STALL_SECONDS: Final = 0.25
"""When no connection changed hands for so long, all are held by something slow, and waiting in crowds is no use."""

LAST_STALL_SECONDS: Final = 0.03
"""The same, at least, for whoever may hold the last thread, which `/healthcheck` needs within 50 ms. Where statements
take long as a rule, connections change hands less often: it is USUAL_TIMES what they usually take, up to the above."""

USUAL_TIMES: Final = 3
USUAL_SHARE: Final = 1 / 8
"""How much the statement that has just run counts in what is usual."""

SLOW_SECONDS: Final = 1.0
"""A connection that comes back after longer is no sign of movement: the next one to have it may be stuck as well."""

MOST_ABANDONED: Final = 1000
"""psycopg-pool counts those who gave up until a connection comes back; this bounds what an outage leaves behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections there are, how long anything may take, and what stands between.

    connections: of one process to one server. waiting: requests that may have one or wait for one with patience; those
    beyond wait only while connections change hands. Two less than there are threads, it leaves two for other answers.
    prepare_after: runs of a statement before it stays prepared; prepared_statements: kept per connection.
    transaction_pooler: PgBouncer in transaction mode stands between: no session state, nothing prepared.
    """

    connections: int = 6
    waiting: int = 6
    acquire_timeout_seconds: float = 3.0
    connect_timeout_seconds: float = 3.0
    statement_timeout_seconds: float = 20.0
    lock_timeout_seconds: float = 2.0
    idle_in_transaction_timeout_seconds: float = 10.0
    prepare_after: int = 2
    prepared_statements: int = 200
    transaction_pooler: bool = False


class Gate:
    """How many requests of this process are at a database, whichever server they are at."""

    def __init__(self, waiting: int) -> None:
        self._waiting = waiting
        self._lock = threading.Lock()
        self._inside = 0

    def enter(self) -> int:
        """Count one more; how many there are beyond those who may wait with patience. Whoever enters leaves."""
        with self._lock:
            self._inside += 1
            return self._inside - self._waiting

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self._inside -= 1


class _LastGivenFirst(deque[ReadConnection]):
    """The idle connections of a psycopg pool, which takes them from the left and adds them at the right.

    The one used last has its plans and catalogs in the processor's caches: 0.05 ms a read. psycopg-pool has no setting
    for it; a test sees that it works.
    """

    def popleft(self) -> ReadConnection:
        return self.pop()


class Connections:
    """The connections of this process to one server; threads take one, and always give it back."""

    def __init__(self, url: str, limits: ConnectionLimits, gate: Gate, *, name: str) -> None:
        self.name = name
        self._limits = limits
        self._gate = gate
        self._lock = threading.Lock()
        self._taken = 0
        self._moved_at = monotonic()
        self._usual_seconds = STALL_SECONDS
        self._pool: ConnectionPool[ReadConnection] = ConnectionPool(
            conninfo=url,
            connection_class=ReadConnection,
            kwargs=_connect_arguments(url, limits),
            configure=_configure(limits),
            min_size=limits.connections,
            max_size=limits.connections,
            max_waiting=MOST_ABANDONED,
            timeout=limits.acquire_timeout_seconds,
            reconnect_timeout=RECONNECT_SECONDS,
            # Left to the next request, the pool would not come back: it still counts those who gave up waiting,
            # refuses the next one, and so never grows again.
            reconnect_failed=ConnectionPool.check,
            open=False,
            name=name,
        )
        self._pool._pool = _LastGivenFirst()
        self._pool.open()

    def take(self, deadline: float) -> ReadConnection:
        """A usable connection; dead ones met on the way are replaced behind the scenes.

        Args:   deadline: monotonic time by which the whole request must be done.
        Raises: Busy when all are taken: after the acquire timeout, or at once when too many wait already and nothing
                moves. Unavailable when none could be made, which is the server's doing.
        """
        give_up = min(deadline, monotonic() + self._limits.acquire_timeout_seconds)
        beyond = self._gate.enter()
        try:
            connection = self._wait(give_up, self._patience(beyond))
        except BaseException:
            self._gate.leave()
            raise
        self._count(1)
        connection.deadline = deadline
        connection.taken_at = monotonic()
        if not connection.was_slow:
            self._moved_at = connection.taken_at
        return connection

    def give(self, connection: ReadConnection) -> None:
        """Give a connection back; a closed one, or one left in the middle of something, is replaced by the pool."""
        now = monotonic()
        slow = connection.was_slow = now - connection.taken_at > SLOW_SECONDS
        self._count(-1)
        self._pool.putconn(connection)
        if not slow:
            self._moved_at = now
            self._usual_seconds += (now - connection.taken_at - self._usual_seconds) * USUAL_SHARE
        self._gate.leave()

    def _count(self, step: int) -> None:
        with self._lock:
            self._taken += step

    def _patience(self, beyond: int) -> float:
        """For how many seconds a request may wait while no connection changes hands. Two threads are free of those
        with patience, but where there are hardly any: the first beyond them leaves one."""
        if beyond <= 0:
            return inf
        if beyond == 1 and self._limits.waiting > 1:
            return STALL_SECONDS
        return min(max(USUAL_TIMES * self._usual_seconds, LAST_STALL_SECONDS), STALL_SECONDS)

    def _wait(self, give_up: float, stall: float) -> ReadConnection:
        while True:
            until = min(give_up, self._moved_at + stall)
            try:
                # A free connection is found even when there is no time left to wait for one.
                connection = self._pool.getconn(timeout=max(until - monotonic(), 0.001))
            except PoolTimeout:
                if monotonic() >= min(give_up, self._moved_at + stall):
                    raise self._refusal(patient=stall == inf) from None
            except (PoolClosed, TooManyRequests):
                raise self._refusal(patient=stall == inf) from None
            else:
                if connection.usable():
                    return connection
                connection.close()
                self._pool.putconn(connection)

    def _refusal(self, *, patient: bool) -> Unavailable:
        if not patient and self._taken:
            return Busy("Too many requests wait for the database already; try again shortly.")
        if self._taken >= self._limits.connections:
            return Busy("No connection to the database became free in time; try again shortly.")
        return Unavailable("No connection to the database could be made in time; try again shortly.")

    def measures(self) -> dict[str, int]:
        """size, in_use and waiting of now, for the log."""
        stats = self._pool.get_stats()
        size, free = stats.get("pool_size", 0), stats.get("pool_available", 0)
        return {"size": size, "in_use": size - free, "waiting": stats.get("requests_waiting", 0)}

    def close(self) -> None:
        """Close all connections; who holds one may finish within a second."""
        self._pool.close(timeout=1.0)


def _connect_arguments(url: str, limits: ConnectionLimits) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "autocommit": True,
        "cursor_factory": RawCursor,
        "prepare_threshold": None if limits.transaction_pooler else limits.prepare_after,
        "connect_timeout": max(round(limits.connect_timeout_seconds), 1),
        "client_encoding": "UTF8",
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    if not limits.transaction_pooler:
        arguments["options"] = _session_options(url, limits)
    return arguments


def _session_options(url: str, limits: ConnectionLimits) -> str:
    """Settings of the session, sent with the connection request itself: no round trip, none of them forgotten."""
    session = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{limits.statement_timeout_seconds * 1000:.0f}ms",
        "lock_timeout": f"{limits.lock_timeout_seconds * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": f"{limits.idle_in_transaction_timeout_seconds * 1000:.0f}ms",
        "TimeZone": "UTC",
    }
    own = conninfo_to_dict(url).get("options") or ""
    return " ".join([str(own), *(f"-c {name}={value}" for name, value in session.items())]).strip()


def _configure(limits: ConnectionLimits) -> Callable[[ReadConnection], None]:
    def configure(connection: ReadConnection) -> None:
        connection.prepared_max = limits.prepared_statements
        load_undecoded(connection.adapters)

    return configure
