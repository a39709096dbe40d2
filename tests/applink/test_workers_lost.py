"""Workers that die with an item in hand: no try of it is spent, and one that ends them all ends itself."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from applink import claims, jobs
from applink.authorizations import Orgs
from models.database import set_org
from simulator.running import Simulator
from tests.applink.working import LIMITS, ended, new_ids, quotes_of, rows, submit, working


def died_over(engine: Engine, org_id: str, one: str, times: int, *, called: bool) -> UUID:
    """A job of one item, which a worker claims and is heard of no more, so many times."""
    job_id = submit(engine, org_id, [one])
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
    return job_id


BEFORE_OR_AFTER = pytest.mark.parametrize("called", [False, True], ids=["before", "after the call"])


@BEFORE_OR_AFTER
def test_the_end_of_a_worker_is_no_try(
    called: bool, engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    (one,) = new_ids(simulator, 1)
    job_id = died_over(engine, org_id, one, 5, called=called)
    with working(engine, orgs, replace(LIMITS, item_attempts=1)):
        done = ended(engine, org_id, job_id)
    assert (done.status, done.quote_count) == ("completed", 1)
    quotes_of(engine, simulator, [one])
    (item,) = rows(engine, "SELECT attempts, leases_lost FROM gateway.job_item WHERE job_id = :i", i=job_id)
    assert (item.attempts, item.leases_lost) == (1, 5)


@BEFORE_OR_AFTER
def test_an_item_that_ends_workers_ends_itself(
    called: bool, engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    (one,) = new_ids(simulator, 1)
    job_id = died_over(engine, org_id, one, 3, called=called)
    with working(engine, orgs, replace(LIMITS, item_workers_lost=3)):
        done = ended(engine, org_id, job_id)
        assert (done.status, done.failures[0].code) == ("failed", "WorkersLost")
        assert "its lease was lost 3 times" in done.failures[0].message and not simulator.requests("/composite/graph")
        with engine.begin() as connection:
            jobs.retry(connection, org_id, job_id)
        assert ended(engine, org_id, job_id).status == "completed"
    quotes_of(engine, simulator, [one])
