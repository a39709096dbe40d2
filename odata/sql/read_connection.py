"""One connection that reads: every wait on it ends at a deadline, and a statement costs little on its way.

In: SQL with $1 placeholders, parameters as text. Out: rows. psycopg's own calls of libpq are used directly, since its
cursor costs 0.05 ms of processor time a statement, a tenth of a small read (docs/decisions/connection-pool.md).
"""

from __future__ import annotations

import select
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from time import monotonic
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import abc
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import AdaptersMap, Loader, Transformer
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Row: TypeAlias = tuple[Any, ...]
RV = TypeVar("RV")
Parameters: TypeAlias = Sequence[str | list[Any] | None]


class ReadConnection(psycopg.Connection[Row]):
    """A connection whose every wait ends at `deadline` (a monotonic time), whatever the network does.

    Neither statement_timeout nor TCP keepalives end a wait when something in between still acknowledges packets.
    """

    deadline: float = float("inf")
    taken_at: float = 0.0
    was_slow: bool = False
    reader: Reader | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        left = max(self.deadline - monotonic(), 0.0)
        return super().wait(gen, interval, left if timeout is None else min(left, timeout))

    def usable(self) -> bool:
        """False when the server hung up or has something to say: an idle connection has nothing to read.

        Costs one poll and no round trip; finds every connection that a restart or pg_terminate_backend has ended.
        """
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)

    def rows(self, sql: str, parameters: Parameters, *, prepare: bool | None = None) -> list[Row]:
        """All rows of one statement, outside of a transaction.

        Args:   prepare: True at once, False never, None after `prepare_threshold` runs; `prepared_max` are kept.
        Raises: psycopg.Error.
        """
        if any(isinstance(value, list) for value in parameters):
            return self.execute(sql, parameters, prepare=prepare).fetchall()
        if self.reader is None:
            self.reader = Reader(self)
        return self.reader.rows(sql, [_text(value) for value in parameters], prepare)


class Reader:
    """Runs statements on one connection; prepares those that come again, and knows which of them it has prepared."""

    def __init__(self, connection: ReadConnection) -> None:
        self._connection = connection
        self._runs: OrderedDict[str, int] = OrderedDict()
        self._prepared: OrderedDict[str, bytes] = OrderedDict()
        self._numbers = count(1)
        self._transformer: abc.Transformer = Transformer(connection)

    def rows(self, sql: str, values: list[bytes | None], prepare: bool | None) -> list[Row]:
        """As `ReadConnection.rows`, for parameters as libpq takes them."""
        name = None if prepare is False else self._name(sql, at_once=bool(prepare))
        if name is None:
            self._connection.pgconn.send_query_params(sql.encode(), values)
        else:
            self._connection.pgconn.send_query_prepared(name, values)
        return self._loaded(self._result(ExecStatus.TUPLES_OK))

    def _name(self, sql: str, *, at_once: bool) -> bytes | None:
        """Under which a statement is prepared, or is from now on; None where it has not run often enough."""
        name = self._prepared.get(sql)
        if name is not None:
            self._prepared.move_to_end(sql)
            return name
        after, most = self._connection.prepare_threshold, self._connection.prepared_max or 0
        if after is None or most == 0:
            return None
        runs = self._runs.pop(sql, 0)
        if not at_once and runs < after:
            self._runs[sql] = runs + 1
            if len(self._runs) > most:  # counted apart: statements that run once push none out that is prepared
                self._runs.popitem(last=False)
            return None
        return self._prepare(sql, most)

    def _prepare(self, sql: str, most: int) -> bytes:
        name = f"read_{next(self._numbers)}".encode()
        self._connection.pgconn.send_prepare(name, sql.encode())
        self._result(ExecStatus.COMMAND_OK)
        self._prepared[sql] = name
        if len(self._prepared) > most:
            _, forgotten = self._prepared.popitem(last=False)
            self._connection.pgconn.send_query_params(b"DEALLOCATE " + forgotten, None)
            self._result(ExecStatus.COMMAND_OK)
        return name

    def _result(self, wanted: ExecStatus) -> PGresult:
        """What the server answers to what was sent. Raises: psycopg.Error."""
        results: list[PGresult] = self._connection.wait(execute(self._connection.pgconn))
        if not results:
            raise psycopg.OperationalError("the server answered nothing")
        result = results[-1]
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding=self._connection.info.encoding)
        if result.status != wanted:
            raise psycopg.ProgrammingError(f"the server answered {ExecStatus(result.status).name}, not {wanted.name}")
        return result

    def _loaded(self, result: PGresult) -> list[Row]:
        self._transformer.set_pgresult(result)
        try:
            return self._transformer.load_rows(0, result.ntuples, tuple)
        finally:
            self._transformer.set_pgresult(None)  # or a page of 2 MB would stay until the next one


def _text(value: str | list[Any] | None) -> bytes | None:
    """A parameter as libpq takes it, which would end it at a NUL."""
    if value is None:
        return None
    assert isinstance(value, str)
    text = value.encode()
    if b"\0" in text:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text


class _Undecoded(Loader):
    """JSON and text as the bytes that the database wrote: a page of 2,000 rows is never decoded."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def load_undecoded(adapters: AdaptersMap) -> None:
    """json, jsonb and text columns arrive as bytes; every other type as psycopg loads it."""
    for type_name in ("json", "jsonb", "text"):
        adapters.register_loader(type_name, _Undecoded)
