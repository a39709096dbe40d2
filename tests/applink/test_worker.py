"""The worker over a real database and the simulated org: jobs done, cancelled, shared, side by side, given back."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Engine

from applink import intents, jobs
from applink.authorizations import Orgs
from applink.quotes import Quotes
from applink.worker import Worker
from models import database
from simulator.addon import AUTHORIZATIONS
from simulator.running import Simulator
from tests.applink.quoting import DEFAULTS
from tests.applink.working import LIMITS, begun, ended, new_ids, quotes_of, rows, state, submit, until, working


def test_a_job_becomes_quotes(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 12)
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids)
        done = ended(engine, org_id, job_id)
    assert (done.status, done.quote_count, done.error_count, done.progress) == ("completed", 12, 0, Decimal(100))
    assert len(done.quote_ids) == 12 and done.opportunity_ids == tuple(ids)
    quotes_of(engine, simulator, ids)
    (job,) = rows(engine, "SELECT * FROM gateway.job WHERE id = :i", i=job_id)
    assert job.api_calls >= 24 and job.started_at <= job.finished_at
    assert rows(engine, "SELECT count(*) FROM gateway.quote_event WHERE through = 'job'")[0][0] >= 12
    assert simulator.most_under_way()["calls"]["worker@acme.example"] <= 8


def test_what_the_org_refuses_fails_and_can_be_retried(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    (good,) = new_ids(simulator, 1)
    bad = simulator.special("no_lines")
    with working(engine, orgs):
        job_id = submit(engine, org_id, [good, bad])
        done = ended(engine, org_id, job_id)
        assert done.status == "completed_with_errors"
        assert [(one.opportunity_id, one.code) for one in done.failures] == [(bad, "NoLines")]
        with engine.begin() as connection:
            jobs.retry(connection, org_id, job_id)
        assert ended(engine, org_id, job_id).status == "completed_with_errors"
    quotes_of(engine, simulator, [good])


def test_cancel_is_seen_before_the_next_item(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 30)
    simulator.settings(delay_ms=60)
    with working(engine, orgs, replace(LIMITS, concurrency=2)):
        job_id = submit(engine, org_id, ids)
        until(lambda: state(engine, org_id, job_id).quote_count >= 2)
        with engine.begin() as connection:
            jobs.cancel(connection, org_id, job_id)
        asked_at = time.time()
        done = ended(engine, org_id, job_id)
    assert done.status == "cancelled" and 2 <= done.quote_count < 20 and done.error_count == 0
    writes = simulator.requests("/composite/graph")
    assert max(write["started"] for write in writes) < asked_at + 2
    made = [
        item for item in done.opportunity_ids if any(q["OpportunityId"] == item for q in simulator.records("Quote"))
    ]
    assert len(done.quote_ids) == len(set(made) & set(ids)) == done.quote_count


def test_two_workers_keep_one_budget_of_calls(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 60)
    simulator.settings(delay_ms=200)  # time for the second one to come
    limits = replace(LIMITS, org_concurrency=4)
    shared = "SELECT 1 FROM gateway.org_share GROUP BY org_id HAVING count(*) FILTER (WHERE calls > 0) = 2"
    with working(engine, orgs, limits) as one, working(engine, orgs, limits, "w2") as two:
        job_id = submit(engine, org_id, ids)
        until(lambda: rows(engine, shared))
        until(lambda: min(one.work.counts["made"], two.work.counts["made"]))
        simulator.settings(delay_ms=10)
        done = ended(engine, org_id, job_id, 30)
        until(lambda: one.work.counts["made"] + two.work.counts["made"] == 60)
    assert done.quote_count == 60
    assert simulator.most_under_way()["calls"]["worker@acme.example"] <= 4


def test_stopping_gives_back_what_has_not_begun(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 30)
    simulator.settings(delay_ms=100)
    with working(engine, orgs, replace(LIMITS, concurrency=4)) as worker:
        job_id = submit(engine, org_id, ids)
        until(lambda: state(engine, org_id, job_id).quote_count)
        worker.stop()
        sent = len(simulator.requests("/composite/graph"))
    assert len(simulator.requests("/composite/graph")) <= sent + 4, "no more than was about to be sent"
    left = rows(engine, "SELECT status, attempts, lease_until FROM gateway.job_item WHERE job_id = :i", i=job_id)
    assert {row.status for row in left} == {"succeeded", "queued"}
    assert all(row.attempts == 0 and row.lease_until is None for row in left if row.status == "queued")
    simulator.settings(delay_ms=0)
    with working(engine, orgs):
        assert ended(engine, org_id, job_id).quote_count == 30
    quotes_of(engine, simulator, ids)


def test_a_signal_may_come_while_its_thread_holds_any_lock(orgs: Orgs) -> None:
    nowhere = database.engine("postgresql+psycopg://nobody@/none?host=/nowhere", pool_size=2)
    worker = Worker(nowhere, orgs, Quotes(nowhere, DEFAULTS), LIMITS, name="w1")
    handled = threading.Event()

    def interrupted() -> None:
        with vars(worker.ending)["_cond"], worker._places._lock, worker._benches._lock:
            worker.stop(signal.SIGTERM, None)
            handled.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert handled.wait(10) and worker.ending.wait(10)


def test_what_createquote_left_is_settled(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    """Died before the call, called and made nothing, called and made it: after the sweep both sides agree."""
    from applink.quotes import QuoteOrder

    never, absent, there = (begun(engine, org_id, one, f"k{n}") for n, one in enumerate(new_ids(simulator, 3)))
    with engine.begin() as connection:
        intents.mark_called(connection, absent)
        intents.mark_called(connection, there)
    order = QuoteOrder(
        org_id=org_id, opportunity_id=there.opportunity_id, gateway_key=there.gateway_key, quote_id=there.quote_id
    )
    made = Quotes(engine, DEFAULTS).make(
        order, orgs.named(org_id), deadline=time.monotonic() + 10, before_write=lambda: None
    )
    with working(engine, orgs):
        until(lambda: rows(engine, "SELECT 1 FROM gateway.intent WHERE status = 'open'") == [])
    found = {row.id: row for row in rows(engine, "SELECT * FROM gateway.intent")}
    assert (found[never.id].status, found[never.id].error_code) == ("failed", intents.NOT_MADE)
    assert (found[absent.id].status, found[absent.id].error_code) == ("failed", intents.NOT_MADE)
    assert (found[there.id].status, found[there.id].salesforce_id) == ("settled", made.salesforce_id)
    (row,) = rows(engine, "SELECT * FROM gateway.quote WHERE id = :i", i=there.quote_id)
    assert row.salesforce_id == made.salesforce_id
    assert (
        rows(engine, "SELECT through FROM gateway.quote_event WHERE quote_id = :i", i=there.quote_id)[0][0]
        == "reconcile"
    )


def test_progress_is_seen_to_move_and_never_goes_back(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 40)
    simulator.fault("POST /composite/graph", refuse="UNABLE_TO_LOCK_ROW", skip=10, times=None)
    seen: list[tuple[str, Decimal, int]] = []

    def looked(count: int) -> bool:
        now = state(engine, org_id, job_id)
        seen.append((now.status, now.progress, now.quote_count + now.error_count))
        return seen[-1][2] == count

    with working(engine, orgs, replace(LIMITS, concurrency=3)):
        job_id = submit(engine, org_id, ids)
        until(lambda: looked(10))
        assert seen[-1] == ("running", Decimal(25), 10)
        simulator.clear_faults()
        until(lambda: looked(40), 30)
    assert seen[-1] == ("completed", Decimal(100), 40)
    assert [one[1] for one in seen] == sorted(one[1] for one in seen)
    assert all((progress == 100) == (status not in jobs.OPEN) for status, progress, _ in seen)
    (job,) = rows(engine, "SELECT started_at - created_at AS waited FROM gateway.job WHERE id = :i", i=job_id)
    assert job.waited.total_seconds() < 10


def test_two_orgs_are_worked_for_side_by_side(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    """A long job of one org does not keep the other org waiting."""
    both = Orgs(
        authorization=",".join(f"{org}={name}" for name, (org, _) in AUTHORIZATIONS.items()),
        test_domains=(simulator.url, simulator.other_url),
    )
    (other,) = (org for org in both.known_orgs() if org != org_id)
    simulator.settings(delay_ms=20)
    with working(engine, both, replace(LIMITS, concurrency=4)):
        long = submit(engine, org_id, new_ids(simulator, 60))
        found = simulator.records("Opportunity", org=other)
        with_lines = {line["OpportunityId"] for line in simulator.records("OpportunityLineItem", org=other)}
        few = [one["Id"] for one in found if one["Id"] in with_lines and one["Pricebook2Id"]][:4]
        short = submit(engine, other, few)
        assert ended(engine, other, short).status in ("completed", "completed_with_errors", "failed")
        assert state(engine, org_id, long).status == "running"
        assert ended(engine, org_id, long, 30).quote_count == 60
    both.close()
