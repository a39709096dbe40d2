"""Named authorizations: from the add-on through the real SDK, or by JWT bearer; fetched once, renewed once (S1, M7)."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from heroku_applink import authorization as sdk_settings
from sqlalchemy import Engine

from applink.authorizations import Orgs
from applink.errors import OperationError, OrgNotAllowed, OrgUnavailable
from applink.org import Org
from applink.sending import Answer, Session
from applink.tokens import JwtLogin, _granted, by_jwt, origin
from simulator.running import Simulator
from tests.applink.calling import AUTHORIZATION, USERS, caller_of, soon

MakeOrgs = Callable[..., Orgs]


@pytest.fixture
def make(simulator: Simulator) -> Iterator[MakeOrgs]:
    """Orgs with other settings, closed at the end."""
    made: list[Orgs] = []

    def orgs(**settings: Any) -> Orgs:
        made.append(Orgs(test_domains=(simulator.url, simulator.other_url), **settings))
        return made[-1]

    yield orgs
    for each in made:
        each.close()


def test_one_name_serves_the_org_that_it_is_of(orgs: Orgs, simulator: Simulator) -> None:
    ours, other = simulator.caller("worker"), simulator.caller("worker@globex.example")
    assert orgs.known_orgs() == (ours.org_id,)
    org = orgs.named(ours.org_id)
    assert (org.org_id, org.domain_url, org.username) == (ours.org_id, simulator.url, "worker@acme.example")
    assert (org.user_id, orgs.authorization_name(ours.org_id), orgs.api_version(ours.org_id)) == (
        ours.user_id, "worker", "64.0",
    )  # fmt: skip
    with pytest.raises(OrgNotAllowed, match=other.org_id):
        orgs.named(other.org_id)
    assert len(simulator.requests("/authorizations/")) == 1


def test_several_orgs_have_one_name_each(make: MakeOrgs, simulator: Simulator) -> None:
    ours, other = simulator.caller("worker").org_id, simulator.caller("worker@globex.example").org_id
    orgs = make(authorization=f"{ours}=worker, {other[:15]}=worker_globex")
    assert orgs.known_orgs() == (ours, other)
    assert simulator.requests("/authorizations/") == []
    assert orgs.named(other).domain_url == simulator.other_url
    assert orgs.named(other).query(USERS, deadline=soon()) and orgs.named(ours).query(USERS, deadline=soon())


def test_a_name_of_another_org_is_noticed(make: MakeOrgs, simulator: Simulator) -> None:
    ours = simulator.caller("worker").org_id
    with pytest.raises(OrgNotAllowed, match="worker_globex"):
        make(authorization=f"{ours}=worker_globex").named(ours)


@pytest.mark.parametrize("text", ["", ",", "a,b", "00D=x", "00DbZ0000000001UAA=", "x,00DbZ0000000001UAA=y"])
def test_settings_that_mean_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="APPLINK_AUTHORIZATION"):
        Orgs(authorization=text)


def test_a_caller_works_as_itself_and_without_a_token_as_the_authorization(orgs: Orgs, simulator: Simulator) -> None:
    caller = caller_of(simulator, "ann")
    assert orgs.of_caller(caller).username == "ann@acme.example"
    assert orgs.of_caller(replace(caller, access_token=None, user_id=None)).username == "worker@acme.example"
    assert "AQ." not in repr(caller) and "AQ." not in repr(orgs.of_caller(caller))


def test_twenty_first_calls_fetch_one_token(orgs: Orgs, simulator: Simulator) -> None:
    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(lambda _: orgs.known_orgs(), range(20)))) == 1
    assert len(simulator.requests("/authorizations/")) == 1


def test_a_token_that_cannot_be_renewed_now_is_renewed_later(work_org: Org, simulator: Simulator) -> None:
    simulator.expire_token()
    simulator.fault("GET /authorizations/", status=503, body="<html>", times=1)
    with pytest.raises(OrgUnavailable, match="503"):
        work_org.query(USERS, deadline=soon())
    assert work_org.query(USERS, deadline=soon())


ORG = AUTHORIZATION["org"]
ADDON: list[tuple[str, dict[str, Any], type[OperationError], str]] = [
    ("unknown", {"status": 404, "body": {"title": "Not Found"}}, OrgNotAllowed, "no authorization named worker"),
    ("token of the add-on refused", {"status": 401, "body": {"title": "Unauthorized"}}, OrgUnavailable, "401"),
    ("server error", {"status": 500, "body": "<html>"}, OrgUnavailable, "500"),
    ("HTML", {"status": 200, "body": "<html>"}, OrgUnavailable, "ContentTypeError|200"),
    ("timestamp without a fraction", {"status": 200, "body": {**AUTHORIZATION, "created_at": "2026-01-05T10:00:42Z"}},
     OrgUnavailable, "cannot be read"),
    ("no org", {"status": 200, "body": {"id": "x"}}, OrgUnavailable, "cannot be read"),
    ("a list", {"status": 200, "body": []}, OrgUnavailable, "cannot be read"),
    ("no address", {"status": 200, "body": {**AUTHORIZATION, "org": {**ORG, "instance_url": "ftp:x"}}},
     OrgUnavailable, "cannot be read"),
    ("not authorized any more", {"status": 200, "body": {**AUTHORIZATION, "status": "disconnected"}},
     OrgUnavailable, "disconnected"),
    ("cut", {"cut": True, "times": None}, OrgUnavailable, "no answer"),
    ("no answer in time", {"delay": 20}, OrgUnavailable, "no answer|in time"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "said"), [row[1:] for row in ADDON], ids=[row[0] for row in ADDON])
def test_what_the_add_on_says_instead(
    fault: dict[str, Any], kind: type[OperationError], said: str,
    orgs: Orgs, simulator: Simulator, seeded_engine: Engine, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    simulator.fault("GET /authorizations/", **fault)
    with pytest.raises(kind, match=said) as failed, seeded_engine.begin():
        orgs.named("00DbZ0000000001UAA", deadline=soon(1))
    assert failed.value.__context__ is None
    shown = f"{failed.value!r}{caplog.text}"
    assert "addon-secret" not in shown and "canary" not in shown
    simulator.clear_faults()
    assert orgs.named("00DbZ0000000001UAA").query(USERS, deadline=soon())
    gc.collect()
    assert "Unclosed" not in caplog.text  # the connection that the SDK made for this question


@pytest.mark.parametrize("missing", ["HEROKU_APP_ID", "HEROKU_APPLINK_API_URL", "HEROKU_APPLINK_TOKEN"])
def test_an_add_on_that_is_not_there(
    missing: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, make: MakeOrgs, seeded_engine: Engine
) -> None:
    monkeypatch.delenv(missing)
    sdk_settings._resolve_addon_config_by_attachment_or_color.cache_clear()
    with pytest.raises(OrgUnavailable, match="not set up") as failed, seeded_engine.begin():
        make().known_orgs()
    assert "addon-secret" not in failed.value.message


def test_an_add_on_that_nobody_listens_at(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, make: MakeOrgs
) -> None:
    monkeypatch.setenv("HEROKU_APPLINK_API_URL", "http://127.0.0.1:1/addons/a1")
    sdk_settings._resolve_addon_config_by_attachment_or_color.cache_clear()
    with pytest.raises(OrgUnavailable, match="no answer"):
        make().known_orgs()


# JWT bearer


def pem(key: rsa.RSAPrivateKey) -> str:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def login(simulator: Simulator, key: rsa.RSAPrivateKey) -> JwtLogin:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    simulator.add_consumer("consumer-1", public.decode())
    return JwtLogin(
        login_url=simulator.url, consumer_key="consumer-1", username="worker@acme.example", private_key=pem(key)
    )


def test_signing_in_by_jwt_asks_no_add_on(
    login: JwtLogin, make: MakeOrgs, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEROKU_APP_ID")
    orgs = make(jwt_login=login)
    assert orgs.known_orgs() == (simulator.caller("worker").org_id,)
    org = orgs.named(orgs.known_orgs()[0])
    assert (org.username, org.user_id) == ("worker@acme.example", simulator.caller("worker").user_id)
    simulator.expire_token()
    assert org.query(USERS, deadline=soon())
    assert len(simulator.requests("/services/oauth2/token")) == 2 and simulator.requests("/addons") == []
    assert "PRIVATE KEY" not in repr(login)


def test_signing_in_by_jwt_for_the_login_server(login: JwtLogin, make: MakeOrgs) -> None:
    assert make(jwt_login=replace(login, audience="https://test.salesforce.com")).known_orgs()


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"consumer_key": "nobody"}, OrgNotAllowed, "invalid_client_id"),
        ({"username": "nobody@acme.example"}, OrgNotAllowed, "approved"),
        ({"audience": "https://evil.example"}, OrgNotAllowed, "audience"),
        ({"private_key": "-----BEGIN NOTHING"}, OrgUnavailable, "SF_PRIVATE_KEY"),
        ({"login_url": "http://127.0.0.1:1"}, OrgUnavailable, "reached"),
    ],
)
def test_signing_in_by_jwt_and_being_refused(
    change: dict[str, str], kind: type[OperationError], said: str, login: JwtLogin, make: MakeOrgs
) -> None:
    with pytest.raises(kind, match=said) as failed:
        make(jwt_login=replace(login, **change)).known_orgs()
    assert "BEGIN" not in failed.value.message


def by_clock(orgs: Orgs, login: JwtLogin, off_seconds: float) -> Session:
    """A sign-in of a process whose clock is so far off."""
    made = by_jwt(orgs.sender, login, soon(), clock=lambda: time.time() + off_seconds)
    return orgs.sender.loop.run(made, soon())


@pytest.mark.parametrize(("off_seconds", "asked"), [(0, 1), (-100, 1), (50, 1), (-600, 2), (600, 2), (-80_000, 2)])
def test_signing_in_by_a_clock_that_is_off(
    off_seconds: float, asked: int, login: JwtLogin, make: MakeOrgs, simulator: Simulator
) -> None:
    """The org takes what is good for three minutes at most from now, by its own clock."""
    simulator.forget_requests()
    found = by_clock(make(jwt_login=login), login, off_seconds)
    assert found.org_id == simulator.caller("worker").org_id
    assert len(simulator.requests("/services/oauth2/token")) == asked


@pytest.mark.parametrize(
    ("change", "off_seconds", "asked", "said"),
    [
        ({}, -200_000, 1, "expired authorization code.* differ by (199|200)[0-9]{3} seconds"),
        ({}, 200_000, 1, "expired authorization code.* differ by (199|200)[0-9]{3} seconds"),
        ({"username": "nobody@acme.example"}, 0, 1, r"approved this consumer\)\.$"),
        ({"username": "nobody@acme.example"}, -600, 2, r"approved this consumer\)\.$"),
        ({"consumer_key": "nobody"}, -600, 1, "invalid_client_id"),
    ],
)
def test_signing_in_by_a_clock_that_is_off_and_being_refused(
    change: dict[str, str],
    off_seconds: float,
    asked: int,
    said: str,
    login: JwtLogin,
    make: MakeOrgs,
    simulator: Simulator,
) -> None:
    simulator.forget_requests()
    with pytest.raises(OrgNotAllowed, match=said):
        by_clock(make(jwt_login=login), replace(login, **change), off_seconds)
    assert len(simulator.requests("/services/oauth2/token")) == asked


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 99 Nov 2026 10:00:00 GMT"])
def test_an_org_that_says_no_time_is_not_ahead(date: str) -> None:
    refused = Answer(400, b'{"error":"invalid_grant","error_description":"expired authorization code"}', date)
    login = JwtLogin(login_url="https://login", consumer_key="k", username="worker", private_key="")
    with pytest.raises(OrgNotAllowed, match=r"\(invalid_grant: expired authorization code\)\.$"):
        _granted(login, refused, time.time())


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "body": "<html>"}, {"status": 200, "body": "<html>"}, {"status": 200, "body": {}},
        {"cut": True},
        {"status": 200, "body": {"id": "x", "instance_url": "http://127.0.0.1", "access_token": "AQ.canary"}},
        {"status": 400, "body": []},
    ],
)  # fmt: skip
def test_a_sign_in_that_is_not_answered(
    fault: dict[str, Any], login: JwtLogin, make: MakeOrgs, simulator: Simulator
) -> None:
    simulator.fault("POST /services/oauth2/token", **fault)
    orgs = make(jwt_login=login)
    with pytest.raises(OrgUnavailable) as failed:
        orgs.known_orgs()
    assert "canary" not in str(failed.value)
    assert orgs.known_orgs()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://acme.my.salesforce.com/", "https://acme.my.salesforce.com"),
        ("acme.my.salesforce.com", "https://acme.my.salesforce.com"),
        ("https://ACME.my.salesforce.com/services", "https://acme.my.salesforce.com"),
        ("http://127.0.0.1:8010", "http://127.0.0.1:8010"),
    ],
)
def test_an_origin(url: str, found: str) -> None:
    assert origin(url) == found


@pytest.mark.parametrize("url", ["", "https://", "ftp://x", "https://a@b", "https://[::1", "ftp:x", "https://a:b"])
def test_what_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError):
        origin(url)
