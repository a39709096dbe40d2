"""createQuote where things break: a web process killed while the org works, a database that is away in the middle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from sqlalchemy import text

from simulator.caller import Reply, Unreachable
from tests.applink.conftest import Served
from tests.applink.serving import Place, declared, serving

DEADLINE_SECONDS = 4


@pytest.fixture(scope="module")
def place(served: Served) -> Iterator[Place]:
    with served("broken", variables={"OPERATION_DEADLINE_SECONDS": str(DEADLINE_SECONDS)}) as made:
        yield made


@pytest.fixture
def opportunity(place: Place) -> str:
    place.simulator.clear_faults()
    found = place.simulator.opportunities(200, user="ann")
    return next(
        one
        for one in found
        if not any(place.count(table, "opportunity_id = :id", id=one) for table in ("intent", "quote"))
    )


def settled(place: Place, first: Reply, seconds: float) -> Reply:
    """The same request until it is answered with 200."""
    ends = time.monotonic() + seconds
    while True:
        reply = declared(place.apex.repeat(first))
        if reply.status == 200 or time.monotonic() > ends:
            return reply
        assert reply.status in (503, 504)
        time.sleep(0.5)


def agree(place: Place, opportunity: str, quotes: int = 1) -> None:
    """As many quotes in the org as rows here, and nothing open."""
    assert len(place.simulator.records("Quote", f"OpportunityId = '{opportunity}'")) == quotes
    assert place.count("quote", "opportunity_id = :id", id=opportunity) == quotes
    assert place.count("intent", "opportunity_id = :id AND status = 'open'", id=opportunity) == 0


def stored_only_after(place: Place, refuse: str) -> None:
    """Let the database refuse a write for a while, as a full disk does."""
    with place.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE OR REPLACE FUNCTION gateway.full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no space left'; END $$"
            )
        )
        connection.execute(
            text(f"CREATE TRIGGER full_disk BEFORE INSERT ON gateway.{refuse} EXECUTE FUNCTION gateway.full_disk()")
        )


def has_space(place: Place, refuse: str) -> None:
    with place.engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER full_disk ON gateway.{refuse}"))


def test_a_database_that_is_full_before_the_org_is_asked(place: Place, opportunity: str) -> None:
    """Bar 36."""
    stored_only_after(place, "intent")
    try:
        first = place.ask("createQuote", {"opportunityId": opportunity})
    finally:
        has_space(place, "intent")
    assert first.status == 503 and "no space" not in first.answer.body.decode()
    agree(place, opportunity, quotes=0)
    assert settled(place, first, 10).status == 200
    agree(place, opportunity)


def test_a_database_that_is_full_after_the_org_was_asked(place: Place, opportunity: str) -> None:
    stored_only_after(place, "quote")
    try:
        first = place.ask("createQuote", {"opportunityId": opportunity})
    finally:
        has_space(place, "quote")
    assert (first.status, first.body["code"]) == (504, "OutcomeUnknown")
    assert f"requestKey '{first.invocation.request_id}'" in first.body["message"]
    assert settled(place, first, 15).status == 200
    agree(place, opportunity)


def test_backends_ended_while_the_org_works(place: Place, opportunity: str) -> None:
    place.simulator.fault("POST /composite/graph", delay=2.0, after=True)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.ask, "createQuote", {"opportunityId": opportunity})
        while not place.simulator.records("Quote", f"OpportunityId = '{opportunity}'"):
            assert not asked.done(), asked.result().body
            time.sleep(0.05)
        with place.engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        assert not asked.done()
        first = asked.result()
    assert first.status in (200, 504)
    assert settled(place, first, 15).status == 200
    agree(place, opportunity)


@pytest.mark.slow
def test_a_web_process_killed_while_the_org_works(place: Place, opportunity: str) -> None:
    """The quote is in the org; nobody was told. The same request gets it once the dead one's lease has ended."""
    place.simulator.fault("POST /composite/graph", delay=2.0, after=True)
    made = place.apex.prepare("createQuote", {"opportunityId": opportunity}, through="direct")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(place.apex.send, made)
        while not place.simulator.records("Quote", f"OpportunityId = '{opportunity}'"):
            time.sleep(0.05)
        for process in psutil.Process(place.gateway.process.pid).children():
            process.kill()
        with pytest.raises(Unreachable):
            asked.result()
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        try:
            reply = declared(place.apex.send(made))
        except Unreachable:
            time.sleep(0.2)
            continue
        if reply.status == 200:
            break
        assert reply.status == 503
    assert reply.status == 200 and reply.body["created"]
    agree(place, opportunity)


def test_an_org_that_hangs_leaves_threads_to_others(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One of three threads may work for it; the next caller is sent away, and who asks for something else is served."""
    few = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "3"}
    with serving(database_url, tmp_path_factory.mktemp("few"), variables=few) as place:
        one, other = place.simulator.opportunities(2, user="ann")
        place.simulator.fault("GET /query", delay=5)
        with ThreadPoolExecutor() as threads:
            first = threads.submit(place.ask, "previewQuote", {"opportunityId": one})
            while not place.simulator.requests("/query"):
                time.sleep(0.05)
            second = place.ask("previewQuote", {"opportunityId": other})
            assert (second.status, second.body["code"]) == (503, "Unavailable")
            assert second.answer.header("retry-after") == "2"
            assert not first.done()
            assert first.result().status == 200
