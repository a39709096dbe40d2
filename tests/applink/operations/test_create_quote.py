"""createQuote from Apex through mesh and gunicorn to org and rows: what it answers, stores, and never does twice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from simulator.exchange import send
from tests.applink.conftest import Served
from tests.applink.operations.conftest import DEADLINE_SECONDS
from tests.applink.serving import Place, code, declared, ordinary, quotes_of, rows_of

ANSWER = {
    "quoteId", "gatewayId", "quoteNumber", "opportunityId", "status", "currencyIsoCode", "subtotal", "grandTotal",
    "expirationDate", "lineCount", "pricingNote", "created",
}  # fmt: skip


def test_a_quote_is_in_the_org_in_the_rows_and_in_odata(place: Place) -> None:
    opportunity = place.simulator.special("plain")
    reply = place.ask("createQuote", {"opportunityId": opportunity[:15]})
    assert reply.status == 200 and set(reply.body) == ANSWER
    [quote] = quotes_of(place, opportunity)
    said = reply.body
    assert (said["quoteId"], said["quoteNumber"], said["created"]) == (quote["Id"], quote["QuoteNumber"], True)
    assert (said["opportunityId"], said["lineCount"], said["status"]) == (opportunity, 3, "Draft")
    with place.engine.connect() as connection:
        row = connection.execute(
            text("SELECT * FROM gateway.quote WHERE id = :id"), {"id": said["gatewayId"]}
        ).mappings().one()  # fmt: skip
    assert (row["salesforce_id"], row["sync_status"], row["line_count"]) == (quote["Id"], "synced", 3)
    assert float(row["grand_total"]) == said["grandTotal"] == quote["GrandTotal"]
    assert row["created_by_id"] == reply.invocation.caller.user_id
    assert place.count("quote_event", "quote_id = :id AND through = 'operation'", id=said["gatewayId"]) == 1
    url = f"{place.gateway.service_root}Quotes({said['gatewayId']})?$expand=Lines"
    shown = send(url, "GET", {}, seconds=20).json()
    assert (shown["QuoteNumber"], len(shown["Lines"])) == (said["quoteNumber"], 3)


def test_the_org_is_asked_with_the_callers_token_only(place: Place) -> None:
    [opportunity] = ordinary(place)
    place.ask("createQuote", {"opportunityId": opportunity})
    assert {one["user"] for one in place.simulator.requests("/services/data/")} == {"ann@acme.example"}


def test_the_same_request_again_is_answered_the_same(place: Place) -> None:
    [opportunity] = ordinary(place)
    first = place.ask("createQuote", {"opportunityId": opportunity})
    again = declared(place.apex.repeat(first))
    assert first.status == again.status == 200 and first.answer.body == again.answer.body
    assert len(quotes_of(place, opportunity)) == rows_of(place, opportunity) == 1


def test_twenty_at_once_get_one_quote(place: Place) -> None:
    """Bar 20."""
    [opportunity] = ordinary(place)
    made = place.apex.prepare("createQuote", {"opportunityId": opportunity, "requestKey": f"twenty {opportunity}"})
    with ThreadPoolExecutor(20) as pool:
        replies = [declared(one) for one in pool.map(lambda _: place.apex.send(made), range(20))]
    assert [one.status for one in replies] == [200] * 20, [one.body for one in replies if one.status != 200]
    assert len({one.answer.body for one in replies}) == 1
    assert len(quotes_of(place, opportunity)) == rows_of(place, opportunity) == 1


def test_twenty_at_once_that_are_refused_get_the_same_refusal(place: Place) -> None:
    made = place.apex.prepare("createQuote", {"opportunityId": place.simulator.special("no_lines")})
    with ThreadPoolExecutor(20) as pool:
        replies = [declared(one) for one in pool.map(lambda _: place.apex.send(made), range(20))]
    assert {code(one) for one in replies} == {(422, "NoLines")}
    assert len({one.body["message"] for one in replies}) == 1


def test_a_key_belongs_to_one_request_of_one_user(place: Place) -> None:
    one, other = ordinary(place, 2)
    key = f"wish {one}"
    first = place.ask("createQuote", {"opportunityId": one}, headers={"Idempotency-Key": key})
    assert first.status == 200
    same = place.ask("createQuote", {"opportunityId": one, "requestKey": key})
    assert same.answer.body == first.answer.body
    assert code(place.ask("createQuote", {"opportunityId": other, "requestKey": key})) == (409, "KeyReused")
    assert code(place.ask("createQuote", {"opportunityId": one, "requestKey": key, "ifDraftExists": "revise"})) == (
        409,
        "KeyReused",
    )
    mine = place.ask("createQuote", {"opportunityId": one, "requestKey": key}, user="worker")
    assert code(mine) == (409, "KeyReused") and first.body["quoteId"] not in mine.answer.body.decode()
    assert quotes_of(place, other) == [] and len(quotes_of(place, one)) == 1


def test_a_refused_key_is_free(place: Place) -> None:
    [one] = ordinary(place)
    key = f"refused, then {one}"
    refused = place.ask("createQuote", {"opportunityId": place.simulator.special("no_lines"), "requestKey": key})
    assert code(refused) == (422, "NoLines")
    made = place.ask("createQuote", {"opportunityId": one, "requestKey": key})
    assert made.status == 200 and place.ask("createQuote", {"opportunityId": one, "requestKey": key}).body == made.body
    assert code(
        place.ask("createQuote", {"opportunityId": place.simulator.special("no_lines"), "requestKey": key})
    ) == (
        409,
        "KeyReused",
    )
    assert len(quotes_of(place, one)) == rows_of(place, one) == 1


def test_a_new_call_is_a_new_quote_unless_a_draft_will_do(place: Place) -> None:
    [opportunity] = ordinary(place)
    first = place.ask("createQuote", {"opportunityId": opportunity})
    same = place.ask("createQuote", {"opportunityId": opportunity, "ifDraftExists": "return"})
    assert (same.body["quoteId"], same.body["created"]) == (first.body["quoteId"], False)
    revised = place.ask("createQuote", {"opportunityId": opportunity, "ifDraftExists": "revise"})
    other = place.ask("createQuote", {"opportunityId": opportunity})
    assert len({one.body["quoteId"] for one in (first, revised, other)}) == 3
    assert len(quotes_of(place, opportunity)) == rows_of(place, opportunity) == 3


REFUSED = {
    "no_lines": (422, "NoLines"),
    "no_price_book": (422, "NoLines"),
    "too_many_lines": (422, None),
    "override_wrong": (422, None),
    "apac": (404, "OpportunityNotFound"),
    "inactive_entry": (422, "InactivePriceBookEntry"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_become_a_quote(place: Place, name: str) -> None:
    opportunity = place.simulator.special(name)
    reply = place.ask("createQuote", {"opportunityId": opportunity})
    status, expected = REFUSED[name]
    assert reply.status == status and expected in (None, reply.body["code"]), reply.body
    assert quotes_of(place, opportunity) == [] and rows_of(place, opportunity) == 0
    shown = place.ask("previewQuote", {"opportunityId": opportunity})
    assert (shown.status, shown.body["code"], shown.body["message"]) == (
        reply.status,
        reply.body["code"],
        reply.body["message"],
    ), "what would be refused is not shown as if it were not"


def test_an_opportunity_that_nobody_has(place: Place) -> None:
    reply = place.ask("createQuote", {"opportunityId": "006bZ0009999999"})
    assert code(reply) == (404, "OpportunityNotFound")


def test_who_may_not_create_quotes_is_told_so(place: Place) -> None:
    opportunity = place.simulator.special("of_ben")
    reply = place.ask("createQuote", {"opportunityId": opportunity}, user="ben")
    assert reply.status == 403 and quotes_of(place, opportunity) == []
    several = place.ask("createQuotes", {"opportunityIds": [opportunity]}, user="ben")
    assert code(several) == (403, "NotAllowed") and place.count("job_item", "opportunity_id = :id", id=opportunity) == 0


def test_an_org_that_lacks_the_key_is_told_what_to_deploy(served: Served) -> None:
    with served("setup") as bare:
        bare.simulator.settings(gateway_key=False)
        opportunity = bare.simulator.special("plain")
        for operation, body in (("createQuote", {"opportunityId": opportunity}),
                                ("createQuotes", {"opportunityIds": [opportunity]})):  # fmt: skip
            reply = bare.ask(operation, body)
            assert code(reply) == (409, "SetupRequired") and "Gateway_Key__c" in reply.body["message"]
        assert bare.ask("previewQuote", {"opportunityId": opportunity}).status == 200


def test_the_orgs_own_refusal_keeps_its_code_and_the_key_stays_good(place: Place) -> None:
    [opportunity] = ordinary(place)
    place.simulator.fault("POST /composite/graph", refuse="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    first = place.ask("createQuote", {"opportunityId": opportunity})
    assert code(first) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert declared(place.apex.repeat(first)).status == 200
    assert len(quotes_of(place, opportunity)) == rows_of(place, opportunity) == 1


@pytest.mark.parametrize("proven", [False, True])
def test_a_token_that_ended_has_no_effect(place: Place, proven: bool) -> None:
    """401 where it is new here; 503 from a user who was proven a moment ago, and can sign in again."""
    place.simulator.expire_token("ann@acme.example")
    ann = place.apex.sign_in("ann")
    [opportunity] = ordinary(place)
    if proven:
        assert place.ask("previewQuote", {"opportunityId": opportunity}, user=ann, through="direct").status == 200
    place.simulator.expire_token("ann@acme.example")
    reply = place.ask("createQuote", {"opportunityId": opportunity}, user=ann, through="direct")
    assert code(reply) == ((503, "SessionEnded") if proven else (401, "TokenRejected"))
    assert quotes_of(place, opportunity) == [] and rows_of(place, opportunity) == 0


AWAY: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "at its limit": (
        {"status": 403, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]},
        (503, "OrgLimitReached"),
    ),
    "under maintenance": ({"status": 503, "body": "<html>maintenance</html>"}, (504, "OutcomeUnknown")),
}


@pytest.mark.parametrize("how", AWAY)
def test_an_org_that_takes_no_graph(place: Place, how: str) -> None:
    """Its own word that it did nothing is a 503; an answer of somebody in between says nothing about the write."""
    [opportunity] = ordinary(place)
    fault, said = AWAY[how]
    place.simulator.fault("POST /composite/graph", times=None, **fault)
    reply = place.ask("createQuote", {"opportunityId": opportunity})
    assert code(reply) == said and "<html" not in reply.answer.body.decode()
    assert quotes_of(place, opportunity) == []
    place.simulator.clear_faults()
    assert declared(place.apex.repeat(reply)).status == 200
    assert len(quotes_of(place, opportunity)) == 1


def test_an_unknown_outcome_names_the_key_that_settles_it(place: Place) -> None:
    [opportunity] = ordinary(place)
    place.simulator.fault("POST /composite/graph", cut=True, after=True)
    place.simulator.fault("GET /query", status=503, body="away", times=None, skip=1)
    reply = place.ask("createQuote", {"opportunityId": opportunity})
    assert code(reply) == (504, "OutcomeUnknown") and reply.invocation.request_id in reply.body["message"]
    assert len(quotes_of(place, opportunity)) == 1 and rows_of(place, opportunity) == 0
    place.simulator.clear_faults()
    body = {"opportunityId": opportunity, "requestKey": reply.invocation.request_id}
    settled = place.ask("createQuote", body)
    assert settled.status == 200 and settled.body["quoteId"] == quotes_of(place, opportunity)[0]["Id"]
    assert len(quotes_of(place, opportunity)) == rows_of(place, opportunity) == 1


def test_a_slow_org_is_a_504_within_the_deadline(place: Place) -> None:
    [opportunity] = ordinary(place)
    place.simulator.fault("POST /composite/graph", delay=DEADLINE_SECONDS + 4, after=True)
    started = time.monotonic()
    reply = place.ask("createQuote", {"opportunityId": opportunity})
    assert reply.status == 504 and time.monotonic() - started < DEADLINE_SECONDS + 2
    again = declared(place.apex.repeat(reply))
    assert again.status == 200 and len(quotes_of(place, opportunity)) == 1
