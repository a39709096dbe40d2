"""Operations from Apex through mesh and gunicorn to org and rows: what they answer, store, and never do twice."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from sqlalchemy import text

from local.servers import Server
from models import credential, database
from models.seed import SECOND_ORG
from simulator.caller import ABSENT, Reply
from simulator.exchange import send
from simulator.running import free_port
from tests.applink.serving import Place, declared, serving
from tests.conftest import _database

ANSWER = {
    "quoteId", "gatewayId", "quoteNumber", "opportunityId", "status", "currencyIsoCode", "subtotal", "grandTotal",
    "expirationDate", "lineCount", "pricingNote", "created",
}  # fmt: skip
DEADLINE_SECONDS = 6
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def place(
    postgres_server: Server, template_database: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with (
        _database(postgres_server, f"{worker}_operations", template=template_database) as url,
        serving(
            url, tmp_path_factory.mktemp("operations"), OPERATION_DEADLINE_SECONDS=str(DEADLINE_SECONDS),
            ODATA_AUTH="anonymous", ANONYMOUS_ORG="00DbZ0000000001UAA", JOBS_OPEN_PER_ORG="12",
        ) as made,
    ):  # fmt: skip
        yield made


@pytest.fixture(autouse=True)
def _as_new(place: Place) -> None:
    """No faults and no requests so far. Records stay: an org that starts anew would give the same ids again."""
    place.simulator.clear_faults()
    place.simulator.forget_requests()


def quotes_of(place: Place, opportunity: str) -> list[dict[str, Any]]:
    """In the org."""
    return place.simulator.records("Quote", f"OpportunityId = '{opportunity}'")


def rows_of(place: Place, opportunity: str) -> int:
    return place.count("quote", "opportunity_id = :id AND deleted_at IS NULL", id=opportunity)


def ordinary(place: Place, count: int = 1) -> list[str]:
    """Opportunities that ann sees and of which there is no quote yet here."""
    found = place.simulator.opportunities(200, user="ann")
    fresh = [one for one in found if rows_of(place, one) == 0]
    return fresh[:count]


def code(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.body["code"]


# createQuote


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


def test_an_org_that_lacks_the_key_is_told_what_to_deploy(
    postgres_server: Server, template_database: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        _database(postgres_server, f"{worker}_setup", template=template_database) as url,
        serving(url, tmp_path_factory.mktemp("setup")) as bare,
    ):
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


# previewQuote, updateQuote, deleteQuote


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


# Jobs


def test_a_job_is_stored_before_it_is_answered(place: Place) -> None:
    ids = place.simulator.opportunities(3, user="ann")
    place.simulator.forget_requests()
    reply = place.ask("createQuotes", {"opportunityIds": ids}, callback=True)
    assert reply.status == 201, reply.body
    assert reply.body == {"jobId": reply.body["jobId"], "status": "queued", "opportunityCount": 3}
    with place.engine.connect() as connection:
        row = connection.execute(
            text("SELECT * FROM gateway.job WHERE id = :id"), {"id": reply.body["jobId"]}
        ).mappings().one()  # fmt: skip
    assert (row["type"], row["callback_status"], row["callback_url"]) == (
        "createQuotes", "due", reply.invocation.callback_url,
    )  # fmt: skip
    assert row["requested_by"] == reply.invocation.caller.user_id and row["authorization_name"] == "worker"
    assert place.count("intent", "job_id = :id", id=reply.body["jobId"]) == 3
    assert {one["user"] for one in place.simulator.requests("/services/data/")} <= {"ann@acme.example"}
    seen = place.ask("getJob", {"jobId": reply.body["jobId"]}, user="ben").body
    assert (seen["status"], seen["opportunityIds"], seen["progress"]) == ("queued", ids, 0)
    ended = place.ask("cancelJob", {"jobId": reply.body["jobId"]})
    assert (ended.status, ended.body["status"]) == (200, "cancelled")
    assert code(place.ask("retryJob", {"jobId": NOBODY})) == (404, "JobNotFound")


def test_the_same_job_twenty_times_is_one_job(place: Place) -> None:
    """Bar 20, by the address of the callback, which Salesforce repeats."""
    ids = place.simulator.opportunities(2, user="ann")
    made = place.apex.prepare("createQuotes", {"opportunityIds": ids}, callback=True)
    before = place.count("job")
    with ThreadPoolExecutor(20) as pool:
        replies = [declared(one) for one in pool.map(lambda _: place.apex.send(made), range(20))]
    assert {one.status for one in replies} == {201} and len({one.answer.body for one in replies}) == 1
    assert place.count("job") == before + 1
    place.ask("cancelJob", {"jobId": replies[0].body["jobId"]})


@pytest.mark.parametrize("operation", ["createQuotes", "startQuotes"])
def test_a_job_that_is_stored_is_answered_without_the_org(place: Place, operation: str) -> None:
    """M10: whatever has become of the org or of the opportunities since."""
    [opportunity] = ordinary(place)
    first = place.ask(operation, {"opportunityIds": [opportunity], "requestKey": f"once {operation}"})
    assert first.status == 201, first.body
    place.ask("cancelJob", {"jobId": first.body["jobId"]})
    place.simulator.forget_requests()
    for fault in ({"status": 503, "body": "away"}, {"status": 200, "body": '{"records": [], "done": true}'}):
        place.simulator.clear_faults()
        place.simulator.fault("GET /query", times=None, **fault)
        again = declared(place.apex.repeat(first))
        assert (again.status, again.body) == (201, first.body)
        other = place.ask(operation, {"opportunityIds": [opportunity]})
        assert other.status in (404, 503), "the fault is one that a new job meets"
    assert len(place.simulator.requests("/query")) == 2


def test_a_key_of_a_job_belongs_to_one_request(place: Place) -> None:
    one, other = place.simulator.opportunities(2, user="ann")
    first = place.ask("startQuotes", {"opportunityIds": [one], "requestKey": "job 1"})
    assert first.status == 201
    assert place.ask("startQuotes", {"opportunityIds": [one], "requestKey": "job 1"}).body == first.body
    assert code(place.ask("startQuotes", {"opportunityIds": [other], "requestKey": "job 1"})) == (409, "KeyReused")
    assert code(place.ask("createQuotes", {"opportunityIds": [one], "requestKey": "job 1"})) == (409, "KeyReused")
    place.ask("cancelJob", {"jobId": first.body["jobId"]})
    assert code(place.ask("cancelJob", {"jobId": NOBODY})) == (404, "JobNotFound")


def test_what_cannot_be_used_is_refused_by_position_and_nothing_is_stored(place: Place) -> None:
    good = place.simulator.opportunities(2, user="ann")
    hidden, before = place.simulator.special("apac"), place.count("job")
    for ids, status, said in (
        ([good[0], "006x"], 400, "opportunityIds[1] is '006x'"),
        ([good[0], good[1], hidden], 404, f"opportunityIds[2] is {hidden}"),
        ([good[0], good[0][:15]], 400, "opportunityIds[1] is the same as opportunityIds[0]."),
    ):
        reply = place.ask("createQuotes", {"opportunityIds": ids})
        assert reply.status == status and said in reply.body["message"], reply.body
    assert place.count("job") == before


def test_a_job_has_a_largest_size(place: Place) -> None:
    ids = [f"006bZ{number:010d}" for number in range(2001)]
    reply = place.ask("startQuotes", {"opportunityIds": ids})
    assert reply.status == 400 and "2001 items; a job takes 2000 at most" in reply.body["message"]
    assert place.simulator.requests("/services/data/") == []


def test_an_org_has_so_many_open_jobs_and_no_more(place: Place) -> None:
    [opportunity] = place.simulator.opportunities(1, user="ann")
    started = []
    for _ in range(13):
        reply = place.ask("startQuotes", {"opportunityIds": [opportunity]})
        if reply.status != 201:
            break
        started.append(reply.body["jobId"])
    assert code(reply) == (429, "TooManyJobs") and reply.answer.header("retry-after")
    for job in started:
        assert place.ask("cancelJob", {"jobId": job}).status == 200


CALLBACKS = (
    "https://evil.example/x", "//evil.example/x", "http://169.254.169.254/", "javascript:alert(1)", "callback",
    "http://127.0.0.1.evil.example/", "http://user@127.0.0.1/x", "/services/../x", "/x#y", "file:///etc/passwd",
)  # fmt: skip


@pytest.mark.parametrize("url", CALLBACKS)
def test_a_callback_leads_to_the_callers_org_or_nothing_is_stored(place: Place, url: str) -> None:
    [opportunity] = place.simulator.opportunities(1, user="ann")
    before = place.count("job")
    reply = place.ask("createQuotes", {"opportunityIds": [opportunity], "callbackUrl": url})
    assert code(reply) == (400, "InvalidCallbackUrl") and place.count("job") == before


def test_startquotes_takes_no_callback(place: Place) -> None:
    [opportunity] = place.simulator.opportunities(1, user="ann")
    reply = place.ask("startQuotes", {"opportunityIds": [opportunity], "callbackUrl": "/x"})
    assert code(reply) == (400, "InvalidRequest")


@pytest.mark.parametrize("operation", ["getJob", "cancelJob", "retryJob"])
def test_a_job_of_another_org_is_not_there(place: Place, operation: str) -> None:
    with place.engine.connect() as connection:
        foreign = connection.execute(
            text("SELECT id FROM gateway.job WHERE org_id = :org LIMIT 1"), {"org": SECOND_ORG}
        ).scalar_one()
    assert code(place.ask(operation, {"jobId": str(foreign)})) == (404, "JobNotFound")


# Without the mesh


def test_tokens_of_ones_own_by_jwt(
    postgres_server: Server, template_database: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SF_AUTH=jwt: no add-on is asked for anything."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    port = free_port()
    settings = {
        "HEROKU_APPLINK_API_URL": "",
        "HEROKU_APPLINK_TOKEN": "",
        "SF_AUTH": "jwt",
        "SF_LOGIN_URL": f"http://127.0.0.1:{port}",
        "SF_CONSUMER_KEY": "3MVG9.test",
        "SF_USERNAME": "worker@acme.example",
        "SF_PRIVATE_KEY": pem.replace("\n", "\\n"),
    }
    with (
        _database(postgres_server, f"{worker}_jwt", template=template_database) as url,
        serving(url, tmp_path_factory.mktemp("jwt"), port=port, **settings) as place,
    ):
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        place.simulator.add_consumer("3MVG9.test", public)
        body = {"opportunityIds": place.simulator.opportunities(1, user="ann")}
        reply = place.ask("startQuotes", body, through="direct")
        assert reply.status == 201, reply.body
        assert place.simulator.requests("/addons/") == [] and place.simulator.requests("/services/oauth2/token")


def test_credentials_of_ours_work_as_the_named_authorization(
    postgres_server: Server, template_database: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with (
        _database(postgres_server, f"{worker}_basic", template=template_database) as url,
        serving(url, tmp_path_factory.mktemp("basic"), APPLINK_AUTH="basic") as place,
    ):
        engine = database.engine(url)
        with engine.begin() as connection:
            secrets = {
                scope: credential.create(connection, org_id="00DbZ0000000001UAA", scope=scope)
                for scope in ("read", "write")
            }
        engine.dispose()

        def ask(header: str) -> Reply:
            opportunity = place.simulator.special("apac")
            sent = {"x-client-context": ABSENT, "Authorization": header}
            return place.ask("createQuote", {"opportunityId": opportunity}, through="direct", headers=sent)

        def basic(name: str, secret: str) -> str:
            return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()

        made = ask(basic(secrets["write"].username, secrets["write"].secret))
        assert made.status == 200, made.body
        assert {one["user"] for one in place.simulator.requests("/services/data/")} == {"worker@acme.example"}
        for header in (ABSENT, basic(secrets["read"].username, secrets["read"].secret), basic("nobody", "x")):
            reply = ask(header)
            assert reply.status == 401 and reply.answer.header("www-authenticate").startswith("Basic ")
