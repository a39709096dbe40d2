"""Users, orgs, tokens, faults, settings, callbacks, the record, and what survives a restart."""

# ruff: noqa: S608, the queries are SOQL

from __future__ import annotations

import base64
import hashlib
import hmac
import resource
import time
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from models import seed
from odata.edm.record_ids import widen_record_id
from simulator import data, world
from simulator.exchange import Answer, send
from simulator.running import Simulator, SimulatorError, running
from tests.machine import times_slower
from tests.simulator.conftest import Rest, error_code, node

FIRST, SECOND = world.FIRST_ORG, world.SECOND_ORG


def test_the_orgs_are_those_of_the_demo_data() -> None:
    assert (FIRST, SECOND) == seed.ORGS
    assert all(widen_record_id(org[:15]) == org for org in (FIRST, SECOND))


def test_every_id_has_its_checksum(simulator: Simulator) -> None:
    for sobject in (
        "Account",
        "Opportunity",
        "OpportunityLineItem",
        "PricebookEntry",
        "Pricebook2",
        "Product2",
        "User",
    ):
        for record in simulator.records(sobject):
            assert widen_record_id(record["Id"][:15]) == record["Id"]


def test_who_sees_what(ann: Rest, ben: Rest, worker: Rest, simulator: Simulator) -> None:
    def count(rest: Rest, of: str) -> int:
        return int(rest.query(f"SELECT COUNT() FROM {of}").json()["totalSize"])

    for sobject in ("Opportunity", "OpportunityLineItem", "Account"):
        assert count(worker, sobject) == len(simulator.records(sobject))
        assert 0 < count(ben, sobject) < count(ann, sobject) < count(worker, sobject)
    apac = simulator.special("apac")
    assert ann.rows(f"SELECT Id FROM Opportunity WHERE Id = '{apac}'") == []
    assert error_code(ann.call("GET", f"/sobjects/Opportunity/{apac}")) == (404, "NOT_FOUND")
    answer = ann.call("POST", "/sobjects/Quote", {"Name": "Q", "OpportunityId": apac})
    assert error_code(answer) == (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY")
    simulator.create("Quote", {"Name": "Q", "OpportunityId": apac})
    assert (count(worker, "Quote"), count(ann, "Quote")) == (1, 0)


def test_describe_says_who_may_create(ann: Rest, ben: Rest) -> None:
    said = [rest.call("GET", "/sobjects/Quote/describe").json()["createable"] for rest in (ann, ben)]
    assert said == [True, False]


def test_ordinary_opportunities_are_as_promised(simulator: Simulator) -> None:
    good, bad = simulator.opportunities(500, user="ann"), simulator.opportunities(500, user="ann", bad=True)
    assert len(good) > 200 and len(bad) > 5 and not set(good) & set(bad)
    entries = {entry["Id"]: entry for entry in simulator.records("PricebookEntry")}
    lines: dict[str, list[str]] = {}
    for line in simulator.records("OpportunityLineItem"):
        lines.setdefault(line["OpportunityId"], []).append(line["PricebookEntryId"])
    for opportunity in simulator.records("Opportunity"):
        own = [entries[entry] for entry in lines.get(opportunity["Id"], [])]
        fits = bool(own) and all(
            entry["IsActive"] and entry["Pricebook2Id"] == opportunity["Pricebook2Id"] for entry in own
        )
        if opportunity["Id"] in good:
            assert fits
        if opportunity["Id"] in bad:
            assert not fits


@pytest.mark.parametrize("name", data.SPECIAL_NUMBERS)
def test_every_special_case_is_there(simulator: Simulator, name: str) -> None:
    assert len(simulator.records("Opportunity", f"Id = '{simulator.special(name)}'")) == 1


def test_an_org_with_several_currencies(simulator: Simulator) -> None:
    rest = Rest(simulator.caller("ann@globex.example"))
    assert (rest.caller.org_id, rest.caller.org_domain_url) == (SECOND, simulator.other_url)
    (row,) = rest.rows(
        "SELECT Id, CurrencyIsoCode, Pricebook2Id FROM Opportunity WHERE CurrencyIsoCode = 'EUR' LIMIT 1"
    )
    fields = {"Name": "Q", "OpportunityId": row["Id"], "Pricebook2Id": row["Pricebook2Id"]}
    quote = rest.call("POST", "/sobjects/Quote", fields).json()["id"]
    assert simulator.records("Quote", f"Id = '{quote}'", org=SECOND)[0]["CurrencyIsoCode"] == "EUR"
    assert rest.call("POST", "/sobjects/Quote", {**fields, "CurrencyIsoCode": "JPY"}).status == 400
    (yen,) = rest.rows("SELECT DecimalPlaces FROM CurrencyType WHERE IsoCode = 'JPY'")
    assert yen["DecimalPlaces"] == 0
    dear = simulator.records(
        "PricebookEntry", f"CurrencyIsoCode = 'JPY' AND Pricebook2Id = '{row['Pricebook2Id']}'", org=SECOND
    )[0]["Id"]
    line = {"QuoteId": quote, "PricebookEntryId": dear, "Quantity": 1, "UnitPrice": 1}
    assert error_code(rest.call("POST", "/sobjects/QuoteLineItem", line)) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_a_token_is_good_in_its_own_org_only(simulator: Simulator, ann: Rest) -> None:
    headers = {"Authorization": f"Bearer {ann.caller.access_token}"}
    answer = send(f"{simulator.other_url}/services/data/v64.0/limits", "GET", headers, seconds=5)
    assert error_code(answer) == (401, "INVALID_SESSION_ID")
    answer = send(f"{simulator.url}/services/data/v64.0/limits", "GET", {}, seconds=5)
    assert error_code(answer) == (401, "INVALID_SESSION_ID")
    simulator.expire_token("ann")
    assert ann.call("GET", "/limits").status == 401
    assert Rest(simulator.caller("ann")).call("GET", "/limits").status == 200


def test_userinfo(simulator: Simulator, ann: Rest) -> None:
    said = ann.call("GET", "/services/oauth2/userinfo").json()
    assert (said["user_id"], said["organization_id"]) == (ann.caller.user_id, FIRST)
    assert said["preferred_username"] == "ann@acme.example"
    assert said["urls"]["custom_domain"] == simulator.url
    simulator.expire_token()
    answer = ann.call("GET", "/services/oauth2/userinfo")
    assert (answer.status, answer.body) == (403, b"Bad_OAuth_Token")


def test_a_fault_meets_the_calls_it_is_for(simulator: Simulator, ann: Rest, worker: Rest) -> None:
    simulator.fault("GET /limits", user="ann@acme.example", status=500, body=[{"errorCode": "X"}], times=2, skip=1)
    assert [ann.call("GET", "/limits").status for _ in range(4)] == [200, 500, 500, 200]
    assert worker.call("GET", "/limits").status == 200
    assert simulator.faults()[0]["met"] == 2
    simulator.fault("POST /sobjects", contains="Special", status=503, headers={"Retry-After": "7"}, times=None)
    answer = ann.call("POST", "/sobjects/Account", {"Name": "Special"})
    assert (answer.status, answer.header("Retry-After"), answer.body) == (503, "7", b"")
    assert ann.call("POST", "/sobjects/Account", {"Name": "Ordinary"}).status == 201
    simulator.clear_faults()
    assert ann.call("POST", "/sobjects/Account", {"Name": "Special"}).status == 201
    with pytest.raises(SimulatorError):
        simulator.fault("GET /", statsu=500)


def test_the_orgs_own_refusal_on_order(simulator: Simulator, worker: Rest) -> None:
    simulator.fault("* /", refuse="UNABLE_TO_LOCK_ROW", times=2)
    assert error_code(worker.call("POST", "/sobjects/Account", {"Name": "A"})) == (400, "UNABLE_TO_LOCK_ROW")
    nodes = [node("a", "POST", "Account", {"Name": "A"}), node("b", "POST", "Account", {"Name": "B"})]
    said = worker.graph(*nodes)
    codes = [each["body"][0]["errorCode"] for each in said["graphResponse"]["compositeResponse"]]
    assert (said["isSuccessful"], codes) == (False, ["UNABLE_TO_LOCK_ROW", "PROCESSING_HALTED"])
    assert worker.graph(*nodes)["isSuccessful"] is True


@pytest.mark.parametrize(("after", "made"), [(False, 0), (True, 1)])
def test_a_cut_before_and_after_the_effect(simulator: Simulator, worker: Rest, after: bool, made: int) -> None:
    simulator.fault("POST /sobjects/Quote", cut=True, after=after)
    with pytest.raises((OSError, HTTPException)):
        worker.call("POST", "/sobjects/Quote", {"Name": "Q", "OpportunityId": simulator.special("plain")})
    assert len(simulator.records("Quote")) == made
    assert simulator.requests("/sobjects/Quote")[-1]["status"] == 0


def test_an_answer_that_hides_the_effect(simulator: Simulator, worker: Rest) -> None:
    simulator.fault("POST /sobjects/Quote", status=502, body="<html>Bad Gateway</html>", after=True)
    answer = worker.call("POST", "/sobjects/Quote", {"Name": "Q", "OpportunityId": simulator.special("plain")})
    assert (answer.status, answer.header("Content-Type")) == (502, "text/html;charset=UTF-8")
    assert len(simulator.records("Quote")) == 1


def test_the_effect_comes_though_the_caller_has_gone(simulator: Simulator, worker: Rest) -> None:
    simulator.settings(delay_ms=300)
    url = f"{simulator.url}/services/data/v64.0/sobjects/Account"
    headers = {"Authorization": f"Bearer {worker.caller.access_token}"}
    with pytest.raises(TimeoutError):
        send(url, "POST", headers, b'{"Name": "Patience"}', seconds=0.1)
    time.sleep(0.4)
    assert len(simulator.records("Account", "Name = 'Patience'")) == 1


def test_a_long_body_comes_in_whole(simulator: Simulator, worker: Rest) -> None:
    answer = worker.call("POST", "/sobjects/Opportunity", {"Description": "x" * 3_000_000})
    assert error_code(answer) == (400, "STRING_TOO_LONG")


def test_settings(simulator: Simulator, worker: Rest) -> None:
    assert simulator.settings(request_limit=2)["request_limit"] == 2
    assert [worker.call("GET", "/limits").status for _ in range(3)] == [200, 200, 403]
    assert error_code(worker.call("GET", "/limits")) == (403, "REQUEST_LIMIT_EXCEEDED")
    simulator.settings(request_limit=None, delay_ms=50)
    worker.call("GET", "/limits")
    assert simulator.requests("/limits")[-1]["ms"] >= 50
    with pytest.raises(SimulatorError):
        simulator.settings(dealy_ms=1)
    simulator.reset()
    assert simulator.settings()["delay_ms"] == 0


def test_callbacks(simulator: Simulator, worker: Rest) -> None:
    opened = simulator.open_callback("ann", operation="createQuotes")
    path = opened["url"].removeprefix(simulator.url)
    assert [worker.call("POST", path, {"n": n}).status for n in (1, 2)] == [200, 200]
    found = simulator.callback(opened["id"])
    assert (found["status"], found["handled"], len(found["received"])) == ("Complete", {"n": 1}, 2)
    assert worker.call("POST", "/services/callback/08P000000000000", {}).status == 404
    late = simulator.open_callback("ann", deadlineSeconds=0)
    assert worker.call("PUT", late["url"].removeprefix(simulator.url), {}).status == 408
    rows = worker.rows("SELECT Status, Error, Type FROM BackgroundOperation ORDER BY Id")
    assert [(row["Status"], row["Type"]) for row in rows] == [
        ("Complete", "ExternalServiceCallback"),
        ("Error", "ExternalServiceCallback"),
    ]
    simulator.expire_token()
    assert worker.call("POST", path, {}).status == 401


def ask_addon(simulator: Simulator, path: str, body: bytes, token: str = "addon-secret") -> Answer:
    """A question of the mesh to the add-on."""
    return send(f"{simulator.url}/addons/a1{path}", "POST", {"Authorization": f"Bearer {token}"}, body, seconds=5)


def test_the_add_on_knows_who_asks(simulator: Simulator) -> None:
    url = f"{simulator.url}/addons/a1/authorizations/worker"
    asked = [{}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer addon-secret"}]
    assert [send(url, "GET", headers, seconds=5).status for headers in asked] == [401, 401, 401]
    good = {"Authorization": "Bearer addon-secret", "X-App-UUID": "app-1"}
    assert send(url, "GET", good, seconds=5).status == 200
    other = send(f"{url}_globex", "GET", good, seconds=5).json()
    assert (other["org"]["id"], other["org"]["instance_url"]) == (SECOND, simulator.other_url)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"core_jwt_token": "a.b.c"}, 403),
        ({"org_id": "00DbZ0000000009UAA"}, 401),
        ({"org_id": SECOND}, 403),
        ({"org_domain_url": "https://evil.example"}, 403),
        ({"app_uuid": "app-2"}, 403),
    ],
)
def test_the_add_on_vouches_for_an_org(simulator: Simulator, change: dict[str, str], status: int) -> None:
    ann = simulator.caller("ann")
    body = {
        "org_domain_url": ann.org_domain_url,
        "core_jwt_token": ann.org_token,
        "org_id": ann.org_id,
        "app_uuid": "app-1",
    }
    asked = repr({**body, **change}).replace("'", '"').encode()
    assert ask_addon(simulator, "/invocations/authentication", asked).status == status
    assert ask_addon(simulator, "/invocations/authentication", asked, token="wrong").status == 401


def test_data_actions_are_signed(simulator: Simulator) -> None:
    digest = hmac.new(b"data-action-key", b"{}", hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    for sent, status in ((signature, 200), ("AAAA", 403)):
        body = f'{{"api_name": "t", "org_id": "{FIRST}", "signature": "{sent}", "payload": "{{}}"}}'.encode()
        assert ask_addon(simulator, "/data_action_targets/authenticate", body).status == status


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({}, None),
        ({"aud": "https://login.example"}, "invalid_grant"),
        ({"iss": "other"}, "invalid_client_id"),
        ({"sub": "nobody@acme.example"}, "invalid_grant"),
        ({"exp": -10}, "invalid_grant"),
        ({"exp": 600}, "invalid_grant"),
    ],
)
def test_jwt_bearer(simulator: Simulator, key: rsa.RSAPrivateKey, change: dict[str, object], error: str | None) -> None:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    simulator.add_consumer("consumer", public.decode())
    claims = {
        "iss": "consumer",
        "sub": "worker@acme.example",
        "aud": "https://login.salesforce.com",
        "exp": 120,
        **change,
    }
    claims["exp"] = int(time.time()) + int(str(claims["exp"]))
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": jwt.encode(claims, key, algorithm="RS256"),
    }
    answer = send(f"{simulator.url}/services/oauth2/token", "POST", {}, urlencode(form).encode(), seconds=5)
    if error is None:
        said = answer.json()
        assert (said["instance_url"], said["token_type"]) == (simulator.url, "Bearer")
        assert said["access_token"] == simulator.caller("worker").access_token
    else:
        assert (answer.status, answer.json()["error"]) == (400, error)


def test_what_is_kept_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "org.sqlite"
    with running(opportunities=150, data=file) as first:
        plain = first.special("plain")
        kept = first.create("Quote", {"Name": "kept", "OpportunityId": plain, "Gateway_Key__c": "k"})
        gone = first.create("Quote", {"Name": "gone", "OpportunityId": plain})
        first.delete("Quote", gone)
        first.update("Opportunity", plain, {"Name": "renamed"})
        first.process.kill()
    with running(opportunities=150, data=file) as second:
        assert [quote["Id"] for quote in second.records("Quote")] == [kept]
        assert second.records("Opportunity", f"Id = '{plain}'")[0]["Name"] == "renamed"
        more = second.create("Quote", {"Name": "more", "OpportunityId": plain})
        assert more not in (kept, gone)
        numbers = [quote["QuoteNumber"] for quote in second.records("Quote")]
        assert numbers == ["00000001", "00000003"]
        rest = Rest(second.caller("worker"))
        assert error_code(rest.call("DELETE", f"/sobjects/Quote/{gone}")) == (404, "ENTITY_IS_DELETED")
        second.reset()
        assert second.records("Quote") == []


def test_a_taken_port_is_said_in_one_line(simulator: Simulator, capfd: pytest.CaptureFixture[str]) -> None:
    port = int(simulator.url.rpartition(":")[2])
    with pytest.raises(SimulatorError), running(port=port, opportunities=150):
        pass
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1 and str(port) in said[0]


def test_with_a_mesh_in_front_of_the_gateway() -> None:
    with running(opportunities=150, mesh_target="http://127.0.0.1:1") as simulator:
        assert send(f"{simulator.mesh_url}/applink/createQuote", "POST", {}, seconds=5).status == 401


def test_a_whole_org_is_ready_within_two_seconds() -> None:
    """Of its own processor time: others may be at work on this machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with running() as simulator:
        assert len(simulator.opportunities(2500, user="ann")) == 2500
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2 * times_slower()
