"""What workers agree on about an org: how many calls each may have under way, and whether it is paused.

The sum of all shares of an org is at most ORG_CONCURRENCY, however many workers there are; a share is a lease, so that
that of a dead worker falls to the others. A paused org gets no call; after the pause one worker asks it
once whether it can end, else the next is twice as long. In: a connection within a transaction. Only the worker uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('gateway.org_share'))")

FORGET: Final = text("""
DELETE FROM gateway.org_share
WHERE lease_until < now() OR worker = :worker AND org_id <> ALL(CAST(:orgs AS varchar[]))
""")

OTHERS: Final = text("""
SELECT org_id, count(*) AS workers, sum(calls) AS calls FROM gateway.org_share
WHERE org_id = ANY(CAST(:orgs AS varchar[])) AND worker <> :worker AND lease_until >= now() GROUP BY org_id
""")

TAKE: Final = text("""
INSERT INTO gateway.org_share AS s (org_id, worker, calls, lease_until)
SELECT org_id, :worker, calls, now() + make_interval(secs => :lease_seconds)
FROM unnest(CAST(:orgs AS varchar[]), CAST(:calls AS integer[])) AS share (org_id, calls)
ON CONFLICT (org_id, worker) DO UPDATE SET calls = excluded.calls, lease_until = excluded.lease_until
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Calls that a worker may have under way, by org. settled: False while some are handed over."""

    calls: Mapping[str, int]
    settled: bool


def divide(
    connection: Connection,
    worker: str,
    orgs: Collection[str],
    limit: Callable[[Mapping[str, int]], Mapping[str, int]],
    *,
    most: int,
    org_concurrency: int,
    lease_seconds: float,
) -> Shares:
    """Say which orgs this worker works for, and learn its share of calls in each; call it every second or so.

    limit: begins no call above these shares from now on, and says how many are under way. most: of this worker, in any
    org. A share shrinks to what is under way at the least; the caller gives up the rest next time.
    """
    connection.execute(LOCK)
    asked: dict[str, Any] = {"worker": worker, "orgs": sorted(orgs)}
    others = {row.org_id: row for row in connection.execute(OTHERS, asked)} if orgs else {}
    shares, settled = {}, True
    for org in asked["orgs"]:
        other = others.get(org)
        workers, taken = (other.workers + 1, int(other.calls)) if other else (1, 0)
        shares[org] = max(0, min(most, -(-org_concurrency // workers), org_concurrency - taken))
        settled = settled and shares[org] >= min(most, org_concurrency // workers)
    under_way = limit(shares)
    kept = shares | {org: max(shares.get(org, 0), calls) for org, calls in under_way.items()}
    connection.execute(FORGET, {"worker": worker, "orgs": list(kept)})
    if kept:
        given = {"orgs": list(kept), "calls": list(kept.values()), "lease_seconds": lease_seconds}
        connection.execute(TAKE, {"worker": worker} | given)
    return Shares(calls=shares, settled=settled and all(kept[org] <= shares[org] for org in shares))


PAUSE: Final = text("""
INSERT INTO gateway.org_pause AS p (org_id, paused_until, reason)
VALUES (:org_id, now() + make_interval(secs => least(:most, greatest(:first, :at_least))), :reason)
ON CONFLICT (org_id) DO UPDATE
SET pauses = p.pauses + 1, reason = excluded.reason, probe_by = NULL,
    paused_until = now() + make_interval(
        secs => least(:most, greatest(:first * power(2, least(p.pauses, 20)), :at_least)))
WHERE p.probe_by IS NOT NULL OR p.paused_until <= now()
""")


def pause(
    connection: Connection,
    org_id: str,
    *,
    reason: str,
    first_seconds: float,
    most_seconds: float,
    at_least_seconds: float = 0.0,
) -> bool:
    """Let nobody call an org for a while: first_seconds, twice that after a failed probe, at most most_seconds.

    at_least_seconds: what the org itself asked for. False: it was paused already, by a call that began before.
    """
    given = {"org_id": org_id, "reason": reason[:255], "first": first_seconds, "most": most_seconds}
    return connection.execute(PAUSE, given | {"at_least": at_least_seconds}).rowcount == 1


PROBE: Final = text("""
UPDATE gateway.org_pause SET probe_by = :worker, paused_until = now() + make_interval(secs => :seconds)
WHERE org_id = (
    SELECT org_id FROM gateway.org_pause WHERE paused_until <= now() ORDER BY paused_until LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING org_id
""")


def take_probe(connection: Connection, worker: str, *, seconds: float) -> str | None:
    """An org whose pause is over, for this worker to ask once; for the others it stays paused for so many seconds."""
    found: str | None = connection.execute(PROBE, {"worker": worker, "seconds": seconds}).scalar()
    return found


def resume(connection: Connection, org_id: str) -> bool:
    """End an org's pause: it has answered, or an operator says so."""
    return connection.execute(text("DELETE FROM gateway.org_pause WHERE org_id = :o"), {"o": org_id}).rowcount == 1


def leave(connection: Connection, worker: str) -> None:
    """Give up all shares: the worker has ended its last call."""
    connection.execute(text("DELETE FROM gateway.org_share WHERE worker = :worker"), {"worker": worker})
