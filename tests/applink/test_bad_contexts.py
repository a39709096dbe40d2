"""Contexts that are none (M4, bar 10): 400, 401 or 403 before anybody is asked."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from applink.errors import (
    ContextMissing,
    InvalidContext,
    OperationError,
    OrgNotAllowed,
)
from applink.trust import HEADER, Trust, read_context
from simulator.running import Simulator
from tests.applink.trusting import ABSENT, USER, header, members


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
