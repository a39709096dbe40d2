"""The outbox: callbacks and Platform Events owed for jobs that have ended. The rows are the jobs themselves.

A job's callback_status is due from its submission on; it is worked on once the job has ended (next_at), under a lease.
    answer 200                      delivered
    404, 408, deadline, bad address the window is closed: a Platform Event is owed instead
    401, 500, no answer             later: 1 s * 2^n and a random part, at most 5 min
    event published                 event_published
    event refused, or a day long not published    expired
An event's day begins with the job's end, or later: when it takes a callback's place, or with `resend`; then it ends
with callback_deadline.
At least once: a body names its job, and a receiver must bear it twice. In: a connection within a transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from applink.claims import ANY_ORG
from applink.jobs import JobState
from models.database import set_org

EVENT: Final = "Quote_Job__e"
EVENT_SECONDS_MOST: Final = 86_400
ERROR_LENGTH: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One thing to tell. callback_url: None where an event is owed. attempts: tries before.

    seconds_left: until the callback's deadline, or until an event is given up; negative when over.
    """

    org_id: str
    job_id: UUID
    lease_no: int
    attempts: int
    callback_url: str | None
    seconds_left: float


CLAIM: Final = text("""
UPDATE gateway.job AS j
SET lease_no = j.lease_no + 1, locked_by = :worker, lease_until = now() + make_interval(secs => :lease_seconds)
WHERE (j.org_id, j.id) IN (
    SELECT o.org_id, o.id FROM gateway.job AS o
    WHERE o.callback_status = 'due' AND o.next_at <= now() AND (o.lease_until IS NULL OR o.lease_until < now())
        AND NOT EXISTS (
            SELECT FROM gateway.org_pause AS p WHERE p.org_id = o.org_id)
    ORDER BY o.next_at, o.id LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING j.org_id, j.id AS job_id, j.lease_no, j.attempts, j.callback_url,
    CAST(extract(epoch FROM CASE WHEN j.callback_url IS NULL
        THEN greatest(j.finished_at + make_interval(secs => :event_seconds), j.callback_deadline)
        ELSE j.callback_deadline END - now()) AS float)
        AS seconds_left
""")


def claim(connection: Connection, worker: str, most: int, *, lease_seconds: float = 60.0) -> tuple[Owed, ...]:
    """Take what is due now, of any org that is not paused, oldest first."""
    set_org(connection, ANY_ORG)
    given = {"worker": worker, "most": most, "lease_seconds": lease_seconds, "event_seconds": EVENT_SECONDS_MOST}
    return tuple(Owed(**row._mapping) for row in connection.execute(CLAIM, given))


END: Final = text("""
UPDATE gateway.job
SET callback_status = :status, callback_error = coalesce(:error, callback_error), callback_url = NULL, next_at = NULL,
    lease_until = NULL, locked_by = NULL, attempts = attempts + 1
WHERE org_id = :org_id AND id = :job_id AND lease_no = :lease_no AND callback_status = 'due'
""")


def delivered(connection: Connection, owed: Owed) -> bool:
    """The org took the callback. The address is forgotten. False, here and below: the lease was lost."""
    return _end(connection, owed, "delivered", None)


def published(connection: Connection, owed: Owed) -> bool:
    """The event is with the org."""
    return _end(connection, owed, "event_published", None)


def expired(connection: Connection, owed: Owed, reason: str) -> bool:
    """Nobody will be told: why, in words."""
    return _end(connection, owed, "expired", reason)


def _end(connection: Connection, owed: Owed, status: str, error: str | None) -> bool:
    set_org(connection, owed.org_id)
    given = _fence(owed) | {"status": status, "error": error[:ERROR_LENGTH] if error else None}
    return connection.execute(END, given).rowcount == 1


EVENT_INSTEAD: Final = text("""
UPDATE gateway.job
SET callback_url = NULL, callback_deadline = now() + make_interval(secs => :event_seconds), callback_error = :error,
    next_at = now(), lease_until = NULL, locked_by = NULL, attempts = 0
WHERE org_id = :org_id AND id = :job_id AND lease_no = :lease_no AND callback_status = 'due'
""")


def event_instead(connection: Connection, owed: Owed, reason: str) -> bool:
    """The callback's window is closed, for the reason given: from now on an event is owed, for a day."""
    set_org(connection, owed.org_id)
    given = _fence(owed) | {"error": reason[:ERROR_LENGTH], "event_seconds": EVENT_SECONDS_MOST}
    return connection.execute(EVENT_INSTEAD, given).rowcount == 1


LATER: Final = text("""
UPDATE gateway.job
SET next_at = now() + make_interval(secs => :seconds), callback_error = :error, lease_until = NULL, locked_by = NULL,
    attempts = attempts + 1
WHERE org_id = :org_id AND id = :job_id AND lease_no = :lease_no AND callback_status = 'due'
""")


def later(connection: Connection, owed: Owed, seconds: float, reason: str) -> bool:
    """Not taken, for a reason that may pass: once more in so many seconds, though not after the deadline."""
    set_org(connection, owed.org_id)
    wait = min(seconds, max(owed.seconds_left, 0.0))
    given = _fence(owed) | {"seconds": wait, "error": reason[:ERROR_LENGTH]}
    return connection.execute(LATER, given).rowcount == 1


def _fence(owed: Owed) -> dict[str, Any]:
    return {"org_id": owed.org_id, "job_id": owed.job_id, "lease_no": owed.lease_no}


def event_fields(job: JobState) -> Mapping[str, Any]:
    """The Platform Event's fields."""
    return {
        "JobId__c": str(job.job_id),
        "Status__c": job.status,
        "QuoteCount__c": job.quote_count,
        "ErrorCount__c": job.error_count,
        "RequestedBy__c": job.requested_by,
    }


RESEND: Final = text("""
UPDATE gateway.job
SET callback_status = 'due', next_at = now(), attempts = 0, lease_until = NULL, lease_no = lease_no + 1,
    callback_deadline = CASE WHEN callback_url IS NULL THEN now() + make_interval(secs => :event_seconds)
        ELSE callback_deadline END
WHERE org_id = :org_id AND id = :job_id AND finished_at IS NOT NULL
""")


def resend(connection: Connection, org_id: str, job_id: UUID) -> bool:
    """Tell once more, now: a callback that is still owed and within its deadline; else an event, for a day from now.

    False: no such ended job.
    """
    set_org(connection, org_id)
    given = {"org_id": org_id, "job_id": job_id, "event_seconds": EVENT_SECONDS_MOST}
    return connection.execute(RESEND, given).rowcount == 1


ABANDON: Final = text("""
UPDATE gateway.job
SET callback_status = 'expired', callback_error = 'Abandoned by an operator.', callback_url = NULL, next_at = NULL,
    lease_until = NULL, lease_no = lease_no + 1
WHERE org_id = :org_id AND id = :job_id AND callback_status = 'due'
""")


def abandon(connection: Connection, org_id: str, job_id: UUID) -> bool:
    """Give up what is owed. False: nothing is."""
    set_org(connection, org_id)
    return connection.execute(ABANDON, {"org_id": org_id, "job_id": job_id}).rowcount == 1
