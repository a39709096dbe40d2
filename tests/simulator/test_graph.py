"""Composite graphs: references, upserts, all or nothing, and limits."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.running import Simulator
from tests.simulator.conftest import BASE, Rest, error_code, node


def quote_nodes(simulator: Simulator, key: str, opportunity: str, *, entry: str | None = None) -> list[dict[str, Any]]:
    """A quote and its lines as upserts, as the gateway makes them."""
    (found,) = simulator.records("Opportunity", f"Id = '{opportunity}'")
    quote = {"Name": found["Name"], "OpportunityId": opportunity, "Pricebook2Id": found["Pricebook2Id"]}
    nodes = [node("quote", "PATCH", f"Quote/Gateway_Key__c/{key}", quote)]
    for number, line in enumerate(simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity}'")):
        body = {
            "QuoteId": "@{quote.id}",
            "PricebookEntryId": entry or line["PricebookEntryId"],
            "OpportunityLineItemId": line["Id"],
            "Quantity": line["Quantity"],
            "UnitPrice": line["UnitPrice"],
        }
        nodes.append(node(f"line{number}", "PATCH", f"QuoteLineItem/Gateway_Key__c/{key}-{number}", body))
    return nodes


def test_a_quote_and_its_lines(worker: Rest, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    said = worker.graph(*quote_nodes(simulator, "k", opportunity))
    nodes = said["graphResponse"]["compositeResponse"]
    assert said["isSuccessful"] is True and said["graphId"] == "g"
    assert [each["httpStatusCode"] for each in nodes] == [201] * 4
    assert [each["referenceId"] for each in nodes] == ["quote", "line0", "line1", "line2"]
    quote_id = nodes[0]["body"]["id"]
    assert nodes[0]["body"] == {"id": quote_id, "success": True, "errors": [], "created": True}
    assert nodes[0]["httpHeaders"] == {"Location": f"{BASE}/sobjects/Quote/{quote_id}"}
    assert {line["QuoteId"] for line in simulator.records("QuoteLineItem")} == {quote_id}
    (quote,) = simulator.records("Quote")
    amount = simulator.records("Opportunity", f"Id = '{opportunity}'")[0]["Amount"]
    assert (quote["LineItemCount"], quote["GrandTotal"]) == (3, amount)


def test_the_same_upserts_once_more(worker: Rest, simulator: Simulator) -> None:
    nodes = quote_nodes(simulator, "k", simulator.special("plain"))
    worker.graph(*nodes)
    again = worker.graph(*nodes)
    guilty = again["graphResponse"]["compositeResponse"][0]
    assert again["isSuccessful"] is False
    assert guilty["body"][0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    simulator.settings(strict_upsert=False)
    again = worker.graph(*nodes)
    answers = again["graphResponse"]["compositeResponse"]
    assert [(each["httpStatusCode"], each["body"]["created"]) for each in answers] == [(200, False)] * 4
    assert (len(simulator.records("Quote")), len(simulator.records("QuoteLineItem"))) == (1, 3)


def test_changes_and_deletions_within_a_graph(worker: Rest, simulator: Simulator) -> None:
    opportunity = simulator.special("plain")
    worker.graph(*quote_nodes(simulator, "k", opportunity))
    (quote,) = simulator.records("Quote")
    first, *_ = simulator.records("QuoteLineItem")
    said = worker.graph(
        node("a", "PATCH", f"Quote/{quote['Id']}", {"Name": "R"}),
        node("b", "DELETE", f"QuoteLineItem/{first['Id']}"),
        node("c", "GET", f"Quote/{quote['Id']}"),
    )
    a, b, c = said["graphResponse"]["compositeResponse"]
    assert (a["httpStatusCode"], a["body"], b["httpStatusCode"], b["body"]) == (204, None, 204, None)
    assert (c["body"]["Name"], c["body"]["LineItemCount"]) == ("R", 2)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_node_undoes_all(worker: Rest, simulator: Simulator, place: int) -> None:
    nodes = quote_nodes(simulator, "k", simulator.special("plain"))
    nodes[place]["body"]["Nothing__c"] = 1
    before = simulator.create("Quote", {"Name": "before", "OpportunityId": simulator.special("plain")})
    said = worker.graph(*nodes)
    assert said["isSuccessful"] is False
    codes = [each["body"][0]["errorCode"] for each in said["graphResponse"]["compositeResponse"]]
    assert codes == ["INVALID_FIELD" if at == place else "PROCESSING_HALTED" for at in range(4)]
    assert [quote["Id"] for quote in simulator.records("Quote")] == [before]
    assert simulator.records("QuoteLineItem") == []
    for each in nodes:
        each["body"].pop("Nothing__c", None)
    assert worker.graph(*nodes)["isSuccessful"] is True  # nothing is left of the keys either


@pytest.mark.parametrize("name", ["inactive_entry", "other_price_book"])
def test_lines_of_bad_opportunities(worker: Rest, simulator: Simulator, name: str) -> None:
    said = worker.graph(*quote_nodes(simulator, "k", simulator.special(name)))
    codes = [each["body"][0]["errorCode"] for each in said["graphResponse"]["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "FIELD_INTEGRITY_EXCEPTION", "PROCESSING_HALTED"]


def test_graphs_of_one_request_stand_alone(worker: Rest, simulator: Simulator) -> None:
    good = quote_nodes(simulator, "a", simulator.special("plain"))
    bad = quote_nodes(simulator, "b", simulator.special("inactive_entry"))
    body = {"graphs": [{"graphId": name, "compositeRequest": nodes} for name, nodes in (("a", good), ("b", bad))]}
    said = worker.call("POST", "/composite/graph", body).json()["graphs"]
    assert [(graph["graphId"], graph["isSuccessful"]) for graph in said] == [("a", True), ("b", False)]
    assert [quote["Gateway_Key__c"] for quote in simulator.records("Quote")] == ["a"]


def _chain(length: int) -> list[dict[str, Any]]:
    first = node("n0", "POST", "Account", {"Name": "A"})
    return [first, *(node(f"n{n}", "PATCH", f"Account/@{{n{n - 1}.id}}", {"Name": "B"}) for n in range(1, length))]


TOO_MUCH: dict[str, Any] = {
    "no graphs": {"graphs": []},
    "no nodes": {"graphs": [{"graphId": "g", "compositeRequest": []}]},
    "501 nodes": {
        "graphs": [
            {"graphId": "g", "compositeRequest": [node(f"n{n}", "POST", "Account", {"Name": "A"}) for n in range(501)]}
        ]
    },
    "76 graphs": {
        "graphs": [
            {"graphId": f"g{n}", "compositeRequest": [node("n", "POST", "Account", {"Name": "A"})]} for n in range(76)
        ]
    },
    "16 levels": {"graphs": [{"graphId": "g", "compositeRequest": _chain(16)}]},
    "16 kinds": {
        "graphs": [{"graphId": "g", "compositeRequest": [node(f"n{n}", "POST", f"Type{n}", {}) for n in range(16)]}]
    },
    "a reference twice": {
        "graphs": [{"graphId": "g", "compositeRequest": [node("n", "POST", "Account", {"Name": "A"})] * 2}]
    },
    "a reference to nobody": {
        "graphs": [{"graphId": "g", "compositeRequest": [node("n", "POST", "Quote", {"OpportunityId": "@{x.id}"})]}]
    },
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_a_request_may_not_be(worker: Rest, simulator: Simulator, name: str) -> None:
    accounts = len(simulator.records("Account"))
    assert worker.call("POST", "/composite/graph", TOO_MUCH[name]).status == 400
    assert len(simulator.records("Account")) == accounts


def test_500_nodes_fit(worker: Rest) -> None:
    nodes = [node(f"n{n}", "POST", "Account", {"Name": "A"}) for n in range(500)]
    assert worker.graph(*nodes)["isSuccessful"] is True


def test_whoever_may_not_create_quotes(ben: Rest, simulator: Simulator) -> None:
    nodes = quote_nodes(simulator, "k", simulator.special("of_ben"))
    answers = ben.graph(*nodes)["graphResponse"]["compositeResponse"]
    assert (answers[0]["httpStatusCode"], answers[0]["body"][0]["errorCode"]) == (
        403,
        "INSUFFICIENT_ACCESS_OR_READONLY",
    )
    (permission_set,) = ben.rows("SELECT Id FROM PermissionSet WHERE Name = 'QuoteGatewayPerms'")
    activation = ben.call(
        "POST", "/sobjects/SessionPermSetActivation", {"PermissionSetId": permission_set["Id"]}
    ).json()
    assert ben.graph(*nodes)["isSuccessful"] is True
    assert ben.call("DELETE", f"/sobjects/SessionPermSetActivation/{activation['id']}").status == 204
    answer = ben.call("POST", "/sobjects/Quote", {"Name": "Q", "OpportunityId": simulator.special("of_ben")})
    assert error_code(answer) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
