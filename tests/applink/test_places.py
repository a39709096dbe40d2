"""The budget of calls: an item is marked in the place of its call; a worker that ends keeps its share to the last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from applink.authorizations import Orgs
from applink.benches import Benches
from applink.errors import OrgLimitReached
from applink.gated_org import GatedOrgs
from applink.org import Upsert
from applink.setup import GATEWAY_KEY
from models import database
from simulator.running import Simulator
from tests.applink.conftest import soon
from tests.applink.test_worker import LIMITS, ended, new_ids, rows, state, submit, until, working

GRAPH = "POST /composite/graph"
PATIENT = replace(LIMITS, lease_seconds=60.0, shutdown_seconds=15.0)
ONE_CALL = replace(PATIENT, concurrency=1, org_concurrency=1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database.engine(database_url, pool_size=8)
    yield made
    made.dispose()


@pytest.fixture
def org_id(orgs: Orgs) -> str:
    return orgs.known_orgs()[0]


def graphs(simulator: Simulator) -> int:
    """Graphs that the org was sent, those under way included."""
    return len(simulator.requests("/composite/graph"))


def test_what_is_done_before_a_write_is_done_in_its_place(orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    benches = Benches(1)
    benches.share({org_id: 1})
    org = GatedOrgs(orgs, benches).named(org_id)
    (one,) = new_ids(simulator, 1)
    fields = {"Name": "A", "OpportunityId": one}
    quote = Upsert(reference="quote", type="Quote", key_field=GATEWAY_KEY, key=f"gw-{uuid4().hex}", fields=fields)
    seen: list[tuple[int, int]] = []

    def mark() -> None:
        seen.append((benches.under_way()[org_id], graphs(simulator)))

    with benches.place(org_id, soon()), pytest.raises(OrgLimitReached):
        org.write([quote], deadline=soon(0.2), before=mark)
    assert seen == [], "no place, no mark"
    org.write([quote], deadline=soon(), before=mark)
    assert seen == [(1, 0)] and graphs(simulator) == 1


def test_no_item_is_marked_before_its_call_has_a_place(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 5)
    simulator.fault(GRAPH, delay=0.3, times=None)
    with working(engine, orgs, ONE_CALL):
        job_id = submit(engine, org_id, ids)
        while state(engine, org_id, job_id).quote_count < 5:
            (marked,) = rows(engine, "SELECT count(*) FROM gateway.intent WHERE called_at IS NOT NULL")
            assert marked[0] <= graphs(simulator) + 1
            time.sleep(0.02)
        ended(engine, org_id, job_id)


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
        until(lambda: worker._benches._benches[org_id].waiting >= 2)
        worker.stop()
    assert graphs(simulator) == 1
    items = rows(engine, "SELECT status, attempts FROM gateway.job_item WHERE job_id = :i", i=job_id)
    assert sorted((item.status, item.attempts) for item in items) == [("queued", 0)] * 7 + [("succeeded", 1)]
    assert rows(engine, "SELECT 1 FROM gateway.org_share") == []
