"""The worker while an org, its session or the database is away: it waits, tries again, and no item suffers."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from applink import jobs
from applink.authorizations import Orgs
from applink.jobs import JobState
from applink.quotes import Quotes
from applink.worker import Worker
from local.servers import Server
from models import database
from simulator.running import Simulator
from tests.applink.quoting import DEFAULTS
from tests.applink.working import LIMITS, ended, new_ids, quotes_of, rows, state, submit, until, working


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
    except DBAPIError:
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
