"""Jobs as callers have them: submit, get, cancel, retry; and pruning. The worker's side is in claims.py.

In: a connection within a transaction, an org. Out: frozen values. Each function names the org to the database itself.

The statements that name no org, or several, all of the worker or of commands:
- writing, with app.org_id = '*', which only the tables of the queue accept: claims.CLAIM, claims.START_JOBS,
  claims.RENEW, claims.GIVE_BACK, claims.CANCEL_ITEMS, claims.FINISH_JOBS, outbox.CLAIM, intents.STALE,
  jobs.PRUNE_JOBS, jobs.PRUNE_INTENTS, jobs.PRUNE_KEYS.
- writing tables of the worker's own, which have no fence: shares.*.
- reading only: claims.READY, status.*, cli.LIST, cli.OWED, cli.FIND_ORG.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from applink.claims import ANY_ORG, CANCEL_ITEMS, FINISH_JOBS
from applink.errors import JobFinished, JobNotFinished, JobNotFound, KeyReused, TooManyJobs
from models.database import set_org

OPEN: Final = frozenset({"queued", "running"})
CALLBACK_SECONDS_MOST: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What is asked. items: (opportunity id, its name), in the caller's order.

    callback_deadline_seconds: from now, at most a day. event: whether a Platform Event is owed at the end; a callback
    that cannot be delivered becomes one anyway. authorization_name: of whoever works, never a token.
    """

    org_id: str
    type: str
    idem_key: str
    request_hash: str
    requested_by: str | None
    request_id: str | None
    authorization_name: str | None
    callback_url: str | None
    callback_deadline_seconds: int
    if_draft_exists: str
    items: Sequence[tuple[str, str | None]]
    event: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The job that a request key stands for. new: False where the key was known."""

    job_id: UUID
    status: str
    opportunity_count: int
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One opportunity that did not become a quote."""

    opportunity_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job as getJob, cancelJob, retryJob and the callback tell it. quote_ids: the org's, in the caller's order.

    progress: percent with two decimals. requested_by, callback_status: beside what is told.
    """

    job_id: UUID
    status: str
    opportunity_ids: tuple[str, ...]
    quote_ids: tuple[str, ...]
    failures: tuple[Failure, ...]
    opportunity_count: int
    quote_count: int
    error_count: int
    progress: Decimal
    requested_by: str | None
    callback_status: str

    @property
    def errors(self) -> tuple[str, ...]:
        """One line of text a failure."""
        return tuple(f"{one.opportunity_id}: {one.message}" for one in self.failures)

    def answer(self) -> dict[str, Any]:
        """The Job object of the contract, as JSON has it."""
        return {
            "jobId": str(self.job_id),
            "status": self.status,
            "opportunityIds": list(self.opportunity_ids),
            "quoteIds": list(self.quote_ids),
            "errors": list(self.errors),
            "failures": [
                {"opportunityId": one.opportunity_id, "code": one.code, "message": one.message} for one in self.failures
            ],
            "opportunityCount": self.opportunity_count,
            "quoteCount": self.quote_count,
            "errorCount": self.error_count,
            "progress": float(self.progress),
        }


LOCK_ORG: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('gateway.submit ' || :org_id, 0))")

FIND: Final = text("""
SELECT id, status, opportunity_count, request_hash FROM gateway.job WHERE org_id = :org_id AND idem_key = :idem_key
""")

# A job that waits for longer than a day waits for nobody (demo data) and takes nobody's place.
COUNT_OPEN: Final = text("""
SELECT count(*) FROM gateway.job AS j
WHERE j.org_id = :org_id AND j.status IN ('queued', 'running') AND EXISTS (
    SELECT FROM gateway.job_item AS i
    WHERE i.org_id = j.org_id AND i.job_id = j.id
        AND (i.status = 'queued' AND i.next_at < now() + interval '1 day'
            OR i.status = 'running' AND i.lease_until < now() + interval '1 day'))
""")

INSERT_JOB: Final = text("""
INSERT INTO gateway.job (
    org_id, name, type, opportunity_count, requested_by, request_id, idem_key, request_hash, arguments,
    authorization_name, callback_url, callback_deadline, callback_status)
VALUES (
    :org_id, gateway.next_job_name(:type, :size), :type, :size, :requested_by, :request_id, :idem_key, :request_hash,
    CAST(:arguments AS jsonb), :authorization_name, :callback_url, now() + make_interval(secs => :callback_seconds),
    :callback_status)
RETURNING id
""")

# One intent an item, under the item's id: the key and the quote's id are fixed before anybody calls the org.
INSERT_ITEMS: Final = text("""
WITH item AS (
    INSERT INTO gateway.job_item (org_id, job_id, sequence, name, opportunity_id)
    SELECT :org_id, :job_id, n, coalesce(nullif(left(name, 255), ''), opportunity_id), opportunity_id
    FROM unnest(CAST(:opportunity_ids AS varchar[]), CAST(:names AS varchar[]))
        WITH ORDINALITY AS given (opportunity_id, name, n)
    RETURNING id, org_id, job_id, opportunity_id
)
INSERT INTO gateway.intent (
    id, org_id, gateway_key, operation, opportunity_id, job_id, job_item_id, requested_by, request_id, arguments,
    quote_id)
SELECT id, org_id, 'gw-' || replace(CAST(gen_random_uuid() AS text), '-', ''), :type, opportunity_id, job_id, id,
    :requested_by, :request_id, CAST(:arguments AS jsonb), gateway.uuid_v7()
FROM item
""")


def find(connection: Connection, org_id: str, idem_key: str, request_hash: str) -> Submitted | None:
    """The job that a request key stands for already, None where it is new. Raises: KeyReused."""
    found = connection.execute(FIND, {"org_id": org_id, "idem_key": idem_key}).one_or_none()
    return None if found is None else _found(found, request_hash)


def submit(connection: Connection, new: NewJob, *, most_open: int = 20) -> Submitted:
    """Store a job with its items and intents; the job is the caller's once the transaction is committed.

    The same key with the same request gives the job that is there already, whatever became of it.
    Raises: KeyReused, TooManyJobs.
    """
    set_org(connection, new.org_id)
    connection.execute(LOCK_ORG, {"org_id": new.org_id})
    known = find(connection, new.org_id, new.idem_key, new.request_hash)
    if known is not None:
        return known
    if connection.execute(COUNT_OPEN, {"org_id": new.org_id}).scalar_one() >= most_open:
        raise TooManyJobs(
            f"this org has {most_open} jobs that are not finished, as many as it may have", retry_after_seconds=30
        )
    return _insert(connection, new)


def _found(row: Row[Any], request_hash: str) -> Submitted:
    if row.request_hash != request_hash:
        raise KeyReused("this request key belongs to another request; a new request needs a new key")
    return Submitted(job_id=row.id, status=row.status, opportunity_count=row.opportunity_count, new=False)


def _insert(connection: Connection, new: NewJob) -> Submitted:
    shared = {
        "org_id": new.org_id,
        "type": new.type,
        "requested_by": new.requested_by,
        "request_id": new.request_id[:120] if new.request_id else None,
        "arguments": json.dumps({"ifDraftExists": new.if_draft_exists}),
    }
    row = {
        "size": len(new.items),
        "idem_key": new.idem_key,
        "request_hash": new.request_hash,
        "authorization_name": new.authorization_name,
        "callback_url": new.callback_url,
        "callback_seconds": min(new.callback_deadline_seconds, CALLBACK_SECONDS_MOST),
        "callback_status": "due" if new.callback_url or new.event else "none",
    }
    job_id = connection.execute(INSERT_JOB, shared | row).scalar_one()
    opportunity_ids, names = [one[0] for one in new.items], [one[1] for one in new.items]
    items = {"job_id": job_id, "opportunity_ids": opportunity_ids, "names": names}
    connection.execute(INSERT_ITEMS, shared | items)
    return Submitted(job_id=job_id, status="queued", opportunity_count=len(new.items), new=True)


GET: Final = text("""
SELECT j.id, j.status, j.opportunity_count, j.quote_count, j.error_count, j.progress, j.requested_by, j.callback_status,
    j.cancel_requested_at IS NOT NULL AS cancelling,
    (SELECT coalesce(json_agg(json_build_array(i.opportunity_id, i.status, n.salesforce_id, i.error_code,
        i.error_message) ORDER BY i.sequence), '[]')
     FROM gateway.job_item AS i LEFT JOIN gateway.intent AS n ON n.org_id = i.org_id AND n.id = i.id
     WHERE i.org_id = j.org_id AND i.job_id = j.id) AS items
FROM gateway.job AS j
WHERE j.org_id = :org_id AND j.id = :job_id AND j.deleted_at IS NULL
""")


def get(connection: Connection, org_id: str, job_id: UUID | str) -> JobState:
    """A job of this org as it stands. Raises JobNotFound."""
    row = connection.execute(GET, {"org_id": org_id, "job_id": _uuid(job_id)}).one_or_none()
    if row is None:
        raise _not_found(job_id)
    return JobState(
        job_id=row.id,
        status=row.status,
        opportunity_ids=tuple(item[0] for item in row.items),
        quote_ids=tuple(item[2] for item in row.items if item[1] == "succeeded" and item[2]),
        failures=tuple(
            Failure(opportunity_id=item[0], code=item[3] or "Failed", message=item[4] or "")
            for item in row.items
            if item[1] == "failed"
        ),
        opportunity_count=row.opportunity_count,
        quote_count=row.quote_count,
        error_count=row.error_count,
        progress=row.progress,
        requested_by=row.requested_by,
        callback_status=row.callback_status,
    )


LOCK_JOB: Final = text("""
SELECT id, status FROM gateway.job WHERE org_id = :org_id AND id = :job_id AND deleted_at IS NULL FOR NO KEY UPDATE
""")

REQUEST_CANCEL: Final = text("""
UPDATE gateway.job SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE org_id = :org_id AND id = :job_id
""")


def cancel(connection: Connection, org_id: str, job_id: UUID | str) -> JobState:
    """Let no further opportunity of a job begin; those under way end as they end, those finished stay.

    The answer's status is cancelled where nothing was under way; else it becomes so shortly.
    Raises: JobNotFound, JobFinished.
    """
    set_org(connection, org_id)
    job = _locked(connection, org_id, job_id)
    if job.status == "cancelled":
        return get(connection, org_id, job.id)
    if job.status not in OPEN:
        raise JobFinished(f"the job is {job.status}: there is nothing left to cancel")
    one = {"org_id": org_id, "job_id": job.id}
    connection.execute(REQUEST_CANCEL, one)
    connection.execute(CANCEL_ITEMS, one)
    connection.execute(FINISH_JOBS, one)
    return get(connection, org_id, job.id)


RETRY_ITEMS: Final = text("""
WITH again AS (
    UPDATE gateway.job_item
    SET status = 'queued', attempts = 0, leases_lost = 0, error_code = NULL, error_message = NULL, next_at = now(),
        lease_until = NULL, locked_by = NULL, finished_at = NULL
    WHERE org_id = :org_id AND job_id = :job_id AND status = 'failed'
    RETURNING id
)
UPDATE gateway.intent SET status = 'open', error_code = NULL, error_message = NULL, settled_at = NULL
WHERE org_id = :org_id AND job_id = :job_id AND id IN (SELECT id FROM again)
""")

# A callback that Apex got, or no longer waits for, is not owed again: an event tells of the second end. One that is
# under way now loses its lease, so that what becomes of it does not stand for the second end.
RETRY_JOB: Final = text("""
UPDATE gateway.job
SET status = 'queued', error_count = 0, finished_at = NULL, cancel_requested_at = NULL, message = NULL,
    progress = least(99.99, round(100.0 * quote_count / opportunity_count, 2)),
    callback_url = CASE WHEN callback_status = 'due' THEN callback_url END,
    callback_status = CASE callback_status WHEN 'none' THEN 'none' ELSE 'due' END,
    callback_error = NULL, next_at = NULL, attempts = 0, lease_no = lease_no + 1, lease_until = NULL, locked_by = NULL
WHERE org_id = :org_id AND id = :job_id
""")


def retry(connection: Connection, org_id: str, job_id: UUID | str) -> JobState:
    """Queue the failed opportunities of a finished job again; a job without any stays as it is.

    Raises: JobNotFound, JobNotFinished.
    """
    set_org(connection, org_id)
    job = _locked(connection, org_id, job_id)
    if job.status in OPEN:
        raise JobNotFinished(f"the job is {job.status}; it can be retried once it has ended")
    one = {"org_id": org_id, "job_id": job.id}
    if connection.execute(RETRY_ITEMS, one).rowcount:
        connection.execute(RETRY_JOB, one)
    return get(connection, org_id, job.id)


def _locked(connection: Connection, org_id: str, job_id: UUID | str) -> Row[Any]:
    row = connection.execute(LOCK_JOB, {"org_id": org_id, "job_id": _uuid(job_id)}).one_or_none()
    if row is None:
        raise _not_found(job_id)
    return row


def _uuid(job_id: UUID | str) -> UUID:
    if isinstance(job_id, UUID):
        return job_id
    try:
        return UUID(job_id)
    except ValueError:
        raise _not_found(job_id) from None


def _not_found(job_id: UUID | str) -> JobNotFound:
    return JobNotFound(f"there is no job '{str(job_id)[:40]}' in this org")


PRUNE_JOBS: Final = text("""
WITH old AS (
    SELECT org_id, id FROM gateway.job
    WHERE finished_at < now() - make_interval(days => :days) AND status NOT IN ('queued', 'running')
        AND callback_status <> 'due'
    LIMIT :most
), intents AS (
    DELETE FROM gateway.intent AS n USING old WHERE n.org_id = old.org_id AND n.job_id = old.id
)
DELETE FROM gateway.job AS j USING old WHERE j.org_id = old.org_id AND j.id = old.id
""")

PRUNE_INTENTS: Final = text("""
DELETE FROM gateway.intent WHERE (org_id, id) IN (
    SELECT org_id, id FROM gateway.intent
    WHERE job_id IS NULL AND status <> 'open' AND settled_at < now() - make_interval(days => :days) LIMIT :most)
""")

PRUNE_KEYS: Final = text("""
UPDATE gateway.job SET idem_key = 'over ' || id WHERE (org_id, id) IN (
    SELECT org_id, id FROM gateway.job
    WHERE created_at < now() - make_interval(days => :days) AND status NOT IN ('queued', 'running')
        AND idem_key NOT LIKE 'over %' LIMIT :most)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows one pass of pruning took away."""

    jobs: int
    intents: int
    keys: int


def prune(connection: Connection, *, jobs_days: int, intents_days: int, keys_days: int, most: int = 500) -> Pruned:
    """Take away what is old, across orgs: finished jobs, answers to request keys of createQuote, and of jobs.

    most: rows of a kind; call again while something was pruned. A job whose callback is still owed stays.
    """
    set_org(connection, ANY_ORG)
    jobs = connection.execute(PRUNE_JOBS, {"days": jobs_days, "most": most}).rowcount
    intents = connection.execute(PRUNE_INTENTS, {"days": intents_days, "most": most}).rowcount
    keys = connection.execute(PRUNE_KEYS, {"days": keys_days, "most": most}).rowcount
    return Pruned(jobs=jobs, intents=intents, keys=keys)
