"""Routes over real gunicorn, with and without the mesh: who gets to an operation, and what refusals look like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from applink.operations import OPERATIONS
from applink.schema import members
from simulator.caller import ABSENT, Through
from simulator.context import FOREIGN_DOMAINS, MALFORMED
from simulator.exchange import Answer, send
from tests.applink.conftest import Served
from tests.applink.serving import Place
from tests.bars.raw_socket import exchange
from tests.conftest import StartGateway

PLAIN = "006bZ0000000001QAA"


@pytest.fixture(scope="module")
def place(served: Served) -> Iterator[Place]:
    with served("endpoints") as made:
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
    reply = place.ask("createQuote", {"opportunityId": PLAIN}, user=foreign, through="direct")
    assert (reply.status, reply.body["code"]) == (403, "OrgNotAllowed") and calls(place) == []


BODIES = {
    "empty": b"",
    "no object": b"[]",
    "cut": b'{"opportunityId":',
    "twice": b'{"opportunityId":"a","opportunityId":"b"}',
    "deep": b"[" * 10_000,
    "digits": b'{"opportunityId":' + b"1" * 100_000 + b"}",
    "surrogate": b'{"opportunityId":"\\ud800"}',
    "nul": b'{"opportunityId":"\\u0000"}',
    "not utf-8": b'{"opportunityId":"\xff"}',
    "unknown": b'{"opportunityId":"006bZ0000000001QAA","ownerId":"x"}',
    "soql": b'{"opportunityId":"\' OR Name LIKE \'%"}',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_before_anybody_is_asked(place: Place, name: str) -> None:
    made = place.apex.prepare("createQuote", BODIES[name], through="direct")
    reply = place.apex.send(made)
    assert reply.status == 400 and set(reply.body) == {"code", "message", "requestId"} and calls(place) == []


def test_two_thousand_hostile_ids_are_refused_and_the_org_is_not_asked(place: Place) -> None:
    """Bar 37."""
    reply = place.ask(
        "createQuotes", {"opportunityIds": [f"{'x' * (number % 15)}' OR '1'='1" for number in range(2000)]}
    )
    assert (reply.status, reply.body["code"]) == (400, "InvalidId") and calls(place) == []
    assert reply.body["message"].endswith("And 1990 more of 2000.")


def test_a_long_body_is_refused(place: Place) -> None:
    made = place.apex.prepare("createQuotes", b" " * 300_000, through="direct")
    reply = place.apex.send(made)
    assert (reply.status, reply.body["code"]) == (413, "PayloadTooLarge") and "256000" in reply.body["message"]
    head = b"POST /applink/createQuotes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = exchange(place.gateway.port, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 5 + b"0\r\n\r\n")
    assert answer.status == 413


@pytest.mark.parametrize("size", [300_000, 9_000_000, 12_000_000])
@pytest.mark.parametrize("through", ["mesh", "direct"])
def test_a_body_that_is_sent_whole_before_the_answer_is_read(place: Place, through: Through, size: int) -> None:
    """As the mesh does, and as many clients do: far more than fits into the buffers of a connection."""
    reply = place.apex.send(place.apex.prepare("createQuotes", b" " * size, through=through))
    assert (reply.status, reply.body["code"]) == (413, "PayloadTooLarge"), reply.answer.body


def test_the_last_body_of_a_connection_is_taken_in_too(place: Place) -> None:
    head = b"POST /applink/createQuotes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    size = 12_000_000
    answer = exchange(place.gateway.port, head + b"Content-Length: %d\r\n\r\n" % size + b" " * size)
    assert answer.status == 413


@pytest.mark.parametrize(
    ("media_type", "fits"), [("text/plain", "application/json"), ("application/json; charset=utf-16", "utf-8")]
)
def test_only_json_in_utf_8_is_read(place: Place, media_type: str, fits: str) -> None:
    reply = place.ask("createQuote", {"opportunityId": PLAIN}, through="direct", headers={"Content-Type": media_type})
    assert (reply.status, reply.body["code"]) == (415, "UnsupportedMediaType") and fits in reply.body["message"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_told_the_right_one(place: Place, method: str) -> None:
    answer = send(f"{place.gateway.url}/applink/createQuote", method, {}, seconds=10)
    assert answer.status == 405 and answer.header("allow") == "POST"
    assert method == "HEAD" or answer.json()["code"] == "MethodNotAllowed"


@pytest.mark.parametrize(
    "path",
    ["/applink", "/applink/", "/applink/nothing", "/applink/createQuote/", "/applink//createQuote", "/applink/a/b",
     "/applink/CreateQuote", "/applink/createQuote%2f", "/applink/../applink/createQuote", "/applink/%2e%2e/x"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_no_operation_is_a_flat_404_and_never_a_redirect(place: Place, path: str, method: str) -> None:
    answer = send(f"{place.gateway.url}{path}", method, {"Content-Type": "application/json"}, b"{}", seconds=10)
    assert answer.status == 404
    assert set(answer.json()) == {"code", "message", "requestId"} and answer.json()["code"] == "NoOperation"


FORGED: dict[str, tuple[str, dict[str, str]]] = {
    "SCRIPT_NAME": ("/odata/createQuote", {"SCRIPT_NAME": "/odata"}),
    "PATH_INFO": ("/odata/v4/", {"PATH_INFO": "/applink/createQuote"}),
    "Script-Name": ("/odata/applink/createQuote", {"Script-Name": "/odata"}),
    "two slashes": ("//applink/createQuote", {}),
    "dots after odata": ("/odata/../applink/createQuote", {}),
    "dots after the root": ("/odata/v4/../../applink/createQuote", {}),
    "coded dots": ("/odata/%2e%2e/applink/createQuote", {}),
    "coded dots and slash": ("/odata/%2e%2e%2fapplink%2fcreateQuote", {}),
    "semicolon": ("/odata/..;/applink/createQuote", {}),
    "backslash": ("/odata/..%5capplink%5ccreateQuote", {}),
    "after healthcheck": ("/healthcheck/../applink/createQuote", {}),
    "after openapi": ("/openapi/../applink/createQuote", {}),
    "coded twice": ("/odata/%252e%252e/applink/createQuote", {}),
    "method override": ("/odata/v4/$batch", {"X-HTTP-Method": "POST", "X-Original-URL": "/applink/createQuote"}),
    "rewrite": ("/odata/v4/", {"X-Rewrite-URL": "/applink/createQuote"}),
    "prefix": ("/odata/createQuote", {"X-Forwarded-Prefix": "/odata"}),
    "NUL": ("/odata/%00/../applink/createQuote", {}),
    "fragment": ("/odata/%23/../applink/createQuote", {}),
    "query": ("/odata/?/../applink/createQuote", {}),
    "absolute": ("http://x/odata/../applink/createQuote", {}),
    "absolute, two slashes": ("http://x//applink/createQuote", {}),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_context_reaches_no_operation_past_the_mesh(place: Place, name: str) -> None:
    """Bar 3: the context is a real one of ann's; only the mesh's own header is missing, so its checks are bypassed."""
    path, more = FORGED[name]
    made = place.apex.prepare("createQuote", {"opportunityId": place.simulator.special("plain")}, through="direct")
    before = place.count("intent")
    head = "".join(f"{key}: {value}\r\n" for key, value in ({**made.headers, **more}).items())
    raw = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}Content-Length: {len(made.body)}\r\n\r\n"
    ).encode() + made.body
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
