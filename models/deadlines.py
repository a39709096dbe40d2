"""Connections of the domain's own transactions: none is waited for without end, and a dead one is found in time.

Neither time limits of the server nor TCP end a wait on a connection whose peer takes packets and never answers, so the
wait itself has a deadline: of a statement, COMMIT, ROLLBACK and the look at an idle connection alike. What has waited
too long is closed. In: an engine of `database.engine`. Nothing here runs besides the threads that wait.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

RV = TypeVar("RV")

TRUSTED_SECONDS: Final = 1.0
"""An idle connection that was in use so lately is not asked whether it is there: that costs a round trip."""


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection whose every wait ends at `deadline`, a monotonic time; then it is closed."""

    deadline: float = float("inf")
    idle_since: float = float("inf")

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        left = max(self.deadline - monotonic(), 0.0)
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except psycopg.OperationalError as error:
            if monotonic() < self.deadline or error.sqlstate is not None:
                raise
            self.close()
            raise psycopg.OperationalError("the database did not answer in time: connection closed") from None

    def is_there(self, seconds: float) -> bool:
        """Whether an idle connection is of use: it has nothing to read, and answers, if it was idle for long.

        seconds: for the answer. The poll costs no round trip and finds what the server has ended.
        """
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        if poll.poll(0):
            return False
        if monotonic() - self.idle_since < TRUSTED_SECONDS:
            return True
        self.deadline = monotonic() + seconds
        try:
            self.autocommit = True
            self.execute("", prepare=False)
            self.autocommit = False
        except psycopg.Error:
            return False
        return True


def keep(engine: Engine, *, most_seconds: float, connect_seconds: float) -> None:
    """Let every transaction of an engine end in time; call it before the first one. Thread-safe from then on.

    most_seconds: from check-out to check-in. connect_seconds: to connect, and for the answer of an idle connection.
    Whoever waits longer gets a DBAPIError, and whether what was sent took place is unknown.
    """

    @event.listens_for(engine, "do_connect")
    def connect(_: Any, __: Any, arguments: Sequence[Any], parameters: dict[str, Any]) -> DeadlineConnection:
        given = parameters | {"connect_timeout": max(round(connect_seconds), 1)}
        made = DeadlineConnection.connect(*arguments, **given)
        made.deadline = monotonic() + most_seconds
        return made

    @event.listens_for(engine, "checkout")
    def check_out(connection: DeadlineConnection, _: Any, __: Any) -> None:
        if not connection.is_there(connect_seconds):
            raise InvalidatePoolError  # SQLAlchemy connects once more, and drops what idles beside it
        connection.deadline = monotonic() + most_seconds

    @event.listens_for(engine, "checkin")
    def check_in(connection: DeadlineConnection | None, _: Any) -> None:
        if connection is not None:
            connection.idle_since = monotonic()
