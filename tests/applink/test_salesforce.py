"""The org through the SDK's connection: what it reads and writes, and every way in which that goes wrong (M6, M7)."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

import models.database
from applink.authorizations import Orgs
from applink.errors import (
    InvalidRequest,
    NotAllowed,
    NotFound,
    OperationError,
    OrgLimitReached,
    OrgUnavailable,
    OutcomeUnknown,
    Refused,
    SessionEnded,
)
from applink.org import Delete, Node, Org, Reference, Soql, Upsert
from applink.rest_calls import decode, encode
from applink.salesforce import MISSING_SECONDS, Described
from applink.sending import Guard, Session, is_public
from applink.soql import Children, select
from simulator.running import Simulator, free_port
from tests.applink.conftest import caller_of, soon


@pytest.fixture(scope="module")
def engine(seeded_url: str) -> Iterator[Engine]:
    made = models.database.engine(seeded_url)
    yield made
    made.dispose()


USERS = Soql("SELECT Id FROM User LIMIT 1")


def nodes(simulator: Simulator, key: str = "gw-1", *, entry: str | None = None) -> list[Node]:
    """A quote and a line of it."""
    opportunity = simulator.special("plain")
    (found,) = simulator.records("Opportunity", f"Id = '{opportunity}'")
    line = simulator.records("OpportunityLineItem", f"OpportunityId = '{opportunity}'")[0]
    quote = {"Name": "Q", "OpportunityId": opportunity, "Pricebook2Id": found["Pricebook2Id"]}
    first = {
        "QuoteId": Reference("quote"),
        "PricebookEntryId": entry or line["PricebookEntryId"],
        "Quantity": Decimal("2.00"),
        "UnitPrice": Decimal("19.99"),
    }
    return [
        Upsert(reference="quote", type="Quote", key_field="Gateway_Key__c", key=key, fields=quote),
        Upsert(reference="line1", type="QuoteLineItem", key_field="Gateway_Key__c", key=f"{key}-1", fields=first),
    ]


# Reading


def test_a_query_has_decimals_lookups_and_children(work_org: Org, simulator: Simulator) -> None:
    plain, empty = simulator.special("plain"), simulator.special("no_lines")
    asked = select(
        ("Id", "Amount", "Account.Name"),
        "Opportunity",
        in_={"Id": (plain, empty)},
        children=(Children("OpportunityLineItems", ("Id", "UnitPrice", "PricebookEntry.Product2.Name")),),
        order_by=("Id",),
    )
    with_lines, without = work_org.query(asked, deadline=soon())
    lines = with_lines["OpportunityLineItems"]
    assert isinstance(lines, tuple) and len(lines) == 3
    assert all(isinstance(line["UnitPrice"], Decimal) and "attributes" not in line for line in lines)
    assert with_lines["Account"] == {"Name": "Acme Machines 0"}
    assert sum(line["UnitPrice"] for line in lines) > 0
    assert without["OpportunityLineItems"] is None


def test_all_pages_come_those_of_children_too(work_org: Org, simulator: Simulator) -> None:
    asked = select(("Id",), "Opportunity", children=(Children("OpportunityLineItems", ("Id",)),), order_by=("Id",))
    whole = work_org.query(asked, deadline=soon(30))
    simulator.settings(page_size=100, child_page_size=2)
    before = work_org.calls
    paged = work_org.query(asked, deadline=soon(60))
    assert paged == whole
    assert len(paged) > 200 and max(len(record["OpportunityLineItems"] or ()) for record in paged) > 2
    assert work_org.calls - before > len(paged) / 100
    assert work_org.calls == len(simulator.requests("/query"))


def test_two_hundred_ids_fit_and_too_many_are_refused_here(work_org: Org, simulator: Simulator) -> None:
    ids = [record["Id"] for record in simulator.records("Opportunity")]
    assert len(work_org.query(select(("Id",), "Opportunity", in_={"Id": ids[:200]}), deadline=soon())) == 200
    with pytest.raises(InvalidRequest, match="16384"):
        work_org.query(select(("Id",), "Opportunity", in_={"Id": ids * 3}), deadline=soon())


def test_what_a_user_may_not_see_is_not_found(ben: Org, work_org: Org, simulator: Simulator) -> None:
    asked = select(("Id",), "Opportunity")
    assert 0 < len(ben.query(asked, deadline=soon())) < len(work_org.query(asked, deadline=soon()))


def test_describe_knows_fields_keys_and_rights(work_org: Org, ben: Org, simulator: Simulator) -> None:
    quote = work_org.describe("Quote", deadline=soon())
    assert quote is not None
    assert quote.createable and {"Gateway_Key__c", "GrandTotal"} <= quote.fields
    assert quote.external_ids == {"Gateway_Key__c"} and quote.lengths["Gateway_Key__c"] == 64
    for_ben = ben.describe("Quote", deadline=soon())
    assert for_ben is not None and not for_ben.createable
    assert work_org.describe("Nothing__c", deadline=soon()) is None
    asked = work_org.calls
    assert work_org.describe("Quote", deadline=soon()) is quote
    assert work_org.describe("Nothing__c", deadline=soon()) is None
    assert work_org.calls == asked


def test_what_quotes_lack_is_asked_again_soon(work_org: Org, ben: Org) -> None:
    """Deployed, or allowed, a moment ago: nobody waits for minutes until it counts."""
    now = [0.0]
    described = Described(lambda: now[0])
    session = Session(
        org_id="00DbZ0000000001UAA", domain_url="https://acme.my.salesforce.com", api_version="64.0",
        username="worker", user_id=None, access_token="t",
    )  # fmt: skip
    whole = work_org.describe("Quote", deadline=soon())
    forbidden = ben.describe("Quote", deadline=soon())
    assert whole is not None and forbidden is not None
    keyless = replace(whole, external_ids=frozenset())
    other = replace(keyless, name="Account")
    for name, found, lasts in (("a", whole, True), ("b", other, True), ("c", keyless, False), ("d", forbidden, False)):
        described.put(session, name, found)
        now[0] += MISSING_SECONDS
        assert (described.get(session, name) is not None) is lasts


# Writing


def test_a_graph_is_made_and_the_second_time_found(work_org: Org, simulator: Simulator) -> None:
    simulator.settings(strict_upsert=False)
    quote, line = work_org.write(nodes(simulator), deadline=soon())
    assert (quote.reference, quote.created, line.created) == ("quote", True, True)
    again, _ = work_org.write(nodes(simulator), deadline=soon())
    assert (again.id, again.created) == (quote.id, False)
    (kept,) = simulator.records("Quote")
    assert (kept["Id"], kept["GrandTotal"]) == (quote.id, 39.98)
    (gone,) = work_org.write([Delete(reference="x", type="Quote", id=quote.id)], deadline=soon())
    assert (gone.id, gone.created) == (quote.id, False)
    assert simulator.records("Quote") == []


def test_money_crosses_as_it_stands(work_org: Org, simulator: Simulator) -> None:
    simulator.settings(record_bodies=True)
    work_org.write(nodes(simulator), deadline=soon())
    assert '"Quantity":2.00,"UnitPrice":19.99' in simulator.requests("composite/graph")[-1]["body"]
    assert encode({"a": Decimal("12345678901234567.89"), "b": Decimal("1E+2")}) == b'{"a":12345678901234567.89,"b":100}'
    assert decode(b'{"a":12345678901234567.89,"n":3}') == {"a": Decimal("12345678901234567.89"), "n": Decimal(3)}
    for unwritable in (Decimal("NaN"), Decimal("Infinity"), object()):
        with pytest.raises(TypeError):
            encode({"a": unwritable})
    with pytest.raises(ValueError):
        decode(b'{"a":NaN}')


def test_create_update_delete_and_an_event(work_org: Org, simulator: Simulator) -> None:
    quote_id = work_org.create("Quote", {"Name": "Q", "OpportunityId": simulator.special("plain")}, deadline=soon())
    work_org.update("Quote", quote_id, {"Status": "Approved"}, deadline=soon())
    assert simulator.records("Quote", f"Id = '{quote_id}'")[0]["Status"] == "Approved"
    work_org.delete("Quote", quote_id, deadline=soon())
    assert simulator.records("Quote") == []
    assert work_org.create("Quote_Job__e", {"JobId__c": "j", "QuoteCount__c": 2}, deadline=soon())
    assert simulator.events()[0]["QuoteCount__c"] == 2
    with pytest.raises(NotFound):
        work_org.delete("Quote", quote_id, deadline=soon())


def test_a_graph_has_at_most_500_nodes(work_org: Org, simulator: Simulator) -> None:
    for count in (0, 501):
        with pytest.raises(InvalidRequest, match="500"):
            work_org.write(nodes(simulator)[:1] * count, deadline=soon())
    assert simulator.requests("composite") == []


def test_a_refused_graph_tells_which_node_and_why(work_org: Org, simulator: Simulator) -> None:
    foreign = simulator.records("PricebookEntry", "Pricebook2.IsStandard = false")[0]["Id"]
    with pytest.raises(Refused) as refused:
        work_org.write(nodes(simulator, entry=foreign), deadline=soon())
    assert refused.value.code == "FIELD_INTEGRITY_EXCEPTION"
    assert "line1 (QuoteLineItem)" in refused.value.message
    assert "PROCESSING_HALTED" not in refused.value.message and "rolled back" not in refused.value.message
    assert simulator.records("Quote") == []


def test_who_may_not_write_is_told_so(ben: Org, simulator: Simulator) -> None:
    mine = ben.query(select(("Id",), "Opportunity", limit=1), deadline=soon())[0]["Id"]
    quote = Upsert(
        reference="quote",
        type="Quote",
        key_field="Gateway_Key__c",
        key="gw-9",
        fields={"Name": "Q", "OpportunityId": mine},
    )
    with pytest.raises(NotAllowed) as refused:
        ben.write([quote], deadline=soon())
    assert refused.value.status == 403 and refused.value.code.startswith("INSUFFICIENT_ACCESS")


# What goes wrong (M7)

Ask = Callable[[Org, Simulator], Any]


def read(org: Org, simulator: Simulator) -> Any:
    return org.query(USERS, deadline=soon(1.5))


def write(org: Org, simulator: Simulator) -> Any:
    return org.write(nodes(simulator), deadline=soon(1.5))


def create(org: Org, simulator: Simulator) -> Any:
    return org.create("Quote", {"Name": "Q", "OpportunityId": simulator.special("plain")}, deadline=soon(1.5))


HTML = "<html><body>Service Unavailable</body></html>"
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
    work_org: Org, simulator: Simulator, engine: Engine, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    simulator.fault("* /services/data", **fault)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(OperationError) as failed, engine.begin():
        ask(work_org, simulator)
    assert (type(failed.value), failed.value.code) == (kind, code or kind.__name__)
    shown = f"{failed.value!r} {failed.value.message} {caplog.text} {work_org!r} {work_org._known!r}"  # type: ignore[attr-defined]
    assert simulator.caller("worker").access_token not in shown
    assert failed.value.__cause__ is None and failed.value.__context__ is None


def test_nobody_there(orgs: Orgs, simulator: Simulator, engine: Engine) -> None:
    """Nothing was sent, so nothing can have happened: also a write is Unavailable."""
    away = orgs.of_caller(replace(caller_of(simulator, "ann"), domain_url=f"http://127.0.0.1:{free_port()}"))
    for ask in (read, write):
        with pytest.raises(OrgUnavailable, match="reached"), engine.begin():
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


# Tokens


def test_a_session_that_ended_is_renewed_once_for_each_method(work_org: Org, simulator: Simulator) -> None:
    quote: list[str] = []
    invocation = simulator.open_callback("ann")
    methods: list[Callable[[], Any]] = [
        lambda: work_org.query(USERS, deadline=soon()),
        lambda: work_org.describe("Account", deadline=soon()),
        lambda: work_org.write(nodes(simulator), deadline=soon()),
        lambda: quote.append(
            work_org.create("Quote", {"Name": "Q", "OpportunityId": simulator.special("plain")}, deadline=soon())
        ),
        lambda: work_org.update("Quote", quote[0], {"Name": "R"}, deadline=soon()),
        lambda: work_org.delete("Quote", quote[0], deadline=soon()),
        lambda: work_org.deliver(invocation["url"], {"jobId": "j"}, deadline=soon()),
    ]
    for method in methods:
        simulator.expire_token("worker@acme.example")
        simulator.forget_requests()
        method()
        assert len(simulator.requests("/authorizations/")) == 1
    assert len(simulator.records("Quote")) == 1


def test_twenty_that_find_out_at_once_fetch_one_token(work_org: Org, simulator: Simulator) -> None:
    simulator.settings(concurrent_queries=None)
    simulator.expire_token()
    simulator.forget_requests()
    with ThreadPoolExecutor(20) as pool:
        assert len(list(pool.map(lambda _: work_org.query(USERS, deadline=soon()), range(20)))) == 20
    assert len(simulator.requests("/authorizations/")) == 1


def test_a_callers_session_has_no_other(ann: Org, simulator: Simulator) -> None:
    simulator.expire_token("ann@acme.example")
    with pytest.raises(SessionEnded):
        ann.query(USERS, deadline=soon())
    assert ann.calls == 1


def test_the_callers_request_id_stands_in_the_orgs_logs(ann: Org, work_org: Org, simulator: Simulator) -> None:
    ann.query(USERS, deadline=soon())
    assert simulator.requests("/query")[-1]["request_id"] == "r-1"
    work_org.query(USERS, deadline=soon())
    assert simulator.requests("/query")[-1]["request_id"] not in ("", "r-1")


# Addresses


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("169.254.169.254", False), ("192.168.0.1", False), ("172.16.0.1", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("fe80::1%eth0", False),
        ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False), ("ff02::1", False), ("::", False), ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


class Canary:
    """A listener of this machine that nobody may talk to."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.hits += 1
            connection.close()

    def close(self) -> None:
        self._socket.close()


class Lookup:
    """A name server that says now this, now that."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing."""


def test_a_name_that_leads_home_is_not_connected_to(simulator: Simulator) -> None:
    """DNS rebinding: whatever an earlier look-up said, the one that is connected to is the one that is checked."""
    canary = Canary()
    orgs = Orgs(test_domains=(simulator.url,), resolver=lambda: Lookup("127.0.0.1"))  # type: ignore[arg-type, return-value]
    try:
        there = f"https://acme.my.salesforce.com:{canary.port}"
        org = orgs.of_caller(replace(caller_of(simulator, "ann"), domain_url=there))
        with pytest.raises(OrgUnavailable):
            org.query(USERS, deadline=soon(3))
        with pytest.raises(OrgUnavailable):
            org.deliver(f"{there}/services/callback/1", {}, deadline=soon(3))
        literal = orgs.of_caller(replace(caller_of(simulator, "ann"), domain_url=f"http://127.0.0.2:{canary.port}"))
        with pytest.raises(OrgUnavailable):
            literal.query(USERS, deadline=soon(3))
    finally:
        orgs.close()
        canary.close()
    assert canary.hits == 0


def test_the_look_up_that_counts_is_the_last_one(simulator: Simulator) -> None:
    guard = Guard(frozenset({"localhost"}), Lookup("93.184.216.34", "10.0.0.7"))  # type: ignore[arg-type]

    async def work() -> None:
        assert (await guard.resolve("acme.my.salesforce.com"))[0]["host"] == "93.184.216.34"
        with pytest.raises(OSError, match="private"):
            await guard.resolve("acme.my.salesforce.com")
        assert await guard.resolve("localhost")

    asyncio.run(work())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_callback_is_followed_nowhere(status: int, work_org: Org, simulator: Simulator) -> None:
    canary = Canary()
    invocation = simulator.open_callback("ann")
    simulator.fault(
        "POST /services/callback", status=status, body="", headers={"Location": f"http://127.0.0.1:{canary.port}/"}
    )
    try:
        with pytest.raises(OutcomeUnknown, match="not followed"):
            work_org.deliver(invocation["url"], {"jobId": "j"}, deadline=soon())
    finally:
        canary.close()
    assert canary.hits == 0


@pytest.mark.parametrize(("status", "body"), [(200, ""), (404, ""), (408, ""), (500, HTML), (503, HTML), (403, "")])
def test_a_callback_has_the_status_that_the_org_says(
    status: int, body: str, work_org: Org, simulator: Simulator
) -> None:
    invocation = simulator.open_callback("ann")
    simulator.fault("POST /services/callback", status=status, body=body)
    assert work_org.deliver(invocation["url"], {"jobId": "j"}, deadline=soon()) == status


def test_a_callback_reaches_apex(work_org: Org, simulator: Simulator) -> None:
    invocation = simulator.open_callback("ann")
    assert work_org.deliver(invocation["url"], {"jobId": "j", "progress": Decimal("100.00")}, deadline=soon()) == 200
    handled = simulator.callback(invocation["id"])
    assert handled["handled"] == {"jobId": "j", "progress": 100.0}
    assert handled["received"][0]["sentBy"] == "worker@acme.example"
