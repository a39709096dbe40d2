"""One change of a quote at a time: its lease, no connection held meanwhile, nothing newer written over."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import QueuePool

from applink import intents, jobs, quote_leases
from applink.errors import (
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from applink.org import Org
from applink.quotes import Made
from models.database import set_org
from simulator.running import Simulator
from tests.applink.changing import CHANGES, Attempt, Between, change, delete, statement
from tests.applink.quoting import Shop, agree


@pytest.mark.parametrize("wanted", CHANGES)
def test_no_connection_is_held_while_the_org_is_asked(shop: Shop, ann: Org, made: Made, wanted: dict[str, Any]) -> None:
    held: list[int] = []
    pool = shop.engine.pool
    assert isinstance(pool, QueuePool)
    between: Any = Between(ann, before=lambda: held.append(pool.checkedout()))
    change(shop, between, made, **wanted)
    delete(shop, between, made)
    assert len(held) >= 5 and set(held) == {0}


def test_one_change_at_a_time(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    refused: list[str] = []

    def meanwhile() -> None:
        attempts: tuple[Attempt, ...] = (
            lambda: change(shop, ann, made, status="Denied"), lambda: delete(shop, ann, made),
        )  # fmt: skip
        for attempt in attempts:
            with pytest.raises(Unavailable, match="under way") as error:
                attempt()
            refused.append(error.value.message)

    between: Any = Between(ann, before=meanwhile)
    assert change(shop, between, made, status="Presented").status == "Presented"
    assert len(refused) >= 4
    agree(shop, simulator, made)
    assert change(shop, ann, made, status="Denied").status == "Denied"


def test_a_refusal_lets_the_next_one_begin(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.fault("PATCH /sobjects/Quote", refuse="FIELD_CUSTOM_VALIDATION_EXCEPTION", status=400)
    with pytest.raises(Refused):
        change(shop, ann, made, status="Presented")
    assert change(shop, ann, made, status="Presented").status == "Presented"


def test_a_change_that_died_is_waited_for_only_so_long(shop: Shop, ann: Org, made: Made) -> None:
    with shop.engine.begin() as connection:
        set_org(connection, ann.org_id)
        assert quote_leases.take(connection, made.row, None, "died", {}, 60)
    with pytest.raises(Unavailable, match="under way"):
        change(shop, ann, made, status="Presented")
    statement(shop, ann, "UPDATE gateway.intent SET lease_until = now() WHERE operation = 'changeQuote'")
    assert change(shop, ann, made, status="Presented").status == "Presented"


def test_a_lease_is_nothing_to_settle(shop: Shop, ann: Org, made: Made) -> None:
    change(shop, ann, made, status="Presented")
    with shop.engine.begin() as connection:
        assert not intents.stale(connection, "w1", 10, age_seconds=-1)
    statement(shop, ann, "UPDATE gateway.intent SET settled_at = now() - interval '8 days'")
    with shop.engine.begin() as connection:
        assert jobs.prune(connection, jobs_days=90, intents_days=7, keys_days=7).intents == 1


OVERTAKEN = [
    "UPDATE gateway.quote SET account_name = 'Renamed' WHERE org_id = current_setting('app.org_id')",
    "UPDATE gateway.intent SET lease_no = lease_no + 1 WHERE operation = 'changeQuote'",
]


@pytest.mark.parametrize("meanwhile", OVERTAKEN)
@pytest.mark.parametrize("wanted", CHANGES)
def test_what_was_changed_here_meanwhile_is_not_written_over(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, wanted: dict[str, Any], meanwhile: str
) -> None:
    between: Any = Between(ann, after=lambda: statement(shop, ann, meanwhile))
    with pytest.raises(OutcomeUnknown):
        change(shop, between, made, **wanted)
    assert shop.row(made.quote_id)["status"] == "Draft" and len(shop.events(made.quote_id)) == 1
    statement(shop, ann, "UPDATE gateway.intent SET lease_until = now()")
    change(shop, ann, made, **wanted)
    agree(shop, simulator, made)
