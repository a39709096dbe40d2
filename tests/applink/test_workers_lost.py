"""Workers that die with an item in hand: no try of it is spent, and one that ends them all ends itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from applink import claims, jobs
from applink.authorizations import Orgs
from models.database import set_org
from simulator.running import Simulator
from tests.applink import test_worker
from tests.applink.test_worker import LIMITS, ended, new_ids, quotes_of, rows, submit, working

engine, org_id = test_worker.engine, test_worker.org_id


def die_over(engine: Engine, times: int, *, called: bool) -> None:
    """A worker that claims the one item there is and is heard of no more, so many times."""
    for _ in range(times):
        with engine.begin() as connection:
            (orgs_with_work,) = claims.ready(connection)
            (item,) = claims.claim(connection, "dead", {orgs_with_work.org_id: 1})
            if called:
                claims.mark_called(connection, item)
        with engine.begin() as connection:
            set_org(connection, item.org_id)
            over = "UPDATE gateway.job_item SET lease_until = now() - interval '1 s' WHERE id = :i"
            connection.execute(text(over), {"i": item.item_id})


@pytest.mark.parametrize("called", [False, True], ids=["before", "after the call"])
def test_the_end_of_a_worker_is_no_try(
    called: bool, engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    (one,) = new_ids(simulator, 1)
    job_id = submit(engine, org_id, [one])
    die_over(engine, 5, called=called)
    with working(engine, orgs, replace(LIMITS, item_attempts=1)):
        done = ended(engine, org_id, job_id)
    assert (done.status, done.quote_count) == ("completed", 1)
    quotes_of(engine, simulator, [one])
    (item,) = rows(engine, "SELECT attempts, leases_lost FROM gateway.job_item WHERE job_id = :i", i=job_id)
    assert (item.attempts, item.leases_lost) == (1, 5)


@pytest.mark.parametrize("called", [False, True], ids=["before", "after the call"])
def test_an_item_that_ends_workers_ends_itself(
    called: bool, engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    (one,) = new_ids(simulator, 1)
    job_id = submit(engine, org_id, [one])
    die_over(engine, 3, called=called)
    with working(engine, orgs, replace(LIMITS, item_workers_lost=3)):
        done = ended(engine, org_id, job_id)
        assert (done.status, done.failures[0].code) == ("failed", "WorkersLost")
        assert "its lease was lost 3 times" in done.failures[0].message and not simulator.requests("/composite/graph")
        with engine.begin() as connection:
            jobs.retry(connection, org_id, job_id)
        assert ended(engine, org_id, job_id).status == "completed"
    quotes_of(engine, simulator, [one])
