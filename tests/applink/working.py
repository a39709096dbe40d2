"""The worker in a thread of the test: what it is given, what is waited for, what has come of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from applink import intents, jobs
from applink.authorizations import Orgs
from applink.intents import NewIntent
from applink.item_work import Limits
from applink.jobs import JobState
from applink.quotes import Quotes
from applink.worker import Worker
from simulator.running import Simulator
from tests.applink import queued
from tests.applink.queued import new_job
from tests.applink.quoting import DEFAULTS

LIMITS = Limits(
    poll_seconds=0.05,
    lease_seconds=5.0,
    retry_most_seconds=0.05,
    org_pause_seconds=0.3,
    org_pause_most_seconds=1.0,
    intent_settle_seconds=1.0,
    shutdown_seconds=5.0,
)


@contextlib.contextmanager
def working(engine: Engine, orgs: Orgs, limits: Limits = LIMITS, name: str = "w1") -> Iterator[Worker]:
    """A worker in a thread of the test."""
    with running(Worker(engine, orgs, Quotes(engine, DEFAULTS), limits, name=name)) as worker:
        yield worker


@contextlib.contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    """The same of a worker that is there."""
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(worker.run()))
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(10)
        assert ended == [True]


def submit(engine: Engine, org_id: str, ids: list[str], key: str = "key", **changes: Any) -> UUID:
    """A job of the org that nobody hears of when it ends."""
    asked = new_job(key=key, org_id=org_id, items=[(one, None) for one in ids], requested_by=None, callback_url=None)
    return queued.submit(engine, replace(asked, **changes)).job_id


def state(engine: Engine, org_id: str, job_id: UUID) -> JobState:
    with engine.connect() as connection:
        return jobs.get(connection, org_id, job_id)


def until(is_so: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait for something; what it gives."""
    ends = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.02)
    return found


def ended(engine: Engine, org_id: str, job_id: UUID, seconds: float = 15.0) -> JobState:
    def terminal() -> JobState | None:
        now = state(engine, org_id, job_id)
        return now if now.status not in jobs.OPEN else None

    found: JobState = until(terminal, seconds)
    return found


def rows(engine: Engine, statement: str, **given: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(statement), given))


def quotes_of(engine: Engine, simulator: Simulator, ids: list[str]) -> None:
    """One quote for each in the org, and its row here."""
    there = [quote for quote in simulator.records("Quote") if quote["OpportunityId"] in ids]
    assert sorted(quote["OpportunityId"] for quote in there) == sorted(ids)
    ours = "SELECT q.salesforce_id FROM gateway.quote AS q JOIN gateway.intent AS n ON n.quote_id = q.id"
    here = rows(engine, ours + " WHERE q.opportunity_id = ANY(:ids)", ids=ids)
    assert sorted(row.salesforce_id for row in here) == sorted(quote["Id"] for quote in there)


def new_ids(simulator: Simulator, count: int) -> list[str]:
    """Opportunities of which the org has no quote yet."""
    taken = {quote["OpportunityId"] for quote in simulator.records("Quote")}
    return [one for one in simulator.opportunities(count + len(taken)) if one not in taken][:count]


def begun(engine: Engine, org_id: str, opportunity_id: str, key: str) -> intents.Intent:
    """An intent of createQuote, taken."""
    wish = NewIntent(
        org_id=org_id,
        operation="createQuote",
        opportunity_id=opportunity_id,
        idem_key=key,
        request_hash="b" * 64,
        requested_by=None,
        request_id="request-2",
        arguments={"ifDraftExists": "create"},
    )
    with engine.begin() as connection:
        intents.open_or_find(connection, wish)
        intent, _ = intents.open_or_find(connection, wish)
        held = intents.take(connection, org_id, intent.id, "web", 0.0)
    assert held is not None
    return held
