"""Figures of the queue, for `gateway status` and one log line a minute. In: a connection. Across orgs, names no row."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """An org that gets no call. until: when one is tried again."""

    org_id: str
    until: datetime
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """waiting: items that could begin now; later: those that wait for a time; running: under a lease that holds.

    lost: under a lease that has ended; oldest_wait_seconds: of those waiting; intents_open: begun and not ended for
    over a minute; callbacks_due: owed for ended jobs; callbacks_overdue: of those, past their deadline; workers: that
    are connected, idle ones too; at_work: of those, with a share of an org's calls.
    """

    waiting: int
    later: int
    running: int
    lost: int
    oldest_wait_seconds: float
    jobs_open: int
    intents_open: int
    callbacks_due: int
    callbacks_overdue: int
    workers: int
    at_work: int
    connections: int
    paused: tuple[Pause, ...]

    def line(self) -> str:
        """As metrics that Heroku's log drains read."""
        parts = [f"sample#{metric}={getattr(self, name)}" for name, metric in METRICS.items()]
        return " ".join([*parts, f"sample#orgs.paused={len(self.paused)}",
                         f"measure#queue.oldest_wait={self.oldest_wait_seconds:.1f}s"])  # fmt: skip


METRICS: Final = {
    "waiting": "queue.waiting", "later": "queue.later", "running": "queue.running", "lost": "queue.lost",
    "jobs_open": "jobs.open", "intents_open": "intents.open", "callbacks_due": "callbacks.due",
    "callbacks_overdue": "callbacks.overdue", "workers": "workers.connected", "at_work": "workers.at_work",
    "connections": "database.connections",
}  # fmt: skip


def worker_name(dyno: str) -> str:
    """What this process calls itself as a worker: another name each time it is started. dyno: "" takes the host's."""
    return f"{(dyno or socket.gethostname())[-32:]}:{os.getpid()}:{secrets.token_hex(3)}"


def connection_name(worker: str) -> str:
    """What a worker calls its connections (application_name), by which it is counted while it lives.

    An idle one asks the database at least once a minute, so that one that is silent for two has gone.
    """
    return f"gateway worker {worker}"


# What waits until a day that nobody will see is demo data.
FIGURES: Final = text("""
SELECT i.*, j.*, n.*, s.* FROM (
    SELECT count(*) FILTER (WHERE status = 'queued' AND next_at <= now()) AS waiting,
        count(*) FILTER (WHERE status = 'queued' AND next_at > now()) AS later,
        count(*) FILTER (WHERE status = 'running' AND lease_until >= now()) AS running,
        count(*) FILTER (WHERE status = 'running' AND lease_until < now()) AS lost,
        CAST(coalesce(extract(epoch FROM now() - min(next_at) FILTER (WHERE status = 'queued' AND next_at <= now())), 0)
            AS float) AS oldest_wait_seconds,
        count(DISTINCT (org_id, job_id)) AS jobs_open
    FROM gateway.job_item
    WHERE status = 'queued' AND next_at < now() + interval '1 year'
        OR status = 'running' AND lease_until < now() + interval '1 year'
) AS i, (
    SELECT count(*) AS callbacks_due,
        count(*) FILTER (WHERE callback_url IS NOT NULL AND callback_deadline < now()) AS callbacks_overdue
    FROM gateway.job WHERE callback_status = 'due' AND next_at < now() + interval '1 year'
) AS j, (
    SELECT count(*) AS intents_open FROM gateway.intent
    WHERE status = 'open' AND job_id IS NULL AND greatest(created_at, settled_at) < now() - interval '1 minute'
) AS n, (
    SELECT count(DISTINCT application_name) FILTER (
            WHERE application_name LIKE 'gateway worker %' AND state_change > now() - interval '2 minutes') AS workers,
        (SELECT count(DISTINCT worker) FROM gateway.org_share WHERE lease_until > now()) AS at_work,
        count(*) AS connections
    FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
) AS s
""")

PAUSES: Final = text("""
SELECT org_id, paused_until AS until, since, coalesce(reason, '') AS reason FROM gateway.org_pause ORDER BY paused_until
""")


def figures(connection: Connection) -> Figures:
    """The queue as it stands."""
    row = connection.execute(FIGURES).one()
    paused = tuple(Pause(**each._mapping) for each in connection.execute(PAUSES))
    return Figures(paused=paused, **row._mapping)
