"""Quotes that the org deletes together with their opportunity: the recycle bin is the proof that an absence is none."""

from __future__ import annotations

from typing import Any

import pytest

from applink.errors import OpportunityNotFound, QuoteNotFound
from applink.org import Org
from applink.quotes import Made, QuoteChange
from simulator.running import Simulator
from tests.applink.calling import soon
from tests.applink.quoting import Shop


def update(shop: Shop, org: Org, made: Made) -> None:
    change = QuoteChange(org_id=org.org_id, quote_id=str(made.quote_id), status="Presented")
    shop.quotes.update(change, org, deadline=soon())


def delete(shop: Shop, org: Org, made: Made) -> None:
    shop.quotes.delete(QuoteChange(org_id=org.org_id, quote_id=str(made.quote_id)), org, deadline=soon())


def create(**more: Any) -> Any:
    return lambda shop, org, made: shop.create(org, made.row.opportunity_id, **more)


NOTICED: dict[str, tuple[Any, type[Exception]]] = {
    "updateQuote": (update, QuoteNotFound),
    "deleteQuote": (delete, QuoteNotFound),
    "createQuote": (create(), OpportunityNotFound),
    "createQuote return": (create(if_draft_exists="return"), OpportunityNotFound),
    "createQuote revise": (create(if_draft_exists="revise"), OpportunityNotFound),
}


@pytest.mark.parametrize("operation", NOTICED)
def test_whoever_asks_next_marks_the_row(
    operation: str, shop: Shop, ann: Org, simulator: Simulator, made: Made
) -> None:
    ask, refusal = NOTICED[operation]
    simulator.delete("Opportunity", made.row.opportunity_id)
    assert simulator.records("Quote", f"Id = '{made.salesforce_id}'") == []
    with pytest.raises(refusal):
        ask(shop, ann, made)
    row = shop.row(made.quote_id)
    assert (row["sync_status"], row["deleted_at"]) == ("deleted_in_org", None)
    assert [event["through"] for event in shop.events(made.quote_id)] == ["operation", "reconcile"]


def test_the_row_can_then_be_taken_away(shop: Shop, ann: Org, simulator: Simulator, made: Made) -> None:
    simulator.delete("Opportunity", made.row.opportunity_id)
    with pytest.raises(QuoteNotFound):
        delete(shop, ann, made)
    delete(shop, ann, made)
    assert shop.row(made.quote_id)["deleted_at"] is not None


@pytest.mark.parametrize("operation", NOTICED)
def test_what_a_user_does_not_see_is_not_gone(
    operation: str, shop: Shop, ann: Org, simulator: Simulator, made: Made
) -> None:
    """The account moves to a region that is not hers: the quote is there, and not for her."""
    (opportunity,) = simulator.records("Opportunity", f"Id = '{made.row.opportunity_id}'")
    simulator.update("Account", opportunity["AccountId"], {"BillingCountry": "Japan"})
    ask, refusal = NOTICED[operation]
    with pytest.raises(refusal):
        ask(shop, ann, made)
    assert shop.row(made.quote_id)["sync_status"] == "synced"


def test_an_org_that_does_not_show_its_bin_gives_no_proof(
    shop: Shop, ann: Org, simulator: Simulator, made: Made
) -> None:
    simulator.delete("Opportunity", made.row.opportunity_id)
    simulator.fault("GET /queryAll", refuse="INSUFFICIENT_ACCESS", status=403, times=None)
    for ask, refusal in NOTICED.values():
        with pytest.raises(refusal):
            ask(shop, ann, made)
    assert shop.row(made.quote_id)["sync_status"] == "synced"
    simulator.clear_faults()
    with pytest.raises(QuoteNotFound):
        update(shop, ann, made)
    assert shop.row(made.quote_id)["sync_status"] == "deleted_in_org"
