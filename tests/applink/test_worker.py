"""The worker over a real database and the simulated org: jobs done, errors told apart, limits kept, outages borne."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, text

from applink import intents, jobs
from applink.authorizations import Orgs
from applink.intents import NewIntent
from applink.item_work import Limits
from applink.jobs import JobState, NewJob
from applink.quotes import Quotes
from applink.worker import Worker
from local.servers import Server
from models import database
from models.pricing import PricingDefaults
from simulator.addon import AUTHORIZATIONS
from simulator.running import Simulator

LIMITS = Limits(
    poll_seconds=0.05,
    lease_seconds=5.0,
    retry_most_seconds=0.05,
    org_pause_seconds=0.3,
    org_pause_most_seconds=1.0,
    intent_settle_seconds=1.0,
    shutdown_seconds=5.0,
)
DEFAULTS = PricingDefaults(region="other", currency="USD")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database.engine(database_url, pool_size=8)
    yield made
    made.dispose()


@pytest.fixture
def org_id(orgs: Orgs) -> str:
    return orgs.known_orgs()[0]


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
    asked = NewJob(
        org_id=org_id,
        type="createQuotes",
        idem_key=key,
        request_hash="a" * 64,
        requested_by=None,
        request_id="request-1",
        authorization_name="worker",
        callback_url=None,
        callback_deadline_seconds=3600,
        if_draft_exists="create",
        items=[(one, None) for one in ids],
        event=False,
    )
    with engine.begin() as connection:
        return jobs.submit(connection, replace(asked, **changes)).job_id


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


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "POST /composite/graph", "cut": True, "after": True, "times": 2},
        {"match": "POST /composite/graph", "cut": True, "times": 2},
        {"match": "POST /composite/graph", "status": 503, "body": "<html>busy</html>", "times": 2},
        {"match": "GET /query", "status": 500, "body": "<html>sorry</html>", "times": 2},
        {"match": "POST /composite/graph", "refuse": "UNABLE_TO_LOCK_ROW", "times": 2},
        {"match": "POST /composite/graph", "refuse": "REQUEST_LIMIT_EXCEEDED", "times": 1},
    ],
    ids=["done, then cut", "cut", "503", "500 to a query", "row lock", "limit"],
)  # fmt: skip
def test_what_passes_is_tried_again(
    fault: dict[str, Any], engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 4)
    simulator.fault(**fault)
    with working(engine, orgs):
        done = ended(engine, org_id, submit(engine, org_id, ids))
    assert (done.status, done.quote_count) == ("completed", 4)
    quotes_of(engine, simulator, ids)


def test_an_ended_session_is_renewed_and_no_item_fails(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 6)
    simulator.fault("* /services/data", refuse="INVALID_SESSION_ID", status=401, times=4)
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids)
        until(lambda: state(engine, org_id, job_id).quote_count)
        simulator.expire_token("worker")
        assert ended(engine, org_id, job_id).status == "completed"
    quotes_of(engine, simulator, ids)


def test_the_limit_of_an_org_pauses_it_for_every_worker(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 6)
    simulator.settings(request_limit=4)
    with working(engine, orgs), working(engine, orgs, name="w2"):
        job_id = submit(engine, org_id, ids)
        until(lambda: rows(engine, "SELECT * FROM gateway.org_pause WHERE pauses >= 2"))
        before = pauses(engine)  # more than the first: what was under way when it began has ended
        simulator.forget_requests()
        until(lambda: pauses(engine) >= before + 2)
        asked = len(simulator.requests("/services/data"))
        assert asked <= pauses(engine) - before + 1, "one question a pause, and perhaps one that is under way"
        simulator.settings(request_limit=None)
        done = ended(engine, org_id, job_id)
    assert (done.status, done.quote_count) == ("completed", 6)
    attempts = rows(engine, "SELECT max(attempts) FROM gateway.job_item WHERE job_id = :i", i=job_id)[0][0]
    assert attempts <= 2, "refusals for the limit do not count"
    assert rows(engine, "SELECT * FROM gateway.org_pause") == []


def pauses(engine: Engine) -> int:
    """Of the one org that is paused: how often it was."""
    return int(rows(engine, "SELECT coalesce(max(pauses), 0) FROM gateway.org_pause")[0][0])


def test_an_org_that_is_away_is_waited_for(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 8)
    simulator.fault("* /services/data", status=500, body="<html>no</html>", times=None)
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids)
        until(lambda: rows(engine, "SELECT * FROM gateway.org_pause WHERE pauses >= 2"))
        simulator.clear_faults()
        done = ended(engine, org_id, job_id)
    assert (done.status, done.quote_count) == ("completed", 8)
    quotes_of(engine, simulator, ids)


def test_an_item_that_never_works_ends_and_the_others_do_not_suffer(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 4)
    simulator.fault("POST /composite/graph", contains=ids[0], status=500, body="<html>never</html>", times=None)
    with working(engine, orgs, replace(LIMITS, item_attempts=3)):
        job_id = submit(engine, org_id, ids)
        done = ended(engine, org_id, job_id)
    assert (done.status, done.quote_count) == ("completed_with_errors", 3)
    assert [one.opportunity_id for one in done.failures] == [ids[0]]
    assert "3 tries" in done.failures[0].message
    quotes_of(engine, simulator, ids[1:])


def test_a_quote_made_at_the_last_try_counts(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    """Every answer is lost after the effect, and the look right after it as well: the last word has the org."""
    (one,) = new_ids(simulator, 1)
    simulator.fault("POST /composite/graph", cut=True, after=True, times=None)
    with working(engine, orgs, replace(LIMITS, item_attempts=1)):
        simulator.fault("GET /query", cut=True, times=1, skip=1)
        done = ended(engine, org_id, submit(engine, org_id, [one]))
    assert (done.status, done.quote_count) == ("completed", 1)
    quotes_of(engine, simulator, [one])


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


def test_a_worker_outlives_its_database(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str, postgres_server: Server, database_url: str
) -> None:
    ids = new_ids(simulator, 20)
    simulator.settings(delay_ms=20)
    with psycopg.connect(database_url, autocommit=True) as other, working(engine, orgs, replace(LIMITS, concurrency=3)):
        name = other.execute("SELECT current_database()").fetchone()
        assert name is not None
        job_id = submit(engine, org_id, ids)
        for _ in range(4):
            time.sleep(0.15)
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                          " AND pid <> pg_backend_pid()", name)  # fmt: skip
        other.execute(f"ALTER DATABASE {name[0]} SET default_transaction_read_only = on")  # a failover's read-only side
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                      " AND pid <> pg_backend_pid()", name)  # fmt: skip
        time.sleep(0.4)
        other.execute(f"ALTER DATABASE {name[0]} RESET default_transaction_read_only")
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                      " AND pid <> pg_backend_pid()", name)  # fmt: skip
        done = until(lambda: _ended_or_none(engine, org_id, job_id), 25)
    assert (done.status, done.quote_count) == ("completed", 20)
    quotes_of(engine, simulator, ids)


def test_a_signal_may_come_while_its_thread_holds_any_lock(orgs: Orgs) -> None:
    nowhere = database.engine("postgresql+psycopg://nobody@/none?host=/nowhere", pool_size=2)
    worker = Worker(nowhere, orgs, Quotes(nowhere, DEFAULTS), LIMITS, name="w1")
    handled = threading.Event()

    def interrupted() -> None:
        with worker.ending._cond, worker._places._lock, worker._benches._lock:
            worker.stop(signal.SIGTERM, None)
            handled.set()

    threading.Thread(target=interrupted, daemon=True).start()
    assert handled.wait(10) and worker.ending.wait(10)


def test_a_worker_ends_while_its_database_is_away(orgs: Orgs) -> None:
    nowhere = database.engine("postgresql+psycopg://nobody@/none?host=/nowhere", pool_size=2)
    worker = Worker(nowhere, orgs, Quotes(nowhere, DEFAULTS), replace(LIMITS, shutdown_seconds=2.5), name="w1")
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    until(lambda: worker._looks.away_since)
    worker.stop()
    thread.join(20)
    assert not thread.is_alive()


def _ended_or_none(engine: Engine, org_id: str, job_id: UUID) -> JobState | None:
    try:
        now = state(engine, org_id, job_id)
    except Exception:
        return None
    return now if now.status not in jobs.OPEN else None


def test_a_full_disk_is_waited_for(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 4)
    with engine.begin() as connection:
        connection.execute(
            text("""
            CREATE FUNCTION gateway.full() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''no space left'' USING ERRCODE = ''53100''; END';
            CREATE TRIGGER full_disk BEFORE INSERT ON gateway.quote EXECUTE FUNCTION gateway.full()""")
        )
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids)
        until(lambda: len(simulator.requests("/composite/graph")) >= 4)
        time.sleep(0.2)
        assert state(engine, org_id, job_id).quote_count == 0
        with engine.begin() as connection:
            connection.execute(text("DROP TRIGGER full_disk ON gateway.quote"))
        assert ended(engine, org_id, job_id).quote_count == 4
    quotes_of(engine, simulator, ids)


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


def test_apex_is_called_back(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 2)
    callback = simulator.open_callback("ann")
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids, callback_url=callback["url"])
        until(lambda: simulator.callback(callback["id"])["received"])
        until(lambda: state(engine, org_id, job_id).callback_status == "delivered")
    (received,) = simulator.callback(callback["id"])["received"]
    assert received["body"] == state(engine, org_id, job_id).answer()
    assert received["body"]["status"] == "completed" and len(received["body"]["quoteIds"]) == 2
    (job,) = rows(engine, "SELECT * FROM gateway.job WHERE id = :i", i=job_id)
    assert job.callback_url is None and job.callback_error is None


def test_a_flow_gets_an_event(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    with working(engine, orgs):
        job_id = submit(engine, org_id, new_ids(simulator, 2), type="startQuotes", event=True)
        until(lambda: state(engine, org_id, job_id).callback_status == "event_published")
    (event,) = simulator.events()
    told = {name: event[name] for name in ("JobId__c", "Status__c", "QuoteCount__c", "ErrorCount__c")}
    assert told == {"JobId__c": str(job_id), "Status__c": "completed", "QuoteCount__c": 2, "ErrorCount__c": 0}


@pytest.mark.parametrize("how", ["404", "408", "deadline", "address"])
def test_a_closed_window_becomes_an_event(
    how: str, engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    callback = simulator.open_callback("ann", deadlineSeconds=-1 if how == "408" else 600)
    url = {"404": callback["url"] + "x", "address": "https://elsewhere.example/x"}.get(how, callback["url"])
    job_id = submit(engine, org_id, new_ids(simulator, 1), callback_url=url,
                    callback_deadline_seconds=0 if how == "deadline" else 600)  # fmt: skip
    with working(engine, orgs):
        until(lambda: state(engine, org_id, job_id).callback_status == "event_published")
    assert len(simulator.events()) == 1
    tries = simulator.requests("/services/callback/")
    assert len(tries) == (1 if how in ("404", "408") else 0)
    (job,) = rows(engine, "SELECT callback_error FROM gateway.job WHERE id = :i", i=job_id)
    assert job.callback_error


def test_a_callback_is_tried_until_it_is_taken(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    callback = simulator.open_callback("ann")
    fault = simulator.fault("POST /services/callback", status=500, body="", times=3)
    with working(engine, orgs):
        job_id = submit(engine, org_id, new_ids(simulator, 1), callback_url=callback["url"])
        until(lambda: state(engine, org_id, job_id).callback_status == "delivered")
    assert len(simulator.requests("/services/callback/")) == 4
    assert next(each for each in simulator.faults() if each["id"] == fault)["met"] == 3
    assert len(simulator.callback(callback["id"])["received"]) == 1


def test_no_callback_tells_of_a_job_that_is_open(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A retry came between the claim of the callback and the look at the job: only the end is told."""
    caplog.set_level("INFO", "gateway.worker")
    callback = simulator.open_callback("ann")

    def write(statement: str) -> None:
        with engine.begin() as connection:
            database.set_org(connection, org_id)
            connection.execute(text(statement), {"i": job_id})

    job_id = submit(engine, org_id, new_ids(simulator, 1), callback_url=callback["url"])
    write("UPDATE gateway.job_item SET next_at = now() + interval '1 h' WHERE job_id = :i")
    write("UPDATE gateway.job SET next_at = now() WHERE id = :i")
    with working(engine, orgs):
        until(lambda: "callback=job_open" in caplog.text or simulator.callback(callback["id"])["received"])
        write("UPDATE gateway.job SET next_at = NULL, lease_until = NULL, lease_no = lease_no + 1 WHERE id = :i")
        write("UPDATE gateway.job_item SET next_at = now() WHERE job_id = :i")
        until(lambda: state(engine, org_id, job_id).callback_status != "due")
    told = [one["body"]["status"] for one in simulator.callback(callback["id"])["received"]]
    assert (told, state(engine, org_id, job_id).callback_status) == (["completed"], "delivered")


def test_an_org_without_the_event_is_told_nothing_more(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    simulator.settings(events=False)
    with working(engine, orgs):
        job_id = submit(engine, org_id, new_ids(simulator, 1), event=True)
        until(lambda: state(engine, org_id, job_id).callback_status == "expired")
    (job,) = rows(engine, "SELECT callback_error FROM gateway.job WHERE id = :i", i=job_id)
    assert "Quote_Job__e" in job.callback_error


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
