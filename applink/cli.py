"""`gateway jobs ...`, `gateway callbacks ...`, `gateway status`: the queue from the command line, for every org.

cli.py loads this module when one of them is asked for, and gives it the database's URL. One line a row, tabs between
columns, no address of a callback. Raises what jobs.py raises; cli.py makes one line of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import click
from sqlalchemy import Connection, Row, text

from applink import jobs, outbox, status
from applink.errors import JobNotFound, OperationError
from models import database

JOBS: Final[dict[str, click.Command]] = {}
CALLBACKS: Final[dict[str, click.Command]] = {}


def _command(table: dict[str, click.Command], name: str) -> Callable[[Callable[..., Any]], click.Command]:
    def register(function: Callable[..., Any]) -> click.Command:
        made: click.Command = click.command(name, cls=click.Command)(click.pass_obj(function))
        table[name] = made
        return made

    return register


LIST: Final = text("""
SELECT id, org_id, name, status, progress, quote_count, error_count, callback_status, created_at FROM gateway.job
WHERE (CAST(:org AS varchar) IS NULL OR org_id = :org) AND (CAST(:status AS varchar) IS NULL OR status = :status)
    AND deleted_at IS NULL
ORDER BY created_at DESC, id LIMIT :most
""")


@_command(JOBS, "list")
@click.option("--org", metavar="00D...", help="Only those of one organization.")
@click.option("--status", help="Only those in this status, such as running.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many, newest first.")
def list_jobs(url: str, org: str | None, status: str | None, most: int) -> None:
    """Show jobs: id, org, name, status, progress, quotes, failures, callback, when it was asked for."""
    with _connection(url) as connection:
        for row in connection.execute(LIST, {"org": org, "status": status, "most": most}):
            _line(row.id, row.org_id, row.name, row.status, f"{row.progress} %", f"{row.quote_count} quotes",
                  f"{row.error_count} failed", f"callback {row.callback_status}", _moment(row.created_at))  # fmt: skip


ITEMS: Final = text("""
SELECT status, count(*) AS items, max(attempts) AS attempts, max(leases_lost) AS leases_lost,
    min(next_at) FILTER (WHERE status = 'queued') AS next_at, max(lease_until) AS lease_until
FROM gateway.job_item WHERE org_id = :org_id AND job_id = :job_id GROUP BY status ORDER BY status
""")


WAITS: Final = text("""
SELECT count(*) AS items, error_code, min(error_message) AS error_message
FROM gateway.job_item
WHERE org_id = :org_id AND job_id = :job_id AND status IN ('queued', 'running') AND error_code IS NOT NULL
GROUP BY error_code ORDER BY items DESC, error_code
""")


UNTOLD: Final = text("SELECT callback_error FROM gateway.job WHERE org_id = :org_id AND id = :job_id")


@_command(JOBS, "show")
@click.argument("job_id", type=click.UUID)
def show_job(url: str, job_id: UUID) -> None:
    """Show one job: its items by status, why some wait after a try, why items failed, why nobody was called back."""
    with _connection(url) as connection:
        org_id = _org_of(connection, job_id)
        given = {"org_id": org_id, "job_id": job_id}
        job = jobs.get(connection, org_id, job_id)
        items, waits = (connection.execute(query, given).all() for query in (ITEMS, WAITS))
        untold = connection.execute(UNTOLD, given).scalar_one()
    _line(job.job_id, org_id, job.status, f"{job.progress} %", f"callback {job.callback_status}")
    for row in items:
        next_try = f"next {_moment(row.next_at)}" if row.status == "queued" else ""
        lease = f"lease until {_moment(row.lease_until)}" if row.status == "running" else ""
        lost = f"at most {row.leases_lost} leases lost" if row.leases_lost else ""
        _line(f"{row.items} {row.status}", f"at most {row.attempts} tries", lost, next_try or lease)
    for row in waits:
        _line(f"{row.items} waiting", row.error_code, row.error_message or "")
    for failure in job.failures:
        _line(failure.opportunity_id, failure.code, failure.message)
    if untold:
        _line("callback", untold)


@_command(JOBS, "retry")
@click.argument("job_id", type=click.UUID)
def retry_job(url: str, job_id: UUID) -> None:
    """Queue the failed opportunities of a finished job again."""
    _change(url, job_id, jobs.retry)


@_command(JOBS, "cancel")
@click.argument("job_id", type=click.UUID)
def cancel_job(url: str, job_id: UUID) -> None:
    """Let no further opportunity of a job begin."""
    _change(url, job_id, jobs.cancel)


def _change(url: str, job_id: UUID, change: Callable[[Connection, str, UUID], jobs.JobState]) -> None:
    with _connection(url) as connection:
        job = change(connection, _org_of(connection, job_id), job_id)
    _line(job.job_id, job.status, f"{job.progress} %")


OWED: Final = text("""
SELECT id, org_id, CASE WHEN callback_url IS NULL THEN 'event' ELSE 'callback' END AS what, attempts, next_at,
    CASE WHEN callback_url IS NULL THEN greatest(finished_at + make_interval(secs => :event_seconds), callback_deadline)
        ELSE callback_deadline END AS until, callback_error
FROM gateway.job
WHERE callback_status = 'due' AND (next_at < now() + interval '1 year' OR :waiting AND next_at IS NULL)
ORDER BY next_at NULLS LAST, id LIMIT :most
""")


@_command(CALLBACKS, "list")
@click.option("--waiting", is_flag=True, help="Also those of jobs that have not ended.")
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
def list_callbacks(url: str, waiting: bool, most: int) -> None:
    """Show what is owed: job, org, callback or event, tries, the next one, its deadline, why not yet."""
    given = {"waiting": waiting, "most": most, "event_seconds": outbox.EVENT_SECONDS_MOST}
    with _connection(url) as connection:
        for row in connection.execute(OWED, given):
            _line(row.id, row.org_id, row.what, f"{row.attempts} tries", f"next {_moment(row.next_at)}",
                  f"until {_moment(row.until)}", row.callback_error or "")  # fmt: skip


@_command(CALLBACKS, "resend")
@click.argument("job_id", type=click.UUID)
def resend_callback(url: str, job_id: UUID) -> None:
    """Tell of an ended job once more, now; as an event where the callback is over."""
    _tell(url, job_id, outbox.resend, "is due now", "has not ended")


@_command(CALLBACKS, "abandon")
@click.argument("job_id", type=click.UUID)
def abandon_callback(url: str, job_id: UUID) -> None:
    """Give up what a job still owes."""
    _tell(url, job_id, outbox.abandon, "is told to nobody", "owes nothing")


def _tell(url: str, job_id: UUID, change: Callable[[Connection, str, UUID], bool], done: str, not_done: str) -> None:
    with _connection(url) as connection:
        changed = change(connection, _org_of(connection, job_id), job_id)
    if not changed:
        raise click.ClickException(f"the job {job_id} {not_done}")
    _line(job_id, done)


def show_status(url: str) -> None:
    """Show the queue: what waits and how long, leases, jobs, callbacks, paused orgs, workers, connections."""
    with _connection(url) as connection:
        found = status.figures(connection)
    _line("items", f"{found.waiting} waiting", f"{found.later} later", f"{found.running} running",
          f"{found.lost} with an ended lease", f"oldest waits {found.oldest_wait_seconds:.1f} s")  # fmt: skip
    _line("jobs", f"{found.jobs_open} open")
    _line("intents", f"{found.intents_open} to settle")
    _line("callbacks", f"{found.callbacks_due} due", f"{found.callbacks_overdue} overdue")
    _line(
        "workers", f"{found.workers} connected", f"{found.at_work} at work", f"{found.connections} database connections"
    )
    for pause in found.paused:
        _line("paused", pause.org_id, f"until {_moment(pause.until)}", f"since {_moment(pause.since)}", pause.reason)


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = database.engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    except OperationError as problem:
        raise click.ClickException(problem.message) from None
    finally:
        engine.dispose()


FIND_ORG: Final = text("SELECT org_id FROM gateway.job WHERE id = :job_id AND deleted_at IS NULL")


def _org_of(connection: Connection, job_id: UUID) -> str:
    found: Row[Any] | None = connection.execute(FIND_ORG, {"job_id": job_id}).one_or_none()
    if found is None:
        raise JobNotFound(f"there is no job {job_id}")
    return str(found.org_id)


def _line(*columns: object) -> None:
    click.echo("\t".join(str(column) for column in columns if column != ""))


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S%z}"
