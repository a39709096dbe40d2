"""What the simulated org's Salesforce Connect puts on the wire is what the adapter's recorded requests look like."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from simulator.connect import Connect, NoAnswer, Trace
from tests.salesforce.adapter import encoded_fully
from tests.simulator.stand_in import Said, StandIn, listening

OPPORTUNITY = "006bZ0000000001QAA"


@pytest.fixture
def listener() -> Iterator[StandIn]:
    with listening() as listener:
        rows = [{"Id": str(number)} for number in range(6)]
        body = json.dumps({"@odata.count": 17, "value": rows}).encode()
        listener.speak = lambda request: Said(headers=(("Content-Type", "application/json"),), body=body)
        yield listener


@pytest.fixture
def connect(listener: StandIn) -> Connect:
    return Connect(root=f"{listener.url}/odata/v4/", trace=Trace(), seconds=5)


def test_a_related_list_asks_for_one_row_more_than_it_shows(connect: Connect, listener: StandIn) -> None:
    page = connect.related("Quotes", "OpportunityId", OPPORTUNITY, ("Status", "Name"), order="CreatedAt desc")
    assert [row["Id"] for row in page.rows] == ["0", "1", "2", "3", "4"] and page.total == 17
    condition = f"$filter=OpportunityId eq '{OPPORTUNITY}'"
    url = f"Quotes?$top=6&{condition}&$orderby=CreatedAt desc&$count=true&$select=Id,Name,Status"
    [sent] = listener.arrived
    assert sent.method == "GET" and sent.target == f"/odata/v4/{encoded_fully(url)}"
    [kept] = connect.trace.since(0)
    assert kept.url == f"{connect.root}{url}" and kept.wire == f"{listener.url}{sent.target}"
    assert (kept.by, kept.what, kept.status, kept.rows, kept.note) == ("Connect", "Related list Quotes", 200, 6, "")
    assert kept.ms > 0 and connect.trace.since(1) == []


def test_records_are_asked_for_by_their_ids_as_text(connect: Connect, listener: StandIn) -> None:
    connect.records("Jobs", ("a", "b'c"), ("Status",))
    wanted = encoded_fully("Jobs?$top=3&$filter=Id eq 'a' or Id eq 'b''c'&$count=true&$select=Id,Status")
    assert listener.arrived[0].target == f"/odata/v4/{wanted}"


def test_soql_without_limit(connect: Connect, listener: StandIn) -> None:
    assert len(connect.all("Quotes", "JobId", "j", ()).rows) == 6
    wanted = encoded_fully("Quotes?$top=2001&$filter=JobId eq 'j'&$count=true&$select=Id")
    assert listener.arrived[0].target == f"/odata/v4/{wanted}"


def test_the_headers_of_the_adapter_and_the_login_of_salesforce(connect: Connect, listener: StandIn) -> None:
    connect.records("Jobs", ("a",), ())
    [sent] = listener.arrived
    login = base64.b64encode(b"salesforce:salesforce").decode()
    given = [sent.all(name) for name in ("OData-Version", "OData-MaxVersion", "Accept", "Authorization")]
    assert given == [["4.0"], ["4.0"], ["application/json"], [f"Basic {login}"]]
    assert {name for name, _ in sent.headers} == {
        "Host",
        "Authorization",
        "OData-Version",
        "OData-MaxVersion",
        "Accept",
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            Said(status=400, body=b'{"error": {"code": "x", "message": "No such property"}}'),
            "refuses: 400: No such prop",
        ),
        (Said(status=502, body=b"<html>"), "answers 502"),
        (Said(status=200, body=b"[]"), "answers 200"),
    ],
)
def test_what_is_no_answer_is_kept_too(connect: Connect, listener: StandIn, said: Said, words: str) -> None:
    listener.speak = lambda request: said
    with pytest.raises(NoAnswer, match=words):
        connect.records("Jobs", ("a",), ())
    [kept] = connect.trace.since(0)
    assert kept.status == said.status and kept.note and kept.rows is None


def test_nobody_there() -> None:
    connect = Connect(root="http://127.0.0.1:1/odata/v4/", trace=Trace())
    with pytest.raises(NoAnswer, match="does not answer"):
        connect.records("Jobs", ("a",), ())
    assert connect.trace.since(0)[0].status == 0
