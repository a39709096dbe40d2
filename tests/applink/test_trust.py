"""Who is believed (M4, bar 10): bad contexts are 400, 401 or 403; nobody is asked but the org's own userinfo."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from applink.authorizations import Orgs
from applink.context import Caller
from applink.errors import (
    ContextMissing,
    InvalidContext,
    NotAuthenticated,
    OperationError,
    OrgNotAllowed,
    OrgUnavailable,
    TokenRejected,
)
from applink.trust import HEADER, PROVEN_SECONDS, REFUSED_SECONDS, Trust, read_context
from simulator import context
from simulator.running import Simulator

USERINFO = "/services/oauth2/userinfo"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trust(orgs: Orgs, simulator: Simulator, clock: Clock) -> Trust:
    orgs.known_orgs()
    simulator.forget_requests()
    return Trust(orgs, test_domains=(simulator.url, simulator.other_url), clock=clock)


def members(simulator: Simulator, username: str = "ann", **changes: Any) -> dict[str, Any]:
    """What stands in x-client-context, with changes; None takes a member away."""
    made = {**context.client_context(simulator.caller(username), "00D-1-2"), **changes}
    return {name: value for name, value in made.items() if value is not ABSENT}


ABSENT = object()


def header(found: Any) -> dict[str, str]:
    return {HEADER: base64.b64encode(json.dumps(found).encode()).decode()}


def test_a_good_context_is_a_caller(trust: Trust, simulator: Simulator) -> None:
    ann = simulator.caller("ann")
    found = trust.prove(header(members(simulator)))
    assert found == Caller(
        org_id=ann.org_id, domain_url=simulator.url, api_version="64.0", user_id=ann.user_id,
        username="ann@acme.example", access_token=ann.access_token, request_id="00D-1-2",
    )  # fmt: skip
    assert [request["path"] for request in simulator.requests()] == [USERINFO]
    assert simulator.requests()[0]["request_id"] == "00D-1-2"


@pytest.mark.parametrize(
    ("changes", "member", "value"),
    [
        ({"apiVersion": "v64.0"}, "api_version", "64.0"),
        ({"namespace": "null"}, "namespace", None),
        ({"namespace": None}, "namespace", None),
        ({"namespace": ABSENT}, "namespace", None),
        ({"namespace": "acme"}, "namespace", "acme"),
        ({"orgDomainUrl": "acme.my.salesforce.com"}, "domain_url", "https://acme.my.salesforce.com"),
        ({"orgDomainUrl": "https://ACME--dev.sandbox.my.salesforce.com/"}, "domain_url",
         "https://acme--dev.sandbox.my.salesforce.com"),
        ({"orgDomainUrl": "https://acme.my.salesforce.com:443"}, "domain_url", "https://acme.my.salesforce.com"),
        ({"orgId": "00DbZ0000000001"}, "org_id", "00DbZ0000000001UAA"),
        ({"unknown": {"more": 1}}, "username", "ann@acme.example"),
    ],
)  # fmt: skip
def test_what_is_made_of_its_members(changes: Any, member: str, value: Any, simulator: Simulator) -> None:
    found = read_context(header(members(simulator, **changes))[HEADER], test_domains=(simulator.url,))
    assert getattr(found, member) == value


def test_a_test_domain_may_be_an_ipv6_address(simulator: Simulator) -> None:
    there = "http://[::1]:8010"
    given = header(members(simulator, orgDomainUrl=there))[HEADER]
    assert read_context(given, test_domains=(there,)).domain_url == there


USER = {"userId": "005bZ0000000001QAA", "username": "ann@acme.example"}
BAD: list[tuple[str, Any, type[OperationError]]] = [
    ("no org id", {"orgId": ABSENT}, InvalidContext),
    ("org id null", {"orgId": None}, InvalidContext),
    ("org id a number", {"orgId": 5}, InvalidContext),
    ("org id a list", {"orgId": ["00DbZ0000000001UAA"]}, InvalidContext),
    ("org id of a user", {"orgId": "005bZ0000000001QAA"}, InvalidContext),
    ("org id with a wrong checksum", {"orgId": "00DbZ0000000001AAA"}, InvalidContext),
    ("org id with a blank", {"orgId": "00DbZ0000000001UA "}, InvalidContext),
    ("org id as SOQL", {"orgId": "' OR Name LIKE '%"}, InvalidContext),
    ("org id too long", {"orgId": "00DbZ0000000001UAAA"}, InvalidContext),
    ("unknown org", {"orgId": "00DbZ0000000002UAA"}, OrgNotAllowed),
    ("no user", {"userContext": ABSENT}, InvalidContext),
    ("user null", {"userContext": None}, InvalidContext),
    ("user a text", {"userContext": "ann"}, InvalidContext),
    ("user without id", {"userContext": {"username": "x"}}, InvalidContext),
    ("user without name", {"userContext": {"userId": USER["userId"]}}, InvalidContext),
    ("user id of an org", {"userContext": {**USER, "userId": "00DbZ0000000001UAA"}}, InvalidContext),
    ("user name with line break", {"userContext": {**USER, "username": "ann\r\nX: y"}}, InvalidContext),
    ("no token", {"accessToken": ABSENT}, InvalidContext),
    ("token empty", {"accessToken": ""}, InvalidContext),
    ("token with line break", {"accessToken": "a\r\nHost: evil.example"}, InvalidContext),
    ("token beyond ASCII", {"accessToken": "tökén"}, InvalidContext),
    ("no version", {"apiVersion": ABSENT}, InvalidContext),
    ("version a path", {"apiVersion": "64.0/../.."}, InvalidContext),
    ("version a number", {"apiVersion": 64.0}, InvalidContext),
    ("version twice v", {"apiVersion": "vv64.0"}, InvalidContext),
    ("no request id", {"requestId": ABSENT}, InvalidContext),
    ("request id too long", {"requestId": "r" * 121}, InvalidContext),
    ("request id with line break", {"requestId": "r\nforged log line"}, InvalidContext),
    ("namespace a list", {"namespace": []}, InvalidContext),
    ("no domain", {"orgDomainUrl": ABSENT}, InvalidContext),
    ("domain empty", {"orgDomainUrl": ""}, InvalidContext),
    *(
        (f"domain {url}", {"orgDomainUrl": url}, OrgNotAllowed)
        for url in (
            "http://acme.my.salesforce.com", "https://evil.example", "https://acme.my.salesforce.com.evil.example",
            "https://my.salesforce.com", "https://.my.salesforce.com", "https://evilmy.salesforce.com",
            "https://acme.salesforce.com", "https://169.254.169.254", "http://169.254.169.254", "http://127.0.0.1:1",
            "http://127.0.0.1", "http://[::1]", "https://acme.my.salesforce.com:8443", "ftp://acme.my.salesforce.com",
            "https://localhost", "https://a_b.my.salesforce.com", "https://acme.my.salesforce.com.", "https://2130706433",
            "https://acme.my.site.com", "https://acme.lightning.force.com", "https://-x.my.salesforce.com",
        )
    ),
    *(
        (f"domain {url}", {"orgDomainUrl": url}, InvalidContext)
        for url in (
            "https://", "https:///x", "https://user@acme.my.salesforce.com", "https://evil.example@acme.my.salesforce.com",
            "https://acme.my.salesforce.com@evil.example", "https://acme.my.salesforce.com/path", "/services",
            "https://acme.my.salesforce.com?x", "https://acme.my.salesforce.com#x", "https://[::1",
            "https://acme.my.salesforce.com:x", "https://evil.example\\.my.salesforce.com", "https://é.my.salesforce.com",
            "https://evil.example/.my.salesforce.com", "https://a b.my.salesforce.com", "x" * 300,
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "kind"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_member_is_refused_and_nobody_asked(
    changes: dict[str, Any], kind: type[OperationError], trust: Trust, simulator: Simulator
) -> None:
    token = simulator.caller("ann").access_token
    with pytest.raises(OperationError) as refused:
        trust.prove(header(members(simulator, **changes)))
    assert type(refused.value) is kind and refused.value.status in (400, 401, 403)
    assert token not in refused.value.message
    assert simulator.requests() == []


WHOLE: list[tuple[str, str | None, type[OperationError]]] = [
    ("missing", None, ContextMissing),
    ("empty", "", ContextMissing),
    ("no base64", "%%%", InvalidContext),
    ("base64 of URLs", base64.urlsafe_b64encode(b'{"a":"???>>>"}').decode().rstrip("="), InvalidContext),
    ("wrapped", base64.encodebytes(json.dumps({"a": "x" * 200}).encode()).decode(), InvalidContext),
    ("no JSON", base64.b64encode(b"hello").decode(), InvalidContext),
    ("no UTF-8", base64.b64encode(b'{"a":"\xff"}').decode(), InvalidContext),
    ("a list", base64.b64encode(b"[]").decode(), InvalidContext),
    ("null", base64.b64encode(b"null").decode(), InvalidContext),
    ("deep", base64.b64encode(b"[" * 6000).decode(), InvalidContext),
    ("many digits", base64.b64encode(b'{"orgId":' + b"1" * 5000 + b"}").decode(), InvalidContext),
    ("empty object", base64.b64encode(b"{}").decode(), InvalidContext),
    ("too long", base64.b64encode(json.dumps({"a": "x" * 7000}).encode()).decode(), InvalidContext),
    ("beyond ASCII", "é" * 20, InvalidContext),
    ("plain JSON", '{"orgId": "x"}', InvalidContext),
]


@pytest.mark.parametrize(("value", "kind"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_a_header_that_is_no_context(
    value: str | None, kind: type[OperationError], trust: Trust, simulator: Simulator
) -> None:
    with pytest.raises(OperationError) as refused:
        trust.prove({} if value is None else {HEADER: value})
    assert type(refused.value) is kind
    assert simulator.requests() == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.booleans())
def test_any_bytes_are_refused_properly(raw: bytes, encoded: bool) -> None:
    value = base64.b64encode(raw).decode() if encoded else raw.decode("latin-1")
    with pytest.raises(OperationError) as refused:
        read_context(value)
    assert refused.value.status in (400, 401)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("orgId", "orgDomainUrl", "userContext", "accessToken", "apiVersion", "requestId", "namespace")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), json_values)
def test_any_value_of_any_member_is_read_or_refused(name: str, value: Any) -> None:
    good = {
        "requestId": "r", "accessToken": "t", "apiVersion": "64.0", "orgId": "00DbZ0000000001UAA",
        "orgDomainUrl": "https://acme.my.salesforce.com", "userContext": USER,
    }  # fmt: skip
    try:
        assert read_context(header({**good, name: value})[HEADER]).username
    except OperationError as refused:
        assert refused.status in (400, 403)


# Proof by the org

Change = Callable[[Simulator], dict[str, Any]]
UNPROVEN: list[tuple[str, Change]] = [
    ("made up", lambda s: {"accessToken": "00DbZ0000000001!AQ.nothing"}),
    ("of another user", lambda s: {"accessToken": s.caller("ben").access_token}),
    ("of another org", lambda s: {"accessToken": s.caller("ann@globex.example").access_token}),
    ("at the domain of another org", lambda s: {"orgDomainUrl": s.other_url}),
    ("of another org, at its domain", lambda s: {
        "accessToken": s.caller("ann@globex.example").access_token, "orgDomainUrl": s.other_url}),
    ("user id of another", lambda s: {"userContext": {**USER, "userId": s.caller("ben").user_id}}),
    ("name of another", lambda s: named(s, s.caller("ben").username)),
    ("name that is nobody's", lambda s: named(s, "ann@acme.example.sandbox")),
]  # fmt: skip


def named(simulator: Simulator, username: str) -> dict[str, Any]:
    """Ann under another name."""
    return {"userContext": {"userId": simulator.caller("ann").user_id, "username": username}}


@pytest.mark.parametrize("change", [row[1] for row in UNPROVEN], ids=[row[0] for row in UNPROVEN])
def test_a_token_that_is_not_the_users(change: Change, trust: Trust, simulator: Simulator) -> None:
    changed = header(members(simulator, **change(simulator)))
    simulator.forget_requests()
    for _ in range(3):
        with pytest.raises(TokenRejected) as refused:
            trust.prove(changed)
        assert refused.value.status == 401
    assert [request["path"] for request in simulator.requests()] == [USERINFO]


def test_a_proof_counts_five_minutes_and_a_refusal_briefly(trust: Trust, simulator: Simulator, clock: Clock) -> None:
    good, bad = header(members(simulator)), header(members(simulator, accessToken="x"))
    for _ in range(3):
        trust.prove(good)
        with pytest.raises(TokenRejected):
            trust.prove(bad)
    assert len(simulator.requests(USERINFO)) == 2
    clock.now += REFUSED_SECONDS
    with pytest.raises(TokenRejected):
        trust.prove(bad)
    trust.prove(good)
    assert len(simulator.requests(USERINFO)) == 3
    clock.now += PROVEN_SECONDS
    simulator.expire_token()
    with pytest.raises(TokenRejected):
        trust.prove(good)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "body": "<html>"}, {"status": 200, "body": "<html>"}, {"status": 200, "body": {}},
        {"cut": True, "times": None}, {"status": 429, "body": ""},
        {"status": 302, "body": "", "headers": {"Location": "/"}},
        {"status": 200, "body": {"organization_id": None, "user_id": None}}, {"status": 200, "body": []},
        {"status": 403, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "m"}]},
    ],
)  # fmt: skip
def test_an_org_that_does_not_say(fault: dict[str, Any], trust: Trust, simulator: Simulator) -> None:
    """Neither believed nor remembered."""
    simulator.fault(f"GET {USERINFO}", **fault)
    with pytest.raises(OrgUnavailable):
        trust.prove(header(members(simulator)))
    simulator.clear_faults()
    assert trust.prove(header(members(simulator)))


def test_userinfo_of_another_domain_is_no_proof(trust: Trust, simulator: Simulator) -> None:
    """An org answers truthfully who it is, also when it was named in another one's place."""
    ann = simulator.caller("ann")
    said = {"organization_id": ann.org_id, "user_id": ann.user_id, "urls": {"custom_domain": simulator.other_url}}
    simulator.fault(f"GET {USERINFO}", status=200, body=said)
    with pytest.raises(TokenRejected):
        trust.prove(header(members(simulator)))


def test_a_proof_of_one_name_is_none_of_another(trust: Trust, simulator: Simulator) -> None:
    assert trust.prove(header(members(simulator))).username == "ann@acme.example"
    with pytest.raises(TokenRejected):
        trust.prove(header(members(simulator, **named(simulator, "ben@acme.example"))))


def test_the_name_is_compared_as_salesforce_does_and_where_it_is_said(trust: Trust, simulator: Simulator) -> None:
    assert trust.prove(header(members(simulator, **named(simulator, "Ann@ACME.example")))).user_id
    ann = simulator.caller("ann")
    said = {"organization_id": ann.org_id, "user_id": ann.user_id}
    simulator.fault(f"GET {USERINFO}", status=200, body=said)
    assert trust.prove(header(members(simulator, **named(simulator, "whoever@acme.example")))).user_id == ann.user_id


def test_which_orgs_are_served_can_be_said(orgs: Orgs, simulator: Simulator) -> None:
    domains = (simulator.url, simulator.other_url)
    other = simulator.caller("ann@globex.example")
    theirs, ours = header(members(simulator, "ann@globex.example")), header(members(simulator))
    both = Trust(orgs, served=(other.org_id[:15], simulator.caller("ann").org_id), test_domains=domains)
    assert both.prove(theirs).org_id == other.org_id and both.prove(ours)
    with pytest.raises(OrgNotAllowed):
        Trust(orgs, test_domains=domains).prove(theirs)
    with pytest.raises(OrgNotAllowed):
        Trust(orgs, served=(other.org_id,), test_domains=domains).prove(ours)
    with pytest.raises(OrgNotAllowed):
        Trust(orgs).prove(ours)


def test_no_token_gets_into_a_log(trust: Trust, simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = simulator.caller("ann").access_token
    found = trust.prove(header(members(simulator)))
    simulator.fault(f"GET {USERINFO}", cut=True, times=None)
    with pytest.raises(OperationError) as failed:
        trust.prove(
            header(members(simulator, requestId="r2", userContext={**USER, "userId": "005bZ0000000009AAA"[:15]}))
        )
    for shown in (caplog.text, repr(found), repr(failed.value), repr(trust), repr(vars(trust))):
        assert token not in shown


# Credentials of the gateway (APPLINK_AUTH=basic)


def verify(given: str) -> tuple[str, str] | None:
    """A port such as app.py gives."""
    return ("00DbZ0000000001UAA", "named-credential") if given == "Basic good" else None


@pytest.fixture
def basic(orgs: Orgs, simulator: Simulator) -> Trust:
    return Trust(orgs, mode="basic", verify_basic=verify)


def test_a_credential_works_as_the_named_authorization(basic: Trust, orgs: Orgs, simulator: Simulator) -> None:
    found = basic.prove({"authorization": "Basic good", "x-request-id": "r-7"})
    assert (found.org_id, found.domain_url) == (simulator.caller("worker").org_id, simulator.url)
    assert (found.username, found.user_id, found.access_token) == ("named-credential", None, None)
    assert (found.request_id, found.api_version) == ("r-7", "64.0")
    assert orgs.of_caller(found).username == "worker@acme.example"
    for odd in ({}, {"x-request-id": ""}, {"x-request-id": "a b"}, {"x-request-id": "x" * 121}):
        assert len(basic.prove({"authorization": "Basic good", **odd}).request_id) == 36


def test_no_credential_or_a_wrong_one(basic: Trust, simulator: Simulator) -> None:
    simulator.forget_requests()
    with pytest.raises(ContextMissing):
        basic.prove(header(members(simulator)))
    with pytest.raises(NotAuthenticated):
        basic.prove({"authorization": "Basic bad"})
    assert simulator.requests() == []


def test_a_credential_means_nothing_behind_the_mesh(trust: Trust) -> None:
    with pytest.raises(ContextMissing):
        trust.prove({"authorization": "Basic good"})


def test_a_credential_of_an_org_that_is_not_served(orgs: Orgs) -> None:
    other = "00DxY0000000001MAA"
    with pytest.raises(OrgNotAllowed):
        Trust(orgs, mode="basic", verify_basic=lambda _: (other, "x")).prove({"authorization": "Basic good"})
    with pytest.raises(OrgNotAllowed):
        Trust(orgs, mode="basic", verify_basic=verify, served=(other,)).prove({"authorization": "Basic good"})


def test_modes_are_two(orgs: Orgs) -> None:
    for mode in ("", "none", "basic"):
        with pytest.raises(ValueError, match="basic"):
            Trust(orgs, mode=mode)


def test_a_context_keeps_nothing_for_the_next_request(trust: Trust, simulator: Simulator) -> None:
    """M5: what was proven for one request is not there in another."""
    trust.prove(header(members(simulator)))
    with pytest.raises(ContextMissing):
        trust.prove({})
    first = trust.prove(header(members(simulator)))
    second = trust.prove(header(members(simulator, "ben")))
    assert (first.username, second.username) == ("ann@acme.example", "ben@acme.example")
    assert replace(first, request_id="x") != first
