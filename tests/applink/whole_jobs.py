"""A job with a callback, done by worker processes: submitted, followed to its end, compared on all sides."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

from simulator.running import Simulator
from tests.applink import queued
from tests.applink.queued import new_job

STARTED = '"started": true'
"""What the first line of a worker has."""
ROWS = "SELECT salesforce_id, line_count FROM gateway.quote WHERE job_id = :i"
EVENTS = """
SELECT count(*) FROM gateway.quote_event WHERE quote_id IN (SELECT id FROM gateway.quote WHERE job_id = :i)
"""
LEFT = "SELECT count(*) FROM gateway.intent WHERE job_id = :i AND status <> 'settled'"


def submit(engine: Engine, org: Simulator, ids: list[str]) -> tuple[UUID, str]:
    """A job with a callback; its id and that of the invocation."""
    callback = org.open_callback("ann")
    asked = new_job(
        org_id=org.caller("worker").org_id,
        requested_by=None,
        request_id="r",
        callback_url=callback["url"],
        callback_deadline_seconds=600,
        items=[(one, None) for one in ids],
    )
    return queued.submit(engine, asked).job_id, callback["id"]


def row(engine: Engine, job_id: UUID) -> Any:
    with engine.connect() as connection:
        return connection.execute(text("SELECT * FROM gateway.job WHERE id = :i"), {"i": job_id}).one()


def finished(engine: Engine, job_id: UUID, seconds: float, log: Path) -> Any:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with contextlib.suppress(Exception):
            found = row(engine, job_id)
            if found.finished_at is not None and found.callback_status != "due":
                return found
        time.sleep(0.2)
    raise AssertionError(f"{row(engine, job_id)._mapping}\n{log.read_text()[-4000:]}")


def check(engine: Engine, org: Simulator, ids: list[str], job_id: UUID, callback_id: str) -> None:
    """Asked, in the org, rows and callback agree."""
    there = Counter(quote["OpportunityId"] for quote in org.records("Quote") if quote["OpportunityId"] in set(ids))
    assert [one for one in ids if there[one] == 0] == [], "lost"
    assert {one: count for one, count in there.items() if count > 1} == {}, "twice"
    with engine.connect() as connection:
        mine = {"i": job_id}
        rows = connection.execute(text(ROWS), mine).all()
        events = connection.execute(text(EVENTS), mine).scalar()
        left = connection.execute(text(LEFT), mine).scalar()
    found = row(engine, job_id)
    assert (found.status, found.quote_count, found.error_count, found.progress) == ("completed", len(ids), 0, 100)
    in_org = {quote["Id"] for quote in org.records("Quote") if quote["OpportunityId"] in set(ids)}
    assert {each.salesforce_id for each in rows} == in_org and len(rows) == len(ids)
    assert (events, left) == (len(ids), 0)
    lines = Counter(line["QuoteId"] for line in org.records("QuoteLineItem"))
    assert {each.salesforce_id: each.line_count for each in rows} == {one: lines[one] for one in in_org}
    received = org.callback(callback_id)["received"]
    assert len({each["body"]["jobId"] for each in received}) == 1 and len(received[0]["body"]["quoteIds"]) == len(ids)
    assert found.callback_status == "delivered"
