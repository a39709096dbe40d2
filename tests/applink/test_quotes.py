"""Quotes made in the simulated org through the SDK, and stored in a real PostgreSQL: one quote, whatever breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, text

from applink.authorizations import Orgs
from applink.errors import (
    NotAllowed,
    NotPriceable,
    OpportunityNotFound,
    OutcomeUnknown,
    Refused,
    SetupRequired,
    Unavailable,
)
from applink.org import Org
from applink.quotes import QuoteChange, QuoteOrder, Quotes, answer
from models import database
from models.database import set_org
from models.intent import intent
from simulator.running import Simulator
from tests.applink.conftest import caller_of, soon
from tests.applink.quoting import DEFAULTS, Shop
from tests.conformance.serving import Client


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    engine = database.engine(database_url)
    yield Shop(engine, Quotes(engine, DEFAULTS))
    engine.dispose()


def test_a_quote_is_made_and_stored_whole(shop: Shop, ann: Org, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    made = shop.create(ann, opportunity)
    (in_org,) = simulator.records("Quote", f"OpportunityId = '{opportunity}'")
    (of,) = simulator.records("Opportunity", f"Id = '{opportunity}'")
    row = shop.row(made.quote_id)
    assert in_org["Id"] == row["salesforce_id"] == made.salesforce_id
    assert {
        "quote_number": in_org["QuoteNumber"],
        "name": f"{of['Name']} - 1",
        "opportunity_id": opportunity,
        "opportunity_name": of["Name"],
        "account_id": of["AccountId"],
        "owner_id": in_org["OwnerId"],
        "pricebook_id": of["Pricebook2Id"],
        "status": "Draft",
        "region": "NAMER",
        "currency_iso_code": "USD",
        "discount_percent": Decimal("10.00"),
        "line_count": 3,
        "revision": 1,
        "sync_status": "synced",
        "created_by_id": ann.user_id,
        "last_modified_by_id": ann.user_id,
    }.items() <= row.items()
    assert row["account_name"] and row["synced_at"] and row["pricing_note"].startswith("10 % off by the rule for NAMER")
    assert row["expiration_date"] == date.fromisoformat(in_org["ExpirationDate"])
    assert row["grand_total"] == row["total_price"] == Decimal(str(in_org["GrandTotal"]))
    lines = shop.lines(made.quote_id)
    there = simulator.records("QuoteLineItem", f"QuoteId = '{in_org['Id']}'")
    assert {line["salesforce_id"]: line["unit_price"] for line in lines} == {
        line["Id"]: Decimal(str(line["UnitPrice"])) for line in there
    }
    assert [line["line_number"] for line in lines] == [1, 2, 3]
    assert sum(line["total_price"] for line in lines) == row["total_price"]
    assert row["subtotal"] == sum(line["list_price"] * line["quantity"] for line in lines)
    (event,) = shop.events(made.quote_id)
    assert (event["action"], event["through"], event["by_user_id"]) == ("created", "operation", ann.user_id)
    assert json.loads(event["changes"])["Status"] == [None, "Draft"]


def test_what_is_answered(shop: Shop, ann: Org, simulator: Simulator) -> None:
    made = shop.create(ann, simulator.special("plain"))
    said = json.loads(json.dumps(answer(made.row, created=made.created)))
    assert list(said) == [
        "quoteId", "gatewayId", "quoteNumber", "opportunityId", "status", "currencyIsoCode", "subtotal", "grandTotal",
        "expirationDate", "lineCount", "pricingNote", "created",
    ]  # fmt: skip
    assert (said["quoteId"], said["gatewayId"]) == (made.salesforce_id, str(made.quote_id))
    assert said["created"] is True and said["grandTotal"] == float(made.row.grand_total or 0)


@pytest.mark.parametrize(
    ("special", "percent"),
    [("override_zero", "0"), ("override_20", "20"), ("emea", "15"), ("no_account", "5"), ("odd_country", "5")],
)
def test_discounts(shop: Shop, work_org: Org, simulator: Simulator, special: str, percent: str) -> None:
    made = shop.create(work_org, simulator.special(special))
    assert made.row.discount_percent == Decimal(percent)
    assert shop.row(made.quote_id)["discount_percent"] == Decimal(percent)


def test_a_region_field_of_one_s_own(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    quotes = Quotes(shop.engine, DEFAULTS, "Region__c")
    assert quotes.preview(simulator.special("region_field"), work_org, deadline=soon()).region == "EMEA"
    assert quotes.preview(simulator.special("plain"), work_org, deadline=soon()).discount_percent == 5


@pytest.mark.parametrize("special", ["odd_name", "long_name", "fractions", "zero_price", "many_lines", "leap_day"])
def test_odd_ones_are_made_as_well(shop: Shop, work_org: Org, simulator: Simulator, special: str) -> None:
    made = shop.create(work_org, simulator.special(special))
    (in_org,) = simulator.records("Quote", f"Id = '{made.salesforce_id}'")
    row = shop.row(made.quote_id)
    assert row["name"] == in_org["Name"] and row["name"].endswith(" - 1")
    assert row["grand_total"] == Decimal(str(in_org["GrandTotal"])).quantize(Decimal("0.01"))
    assert (row["line_count"], row["sync_status"]) == (in_org["LineItemCount"], "synced")
    assert row["discount_percent"] is not None, "an untouched quote keeps its discount"


def test_a_name_that_reads_like_a_reference(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    made = shop.create(work_org, simulator.special("odd_name"))
    row = shop.row(made.quote_id)
    assert row["name"] == "@ {quote.id} 'x' \\ <b> - 1"
    assert row["opportunity_name"] == "@{quote.id} 'x' \\ <b>"


def test_names_of_all_kinds(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    for name in ("O'Brien \\' OR Name != '", "見積 🎉 é", '"quoted" @{line1.id} @{a.b}'):
        simulator.update("Opportunity", opportunity, {"Name": name})
        made = shop.create(work_org, opportunity)
        row = shop.row(made.quote_id)
        assert row["opportunity_name"] == name
        (in_org,) = simulator.records("Quote", f"Id = '{made.salesforce_id}'")
        assert row["name"] == in_org["Name"] == f"{name.replace('@{', '@ {')} - 1"


@pytest.mark.parametrize(
    ("special", "code"),
    [
        ("no_lines", "NoLines"),
        ("no_price_book", "NoLines"),
        ("other_price_book", "LineOutsidePriceBook"),
        ("inactive_entry", "InactivePriceBookEntry"),
        ("override_wrong", "InvalidDiscount"),
        ("too_many_lines", "TooManyLines"),
    ],
)
def test_what_cannot_be_priced(shop: Shop, work_org: Org, simulator: Simulator, special: str, code: str) -> None:
    order = shop.order(work_org, simulator.special(special))
    with pytest.raises(NotPriceable) as refused:
        shop.make(work_org, order)
    assert (refused.value.code, refused.value.status) == (code, 422)
    with pytest.raises(NotPriceable):
        shop.quotes.preview(order.opportunity_id, work_org, deadline=soon())
    assert not simulator.records("Quote") and not shop.marked, "the org was not asked to write"


def test_what_the_org_refuses(shop: Shop, work_org: Org, simulator: Simulator) -> None:
    simulator.fault("POST /composite/graph", refuse="FIELD_CUSTOM_VALIDATION_EXCEPTION", status=400)
    with pytest.raises(Refused) as refused:
        shop.make(work_org, shop.order(work_org, simulator.special("plain")))
    assert refused.value.code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert not simulator.records("Quote")


def test_who_may_not(shop: Shop, ann: Org, ben: Org, simulator: Simulator) -> None:
    with pytest.raises(OpportunityNotFound):
        shop.make(ann, shop.order(ann, simulator.special("apac")))
    with pytest.raises(OpportunityNotFound):
        shop.make(ann, shop.order(ann, "006bZ9999999999QAA"))
    with pytest.raises(NotAllowed):
        shop.make(ben, shop.order(ben, simulator.special("of_ben")))
    assert not simulator.records("Quote")


def test_preview_writes_nothing(shop: Shop, ann: Org, simulator: Simulator) -> None:
    priced = shop.quotes.preview(simulator.special("plain"), ann, deadline=soon())
    assert (priced.line_count, priced.discount_percent) == (3, Decimal(10))
    assert not simulator.records("Quote")


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


def once_more(order: QuoteOrder) -> QuoteOrder:
    """The same order in its next attempt."""
    return replace(order, called_before=True)


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


@pytest.mark.parametrize("setting", ["gateway_key", "quotes"])
def test_an_org_that_is_not_set_up(shop: Shop, orgs: Orgs, simulator: Simulator, setting: str) -> None:
    simulator.settings(**{setting: False})
    org = orgs.of_caller(caller_of(simulator, "ann"))
    with pytest.raises(SetupRequired) as refused:
        shop.make(org, shop.order(org, simulator.special("plain")))
    assert ("Gateway_Key__c" if setting == "gateway_key" else "Quote Settings") in refused.value.message


def test_fields_that_an_org_lacks(shop: Shop, orgs: Orgs, simulator: Simulator) -> None:
    simulator.settings(discount_override=False, region_field=False)
    org = orgs.of_caller(caller_of(simulator, "ann"))
    quotes = Quotes(shop.engine, DEFAULTS, "Account.Region__c")
    assert quotes.preview(simulator.special("override_20"), org, deadline=soon()).discount_percent == 5
    quotes = Quotes(shop.engine, DEFAULTS, "Nothing__r.Code__c")
    assert quotes.preview(simulator.special("plain"), org, deadline=soon()).region == "other"


def test_several_currencies(shop: Shop, orgs: Orgs, simulator: Simulator) -> None:
    org = orgs.of_caller(caller_of(simulator, "worker@globex.example"))
    opportunity = simulator.special("apac", org=org.org_id)
    made = shop.create(org, opportunity)
    assert made.row.currency_iso_code == "JPY" and made.row.org_id == org.org_id
    (quote,) = simulator.records("Quote", org=org.org_id)
    assert Decimal(str(quote["GrandTotal"])) == made.row.grand_total
    assert all(line.unit_price == line.unit_price.to_integral() for line in made.lines if line.unit_price)


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

    def settle(order: Any, change: str) -> None:
        with shop.engine.begin() as connection:
            set_org(connection, ann.org_id)
            statement = f"UPDATE gateway.intent SET {change} WHERE gateway_key = :key"  # noqa: S608
            connection.execute(text(statement), {"key": order.gateway_key})

    def run(order: Any) -> Any:
        made = shop.quotes.make(order, ann, deadline=soon(15), before_write=lambda: settle(order, "called_at = now()"))
        shop.store(made)
        settle(order, "status = 'settled'")
        return made

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(run, orders))
    assert [one.created for one in made].count(True) == 1
    assert len({one.salesforce_id for one in made}) == 1 == len(simulator.records("Quote"))


def test_a_number_that_the_org_gives_twice(shop: Shop, ann: Org, simulator: Simulator) -> None:
    first = shop.create(ann, simulator.special("plain"))
    with shop.engine.begin() as connection:
        set_org(connection, ann.org_id)
        taken = f"{int(first.row.quote_number or 0) + 1:08d}"
        statement = text("UPDATE gateway.quote SET quote_number = :number WHERE id = :id")
        connection.execute(statement, {"number": taken, "id": first.quote_id})
    second = shop.create(ann, simulator.special("emea"))
    row = shop.row(second.quote_id)
    assert (row["quote_number"], row["salesforce_id"]) == (None, second.salesforce_id)


def test_an_org_without_rules_is_given_the_usual_ones(shop: Shop, ann: Org, simulator: Simulator) -> None:
    with shop.engine.begin() as connection:
        set_org(connection, ann.org_id)
        connection.execute(text("DELETE FROM gateway.discount_rule WHERE org_id = :org"), {"org": ann.org_id})
    assert shop.create(ann, simulator.special("plain")).row.discount_percent == 10


def test_the_calls_that_a_quote_costs(shop: Shop, ann: Org, simulator: Simulator) -> None:
    shop.create(ann, simulator.special("plain"))
    simulator.forget_requests()
    shop.create(ann, simulator.special("plain"))
    assert [one["method"] for one in simulator.requests()] == ["GET", "POST", "GET"]
    (quote, *_) = simulator.records("Quote")
    assert quote["CreatedDate"][:10] <= datetime.now(UTC).date().isoformat()


def test_a_limit_is_no_quote(shop: Shop, ann: Org, simulator: Simulator) -> None:
    shop.quotes.preview(simulator.special("plain"), ann, deadline=soon())
    order = shop.order(ann, simulator.special("plain"))
    with pytest.raises(Unavailable):
        shop.quotes.make(order, ann, deadline=soon(), before_write=lambda: simulator.settings(request_limit=0) and None)
    simulator.settings(request_limit=None)
    assert not simulator.records("Quote")


def test_at_once_in_odata(shop: Shop, ann: Org, simulator: Simulator, database_url: str) -> None:
    """Every property that a quote of an ordinary opportunity has is there as soon as it is stored."""
    made = shop.create(ann, simulator.special("plain"))
    client = Client(database_url, org=ann.org_id)
    try:
        reply = client.get(f"Quotes?$filter=SalesforceId eq '{made.salesforce_id}'&$expand=Lines,Events&$count=true")
        (row,) = reply.rows
        empty = {"Tax", "ShippingHandling", "RevisedFromId", "JobId"}
        assert {name for name, value in row.items() if value is None} == empty
        assert len(row["Lines"]) == row["LineCount"] == 3 and len(row["Events"]) == 1
        of_line = {name for line in row["Lines"] for name, value in line.items() if value is None}
        assert of_line == {"Description"}
        shop.quotes.delete(QuoteChange(org_id=ann.org_id, quote_id=str(made.quote_id)), ann, deadline=soon())
        assert client.get(f"Quotes({made.quote_id})").status == 404
        assert client.get(f"QuoteLines?$filter=QuoteId eq {made.quote_id}").rows == []
        assert len(client.get(f"QuoteEvents?$filter=QuoteId eq {made.quote_id}").rows) == 2
    finally:
        client.close()
