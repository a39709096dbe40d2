"""What counts against an org as a whole, and what is asked before it is paused: nothing that is a matter of ours."""

from __future__ import annotations

import itertools
import logging
import time
from typing import Any

import pytest
from sqlalchemy import Engine

from applink.authorizations import Orgs
from applink.errors import NoPlace, OperationError, OrgLimitReached, OrgUnavailable, QuoteNotFound
from applink.item_work import FAILURES_BEFORE_A_LOOK
from applink.org import Org
from applink.quotes import Made, QuoteOrder, Quotes
from applink.worker import Worker
from simulator.running import Simulator
from tests.applink.calling import soon
from tests.applink.quoting import DEFAULTS
from tests.applink.working import LIMITS, ended, new_ids, quotes_of, running, submit


class Failing(Quotes):
    """As many quotes as make an org suspicious fail, when their time is over; the others are made."""

    def __init__(self, engine: Engine, problem: OperationError) -> None:
        super().__init__(engine, DEFAULTS)
        self._problem = problem
        self._numbers = itertools.count(1)

    def make(self, order: QuoteOrder, org: Org, *, deadline: float, **given: Any) -> Made:
        if next(self._numbers) > FAILURES_BEFORE_A_LOOK:
            return super().make(order, org, deadline=deadline, **given)
        time.sleep(max(0.0, deadline - time.monotonic()))
        raise self._problem


@pytest.mark.parametrize(("problem", "asked"), [(NoPlace("x"), 0), (OrgUnavailable("x"), 1)])
def test_an_org_that_answers_is_not_paused_for_calls_that_came_too_late(
    problem: OperationError,
    asked: int,
    engine: Engine,
    orgs: Orgs,
    simulator: Simulator,
    org_id: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "gateway.worker")
    ids = new_ids(simulator, FAILURES_BEFORE_A_LOOK)
    with running(Worker(engine, orgs, Failing(engine, problem), LIMITS, name="w1")):
        assert ended(engine, org_id, submit(engine, org_id, ids), 30).status == "completed"
    assert "paused=yes" not in caplog.text
    assert sum("Organization" in one["query"] for one in simulator.requests("/query")) == asked
    quotes_of(engine, simulator, ids)


class Answers:
    """An org that says one thing alone."""

    def __init__(self, problem: OperationError) -> None:
        self._problem = problem

    def query(self, *_: Any, **__: Any) -> None:
        raise self._problem


@pytest.mark.parametrize(
    ("problem", "there"),
    [(NoPlace("x"), True), (QuoteNotFound("x"), True), (OrgLimitReached("x"), False), (OrgUnavailable("x"), False)],
)
def test_an_org_that_could_not_be_asked_is_not_called_away(
    problem: OperationError, there: bool, engine: Engine, orgs: Orgs
) -> None:
    org: Any = Answers(problem)
    assert Worker(engine, orgs, Quotes(engine, DEFAULTS), LIMITS, name="w1").work.is_there(org, soon()) is there
