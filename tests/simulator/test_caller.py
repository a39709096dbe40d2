"""The caller sends what Salesforce sends, the same bytes when it repeats, and nonsense when asked to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from simulator import context
from simulator.caller import Apex, Unreachable
from simulator.context import Caller, Target
from simulator.mesh import Mesh, MeshServer, serving
from simulator.mesh_rules import Rules
from simulator.org_client import NoOrg, OrgClient
from tests.simulator.stand_in import Arrived, Said, StandIn, listening

ANN = Caller(
    org_id="00DbZ0000000001UAA",
    org_domain_url="http://127.0.0.1:8010",
    user_id="005bZ0000000001UAA",
    username="ann@acme.example",
    access_token="00DbZ0000000001!" + "x" * 2500,
)
NOBODY = OrgClient("http://127.0.0.1:1")
BODY = {"opportunityId": "006bZ0000000001QAA"}


@pytest.fixture(scope="module")
def listeners() -> Iterator[tuple[StandIn, StandIn, MeshServer]]:
    with listening() as gateway, listening() as addon:
        own = Mesh(target=gateway.url, addon_url=addon.url, addon_token="t", rules=Rules(), seconds=10)
        with serving(own) as server:
            yield gateway, addon, server


@pytest.fixture
def gateway(listeners: tuple[StandIn, StandIn, MeshServer]) -> StandIn:
    return listeners[0].reset()


@pytest.fixture
def apex(gateway: StandIn, listeners: tuple[StandIn, StandIn, MeshServer]) -> Apex:
    listeners[1].reset()
    return Apex(org=NOBODY, gateway=gateway.url, mesh=listeners[2].url, seconds=10)


def test_the_client_context_is_what_salesforce_sends() -> None:
    header = context.headers(ANN, Target(resource="/applink/createQuote"), "r-1")["x-client-context"]
    assert "\n" not in header and " " not in header
    assert json.loads(base64.b64decode(header, validate=True)) == {
        "requestId": "r-1",
        "accessToken": ANN.access_token,
        "apiVersion": "64.0",
        "namespace": None,
        "orgId": ANN.org_id,
        "orgDomainUrl": ANN.org_domain_url,
        "userContext": {"userId": ANN.user_id, "username": ANN.username},
    }


def test_the_request_context_has_all_its_members() -> None:
    headers = context.headers(ANN, Target(resource="/applink/createQuote", app_uuid="app-7"), "r-1")
    members = context.decode(headers["x-request-context"])
    assert sorted(members) == sorted(("id", "auth", "loginUrl", "orgDomainUrl", "orgId", "resource", "type", "appUuid"))
    assert all(members.values())
    assert (members["id"], members["appUuid"], members["auth"].count(".")) == ("r-1", "app-7", 2)
    assert headers["x-request-id"] == "r-1"


def test_a_request_id_names_the_org_and_the_moment() -> None:
    made = context.new_request_id(ANN, datetime(2026, 1, 5, 10, 0, tzinfo=UTC))
    assert made.startswith("00DbZ0000000001-") and made.endswith("-2026-01-05T10:00:00Z")
    assert made != context.new_request_id(ANN, datetime(2026, 1, 5, 10, 0, tzinfo=UTC))


def test_the_real_sdk_reads_the_context() -> None:
    import heroku_applink as sdk

    header = context.encode(context.client_context(ANN, "r-1"))
    read = sdk.ClientContext.from_header(header, connection=None)
    assert (read.request_id, read.access_token, read.api_version) == ("r-1", ANN.access_token, "64.0")
    assert (read.org.id, read.org.domain_url) == (ANN.org_id, ANN.org_domain_url)
    assert (read.org.user.id, read.org.user.username) == (ANN.user_id, ANN.username)


def test_an_invocation_through_the_mesh(apex: Apex, gateway: StandIn) -> None:
    gateway.speak = lambda request: Said(body=b'{"quoteId": "0Q0"}')
    reply = apex.invoke("createQuote", BODY, user=ANN)
    assert (reply.status, reply.body) == (200, {"quoteId": "0Q0"})
    [arrived] = gateway.arrived
    assert (arrived.method, arrived.target) == ("POST", "/applink/createQuote")
    assert json.loads(arrived.body) == BODY
    assert arrived.all("content-type") == ["application/json"]
    assert arrived.all("x-request-id") == [reply.invocation.request_id]
    assert arrived.all("x-request-context") == []
    sent = context.decode(arrived.all("x-client-context")[0])
    assert (sent["requestId"], sent["accessToken"]) == (reply.invocation.request_id, ANN.access_token)


def test_directly_it_sends_what_the_mesh_leaves(apex: Apex, gateway: StandIn) -> None:
    invocation = apex.prepare("createQuote", BODY, user=ANN, request_id="r-1")
    apex.send(invocation)
    apex.invoke("createQuote", BODY, user=ANN, request_id="r-1", through="direct")
    through, direct = gateway.arrived
    interesting = ("x-client-context", "x-request-context", "x-request-id", "content-type", "accept")
    assert [through.all(name) for name in interesting] == [direct.all(name) for name in interesting]
    assert through.body == direct.body


def test_a_repeat_is_the_same_byte_for_byte(apex: Apex, gateway: StandIn) -> None:
    first = apex.invoke("createQuote", BODY, user=ANN)
    apex.repeat(first)
    apex.invoke("createQuote", BODY, user=ANN)
    one, again, other = gateway.arrived
    assert one == again
    assert one.all("x-request-id") != other.all("x-request-id")


def test_bytes_are_sent_as_they_are(apex: Apex, gateway: StandIn) -> None:
    apex.send(apex.prepare("createQuote", b"{not json", user=ANN))
    assert gateway.arrived[0].body == b"{not json"


@pytest.mark.parametrize("name", context.MALFORMED)
def test_every_malformed_context_gets_through_the_mesh(apex: Apex, gateway: StandIn, name: str) -> None:
    """The mesh looks only at its own header, so all of them reach the gateway, but for the empty one."""
    reply = apex.invoke("createQuote", BODY, user=ANN, client_context=name)
    assert reply.status == (400 if name == "empty" else 200)
    good = context.encode(context.client_context(ANN, reply.invocation.request_id))
    assert [arrived.all("x-client-context") != [good] for arrived in gateway.arrived] == [True] * (name != "empty")


def test_a_context_can_be_left_out_or_be_any_text(apex: Apex, gateway: StandIn) -> None:
    apex.invoke("createQuote", BODY, user=ANN, through="direct", client_context="-")
    apex.invoke("createQuote", BODY, user=ANN, through="direct", client_context="eA==")
    assert [arrived.all("x-client-context") for arrived in gateway.arrived] == [[], ["eA=="]]


@pytest.mark.parametrize("domain", context.FOREIGN_DOMAINS)
def test_an_org_domain_can_be_foreign(apex: Apex, gateway: StandIn, domain: str) -> None:
    apex.invoke("createQuote", BODY, user=ANN, org_domain_url=domain)
    assert context.decode(gateway.arrived[0].all("x-client-context")[0])["orgDomainUrl"] == domain


def test_further_headers_win(apex: Apex, gateway: StandIn) -> None:
    apex.invoke("createQuote", BODY, user=ANN, through="direct", headers={"Idempotency-Key": "k", "Accept": "*/*"})
    assert gateway.arrived[0].all("idempotency-key") == ["k"]
    assert gateway.arrived[0].all("accept") == ["*/*"]


def test_nobody_there_is_one_line(apex: Apex) -> None:
    lonely = Apex(org=NOBODY, gateway="http://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"no answer from http://127\.0\.0\.1:1/applink/getJob"):
        lonely.invoke("getJob", {}, user=ANN, through="direct")
    with pytest.raises(NoOrg, match="does not answer"):
        lonely.invoke("getJob", {}, user="ann@acme.example", through="direct")
    with pytest.raises(ValueError, match="no mesh"):
        lonely.invoke("getJob", {}, user=ANN)


def test_an_answer_that_is_no_json_says_so(apex: Apex, gateway: StandIn) -> None:
    def speak(request: Arrived) -> Said:
        return Said(status=502, body=b"<html>")

    gateway.speak = speak
    reply = apex.invoke("getJob", {}, user=ANN)
    with pytest.raises(ValueError, match="502 with no JSON but b'<html>'"):
        _ = reply.body
