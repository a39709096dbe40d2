"""The org through the SDK's connection: what it reads and writes, and sessions that are renewed (M6)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from applink.errors import (
    InvalidRequest,
    NotAllowed,
    NotFound,
    Refused,
    SessionEnded,
)
from applink.org import Delete, Org, Upsert
from applink.rest_calls import decode, encode
from applink.salesforce import MISSING_SECONDS, Described
from applink.sending import Session
from applink.soql import Children, select
from simulator.running import Simulator
from tests.applink.calling import USERS, nodes, soon


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


def test_a_callback_reaches_apex(work_org: Org, simulator: Simulator) -> None:
    invocation = simulator.open_callback("ann")
    assert work_org.deliver(invocation["url"], {"jobId": "j", "progress": Decimal("100.00")}, deadline=soon()) == 200
    handled = simulator.callback(invocation["id"])
    assert handled["handled"] == {"jobId": "j", "progress": 100.0}
    assert handled["received"][0]["sentBy"] == "worker@acme.example"
