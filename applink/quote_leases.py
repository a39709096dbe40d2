"""The right to change a quote in the org, for a while: one change of a quote at a time, and no transaction meanwhile.

    take      before the org is asked; commit            release   with what is stored afterwards, or without

A lease is a row of `intent` under the quote's id, with what was asked. It is open until somebody knows how the change
ended: one that was interrupted is found by a worker (intents.stale), which brings the row up to what the org has.
In: a connection within a transaction that has named the org.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from applink.quote_rows import QuoteRow

OPERATION: Final = "changeQuote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that was taken. lease_no never falls: a lease that somebody else has taken since is no longer held."""

    org_id: str
    quote_id: UUID
    lease_no: int


TAKE: Final = text("""
INSERT INTO gateway.intent AS n (
    org_id, gateway_key, operation, opportunity_id, idem_key, requested_by, request_id, arguments, status, settled_at,
    lease_no, locked_by, lease_until)
VALUES (
    :org_id, 'change-' || :quote_id, :operation, :opportunity_id, :quote_id, :requested_by, :request_id,
    CAST(:arguments AS jsonb), 'open', now(), 1, :operation, now() + make_interval(secs => :seconds))
ON CONFLICT (org_id, operation, idem_key) DO UPDATE
SET lease_no = n.lease_no + 1, requested_by = excluded.requested_by, request_id = excluded.request_id,
    arguments = excluded.arguments, status = 'open', settled_at = now(), locked_by = excluded.locked_by,
    lease_until = excluded.lease_until, next_at = NULL
WHERE n.lease_until IS NULL OR n.lease_until <= now()
RETURNING n.lease_no
""")


def take(
    connection: Connection,
    row: QuoteRow,
    by: str | None,
    request_id: str | None,
    wish: Mapping[str, Any],
    seconds: float,
) -> Lease | None:
    """The right to change a quote; None where somebody else has it. It ends by itself after so many seconds.

    by, request_id, wish: who wants what, as JSON has it, for whoever must find out what became of it.
    """
    given = {
        "org_id": row.org_id,
        "quote_id": str(row.id),
        "operation": OPERATION,
        "opportunity_id": row.opportunity_id,
        "requested_by": by,
        "request_id": request_id and request_id[:120],
        "arguments": json.dumps(dict(wish)),
        "seconds": seconds,
    }
    lease_no: int | None = connection.execute(TAKE, given).scalar()
    return None if lease_no is None else Lease(org_id=row.org_id, quote_id=row.id, lease_no=lease_no)


RELEASE: Final = text("""
UPDATE gateway.intent
SET lease_until = NULL, locked_by = NULL, status = CASE WHEN :ended THEN 'settled' ELSE 'open' END
WHERE org_id = :org_id AND operation = :operation AND idem_key = :quote_id AND lease_no = :lease_no
""")


def release(connection: Connection, lease: Lease, *, ended: bool) -> bool:
    """Let others change the quote. ended: whether it is known, and stored, what the org made of this change.

    False where somebody else has taken the lease since.
    """
    given = {
        "org_id": lease.org_id,
        "operation": OPERATION,
        "quote_id": str(lease.quote_id),
        "lease_no": lease.lease_no,
        "ended": ended,
    }
    return connection.execute(RELEASE, given).rowcount == 1
