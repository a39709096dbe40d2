"""Who is believed (M4, bar 10): nobody is asked but the org's own userinfo, and the gateway's own credentials."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from applink.authorizations import Orgs
from applink.context import Caller
from applink.errors import (
    ContextMissing,
    NotAuthenticated,
    OperationError,
    OrgNotAllowed,
    OrgUnavailable,
    TokenRejected,
)
from applink.trust import PROVEN_SECONDS, REFUSED_SECONDS, Trust
from simulator.running import Simulator
from tests.applink.trusting import USER, USERINFO, Clock, header, members


def test_a_good_context_is_a_caller(trust: Trust, simulator: Simulator) -> None:
    ann = simulator.caller("ann")
    found = trust.prove(header(members(simulator)))
    assert found == Caller(
        org_id=ann.org_id, domain_url=simulator.url, api_version="64.0", user_id=ann.user_id,
        username="ann@acme.example", access_token=ann.access_token, request_id="00D-1-2",
    )  # fmt: skip
    assert [request["path"] for request in simulator.requests()] == [USERINFO]
    assert simulator.requests()[0]["request_id"] == "00D-1-2"


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
