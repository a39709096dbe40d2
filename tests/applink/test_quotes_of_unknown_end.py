"""Quotes whose making was cut off, or asked for twice at once: one quote in the org, found again as it was made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from applink.errors import (
    OutcomeUnknown,
    Unavailable,
)
from applink.org import Org
from simulator.running import Simulator
from tests.applink.calling import soon
from tests.applink.quoting import Shop, once_more


@pytest.mark.parametrize("fault", [{"cut": True}, {"status": 503, "body": "<html>"}, {"delay": 3}])
def test_an_answer_that_is_lost_after_the_commit(
    shop: Shop, ann: Org, simulator: Simulator, fault: dict[str, Any]
) -> None:
    opportunity = simulator.special("plain")
    order = shop.order(ann, opportunity)
    simulator.fault("POST /composite/graph", after=True, **fault)
    try:
        made = shop.make(ann, order, seconds=2)
    except OutcomeUnknown:
        made = shop.make(ann, once_more(order))
    assert made.created and shop.store(made) and not shop.store(made)
    assert len(simulator.records("Quote", f"OpportunityId = '{opportunity}'")) == 1
    assert len(shop.lines(made.quote_id)) == 3 and len(shop.events(made.quote_id)) == 1


def test_a_call_that_never_arrived(shop: Shop, ann: Org, simulator: Simulator) -> None:
    order = shop.order(ann, simulator.special("plain"))
    simulator.fault("POST /composite/graph", cut=True)
    with pytest.raises(OutcomeUnknown):
        shop.make(ann, order)
    assert shop.quotes.recover(order, ann, deadline=soon()) is None
    made = shop.make(ann, once_more(order))
    assert shop.store(made) and len(simulator.records("Quote")) == 1


def test_made_and_not_read_back_is_unknown(shop: Shop, ann: Org, simulator: Simulator) -> None:
    shop.quotes.preview(simulator.special("plain"), ann, deadline=soon())
    order = shop.order(ann, simulator.special("plain"))

    def then_break() -> None:
        simulator.fault("GET /query", status=503, body="<html>", times=5)

    with pytest.raises(OutcomeUnknown):
        shop.quotes.make(order, ann, deadline=soon(), before_write=then_break)
    simulator.clear_faults()
    made = shop.quotes.recover(order, ann, deadline=soon())
    assert made is not None and shop.store(made) and len(simulator.records("Quote")) == 1


@pytest.mark.parametrize("strict", [True, False])
def test_two_at_once_with_one_key(shop: Shop, ann: Org, simulator: Simulator, strict: bool) -> None:
    simulator.settings(strict_upsert=strict)
    order = shop.order(ann, simulator.special("plain"))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: shop.make(ann, order), range(4)))
    assert len({one.salesforce_id for one in made}) == 1 == len(simulator.records("Quote"))
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(shop.store, made)) == [False, False, False, True]
    assert len(simulator.records("QuoteLineItem")) == 3 == len(shop.lines(made[0].quote_id))


def test_recovered_as_it_was_made(shop: Shop, ann: Org, simulator: Simulator) -> None:
    order = shop.order(ann, simulator.special("plain"))
    made = shop.make(ann, order)
    found = shop.quotes.recover(order, ann, deadline=soon())
    assert found is not None and (found.row, found.lines) == (made.row, made.lines)


def test_recovered_after_the_opportunity_changed(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    order = shop.order(work_org, opportunity, requested_by=None)
    made = shop.make(work_org, order)
    first, *_ = simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity}'")
    simulator.update("OpportunityLineItem", first["Id"], {"UnitPrice": 999.99})
    found = shop.quotes.recover(order, work_org, deadline=soon())
    assert found is not None and shop.store(found)
    row = shop.row(found.quote_id)
    assert row["grand_total"] == made.row.grand_total and row["discount_percent"] is None
    assert row["pricing_note"].startswith("1 of 3 lines at a price that the org has")
    simulator.update("Opportunity", opportunity, {"DiscountOverride__c": 150.0})
    again = shop.order(work_org, opportunity, gateway_key=order.gateway_key)
    found = shop.quotes.recover(again, work_org, deadline=soon())
    assert found is not None and len(found.lines) == 3 and found.row.grand_total == made.row.grand_total
    assert found.row.pricing_note and "As found in the org" in found.row.pricing_note


def test_prices_that_the_org_changes_on_its_own_count(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    order = shop.order(work_org, simulator.special("plain"))
    shop.make(work_org, order)
    (quote,) = simulator.records("Quote")
    line, *_ = simulator.records("QuoteLineItem")
    simulator.update("QuoteLineItem", line["Id"], {"Quantity": 100, "UnitPrice": 1.5})
    simulator.update("Quote", quote["Id"], {"Tax": 12.34, "Status": "Approved", "Name": "By a trigger"})
    made = shop.make(work_org, once_more(order))
    assert (made.row.name, made.row.status, made.row.tax) == ("By a trigger", "Approved", Decimal("12.34"))
    (quote,) = simulator.records("Quote")
    assert made.row.grand_total == Decimal(str(quote["GrandTotal"]))
    assert made.row.total_price == sum(one.total_price or 0 for one in made.lines)


def test_a_limit_is_no_quote(shop: Shop, ann: Org, simulator: Simulator) -> None:
    shop.quotes.preview(simulator.special("plain"), ann, deadline=soon())
    order = shop.order(ann, simulator.special("plain"))

    def reach_the_limit() -> None:
        simulator.settings(request_limit=0)

    with pytest.raises(Unavailable):
        shop.quotes.make(order, ann, deadline=soon(), before_write=reach_the_limit)
    simulator.settings(request_limit=None)
    assert not simulator.records("Quote")
