"""What the client hears of a database error: one table from SQLSTATE to the errors of `odata.errors`.

In: an exception of psycopg. Out: an ODataError whose message is ours alone. The database's own text can hold SQL, names
and values; it goes to the log, never into an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

from odata.errors import (
    ArithmeticFailure,
    BadRequest,
    Forbidden,
    InternalError,
    InvalidLiteral,
    LimitExceeded,
    ODataError,
    QueryTimeout,
    Unavailable,
)


@dataclass(frozen=True, slots=True)
class Translation:
    """error: what to raise. message: for the client. logged: an operator should see it, it is no client's doing."""

    error: Callable[[str], ODataError]
    message: str
    logged: bool = False


_AWAY: Final = Translation(Unavailable, "The database is not available at the moment; try again shortly.", True)
_CHANGING: Final = Translation(
    Unavailable, "The database does not fit what this service shows at the moment; try again shortly.", True
)
_BUSY: Final = Translation(Unavailable, "The database is busy with a conflicting change; try again shortly.")
_OUT_OF_RANGE: Final = Translation(ArithmeticFailure, "A value of the request, or computed from it, is out of range.")
_NOT_A_VALUE: Final = Translation(InvalidLiteral, "A value of the request does not fit the type it meets.")
_NOT_A_PATTERN: Final = Translation(InvalidLiteral, "A pattern of the request is no valid regular expression.")
_DEFECT: Final = Translation(InternalError, "The service failed on this request; the log has the reason.", True)

TRANSLATIONS: Final[Mapping[str, Translation]] = {
    # Five characters are one SQLSTATE, two a whole class; the longer key wins.
    "22": Translation(BadRequest, "A value of the request cannot be processed."),
    "22003": _OUT_OF_RANGE,
    "22008": _OUT_OF_RANGE,
    "22015": _OUT_OF_RANGE,
    "22011": Translation(ArithmeticFailure, "The request asks for a substring of negative length."),
    "22012": Translation(ArithmeticFailure, "The request divides by zero."),
    "2201E": _OUT_OF_RANGE,
    "2201F": _OUT_OF_RANGE,
    "22007": _NOT_A_VALUE,
    "22P02": _NOT_A_VALUE,
    "22P03": _NOT_A_VALUE,
    "22021": _NOT_A_VALUE,
    "22P05": _NOT_A_VALUE,
    "2201B": _NOT_A_PATTERN,
    "22025": _NOT_A_PATTERN,
    "57014": Translation(QueryTimeout, "The request took longer than the database may work on it; ask for less."),
    "57": _AWAY,
    "08": _AWAY,
    "53": _AWAY,
    "58": _AWAY,
    "28": _AWAY,
    "40": _BUSY,
    "55P03": _BUSY,
    "25006": Translation(Forbidden, "The request would change data, and a read may not.", True),
    "54": Translation(LimitExceeded, "The request is too complex for the database; use fewer or smaller expressions."),
    "42703": _CHANGING,
    "42P01": _CHANGING,
    "42501": _CHANGING,
    "42704": _CHANGING,
    "0A000": Translation(InternalError, "The database does not do what this request needs; the log has more.", True),
}

CONNECTION_LOST: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "08000", "08003", "08006", "08P01"})
"""The server gave up the connection, not the statement: a read may go again over a fresh one. 08P01 is what PgBouncer
says of a server connection that has ended."""

UNKNOWN_STATEMENT: Final = "26000"
CHANGED_RESULT: Final = "RevalidateCachedQuery"
"""The function of PostgreSQL that finds a prepared statement's columns changed. Its SQLSTATE, 0A000, is that of every
feature that is not there, and its message is translated."""

CONFLICT: Final = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock, or a standby's recovery: the same statement may simply go again."""


def translation(error: psycopg.Error) -> Translation:
    """The entry for an error; what is in no entry is a defect of ours."""
    state = error.sqlstate
    if state is None:
        return _without_state(error)
    return TRANSLATIONS.get(state) or TRANSLATIONS.get(state[:2]) or _DEFECT


def stale(error: psycopg.Error) -> bool:
    """A prepared statement no longer fits (a table changed, a pooler switched servers): again, over a fresh line."""
    return error.sqlstate == UNKNOWN_STATEMENT or error.diag.source_function == CHANGED_RESULT


def _without_state(error: psycopg.Error) -> Translation:
    """Found by the driver: a NUL or a lone surrogate in a value is the client's, a broken line the database's."""
    if isinstance(error, psycopg.DataError):
        return _NOT_A_VALUE
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return _AWAY
    return _DEFECT
