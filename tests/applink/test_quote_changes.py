"""updateQuote and deleteQuote: the org and the row stay one, and nothing done in the org is overlooked."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from applink import org_quotes, quote_match
from applink.authorizations import Orgs
from applink.errors import (
    NotAllowed,
    NotPriceable,
    QuoteNotFound,
    Refused,
)
from applink.org import Org
from applink.quotes import Made
from simulator.running import Simulator
from tests.applink.calling import soon
from tests.applink.changing import Attempt, asked, change, delete
from tests.applink.quoting import Shop, agree


@pytest.mark.parametrize("by", ["org", "short", "uuid"])
def test_status_name_and_expiry(shop: Shop, ann: Org, simulator: Simulator, made: Made, by: str) -> None:
    ids = {"org": made.salesforce_id, "short": (made.salesforce_id or "")[:15], "uuid": str(made.quote_id)}
    name = "O'Brien 🎉 @{quote.id}"
    row = change(shop, ann, made, quote_id=ids[by], status="Presented", name=name, expiration_date=date(2027, 2, 28))
    assert (row.status, row.name, row.expiration_date) == ("Presented", name, date(2027, 2, 28))
    agree(shop, simulator, made)
    stored = shop.row(made.quote_id)
    assert (stored["sync_status"], stored["revision"]) == ("synced", 1)
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["through"], event["request_id"]) == ("changed", "operation", "r-2")
    assert "Status: Draft → Presented" in event["name"]
    assert json.loads(event["changes"]) == {
        "Name": [made.row.name, name],
        "Status": ["Draft", "Presented"],
        "ExpirationDate": [str(made.row.expiration_date), "2027-02-28"],
    }


def test_nothing_asked_writes_nothing(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.forget_requests()
    assert change(shop, ann, made) == made.row
    assert [one["method"] for one in simulator.requests()] == ["GET", "GET"] and len(shop.events(made.quote_id)) == 1


def test_a_discount_reprices_and_makes_a_revision(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    row = change(shop, ann, made, discount_percent=Decimal("20"))
    assert (row.revision, row.discount_percent) == (2, Decimal(20))
    assert row.name == f"{made.row.opportunity_name} - 2" and row.salesforce_id == made.salesforce_id
    assert row.subtotal == made.row.subtotal and row.pricing_note
    assert row.pricing_note.startswith("20 % off as asked for this quote; the rule for NAMER says 10 %")
    agree(shop, simulator, made)
    for line in shop.lines(made.quote_id):
        assert line["unit_price"] == (line["list_price"] * Decimal("0.8")).quantize(Decimal("0.01"), "ROUND_HALF_UP")
        assert line["discount_percent"] == 20
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["name"]) == ("repriced", "Discount 10 % → 20 %")
    changes = json.loads(event["changes"], parse_float=Decimal)
    assert changes["DiscountPercent"] == [10, 20] and changes["Revision"] == [1, 2]
    assert len(changes["Lines"]) == 3
    again = change(shop, ann, made, discount_percent=Decimal("20.00"))
    assert again.revision == 2 and len(shop.events(made.quote_id)) == 2, "the same discount is no revision"
    back = change(shop, ann, made, discount_percent=Decimal(10), status="Approved")
    assert (back.revision, back.total_price, back.status) == (3, made.row.total_price, "Approved")
    agree(shop, simulator, made)


def test_a_name_of_its_own_is_kept(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    change(shop, ann, made, name="Special offer")
    assert change(shop, ann, made, discount_percent=Decimal(0)).name == "Special offer"
    row = change(shop, ann, made, discount_percent=Decimal(5), name="Other")
    assert (row.name, row.revision) == ("Other", 3)
    agree(shop, simulator, made)


@pytest.mark.parametrize("special", ["odd_name", "fractions", "many_lines"])
def test_odd_ones(shop: Shop, work_org: Org, simulator: Simulator, special: str) -> None:
    odd = shop.create(work_org, simulator.special(special))
    assert change(shop, work_org, odd, status="In Review").status == "In Review"
    row = change(shop, work_org, odd, discount_percent=Decimal("33.33"))
    assert row.revision == 2 and row.name.endswith(" - 2")
    agree(shop, simulator, odd)


@pytest.mark.parametrize("percent", ["-1", "100.01"])
def test_a_discount_that_is_none(shop: Shop, ann: Org, simulator: Simulator, made: Made, percent: str) -> None:
    with pytest.raises(NotPriceable):
        change(shop, ann, made, discount_percent=Decimal(percent))
    agree(shop, simulator, made)


def test_of_another_org(shop: Shop, orgs: Orgs, ann: Org, simulator: Simulator, made: Made) -> None:
    for quote_id in (str(made.quote_id), made.salesforce_id, "no id at all", "0Q0bZ0000000001UAA"):
        of_another = replace(asked(ann, made, quote_id=quote_id), org_id="00DxY0000000002UAA")
        with pytest.raises(QuoteNotFound):
            shop.quotes.update(of_another, ann, deadline=soon())


def test_deleted(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    assert delete(shop, ann, made).salesforce_id == made.salesforce_id
    assert not simulator.records("Quote") and not simulator.records("QuoteLineItem")
    row = shop.row(made.quote_id)
    assert row["deleted_at"] and not shop.lines(made.quote_id)
    *_, event = shop.events(made.quote_id)
    assert (event["action"], event["by_user_id"], event["through"]) == ("deleted", ann.user_id, "operation")
    with pytest.raises(QuoteNotFound):
        delete(shop, ann, made)


def test_who_may_not(shop: Shop, ann: Org, ben: Org, simulator: Simulator) -> None:
    quote = shop.create(ann, simulator.special("of_ben"))
    attempts: tuple[Attempt, ...] = (
        lambda: change(shop, ben, quote, status="Presented"),
        lambda: change(shop, ben, quote, discount_percent=Decimal(99)),
        lambda: delete(shop, ben, quote),
    )
    for attempt in attempts:
        with pytest.raises(NotAllowed):
            attempt()
    agree(shop, simulator, quote)
    assert shop.row(quote.quote_id)["sync_status"] == "synced" and len(shop.events(quote.quote_id)) == 1


def test_what_the_org_refuses_changes_nothing(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.fault(
        "PATCH /sobjects/Quote",
        status=400,
        body=json.dumps([{"message": "No.", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}]),
    )
    with pytest.raises(Refused) as refused:
        change(shop, ann, made, status="Presented")
    assert refused.value.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    agree(shop, simulator, made)


def test_a_total_that_the_org_does_not_round_is_no_change(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    opportunity_id = simulator.special("fractions")
    (of,) = simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity_id}'")
    simulator.update("OpportunityLineItem", of["Id"], {"Quantity": 0.5, "UnitPrice": 0.33})
    simulator.update("Opportunity", opportunity_id, {"DiscountOverride__c": 0.0})
    made = shop.create(work_org, opportunity_id)
    found = org_quotes.by_id(work_org, made.salesforce_id or "", deadline=soon())
    assert found is not None
    (line,) = found.lines
    exact = line.quantity * line.unit_price
    assert exact != made.row.total_price
    unrounded = replace(found, total_price=exact, lines=(replace(line, total_price=exact),))
    after = quote_match.as_in_org(made.row, made.lines, unrounded)
    assert not quote_match.changes((made.row, made.lines), after) and after[0].total_price == made.row.total_price
    beyond = replace(found, total_price=exact - Decimal("0.01"))
    assert "TotalPrice" in quote_match.changes((made.row, made.lines), quote_match.as_in_org(*after, beyond))
