"""Quotes made in the simulated org through the SDK, and stored in a real PostgreSQL: priced, named, refused."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import event, text

from applink.authorizations import Orgs
from applink.errors import (
    NotAllowed,
    NotPriceable,
    OpportunityNotFound,
    Refused,
    SetupRequired,
)
from applink.org import Org
from applink.quotes import QuoteChange, Quotes, answer
from models.database import set_org
from simulator.running import Simulator
from tests.applink.calling import caller_of, soon
from tests.applink.quoting import DEFAULTS, Shop
from tests.conformance.serving import Client


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


def test_rules_are_read_while_the_org_is_asked(shop: Shop, ann: Org, simulator: Simulator) -> None:
    read_at: list[float] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        if "discount_rule" in statement:
            read_at.append(time.time())

    shop.quotes.preview(simulator.special("plain"), ann, deadline=soon(10))
    simulator.forget_requests()
    simulator.fault("GET /query", delay=0.5)
    event.listen(shop.engine, "before_cursor_execute", note)
    shop.quotes.preview(simulator.special("plain"), ann, deadline=soon(10))
    (asked,) = simulator.requests("/query")
    assert len(read_at) == 1
    assert read_at[0] < asked["started"] + asked["ms"] / 1000


def test_the_calls_that_a_quote_costs(shop: Shop, ann: Org, simulator: Simulator) -> None:
    shop.create(ann, simulator.special("plain"))
    simulator.forget_requests()
    shop.create(ann, simulator.special("plain"))
    assert [one["method"] for one in simulator.requests()] == ["GET", "POST", "GET"]
    (quote, *_) = simulator.records("Quote")
    assert quote["CreatedDate"][:10] <= datetime.now(UTC).date().isoformat()


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
