"""An org that has made a quote, and then refuses to be asked: never called refused, never made a second time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from applink import jobs
from applink.authorizations import Orgs
from applink.errors import OrgNotAllowed, OutcomeUnknown
from applink.gate import OPEN, Gate
from applink.operation import Call, Desk
from applink.operations import create_quote
from applink.operations.create_quote import CreateQuoteRequest
from applink.org import Org
from simulator.running import Simulator
from tests.applink.calling import caller_of, soon
from tests.applink.quoting import Shop, once_more
from tests.applink.working import ended, new_ids, quotes_of, rows, state, submit, until, working

READS_OF_MAKE = 1
"""Queries before the graph is sent, once the objects are described."""


def refuse_from(simulator: Simulator, queries: int, times: int | None) -> None:
    """Let so many queries pass, and refuse those after them."""
    simulator.fault("GET /query", refuse="INSUFFICIENT_ACCESS", status=403, skip=queries, times=times)


def test_a_quote_whose_reading_is_refused_is_stored_as_written(shop: Shop, ann: Org, simulator: Simulator) -> None:
    refuse_from(simulator, READS_OF_MAKE, None)
    made = shop.create(ann, simulator.special("plain"))
    (quote,) = simulator.records("Quote")
    row = shop.row(made.quote_id)
    assert (row["salesforce_id"], row["sync_status"], row["quote_number"]) == (quote["Id"], "pending", None)
    assert {line["salesforce_id"] for line in shop.lines(made.quote_id)} == {
        line["Id"] for line in simulator.records("QuoteLineItem")
    }


def test_there_already_and_not_to_be_read_is_unknown(shop: Shop, ann: Org, simulator: Simulator) -> None:
    simulator.settings(strict_upsert=True)
    order = shop.order(ann, simulator.special("plain"))
    shop.make(ann, order)
    refuse_from(simulator, READS_OF_MAKE, None)
    with pytest.raises(OutcomeUnknown):
        shop.make(ann, order)
    assert len(simulator.records("Quote")) == 1


@pytest.mark.parametrize("wall", ["query", "not set up"])
def test_a_look_that_is_refused_says_nothing(shop: Shop, ann: Org, orgs: Orgs, simulator: Simulator, wall: str) -> None:
    order = shop.order(ann, simulator.special("plain"))
    shop.make(ann, order)
    if wall == "query":
        refuse_from(simulator, 0, None)
    else:
        simulator.settings(gateway_key=False)
    org = orgs.of_caller(caller_of(simulator, "ann"))
    attempts: tuple[Callable[[], object], ...] = (
        lambda: shop.make(org, once_more(order)),
        lambda: shop.quotes.recover(order, org, deadline=soon()),
    )
    for attempt in attempts:
        with pytest.raises(OutcomeUnknown):
            attempt()


def test_an_opportunity_that_may_no_longer_be_read(shop: Shop, ann: Org, simulator: Simulator) -> None:
    """The quote is there: it counts, whatever becomes of what it was made from."""
    order = shop.order(ann, simulator.special("plain"))
    first = shop.make(ann, order)
    refuse_from(simulator, 1, None)
    again = shop.make(ann, once_more(order))
    assert again.salesforce_id == first.salesforce_id and shop.store(again)
    assert shop.row(again.quote_id)["grand_total"] == first.row.grand_total


def test_create_quote_keeps_its_intent_open(
    engine: Engine, shop: Shop, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    """The graph is answered by nobody, and every look is refused: open until somebody has looked."""
    desk, caller = Desk(engine=engine, orgs=orgs, quotes=shop.quotes), caller_of(simulator, "ann")
    request = CreateQuoteRequest(opportunity_id=simulator.special("plain"))

    def ask() -> Any:
        call = Call(key="k-1", request_hash="a" * 64, request_id="r-1", deadline=time.monotonic() + 10)
        return create_quote.run(desk, caller, request, call)

    simulator.fault("POST /composite/graph", cut=True, after=True)
    refuse_from(simulator, READS_OF_MAKE, None)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            ask()
        (kept,) = rows(engine, "SELECT status, lease_until FROM gateway.intent")
        assert tuple(kept) == ("open", None)
    simulator.clear_faults()
    (quote,) = simulator.records("Quote")
    assert ask()["quoteId"] == quote["Id"]


class Walled:
    """Orgs whose authorization is away for some calls, once a graph was sent."""

    def __init__(self, orgs: Orgs, simulator: Simulator, times: int) -> None:
        self._orgs = orgs
        self._simulator = simulator
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._orgs, name)

    def named(self, org_id: str, *, deadline: float | None = None, gate: Gate = OPEN) -> Org:
        if self.left and self._simulator.requests("/composite/graph"):
            self.left -= 1
            raise OrgNotAllowed("The add-on has no authorization worker.")
        return self._orgs.named(org_id, deadline=deadline, gate=gate)


@pytest.mark.parametrize("wall", ["query", "authorization"])
def test_an_item_that_was_called_is_looked_for(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str, wall: str
) -> None:
    (one,) = new_ids(simulator, 1)
    simulator.fault("POST /composite/graph", cut=True, after=True)
    refuse_from(simulator, READS_OF_MAKE, 4 if wall == "query" else 1)
    walled: Any = Walled(orgs, simulator, times=3 if wall == "authorization" else 0)
    with working(engine, walled, name="w1"):
        done = ended(engine, org_id, submit(engine, org_id, [one]))
    assert (done.status, done.quote_count, walled.left) == ("completed", 1, 0)
    quotes_of(engine, simulator, [one])


def test_a_cancelled_item_that_was_called_is_looked_for(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    (one,) = new_ids(simulator, 1)
    simulator.fault("POST /composite/graph", cut=True, after=True)
    refuse_from(simulator, READS_OF_MAKE, None)
    with working(engine, orgs):
        job_id = submit(engine, org_id, [one])
        until(lambda: rows(engine, "SELECT 1 FROM gateway.job_item WHERE error_code = 'OutcomeUnknown'"))
        with engine.begin() as connection:
            jobs.cancel(connection, org_id, job_id)
        queries = len(simulator.requests("/query"))
        until(lambda: len(simulator.requests("/query")) > queries + 2)
        assert state(engine, org_id, job_id).status == "running"
        simulator.clear_faults()
        assert ended(engine, org_id, job_id).quote_count == 1
    quotes_of(engine, simulator, [one])


def test_a_first_refusal_still_is_one(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    (one,) = new_ids(simulator, 1)
    refuse_from(simulator, 0, 1)
    with working(engine, orgs):
        done = ended(engine, org_id, submit(engine, org_id, [one]))
    assert [failure.code for failure in done.failures] == ["INSUFFICIENT_ACCESS"]
    assert not simulator.records("Quote")
