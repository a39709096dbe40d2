"""Routes over real gunicorn, with and without the mesh: who gets to an operation, and what refusals look like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from applink.operations import OPERATIONS
from applink.schema import members
from local.servers import Server
from simulator.caller import ABSENT
from simulator.context import FOREIGN_DOMAINS, MALFORMED
from simulator.exchange import Answer, send
from tests.applink.serving import Place, serving
from tests.bars.raw_socket import exchange
from tests.conftest import StartGateway, _database

PLAIN = "006bZ0000000001QAA"


@pytest.fixture(scope="module")
def place(
    postgres_server: Server, template_database: str, worker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    with (
        _database(postgres_server, f"{worker}_endpoints", template=template_database) as url,
        serving(url, tmp_path_factory.mktemp("endpoints")) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def _as_new(place: Place) -> None:
    place.simulator.reset()


def calls(place: Place) -> list[str]:
    """What the org was asked by the gateway."""
    return [one["path"] for one in place.simulator.requests("/services/")]


def test_an_operation_answers_through_the_mesh(place: Place) -> None:
    reply = place.ask("previewQuote", {"opportunityId": place.simulator.special("plain")})
    assert reply.status == 200 and reply.body["lineCount"] == 3
    assert reply.answer.header("x-request-id") == reply.invocation.request_id


@pytest.mark.parametrize("how", sorted(MALFORMED))
def test_a_context_that_cannot_be_read_is_refused(place: Place, how: str) -> None:
    before = calls(place)
    reply = place.apex.invoke("previewQuote", {"opportunityId": PLAIN}, through="direct", client_context=how)
    assert reply.status in (400, 401, 431), reply.body
    assert calls(place) == before and "Bearer" not in reply.answer.body.decode()


@pytest.mark.parametrize("domain", FOREIGN_DOMAINS)
def test_a_domain_that_is_not_an_orgs_gets_no_request(place: Place, domain: str) -> None:
    reply = place.ask("previewQuote", {"opportunityId": PLAIN}, through="direct", org_domain_url=domain)
    assert reply.status in (400, 403) and calls(place) == []


def test_without_a_context_nobody_is_proven(place: Place) -> None:
    reply = place.ask("previewQuote", {"opportunityId": PLAIN}, through="direct", client_context=ABSENT)
    assert (reply.status, reply.body["code"]) == (401, "ContextMissing") and calls(place) == []


def test_the_token_of_another_user_proves_nothing(place: Place) -> None:
    ann, ben = place.apex.sign_in("ann"), place.apex.sign_in("ben")
    mixed = replace(ann, access_token=ben.access_token)
    reply = place.ask("createQuote", {"opportunityId": PLAIN}, user=mixed, through="direct")
    assert (reply.status, reply.body["code"]) == (401, "TokenRejected")
    assert [path for path in calls(place) if "userinfo" not in path] == []


def test_an_org_that_is_not_served_is_refused(place: Place) -> None:
    ann = place.apex.sign_in("ann")
    foreign = replace(ann, org_id="00DxY0000000002UAA")
.encode() + made.body
    assert place.simulator.mesh_url
    answer = exchange(int(place.simulator.mesh_url.rpartition(":")[2]), raw)
    assert answer.status >= 400
    assert calls(place) == [] and place.count("intent") == before


def test_the_contract_is_served_behind_the_mesh_and_beside_it(place: Place) -> None:
    mesh = place.simulator.mesh_url
    assert send(f"{mesh}/applink/openapi.yaml", "GET", {}, seconds=10).status == 401
    beside = send(f"{mesh}/openapi/applink.yaml", "GET", {}, seconds=10)
    inside = send(f"{place.gateway.url}/applink/openapi.yaml", "GET", {}, seconds=10)
    assert (beside.status, inside.status) == (200, 200) and beside.body == inside.body
    for path in ("/openapi", "/openapi/"):
        page = send(f"{mesh}{path}", "GET", {}, seconds=10)
        assert page.status == 200 and b"createQuotes" in page.body


def test_one_line_is_logged_and_no_secret(place: Place) -> None:
    ann = place.apex.sign_in("ann")
    made = place.apex.prepare(
        "createQuotes", {"opportunityIds": [PLAIN], "callbackUrl": "https://evil.example/?secret=canary-1"},
        headers={"Authorization": "Bearer canary-2", "Cookie": "canary-3"},
    )  # fmt: skip
    reply = place.apex.send(made)
    assert (reply.status, reply.body["code"]) == (400, "InvalidCallbackUrl")
    line = next(one for one in place.lines() if one["request_id"] == made.request_id)
    assert {"status": 400, "error": "InvalidCallbackUrl", "operation": "createQuotes"}.items() <= line.items()
    assert (line["org"], line["who"]) == (ann.org_id, ann.username)
    said = place.gateway.log.read_text(encoding="utf-8")
    for secret in ("canary", ann.access_token, made.headers["x-client-context"], "addon-secret"):
        assert secret not in said and secret not in reply.answer.body.decode()


def test_a_request_id_that_could_break_a_line_is_replaced(place: Place) -> None:
    reply = place.apex.invoke("getJob", {}, through="direct", headers={"x-request-id": 'a" b'})
    assert re.fullmatch("[0-9a-f-]{36}", reply.body["requestId"])


def refused(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"]


def test_without_any_setting_odata_is_served_and_operations_say_what_is_missing(
    gateway_server: StartGateway, seeded_url: str
) -> None:
    """M1."""
    bare = gateway_server(seeded_url, ODATA_AUTH="anonymous", ANONYMOUS_ORG="00DbZ0000000001UAA")
    assert send(f"{bare.service_root}Quotes?$top=1", "GET", {}, seconds=20).status == 200
    for operation in OPERATIONS:
        body = {"opportunityId": PLAIN, "opportunityIds": [PLAIN], "jobId": "01890a5d-ac96-774b-bcce-b302099a8057",
                "quoteId": "01890a5d-ac96-774b-bcce-b302099a8057"}  # fmt: skip
        needed = {one.name: body[one.name] for one in members(operation.request) if one.required}
        answer = send(
            f"{bare.url}/applink/{operation.name}", "POST", {"Content-Type": "application/json"},
            json.dumps(needed).encode(), seconds=20,
        )  # fmt: skip
        assert refused(answer) == (503, "NotSetUp")
