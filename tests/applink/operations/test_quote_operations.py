"""previewQuote, updateQuote and deleteQuote from Apex to org and rows: both places say the same afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from models.seed import SECOND_ORG
from tests.applink.serving import NOBODY, Place, code, declared, ordinary, quotes_of, rows_of


def test_a_preview_says_what_createquote_then_makes(place: Place) -> None:
    [opportunity] = ordinary(place)
    before = place.count("intent")
    preview = place.ask("previewQuote", {"opportunityId": opportunity})
    assert quotes_of(place, opportunity) == [] and place.count("intent") == before
    assert {one["method"] for one in place.simulator.requests("/services/data/")} == {"GET"}
    made = place.ask("createQuote", {"opportunityId": opportunity})
    for name in ("grandTotal", "subtotal", "currencyIsoCode", "expirationDate", "lineCount", "pricingNote"):
        assert preview.body[name] == made.body[name]
    assert preview.body["opportunityName"] in preview.body["text"] and "Good until" in preview.body["text"]


@pytest.fixture
def quote(place: Place) -> dict[str, Any]:
    """A new quote, as createQuote answers it."""
    [opportunity] = ordinary(place)
    return dict(place.ask("createQuote", {"opportunityId": opportunity}).body)


def test_a_quote_is_changed_in_the_org_and_here(place: Place, quote: dict[str, Any]) -> None:
    changed = place.ask(
        "updateQuote", {"quoteId": quote["gatewayId"], "status": "In Review", "expirationDate": "2027-01-31"}
    )
    assert changed.status == 200, changed.body
    assert (changed.body["status"], changed.body["expirationDate"]) == ("In Review", "2027-01-31")
    [there] = quotes_of(place, quote["opportunityId"])
    assert (there["Status"], there["ExpirationDate"]) == ("In Review", "2027-01-31")
    cheaper = place.ask("updateQuote", {"quoteId": quote["quoteId"][:15], "discountPercent": 50})
    assert cheaper.status == 200 and cheaper.body["grandTotal"] < quote["grandTotal"]
    assert quotes_of(place, quote["opportunityId"])[0]["GrandTotal"] == cheaper.body["grandTotal"]


def test_nothing_to_change_is_refused(place: Place, quote: dict[str, Any]) -> None:
    assert code(place.ask("updateQuote", {"quoteId": quote["quoteId"], "status": None})) == (400, "InvalidRequest")


def test_a_quote_changed_in_the_org_is_left_alone(place: Place, quote: dict[str, Any]) -> None:
    place.simulator.update("Quote", quote["quoteId"], {"Status": "Approved"})
    reply = place.ask("updateQuote", {"quoteId": quote["quoteId"], "name": "Mine"})
    assert code(reply) == (409, "QuoteChanged")
    assert place.count("quote", "id = :id AND sync_status = 'changed_in_org'", id=quote["gatewayId"]) == 1


def test_a_quote_gone_in_the_org_is_not_found(place: Place, quote: dict[str, Any]) -> None:
    place.simulator.delete("Quote", quote["quoteId"])
    reply = place.ask("updateQuote", {"quoteId": quote["quoteId"], "name": "Mine"})
    assert code(reply) == (404, "QuoteNotFound")
    assert place.count("quote", "id = :id AND sync_status = 'deleted_in_org'", id=quote["gatewayId"]) == 1


def test_a_quote_is_deleted_in_both_places(place: Place, quote: dict[str, Any]) -> None:
    reply = place.ask("deleteQuote", {"quoteId": quote["gatewayId"]})
    assert reply.body == {"quoteId": quote["quoteId"], "gatewayId": quote["gatewayId"], "deleted": True}
    assert quotes_of(place, quote["opportunityId"]) == [] and rows_of(place, quote["opportunityId"]) == 0
    assert code(place.ask("deleteQuote", {"quoteId": quote["gatewayId"]})) == (404, "QuoteNotFound")


@pytest.mark.parametrize("how", ["deleteQuote", "in the org"])
def test_a_key_whose_quote_is_deleted_makes_no_other(place: Place, how: str) -> None:
    """Neither the answer of a quote that is gone, nor a second quote for a call that was repeated late."""
    [opportunity] = ordinary(place)
    first = place.ask("createQuote", {"opportunityId": opportunity})
    if how == "deleteQuote":
        place.ask("deleteQuote", {"quoteId": first.body["quoteId"]})
    else:
        place.simulator.delete("Quote", first.body["quoteId"])
        assert declared(place.apex.repeat(first)).body == first.body, "nobody has noticed yet"
        assert place.ask("updateQuote", {"quoteId": first.body["quoteId"], "name": "Mine"}).status == 404
    again = declared(place.apex.repeat(first))
    assert code(again) == (409, "QuoteDeleted") and first.body["quoteId"] in again.body["message"]
    assert quotes_of(place, opportunity) == []
    other = place.ask("createQuote", {"opportunityId": opportunity})
    assert other.status == 200 and other.body["quoteId"] != first.body["quoteId"]


@pytest.mark.parametrize("operation", ["updateQuote", "deleteQuote"])
def test_a_quote_of_nobody_or_of_another_org_is_not_found(place: Place, operation: str) -> None:
    with place.engine.connect() as connection:
        foreign = connection.execute(
            text("SELECT id FROM gateway.quote WHERE org_id = :org LIMIT 1"), {"org": SECOND_ORG}
        ).scalar_one()
    for quote_id in (NOBODY, str(foreign)):
        body = {"quoteId": quote_id, **({"name": "x"} if operation == "updateQuote" else {})}
        assert code(place.ask(operation, body)) == (404, "QuoteNotFound")
