"""The budget of calls: few items are marked before their call; a worker that ends keeps its share to the last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from applink import jobs
from applink.authorizations import Orgs
from applink.errors import NoPlace, NotSent, OrgLimitReached
from applink.gate import GatedOrgs
from applink.org import Upsert
from applink.places import Places
from applink.setup import GATEWAY_KEY
from simulator.running import Simulator
from tests.applink.calling import soon
from tests.applink.working import LIMITS, ended, new_ids, rows, state, submit, until, working

GRAPH = "POST /composite/graph"
PATIENT = replace(LIMITS, lease_seconds=60.0, shutdown_seconds=15.0)
ONE_CALL = replace(PATIENT, concurrency=1, org_concurrency=1)


def graphs(simulator: Simulator) -> int:
    """Graphs that the org was sent, those under way included."""
    return len(simulator.requests("/composite/graph"))


def test_what_is_done_before_a_write_is_done_while_its_place_is_to_come(
    orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    places = Places(1)
    places.share({org_id: 1})
    org = GatedOrgs(orgs, places).named(org_id)
    (one,) = new_ids(simulator, 1)
    fields = {"Name": "A", "OpportunityId": one}
    quote = Upsert(reference="quote", type="Quote", key_field=GATEWAY_KEY, key=f"gw-{uuid4().hex}", fields=fields)
    marks: list[int] = []

    def mark() -> None:
        marks.append(graphs(simulator))

    with held(orgs, places, org_id):
        with pytest.raises(NotSent):
            org.write([quote], deadline=soon(0.2), before=mark)
        assert marks == [0] and graphs(simulator) == 0
        with places.announced(org_id, soon()), pytest.raises(NoPlace) as unmarked:
            org.write([quote], deadline=soon(0.2), before=mark)
        assert marks == [0] and not isinstance(unmarked.value, NotSent), "another one is to be sent first"
    org.write([quote], deadline=soon(), before=mark)
    assert marks == [0, 0] and graphs(simulator) == 1 and org.calls == 1


@contextlib.contextmanager
def held(orgs: Orgs, places: Places, org_id: str) -> Iterator[None]:
    """Within, one place is taken."""
    loop, stack = orgs.sender.loop, contextlib.AsyncExitStack()
    loop.run(stack.enter_async_context(places.place(org_id, soon())), soon())
    try:
        yield
    finally:
        loop.run(stack.aclose(), soon())


def marked(engine: Engine) -> int:
    """Items of which the org may have a quote."""
    (row,) = rows(engine, "SELECT count(*) FROM gateway.intent WHERE called_at IS NOT NULL")
    return int(row[0])


def test_one_item_is_marked_ahead_of_its_place(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    """One in its place that the org has not seen yet, and the next."""
    ids = new_ids(simulator, 5)
    simulator.fault(GRAPH, delay=0.3, times=None)
    with working(engine, orgs, ONE_CALL):
        job_id = submit(engine, org_id, ids)
        while state(engine, org_id, job_id).quote_count < 5:
            before = marked(engine)
            assert before <= graphs(simulator) + 2
            time.sleep(0.02)
        ended(engine, org_id, job_id)
    assert rows(engine, "SELECT attempts FROM gateway.job_item WHERE job_id = :i", i=job_id) == [(1,)] * 5


def test_a_mark_is_taken_back_where_its_write_is_not_sent(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    """The org is paused while one graph is under way and the next is marked: that one can still be cancelled."""
    ids = new_ids(simulator, 4)
    simulator.fault(GRAPH, delay=2.0)
    with working(engine, orgs, ONE_CALL) as worker:
        job_id = submit(engine, org_id, ids)
        until(lambda: graphs(simulator) == 1 and marked(engine) == 2)
        simulator.settings(request_limit=0)
        worker.work.pause(org_id, OrgLimitReached("The org asks for a rest."))
        until(lambda: marked(engine) == 1)
        with engine.begin() as connection:
            jobs.cancel(connection, org_id, job_id)
        until(lambda: len(rows(engine, "SELECT 1 FROM gateway.job_item WHERE status = 'cancelled'")) == 3)
        assert graphs(simulator) == 1
        simulator.settings(request_limit=None)
        assert ended(engine, org_id, job_id).quote_count == 1
    found = rows(
        engine, "SELECT i.status, i.attempts, n.attempts FROM gateway.job_item i JOIN gateway.intent n USING (id)"
    )
    assert sorted(map(tuple, found)) == [("cancelled", 0, 0)] * 3 + [("succeeded", 1, 1)]


def test_a_worker_that_ends_keeps_its_share_of_calls(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    """What it has under way counts until it has ended; the others wait for it."""
    simulator.fault(GRAPH, delay=1.5, times=4)
    limits = replace(PATIENT, concurrency=4, org_concurrency=4)
    ids = new_ids(simulator, 20)
    with contextlib.ExitStack() as second:
        with working(engine, orgs, limits) as first:
            job_id = submit(engine, org_id, ids)
            until(lambda: graphs(simulator) == 4)
            first.stop()
            second.enter_context(working(engine, orgs, limits, "w2"))
        assert ended(engine, org_id, job_id, 30).quote_count == 20
    assert simulator.most_under_way()["calls"]["worker@acme.example"] <= 4


def test_an_answer_that_comes_after_the_end_was_asked_for_is_read_back(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    """Its share would have ended long before, had nobody renewed it; nothing else is sent meanwhile."""
    ids = new_ids(simulator, 8)
    simulator.fault(GRAPH, delay=2.0, after=True, times=None)
    limits = replace(ONE_CALL, lease_seconds=5.0)  # shares of 0.8 s
    with working(engine, orgs, limits) as worker:
        job_id = submit(engine, org_id, ids)
        until(lambda: graphs(simulator) == 1)
        until(lambda: marked(engine) == 2)
        worker.stop()
    assert graphs(simulator) == 1
    assert marked(engine) == 1, "the next one was not sent"
    items = rows(engine, "SELECT status, attempts FROM gateway.job_item WHERE job_id = :i", i=job_id)
    assert sorted((item.status, item.attempts) for item in items) == [("queued", 0)] * 7 + [("succeeded", 1)]
    assert rows(engine, "SELECT 1 FROM gateway.org_share") == []
