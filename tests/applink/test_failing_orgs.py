"""Every way in which asking an org goes wrong is an error of ours, read or write, within its time (M7)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from applink.authorizations import Orgs
from applink.errors import (
    NotAllowed,
    NotFound,
    OperationError,
    OrgLimitReached,
    OrgUnavailable,
    OutcomeUnknown,
    Refused,
    SessionEnded,
)
from applink.org import Org
from simulator.running import Simulator, free_port
from tests.applink.calling import HTML, USERS, caller_of, nodes, soon

# What goes wrong (M7)
Ask = Callable[[Org, Simulator], Any]


def read(org: Org, simulator: Simulator) -> Any:
    return org.query(USERS, deadline=soon(1.5))


def write(org: Org, simulator: Simulator) -> Any:
    return org.write(nodes(simulator), deadline=soon(1.5))


def create(org: Org, simulator: Simulator) -> Any:
    return org.create("Quote", {"Name": "Q", "OpportunityId": simulator.special("plain")}, deadline=soon(1.5))


ELSEWHERE = {"records": [], "done": False, "nextRecordsUrl": "https://evil.example/services/data/"}
AWAY = {"Location": "/services/data/"}
EXISTS = "INVALID_FIELD_FOR_INSERT_UPDATE"


def listed(status: int, code: str) -> dict[str, Any]:
    """Salesforce's list of one error."""
    return {"status": status, "body": [{"errorCode": code, "message": "m"}]}


TABLE: list[tuple[str, Ask, dict[str, Any], type[OperationError], str]] = [
    ("a list of errors", read, listed(400, "MALFORMED_QUERY"), Refused, "MALFORMED_QUERY"),
    ("a list of errors, 403", read, listed(403, "SOME_RIGHT"), NotAllowed, "SOME_RIGHT"),
    ("a list of errors, 404", create, listed(404, "NOT_FOUND"), NotFound, "NOT_FOUND"),
    ("an error that is an object, read", read, {"status": 400, "body": {"error": "no"}}, OrgUnavailable, ""),
    ("an error that is an object, write", write, {"status": 400, "body": {"error": "no"}}, OutcomeUnknown, ""),
    ("HTML 503, read", read, {"status": 503, "body": HTML}, OrgUnavailable, ""),
    ("HTML 503, write", write, {"status": 503, "body": HTML}, OutcomeUnknown, ""),
    ("HTML 200, read", read, {"status": 200, "body": HTML}, OrgUnavailable, ""),
    ("HTML 200, write", write, {"status": 200, "body": HTML}, OutcomeUnknown, ""),
    ("HTML 200, create", create, {"status": 200, "body": HTML}, OutcomeUnknown, ""),
    ("another shape, read", read, {"status": 200, "body": {"records": 3}}, OrgUnavailable, ""),
    ("another shape, write", write, {"status": 200, "body": {"graphs": []}}, OutcomeUnknown, ""),
    ("no JSON, deep", read, {"status": 200, "body": "[" * 100_000}, OrgUnavailable, ""),
    ("a next page elsewhere", read, {"status": 200, "body": ELSEWHERE}, OrgUnavailable, ""),
    ("an error of the server with a code, write", write, listed(500, "UNKNOWN_EXCEPTION"), OutcomeUnknown, ""),
    ("an error of the server with a code, read", read, listed(500, "UNKNOWN_EXCEPTION"), OrgUnavailable, ""),
    ("the request limit", write, {"refuse": "REQUEST_LIMIT_EXCEEDED"}, OrgLimitReached, ""),
    ("the request limit, read", read, {"refuse": "REQUEST_LIMIT_EXCEEDED"}, OrgLimitReached, ""),
    ("a locked row, in a graph", write, {"refuse": "UNABLE_TO_LOCK_ROW"}, OrgLimitReached, ""),
    ("a locked row, create", create, {"refuse": "UNABLE_TO_LOCK_ROW"}, OrgLimitReached, ""),
    ("429", read, {"status": 429, "body": HTML}, OrgLimitReached, ""),
    ("an ended session, for good", read, {**listed(401, "INVALID_SESSION_ID"), "times": None}, SessionEnded, ""),
    ("an ended session, for good, write", write, {"status": 401, "times": None, "body": HTML}, SessionEnded, ""),
    ("a duplicate", write, {"refuse": "DUPLICATE_VALUE"}, Refused, "DUPLICATE_VALUE"),
    ("a record that is there", write, {"refuse": EXISTS}, Refused, EXISTS),
    ("no answer in time, read", read, {"delay": 4}, OrgUnavailable, ""),
    ("no answer in time, write", write, {"delay": 4}, OutcomeUnknown, ""),
    ("cut before, read", read, {"cut": True, "times": None}, OrgUnavailable, ""),
    ("cut before, write", write, {"cut": True}, OutcomeUnknown, ""),
    ("cut after, write", write, {"cut": True, "after": True}, OutcomeUnknown, ""),
    ("cut after, create", create, {"cut": True, "after": True}, OutcomeUnknown, ""),
    ("a redirect, read", read, {"status": 302, "headers": AWAY, "body": ""}, OrgUnavailable, ""),
    ("a redirect, write", write, {"status": 307, "headers": AWAY, "body": ""}, OutcomeUnknown, ""),
]


@pytest.mark.parametrize(("ask", "fault", "kind", "code"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_failure_is_an_error_of_ours_and_survives_a_transaction(
    ask: Ask, fault: dict[str, Any], kind: type[OperationError], code: str,
    work_org: Org, simulator: Simulator, seeded_engine: Engine, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    simulator.fault("* /services/data", **fault)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(OperationError) as failed, seeded_engine.begin():
        ask(work_org, simulator)
    assert (type(failed.value), failed.value.code) == (kind, code or kind.__name__)
    within = vars(work_org)["_known"]
    shown = f"{failed.value!r} {failed.value.message} {caplog.text} {work_org!r} {within!r}"
    assert simulator.caller("worker").access_token not in shown
    assert failed.value.__cause__ is None and failed.value.__context__ is None


def test_nobody_there(orgs: Orgs, simulator: Simulator, seeded_engine: Engine) -> None:
    """Nothing was sent, so nothing can have happened: also a write is Unavailable."""
    away = orgs.of_caller(replace(caller_of(simulator, "ann"), domain_url=f"http://127.0.0.1:{free_port()}"))
    for ask in (read, write):
        with pytest.raises(OrgUnavailable, match="reached"), seeded_engine.begin():
            ask(away, simulator)


def test_a_deadline_that_has_passed_asks_nothing(work_org: Org, simulator: Simulator) -> None:
    simulator.forget_requests()
    with pytest.raises(OrgUnavailable, match="not asked"):
        work_org.create("Quote", {"Name": "Q"}, deadline=time.monotonic() - 1)
    assert simulator.requests("/sobjects") == []


def test_one_call_ends_at_its_own_limit(simulator: Simulator) -> None:
    orgs = Orgs(test_domains=(simulator.url,), call_seconds=0.3)
    try:
        work_org = orgs.named(orgs.known_orgs()[0])
        simulator.fault("GET /query", delay=5)
        started = time.monotonic()
        with pytest.raises(OrgUnavailable, match="in time"):
            work_org.query(USERS, deadline=soon(20))
        assert time.monotonic() - started < 2
    finally:
        orgs.close()


def test_the_eleventh_query_at_once_meets_the_limit(work_org: Org, simulator: Simulator) -> None:
    simulator.settings(delay_ms=300)

    def ask(_: int) -> str:
        try:
            work_org.query(USERS, deadline=soon())
            return "answered"
        except OperationError as error:
            return error.code

    with ThreadPoolExecutor(11) as pool:
        assert sorted(pool.map(ask, range(11))) == ["OrgLimitReached", *["answered"] * 10]


@pytest.mark.parametrize(("status", "body"), [(200, ""), (404, ""), (408, ""), (500, HTML), (503, HTML), (403, "")])
def test_a_callback_has_the_status_that_the_org_says(
    status: int, body: str, work_org: Org, simulator: Simulator
) -> None:
    invocation = simulator.open_callback("ann")
    simulator.fault("POST /services/callback", status=status, body=body)
    assert work_org.deliver(invocation["url"], {"jobId": "j"}, deadline=soon()) == status
