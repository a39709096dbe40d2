"""One record at a time: what the org lets through, what it computes, and with which code it refuses."""

# ruff: noqa: S608, the queries are SOQL

from __future__ import annotations

from typing import Any

import pytest

from simulator.running import Simulator
from tests.simulator.conftest import BASE, Rest, error_code


@pytest.fixture
def quote(worker: Rest, simulator: Simulator) -> str:
    """A quote of the plain opportunity, without lines."""
    return simulator.create("Quote", _quote(simulator))


def _quote(simulator: Simulator, **fields: Any) -> dict[str, Any]:
    book = simulator.records("Pricebook2", "IsStandard = true")[0]["Id"]
    return {"Name": "Q", "OpportunityId": simulator.special("plain"), "Pricebook2Id": book, **fields}


def _line(simulator: Simulator, quote: str, **fields: Any) -> dict[str, Any]:
    entry = simulator.records("PricebookEntry", "Pricebook2.IsStandard = true AND ProductCode = 'P-001'")[0]["Id"]
    return {"QuoteId": quote, "PricebookEntryId": entry, "Quantity": 3, "UnitPrice": 0.335, **fields}


def test_a_new_quote(worker: Rest, simulator: Simulator) -> None:
    answer = worker.call("POST", "/sobjects/Quote", _quote(simulator))
    made = answer.json()
    assert answer.status == 201
    assert made == {"id": made["id"], "success": True, "errors": []}
    assert answer.header("Location") == f"{BASE}/sobjects/Quote/{made['id']}"
    assert made["id"].startswith("0Q0") and len(made["id"]) == 18
    read = worker.call("GET", f"/sobjects/Quote/{made['id']}").json()
    assert (read["Status"], len(read["QuoteNumber"]), read["GrandTotal"]) == ("Draft", 8, 0.0)
    assert read["CreatedById"] == worker.caller.user_id
    assert read["AccountId"] == simulator.records("Opportunity", f"Id = '{read['OpportunityId']}'")[0]["AccountId"]


def test_sums_follow_the_lines(worker: Rest, simulator: Simulator, quote: str) -> None:
    line = simulator.create("QuoteLineItem", _line(simulator, quote, Discount=10))
    (read,) = simulator.records("QuoteLineItem")
    assert (read["UnitPrice"], read["Subtotal"], read["TotalPrice"]) == (0.34, 1.02, 0.92)
    assert (len(read["LineNumber"]), read["ListPrice"]) == (8, 17.34)
    simulator.update("Quote", quote, {"Tax": 1, "ShippingHandling": 2.5})
    fields = "Subtotal,TotalPrice,Discount,GrandTotal,LineItemCount"
    sums = worker.call("GET", f"/sobjects/Quote/{quote}", query={"fields": fields}).json()
    assert [sums[name] for name in fields.split(",")] == [1.02, 0.92, 9.8, 4.42, 1]
    assert worker.call("DELETE", f"/sobjects/QuoteLineItem/{line}").status == 204
    assert simulator.records("Quote")[0]["GrandTotal"] == 3.5


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Name": None}, "REQUIRED_FIELD_MISSING"),
        ({"Nothing": 1}, "INVALID_FIELD"),
        ({"GrandTotal": 1}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"QuoteNumber": "7"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Name": "x" * 256}, "STRING_TOO_LONG"),
        ({"Tax": "much"}, "JSON_PARSER_ERROR"),
        ({"Tax": 1e17}, "NUMBER_OUTSIDE_VALID_RANGE"),
        ({"ExpirationDate": "soon"}, "JSON_PARSER_ERROR"),
        ({"OpportunityId": "x"}, "MALFORMED_ID"),
        ({"OpportunityId": "001bZ0000000001QAA"}, "MALFORMED_ID"),
        ({"OpportunityId": "006bZ0000999999QAA"}, "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_what_a_new_quote_may_not_be(worker: Rest, simulator: Simulator, fields: dict[str, Any], code: str) -> None:
    answer = worker.call("POST", "/sobjects/Quote", _quote(simulator, **fields))
    assert error_code(answer) == (400, code)
    assert simulator.records("Quote") == []


def test_lines_must_fit_the_quotes_price_book(worker: Rest, simulator: Simulator, quote: str) -> None:
    other = simulator.records("PricebookEntry", "Pricebook2.IsStandard = false")[0]["Id"]
    inactive = simulator.records("PricebookEntry", "Pricebook2.IsStandard = true AND IsActive = false")[0]["Id"]
    for entry in (other, inactive):
        answer = worker.call("POST", "/sobjects/QuoteLineItem", _line(simulator, quote, PricebookEntryId=entry))
        assert error_code(answer) == (400, "FIELD_INTEGRITY_EXCEPTION")
    simulator.create("QuoteLineItem", _line(simulator, quote))
    book = simulator.records("Pricebook2", "IsStandard = false")[0]["Id"]
    answer = worker.call("PATCH", f"/sobjects/Quote/{quote}", {"Pricebook2Id": book})
    assert error_code(answer) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_change_and_delete(worker: Rest, simulator: Simulator, quote: str) -> None:
    simulator.create("QuoteLineItem", _line(simulator, quote))
    assert worker.call("PATCH", f"/sobjects/Quote/{quote[:15]}", {"Status": "Approved"}).status == 204
    answer = worker.call("PATCH", f"/sobjects/Quote/{quote}", {"OpportunityId": simulator.special("plain")})
    assert error_code(answer) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert worker.call("DELETE", f"/sobjects/Quote/{quote}").status == 204
    assert simulator.records("Quote") == simulator.records("QuoteLineItem") == []
    for method, body in (("PATCH", {"Status": "Draft"}), ("DELETE", None), ("GET", None)):
        assert error_code(worker.call(method, f"/sobjects/Quote/{quote}", body)) == (404, "ENTITY_IS_DELETED")
    assert error_code(worker.call("DELETE", "/sobjects/Quote/0Q0bZ9999999999")) == (404, "NOT_FOUND")


def test_the_recycle_bin_is_seen_by_those_who_saw_what_is_in_it(
    worker: Rest, ann: Rest, simulator: Simulator, quote: str
) -> None:
    hidden = simulator.create("Quote", _quote(simulator, OpportunityId=simulator.special("apac")))
    for opportunity in ("plain", "apac"):
        simulator.delete("Opportunity", simulator.special(opportunity))
    query = {"q": f"SELECT Id, IsDeleted FROM Quote WHERE IsDeleted = true AND Id IN ('{quote}','{hidden}')"}
    seen = {
        user: {record["Id"] for record in rest.call("GET", "/queryAll", query=query).json()["records"]}
        for user, rest in (("worker", worker), ("ann", ann))
    }
    assert seen == {"worker": {quote, hidden}, "ann": {quote}}
    assert worker.rows(query["q"]) == [], "a query sees nothing of it"


def test_an_upsert_makes_and_then_changes(worker: Rest, simulator: Simulator) -> None:
    path = "/sobjects/Quote/Gateway_Key__c/key%2F1"
    made = worker.call("PATCH", path, _quote(simulator))
    assert (made.status, made.json()["created"]) == (201, True)
    again = worker.call("PATCH", path, {"Name": "R"})
    assert (again.status, again.json()) == (200, {**made.json(), "created": False})
    (quote,) = simulator.records("Quote", "Gateway_Key__c = 'KEY/1'")  # external ids are found in any case
    assert quote["Name"] == "R"
    assert worker.call("GET", path).json()["Id"] == quote["Id"]
    refused = worker.call("PATCH", path, _quote(simulator))
    assert error_code(refused) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    simulator.settings(strict_upsert=False)
    assert worker.call("PATCH", path, _quote(simulator)).status == 200


def test_external_ids_are_unique(worker: Rest, simulator: Simulator) -> None:
    simulator.create("Quote", _quote(simulator, Gateway_Key__c="k"))
    answer = worker.call("POST", "/sobjects/Quote", _quote(simulator, Gateway_Key__c="K"))
    assert error_code(answer) == (400, "DUPLICATE_VALUE")


@pytest.mark.parametrize(
    ("switch", "sobject", "field"),
    [
        ("gateway_key", "Quote", "Gateway_Key__c"),
        ("gateway_key", "QuoteLineItem", "Gateway_Key__c"),
        ("region_field", "Account", "Region__c"),
        ("discount_override", "Opportunity", "DiscountOverride__c"),
    ],
)
def test_custom_fields_can_be_missing(
    worker: Rest, simulator: Simulator, switch: str, sobject: str, field: str
) -> None:
    def names() -> set[str]:
        return {each["name"] for each in worker.call("GET", f"/sobjects/{sobject}/describe").json()["fields"]}

    assert field in names()
    assert worker.query(f"SELECT {field} FROM {sobject} LIMIT 1").status == 200
    simulator.settings(**{switch: False})
    assert field not in names()
    assert error_code(worker.query(f"SELECT {field} FROM {sobject}")) == (400, "INVALID_FIELD")
    if field == "Gateway_Key__c":
        assert error_code(worker.call("PATCH", f"/sobjects/{sobject}/{field}/k", {})) == (404, "NOT_FOUND")


def test_describe(worker: Rest, simulator: Simulator) -> None:
    said = worker.call("GET", "/sobjects/Quote/describe").json()
    fields = {field["name"]: field for field in said["fields"]}
    assert (said["name"], said["keyPrefix"], said["createable"]) == ("Quote", "0Q0", True)
    assert fields["Gateway_Key__c"]["externalId"] is True and fields["Gateway_Key__c"]["unique"] is True
    assert (fields["GrandTotal"]["calculated"], fields["GrandTotal"]["createable"]) == (True, False)
    assert (fields["Name"]["nillable"], fields["Name"]["length"]) == (False, 255)
    assert fields["OpportunityId"]["referenceTo"] == ["Opportunity"]
    assert [child["relationshipName"] for child in said["childRelationships"]] == ["QuoteLineItems"]
    assert "Quote" in {each["name"] for each in worker.call("GET", "/sobjects").json()["sobjects"]}
    simulator.settings(quotes=False, events=False)
    assert error_code(worker.call("GET", "/sobjects/Quote/describe")) == (404, "NOT_FOUND")
    assert error_code(worker.call("POST", "/sobjects/Quote_Job__e", {"JobId__c": "j"})) == (404, "NOT_FOUND")


def test_paths_and_methods_that_are_not_there(worker: Rest) -> None:
    assert error_code(worker.call("GET", "/services/data/vv64.0/query")) == (404, "NOT_FOUND")
    assert error_code(worker.call("GET", "/nothing")) == (404, "NOT_FOUND")
    assert error_code(worker.call("PUT", "/sobjects/Quote")) == (405, "METHOD_NOT_ALLOWED")
    assert error_code(worker.call("POST", "/sobjects/Quote")) == (400, "JSON_PARSER_ERROR")
    assert {"version": "64.0"}.items() <= worker.call("GET", "/services/data/").json()[-1].items()


def test_no_id_and_number_comes_back_after_a_reset(worker: Rest, simulator: Simulator) -> None:
    """The gateway may still know the record that had it."""
    before = simulator.create("Quote", _quote(simulator))
    number = simulator.records("Quote", f"Id = '{before}'")[0]["QuoteNumber"]
    simulator.reset()
    after = simulator.create("Quote", _quote(simulator))
    assert after > before and simulator.records("Quote", f"Id = '{after}'")[0]["QuoteNumber"] > number
