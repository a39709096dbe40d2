"""Quotes that somebody changed or deleted in the org: shown and marked, never written over unseen."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from applink.errors import (
    QuoteChanged,
    QuoteNotFound,
)
from applink.org import Org
from applink.quotes import Made
from simulator.running import Simulator
from tests.applink.changing import Attempt, Between, change, delete, statement
from tests.applink.quoting import Shop, agree

ELSEWHERE = [
    ({"Status": "Approved"}, "Status"),
    ({"Name": "Renamed"}, "Name"),
    ({"ExpirationDate": "2030-01-01"}, "ExpirationDate"),
    ({"Tax": 19.0}, "Tax"),
]


@pytest.mark.parametrize(("fields", "named"), ELSEWHERE)
@pytest.mark.parametrize("what", ["update", "delete"])
def test_changed_in_the_org(
    shop: Shop, ann: Org, simulator: Simulator, made: Made, fields: dict[str, Any], named: str, what: str
) -> None:
    simulator.update("Quote", made.salesforce_id or "", fields)
    with pytest.raises(QuoteChanged) as refused:
        delete(shop, ann, made) if what == "delete" else change(shop, ann, made, discount_percent=Decimal(50))
    assert refused.value.status == 409 and named in refused.value.message
    assert shop.row(made.quote_id)["sync_status"] == "changed_in_org"
    agree(shop, simulator, made)
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["through"]) == ("changed", "reconcile") and named in json.loads(event["changes"])
    row = change(shop, ann, made, discount_percent=Decimal(50))
    assert row.revision == 2 and shop.row(made.quote_id)["sync_status"] == "synced", "asked again, it is done"
    agree(shop, simulator, made)


def test_lines_changed_in_the_org(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    first, second, third = simulator.records("QuoteLineItem", f"QuoteId = '{made.salesforce_id}'")
    simulator.update("QuoteLineItem", first["Id"], {"UnitPrice": 1.25, "Quantity": 4})
    simulator.delete("QuoteLineItem", second["Id"])
    by_hand = {"QuoteId": made.salesforce_id, "PricebookEntryId": third["PricebookEntryId"], "Quantity": 2}
    simulator.create("QuoteLineItem", {**by_hand, "UnitPrice": 7.5})
    with pytest.raises(QuoteChanged, match="lines"):
        change(shop, ann, made, status="Presented")
    agree(shop, simulator, made)
    row = shop.row(made.quote_id)
    assert row["discount_percent"] is None and "a price that the org has" in row["pricing_note"]
    assert [line["line_number"] for line in shop.lines(made.quote_id)] == [1, 3, 4]
    assert change(shop, ann, made, status="Presented").status == "Presented"
    after = change(shop, ann, made, discount_percent=Decimal(10))
    assert (after.revision, after.line_count, after.discount_percent) == (2, 3, Decimal(10))
    agree(shop, simulator, made)


def test_who_owns_it_is_no_quarrel(shop: Shop, ann: Org, work_org: Org, simulator: Simulator, made: Made) -> None:
    simulator.update("Quote", made.salesforce_id or "", {"OwnerId": work_org.user_id})
    assert change(shop, ann, made, status="Presented").owner_id == work_org.user_id


@pytest.mark.parametrize("what", ["update", "delete"])
def test_gone_in_the_org(shop: Shop, ann: Org, simulator: Simulator, made: Made, what: str) -> None:
    simulator.delete("Quote", made.salesforce_id or "")
    with pytest.raises(QuoteNotFound) as refused:
        delete(shop, ann, made) if what == "delete" else change(shop, ann, made, status="Presented")
    assert refused.value.status == 404 and "no longer in the org" in refused.value.message
    row = shop.row(made.quote_id)
    assert (row["sync_status"], row["deleted_at"]) == ("deleted_in_org", None)
    with pytest.raises(QuoteNotFound):
        change(shop, ann, made, discount_percent=Decimal(1))
    assert [event["action"] for event in shop.events(made.quote_id)] == ["created", "deleted"]
    delete(shop, ann, made)
    assert shop.row(made.quote_id)["deleted_at"] and not shop.lines(made.quote_id)


def test_unseen_is_not_gone(shop: Shop, work_org: Org, ann: Org, simulator: Simulator) -> None:
    hidden = shop.create(work_org, simulator.special("apac"))
    attempts: tuple[Attempt, ...] = (
        lambda: change(shop, ann, hidden, status="Presented"), lambda: delete(shop, ann, hidden),
    )  # fmt: skip
    for attempt in attempts:
        with pytest.raises(QuoteNotFound):
            attempt()
    assert shop.row(hidden.quote_id)["sync_status"] == "synced"


def test_a_mark_that_comes_too_late_is_left(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    """What the refusal would note may be older than what somebody else has noted since."""
    simulator.update("Quote", made.salesforce_id or "", {"Status": "Approved"})
    newer = "UPDATE gateway.quote SET name = name WHERE org_id = current_setting('app.org_id')"
    between: Any = Between(ann, before=lambda: statement(shop, ann, newer))
    with pytest.raises(QuoteChanged):
        change(shop, between, made, status="Presented")
    assert shop.row(made.quote_id)["sync_status"] == "synced"
    with pytest.raises(QuoteChanged):
        change(shop, ann, made, status="Presented")
    agree(shop, simulator, made)
