"""The change log: which rows changed in which transaction. A delta answer reads it; nothing writes it yet.

`txid` orders by commit horizon: a reader takes entries below the oldest transaction still running, so none is lost that
was numbered early and committed late.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Identity, Index, PrimaryKeyConstraint, Table, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from models.base import NOW, metadata, moment, one_of, record_id, reference, string


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = Xid8  # so that a reflected table bears the type too

change_log = Table(
    "change_log",
    metadata,
    Column("txid", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    record_id("org_id", nullable=False),
    string("entity", 63, nullable=False),
    reference("row_id", nullable=False),
    string("operation", 1, nullable=False),
    moment("logged_at", nullable=False, default=NOW),
    one_of("operation", "I", "U", "D"),
    PrimaryKeyConstraint("org_id", "seq"),
)

Index("ix_change_log_entity", change_log.c.org_id, change_log.c.entity, change_log.c.txid, change_log.c.seq)
Index("ix_change_log_logged", change_log.c.logged_at)
