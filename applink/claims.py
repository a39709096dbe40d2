"""The queue as a worker has it: claim items, renew, call, finish, give back; and finish jobs.

In: a connection within a transaction. Out: frozen values. A claimed item is held by a lease that ends by the clock of
the database; `lease_no` never falls, and every later statement about the item names it: one whose lease was lost hits
no row. Locks are taken item before job, and where it is the other way round the items are skipped, never waited for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.database import set_org

ANY_ORG: Final = "*"
MESSAGE_LENGTH: Final = 1_000
CODE_LENGTH: Final = 80


class LeaseLost(Exception):
    """Somebody else holds the item now; whatever is known about it is no longer this worker's to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedItem:
    """One opportunity to work on, and all that is needed for it. item_id is also the id of its intent.

    attempts: tries of it that have ended. leases_lost: how often nobody said how one ended before its lease
    did: the worker had died, or had no database. called_before: the org may have the quote already. cancelled: nothing
    may begin. error_code, error_message: how the try before ended.
    """

    org_id: str
    job_id: UUID
    item_id: UUID
    sequence: int
    opportunity_id: str
    lease_no: int
    attempts: int
    leases_lost: int
    intent_id: UUID
    gateway_key: str
    quote_id: UUID
    requested_by: str | None
    request_id: str | None
    if_draft_exists: str
    type: str
    authorization_name: str | None
    called_before: bool
    cancelled: bool
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An org with items that could begin now, or one that is paused. A pause ends when the org has answered again."""

    org_id: str
    paused: bool


# One look an org into the index of waiting items, however many wait.
READY: Final = text("""
WITH RECURSIVE org (org_id) AS (
    SELECT min(org_id) FROM gateway.job_item WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT min(i.org_id) FROM gateway.job_item AS i WHERE i.status = 'queued' AND i.org_id > org.org_id)
    FROM org WHERE org.org_id IS NOT NULL
), ready AS (
    SELECT org_id FROM org WHERE EXISTS (
        SELECT FROM gateway.job_item AS i
        WHERE i.status = 'queued' AND i.org_id = org.org_id AND i.next_at <= now())
    UNION
    SELECT org_id FROM gateway.job_item WHERE status = 'running' AND lease_until < now()
)
SELECT coalesce(r.org_id, p.org_id) AS org_id, p.org_id IS NOT NULL AS paused
FROM ready AS r FULL JOIN gateway.org_pause AS p ON p.org_id = r.org_id
""")


def ready(connection: Connection) -> tuple[Waiting, ...]:
    """The orgs with items to begin now, and those paused."""
    rows = connection.execute(READY)
    return tuple(Waiting(org_id=row.org_id, paused=row.paused) for row in rows)


# Leases that have ended first, then what waits longest, from each org as many as there is room for.
CLAIM: Final = text("""
WITH room AS (
    SELECT * FROM unnest(CAST(:orgs AS varchar[]), CAST(:rooms AS integer[])) AS room (org_id, most)
), lost AS MATERIALIZED (
    SELECT found.* FROM room CROSS JOIN LATERAL (
        SELECT i.org_id, i.id FROM gateway.job_item AS i
        WHERE i.org_id = room.org_id AND i.status = 'running' AND i.lease_until < now()
        ORDER BY i.lease_until LIMIT room.most FOR UPDATE SKIP LOCKED) AS found
), waiting AS MATERIALIZED (
    SELECT found.* FROM room CROSS JOIN LATERAL (
        SELECT i.org_id, i.id FROM gateway.job_item AS i
        WHERE i.org_id = room.org_id AND i.status = 'queued' AND i.next_at <= now()
        ORDER BY i.next_at, i.job_id, i.sequence LIMIT room.most FOR UPDATE SKIP LOCKED) AS found
), picked AS (
    SELECT * FROM lost UNION ALL SELECT * FROM waiting
)
UPDATE gateway.job_item AS i
SET status = 'running', lease_no = i.lease_no + 1, locked_by = :worker, started_at = coalesce(i.started_at, now()),
    lease_until = now() + make_interval(secs => :lease_seconds),
    leases_lost = i.leases_lost + CASE i.status WHEN 'running' THEN 1 ELSE 0 END
FROM picked AS p
JOIN gateway.intent AS n ON n.org_id = p.org_id AND n.id = p.id
JOIN gateway.job AS j ON j.org_id = n.org_id AND j.id = n.job_id
WHERE i.org_id = p.org_id AND i.id = p.id
RETURNING i.org_id, i.job_id, i.id AS item_id, i.sequence, i.opportunity_id, i.lease_no, i.attempts, i.leases_lost,
    n.id AS intent_id, n.gateway_key, n.quote_id, n.requested_by, n.request_id,
    coalesce(n.arguments ->> 'ifDraftExists', 'create') AS if_draft_exists, j.type, j.authorization_name,
    n.called_at IS NOT NULL AS called_before, j.cancel_requested_at IS NOT NULL AS cancelled, i.error_code,
    i.error_message, j.status AS job_status, i.next_at
""")

START_JOBS: Final = text("""
UPDATE gateway.job SET status = 'running', started_at = coalesce(started_at, now())
WHERE org_id = ANY(CAST(:orgs AS varchar[])) AND id = ANY(CAST(:jobs AS uuid[])) AND status = 'queued'
""")


def claim(
    connection: Connection, worker: str, rooms: Mapping[str, int], *, lease_seconds: float = 60.0
) -> tuple[ClaimedItem, ...]:
    """Take items of several orgs, rooms: how many of which; twice that many where leases of others have ended.

    Oldest first. A job begins with its first claimed item. Items of a job being cancelled come too, marked so.
    """
    if not rooms:
        return ()
    set_org(connection, ANY_ORG)
    orgs = list(rooms)
    given = {"orgs": orgs, "rooms": [rooms[org] for org in orgs], "worker": worker, "lease_seconds": lease_seconds}
    rows = connection.execute(CLAIM, given).all()
    begun = {row.job_id for row in rows if row.job_status == "queued"}
    if begun:
        connection.execute(START_JOBS, {"orgs": orgs, "jobs": list(begun)})
    ordered = sorted(rows, key=lambda row: (row.next_at, row.job_id, row.sequence))
    fields = ClaimedItem.__slots__
    return tuple(ClaimedItem(**{name: row._mapping[name] for name in fields}) for row in ordered)


RENEW: Final = text("""
UPDATE gateway.job_item AS i SET lease_until = now() + make_interval(secs => :lease_seconds)
FROM unnest(CAST(:items AS uuid[]), CAST(:lease_nos AS bigint[])) AS held (id, lease_no), gateway.job AS j
WHERE i.org_id = ANY(CAST(:orgs AS varchar[])) AND i.id = held.id AND i.lease_no = held.lease_no
    AND i.status = 'running' AND j.org_id = i.org_id AND j.id = i.job_id
RETURNING i.id, j.cancel_requested_at IS NOT NULL AS cancelled
""")


def renew(connection: Connection, held: Sequence[ClaimedItem], *, lease_seconds: float = 60.0) -> dict[UUID, bool]:
    """Prolong leases. The items still held, by id, each with whether its job is being cancelled."""
    if not held:
        return {}
    set_org(connection, ANY_ORG)
    rows = connection.execute(RENEW, _held(held) | {"lease_seconds": lease_seconds})
    return {row.id: row.cancelled for row in rows}


def with_cancelled(claimed: ClaimedItem, cancelled: bool) -> ClaimedItem:
    """The item as it is known after a renewal."""
    return claimed if claimed.cancelled == cancelled else replace(claimed, cancelled=cancelled)


def _held(items: Sequence[ClaimedItem]) -> dict[str, Any]:
    return {
        "orgs": sorted({item.org_id for item in items}),
        "items": [item.item_id for item in items],
        "lease_nos": [item.lease_no for item in items],
    }


MARK_CALLED: Final = text("""
WITH item AS (
    UPDATE gateway.job_item SET lease_until = now() + make_interval(secs => :lease_seconds)
    WHERE org_id = :org_id AND id = :item_id AND lease_no = :lease_no AND status = 'running'
    RETURNING org_id, id
)
UPDATE gateway.intent AS n SET called_at = now(), attempts = n.attempts + 1
FROM item WHERE n.org_id = item.org_id AND n.id = item.id
""")


def mark_called(connection: Connection, claimed: ClaimedItem, *, lease_seconds: float = 60.0) -> None:
    """Remember, before a write is sent, that it may have been: commit, then send. Raises LeaseLost.

    The item's lease is renewed; the try counts when somebody writes how it ended. The commit waits for the disk: were
    the mark lost in a crash of the database, the item could be cancelled or failed without a look in the org.
    """
    set_org(connection, claimed.org_id)
    given = _fence(claimed) | {"lease_seconds": lease_seconds}
    if connection.execute(MARK_CALLED, given).rowcount == 0:
        raise LeaseLost(str(claimed.item_id))


TAKE_BACK: Final = text("""
WITH item AS (
    SELECT org_id, id FROM gateway.job_item
    WHERE org_id = :org_id AND id = :item_id AND lease_no = :lease_no AND status = 'running' FOR UPDATE
)
UPDATE gateway.intent AS n SET called_at = NULL, attempts = n.attempts - 1
FROM item WHERE n.org_id = item.org_id AND n.id = item.id AND n.called_at IS NOT NULL
""")


def take_mark_back(connection: Connection, claimed: ClaimedItem) -> None:
    """What was marked was not sent. An item that was called before stays marked."""
    if not claimed.called_before:
        set_org(connection, claimed.org_id)
        connection.execute(TAKE_BACK, _fence(claimed))


def _fence(claimed: ClaimedItem) -> dict[str, Any]:
    return {"org_id": claimed.org_id, "item_id": claimed.item_id, "lease_no": claimed.lease_no}


FINISH_ITEM: Final = text("""
WITH item AS (
    UPDATE gateway.job_item
    SET status = :status, quote_id = :quote_id, error_code = :error_code, error_message = :error_message,
        attempts = attempts + :tried, finished_at = now(), lease_until = NULL, locked_by = NULL
    WHERE org_id = :org_id AND id = :item_id AND lease_no = :lease_no AND status = 'running'
    RETURNING org_id, id
)
UPDATE gateway.intent AS n
SET status = :intent_status, quote_id = coalesce(:quote_id, n.quote_id), salesforce_id = :salesforce_id,
    answer = CAST(:answer AS jsonb), error_code = :error_code, error_message = :error_message, settled_at = now()
FROM item WHERE n.org_id = item.org_id AND n.id = item.id
""")

# The row's lock is held from here to the commit: last of the transaction. Whoever brings the sum to the count is last.
COUNT_ITEM: Final = text("""
UPDATE gateway.job AS j
SET quote_count = j.quote_count + :made, error_count = j.error_count + :failed, api_calls = j.api_calls + :api_calls,
    status = CASE WHEN j.quote_count + j.error_count + :made + :failed < j.opportunity_count THEN j.status
        WHEN j.error_count + :failed = 0 THEN 'completed'
        WHEN j.quote_count + :made = 0 THEN 'failed' ELSE 'completed_with_errors' END,
    progress = CASE WHEN j.quote_count + j.error_count + :made + :failed >= j.opportunity_count THEN 100
        ELSE greatest(j.progress, least(99.99,
            round(100.0 * (j.quote_count + j.error_count + :made + :failed) / j.opportunity_count, 2))) END,
    finished_at = CASE WHEN j.quote_count + j.error_count + :made + :failed >= j.opportunity_count THEN now() END,
    message = CASE WHEN j.quote_count + j.error_count + :made + :failed < j.opportunity_count THEN j.message
        WHEN j.error_count + :failed > 0 THEN format('%s of %s opportunities failed.', j.error_count + :failed,
            j.opportunity_count) END,
    next_at = CASE WHEN j.quote_count + j.error_count + :made + :failed >= j.opportunity_count
        AND j.callback_status = 'due' THEN now() ELSE j.next_at END
WHERE j.org_id = :org_id AND j.id = :job_id AND j.status IN ('queued', 'running')
RETURNING j.status
""")


def finish_item(
    connection: Connection,
    claimed: ClaimedItem,
    *,
    quote_id: UUID | None = None,
    salesforce_id: str | None = None,
    answer: Mapping[str, Any] | None = None,
    error: tuple[str, str] | None = None,
    api_calls: int = 0,
    tried: bool = False,
) -> bool:
    """End an item, its intent, and the job if it was the last: with a quote, with an error (code, message), or
    cancelled, when neither is given. tried: it counts as a try. False, and nothing written: the lease was lost.

    Call it last of a transaction: every item of the job goes through the job's row.
    """
    set_org(connection, claimed.org_id)
    status = "succeeded" if quote_id else "failed" if error else "cancelled"
    code, message = error or (("Cancelled", "The job was cancelled.") if not quote_id else (None, None))
    given = _fence(claimed) | {
        "status": status,
        "intent_status": "settled" if quote_id else "failed",
        "tried": int(tried),
        "quote_id": quote_id,
        "salesforce_id": salesforce_id,
        "answer": None if answer is None else json.dumps(answer, default=str),
        "error_code": code[:CODE_LENGTH] if code else None,
        "error_message": message[:MESSAGE_LENGTH] if message else None,
    }
    if connection.execute(FINISH_ITEM, given).rowcount == 0:
        return False
    counts = {"made": int(status == "succeeded"), "failed": int(status == "failed"), "api_calls": api_calls}
    one = {"org_id": claimed.org_id, "job_id": claimed.job_id}
    connection.execute(COUNT_ITEM, one | counts)
    if status == "cancelled":
        connection.execute(FINISH_JOBS, one)
    return True


LATER: Final = text("""
UPDATE gateway.job_item
SET status = 'queued', next_at = now() + make_interval(secs => :seconds), attempts = :attempts,
    error_code = :error_code, error_message = :error_message, lease_until = NULL, locked_by = NULL
WHERE org_id = :org_id AND id = :item_id AND lease_no = :lease_no AND status = 'running'
""")


def retry_later(
    connection: Connection, claimed: ClaimedItem, *, seconds: float, consumed: bool, error: tuple[str, str]
) -> bool:
    """Queue an item again, to begin in so many seconds. consumed: whether this try counts. False: lease lost."""
    set_org(connection, claimed.org_id)
    given = _fence(claimed) | {
        "seconds": seconds,
        "attempts": claimed.attempts + int(consumed),
        "error_code": error[0][:CODE_LENGTH],
        "error_message": error[1][:MESSAGE_LENGTH],
    }
    return connection.execute(LATER, given).rowcount == 1


GIVE_BACK: Final = text("""
UPDATE gateway.job_item AS i SET status = 'queued', lease_until = NULL, locked_by = NULL
FROM unnest(CAST(:items AS uuid[]), CAST(:lease_nos AS bigint[])) AS held (id, lease_no)
WHERE i.org_id = ANY(CAST(:orgs AS varchar[])) AND i.id = held.id AND i.lease_no = held.lease_no
    AND i.status = 'running'
""")


def give_back(connection: Connection, unstarted: Sequence[ClaimedItem]) -> int:
    """Queue items again that were claimed and not begun; their place and attempts stay. How many were still held."""
    if not unstarted:
        return 0
    set_org(connection, ANY_ORG)
    return connection.execute(GIVE_BACK, _held(unstarted)).rowcount


# What the org may have been asked for already stays, for a worker to look it up in the org. The intent is locked too:
# whether it was called is then known as of the lock, not as of the beginning of the statement.
CANCEL_ITEMS: Final = text("""
WITH doomed AS (
    SELECT i.org_id, i.id
    FROM gateway.job AS j JOIN gateway.job_item AS i ON i.org_id = j.org_id AND i.job_id = j.id
    JOIN gateway.intent AS n ON n.org_id = i.org_id AND n.id = i.id
    WHERE j.cancel_requested_at IS NOT NULL AND j.status IN ('queued', 'running')
        AND (CAST(:job_id AS uuid) IS NULL OR j.org_id = :org_id AND j.id = :job_id)
        AND i.status = 'queued' AND n.called_at IS NULL
    FOR UPDATE OF i, n SKIP LOCKED
), item AS (
    UPDATE gateway.job_item AS i
    SET status = 'cancelled', finished_at = now(), error_code = NULL, error_message = NULL
    FROM doomed AS d WHERE i.org_id = d.org_id AND i.id = d.id RETURNING i.org_id, i.id
)
UPDATE gateway.intent AS n
SET status = 'failed', error_code = 'Cancelled', error_message = 'The job was cancelled.', settled_at = now()
FROM item WHERE n.org_id = item.org_id AND n.id = item.id
""")

FINISH_JOBS: Final = text("""
UPDATE gateway.job AS j
SET status = CASE WHEN t.cancelled > 0 THEN 'cancelled' WHEN t.failed = 0 THEN 'completed'
        WHEN t.made = 0 THEN 'failed' ELSE 'completed_with_errors' END,
    quote_count = t.made, error_count = t.failed, progress = 100, finished_at = now(),
    message = CASE WHEN t.cancelled > 0 THEN format('Cancelled: %s of %s opportunities were not begun.', t.cancelled,
        j.opportunity_count) WHEN t.failed > 0 THEN format('%s of %s opportunities failed.', t.failed,
        j.opportunity_count) END,
    next_at = CASE WHEN j.callback_status = 'due' THEN now() ELSE j.next_at END
FROM gateway.job AS o CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE i.status = 'succeeded') AS made,
        count(*) FILTER (WHERE i.status = 'failed') AS failed,
        count(*) FILTER (WHERE i.status = 'cancelled') AS cancelled
    FROM gateway.job_item AS i WHERE i.org_id = o.org_id AND i.job_id = o.id
) AS t
WHERE o.status IN ('queued', 'running')
    AND (CAST(:job_id AS uuid) IS NULL OR o.org_id = :org_id AND o.id = :job_id)
    AND NOT EXISTS (
        SELECT FROM gateway.job_item AS i
        WHERE i.org_id = o.org_id AND i.job_id = o.id AND i.status IN ('queued', 'running'))
    AND j.org_id = o.org_id AND j.id = o.id AND j.status IN ('queued', 'running')
""")


def sweep(connection: Connection) -> tuple[int, int]:
    """Cancel what waits in jobs being cancelled, and end the jobs that have nothing left: how many of each.

    Idempotent, for any worker at any time: a job ends with its last item, and here whenever that was missed.
    """
    set_org(connection, ANY_ORG)
    every = {"org_id": None, "job_id": None}
    cancelled = connection.execute(CANCEL_ITEMS, every).rowcount
    return cancelled, connection.execute(FINISH_JOBS, every).rowcount
