"""An opportunity that has a draft: returned, revised, or passed over where the org has none any more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import func, insert, update

from applink.org import Org
from models.database import set_org
from models.intent import intent
from simulator.running import Simulator
from tests.applink.calling import soon
from tests.applink.quoting import Shop


def test_a_draft_is_returned(shop: Shop, ann: Org, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    first = shop.create(ann, opportunity, if_draft_exists="return")
    again = shop.create(ann, opportunity, if_draft_exists="return")
    assert first.created and not again.created and again.quote_id == first.quote_id
    assert again.lines and not shop.store(again) and len(simulator.records("Quote")) == 1
    third = shop.create(ann, opportunity)
    assert third.created and third.row.revision == 1 and len(simulator.records("Quote")) == 2


def test_a_draft_that_is_none_in_the_org(shop: Shop, ann: Org, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    first = shop.create(ann, opportunity)
    second = shop.create(ann, opportunity)
    simulator.delete("Quote", second.salesforce_id or "")
    simulator.update("Quote", first.salesforce_id or "", {"Status": "Presented"})
    third = shop.create(ann, opportunity, if_draft_exists="return")
    assert third.created
    assert shop.row(second.quote_id)["sync_status"] == "deleted_in_org"
    row = shop.row(first.quote_id)
    assert (row["sync_status"], row["status"]) == ("changed_in_org", "Presented")


def test_a_draft_is_revised(shop: Shop, ann: Org, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    first = shop.create(ann, opportunity, if_draft_exists="revise")
    order = shop.order(ann, opportunity, if_draft_exists="revise")
    second = shop.make(ann, order)
    assert shop.store(second)
    third = shop.create(ann, opportunity, if_draft_exists="revise")
    assert [one.row.revision for one in (first, second, third)] == [1, 2, 3]
    assert (second.row.revised_from_id, third.row.revised_from_id) == (first.quote_id, second.quote_id)
    assert third.row.name.endswith(" - 3") and shop.row(third.quote_id)["revised_from_id"] == second.quote_id
    assert shop.events(third.quote_id)[0]["action"] == "revised"
    found = shop.quotes.recover(order, ann, deadline=soon())
    assert found is not None and (found.row.revision, found.row.revised_from_id) == (2, first.quote_id)


def test_two_with_different_keys_at_once_make_one_draft(shop: Shop, ann: Org, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    orders = [shop.order(ann, opportunity, if_draft_exists="return") for _ in range(4)]
    with shop.engine.begin() as connection:
        set_org(connection, ann.org_id)
        for order in orders:
            values = {"org_id": ann.org_id, "gateway_key": order.gateway_key, "opportunity_id": opportunity}
            connection.execute(insert(intent).values(**values, operation="createQuote"))

    def settle(order: Any, **changes: Any) -> None:
        with shop.engine.begin() as connection:
            set_org(connection, ann.org_id)
            connection.execute(update(intent).where(intent.c.gateway_key == order.gateway_key).values(**changes))

    def run(order: Any) -> Any:
        made = shop.quotes.make(order, ann, deadline=soon(15), before_write=lambda: settle(order, called_at=func.now()))
        shop.store(made)
        settle(order, status="settled")
        return made

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(run, orders))
    assert [one.created for one in made].count(True) == 1
    assert len({one.salesforce_id for one in made}) == 1 == len(simulator.records("Quote"))
