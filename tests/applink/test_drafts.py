"""Turns among requests that must make one draft: over a pool of one connection, and whoever comes later sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text, update

from applink.drafts import Overtaken, Turn
from applink.errors import Unavailable
from models import database
from models.database import set_org
from models.intent import intent
from tests.applink.queued import ORG, opportunity


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database.engine(database_url, pool_size=1, max_overflow=0, pool_timeout=1.0)
    yield made
    made.dispose()


def turn(engine: Engine, key: str) -> Turn:
    """Of a request whose intent is open."""
    with engine.begin() as connection:
        set_org(connection, ORG)
        values = {"org_id": ORG, "gateway_key": key, "opportunity_id": opportunity(1), "operation": "createQuote"}
        connection.execute(insert(intent).values(**values))
    ends = time.monotonic() + 0.1
    return Turn(engine=engine, org_id=ORG, opportunity_id=opportunity(1), gateway_key=key, deadline=ends)


def end(engine: Engine, key: str, **changes: Any) -> None:
    """Its request has been answered. changes: of the intent instead."""
    with engine.begin() as connection:
        set_org(connection, ORG)
        values = changes or {"status": "settled"}
        connection.execute(update(intent).where(intent.c.gateway_key == key).values(**values))


def test_a_turn_holds_no_connection_while_it_is_marked(engine: Engine) -> None:
    """`mark` takes one from the same pool: with as many requests as connections, all would wait for each other."""
    mine = turn(engine, "gw-1")
    mine.begin(mine.wait(), lambda: end(engine, "gw-1", attempts=7))
    with engine.connect() as connection:
        row = connection.execute(text("SELECT attempts, called_at FROM gateway.intent")).one()
    assert row.attempts == 7 and row.called_at is not None


def test_one_of_two_that_have_looked_goes_first(engine: Engine) -> None:
    first, second = turn(engine, "gw-1"), turn(engine, "gw-2")
    seen = first.wait(), second.wait()
    first.begin(seen[0], lambda: None)
    with pytest.raises(Overtaken):
        second.begin(seen[1], lambda: pytest.fail("marked beside the first"))
    with pytest.raises(Unavailable):
        second.wait()
    end(engine, "gw-1")
    second.begin(second.wait(), lambda: None)


def test_whoever_comes_while_another_is_marked_sees_it(engine: Engine) -> None:
    """Between the end of the lock and the mark under the lease there is no gap."""
    first, second = turn(engine, "gw-1"), turn(engine, "gw-2")
    seen = second.wait()

    def meanwhile() -> None:
        with pytest.raises(Overtaken):
            second.begin(seen, lambda: pytest.fail("marked beside the first"))

    first.begin(first.wait(), meanwhile)
