"""Every limit of reading is a setting: what is at the limit is answered, one more is refused, naming limit and value.

A row: the setting, a small value, the URL or options at the limit, those one above, the status of the refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import pytest

import settings
from odata.plan.limits import Limits
from tests.bars.raw_socket import Answer, exchange
from tests.bars.test_hostile_urls import complaint
from tests.conformance.serving import Client
from tests.conftest import StartGateway
from tests.models import everything

DEEP = "RevisedFrom($expand=RevisedFrom)"
LAMBDA = "Lines/any(a:a/Quote/Lines/any(b:true))"

PLANNED: tuple[tuple[str, int, str, str], ...] = (
    ("max_skip", 30, "Quotes?$skip=30", "Quotes?$skip=31"),
    ("max_skip", 30, "Quotes?$expand=Lines($skip=30)&$top=1", "Quotes?$expand=Lines($skip=31)&$top=1"),
    ("filter_nodes", 7, "Quotes?$filter=Revision eq 1 or Revision eq 2",
    "Quotes?$filter=Revision eq 1 or Revision eq 2 or Revision eq 3"),
    ("filter_depth", 6, "Quotes?$filter=((((true))))", "Quotes?$filter=((((((((true))))))))"),
    ("function_depth", 3, "Quotes?$filter=trim(trim(trim(Name))) eq 'x'",
    "Quotes?$filter=trim(trim(trim(trim(Name)))) eq 'x'"),
    ("expression_copies", 100, "Quotes?$filter=length(substring(Name,length(Name))) eq 0",
    "Quotes?$filter=length(substring(Name,length(substring(Name,length(Name))))) eq 0"),
    ("in_items", 3, "Quotes?$filter=Revision in (1,2,3)", "Quotes?$filter=Revision in (1,2,3,4)"),
    ("lambda_depth", 1, "Quotes?$filter=Lines/any(a:true)", f"Quotes?$filter={LAMBDA}"),
    ("orderby_items", 2, "Quotes?$orderby=Name,Status", "Quotes?$orderby=Name,Status,Region"),
    ("expand_depth", 1, "Quotes?$expand=RevisedFrom", f"Quotes?$expand={DEEP}"),
    ("expand_depth", 1, "Quotes?$expand=RevisedFrom($levels=1)", "Quotes?$expand=RevisedFrom($levels=2)"),
    ("expand_navigations", 2, "Quotes?$expand=Lines,Job&$top=1", "Quotes?$expand=Lines,Job,Events&$top=1"),
    ("search_terms", 2, "Quotes?$search=a b", "Quotes?$search=a b c"),
    ("search_characters", 5, "Quotes?$search=aaa bb", "Quotes?$search=aaa bbb"),
)  # fmt: skip


@pytest.fixture
def limited(seeded_url: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(seeded_url, org=everything.FIRST_ORG, **request.param)
    yield client
    client.close()


def _rows() -> list[Any]:
    return [
        pytest.param({name: value}, value, at, above, id=f"{name} {at.partition('?')[2][:30]}")
        for name, value, at, above in PLANNED
    ]


@pytest.mark.parametrize(("limited", "value", "at", "above"), _rows(), indirect=["limited"])
def test_a_limit_of_planning(limited: Client, value: int, at: str, above: str) -> None:
    assert limited.get(at.replace(" ", "%20")).status == 200, limited.get(at.replace(" ", "%20")).text
    for _ in range(2):  # a shape that was refused stays refused
        reply = limited.get(above.replace(" ", "%20"))
        assert reply.status == 400 and complaint(reply) is None, reply.text
        assert reply.error["code"] == "LimitExceeded"
        assert str(value) in reply.error["message"] and "limit" in reply.error["message"]


def test_a_limit_holds_for_another_url_of_a_known_shape(seeded_url: str) -> None:
    """A shape that was planned at the limit does not let a longer one pass."""
    client = Client(seeded_url, org=everything.FIRST_ORG, search_characters=5, max_skip=10, in_items=2)
    for at, above in (
        ("Quotes?$search=aaaaa", "Quotes?$search=aaaaaa"),
        ("Quotes?$skip=10", "Quotes?$skip=11"),
        ("Quotes?$filter=Revision%20in%20(1,2)", "Quotes?$filter=Revision%20in%20(1,2,3)"),
    ):
        for _ in range(2):
            assert client.get(at).status == 200
            assert client.get(above).status == 400, above
    client.close()


def test_pages_keep_their_limits(seeded_url: str) -> None:
    """No data-dependent total is an error: pages shrink."""
    client = Client(
        seeded_url, org=everything.FIRST_ORG, max_page_size=7, max_top_one_page=9, max_page_bytes=20_000, expand_rows=30
    )
    assert len(client.get("Quotes?$select=Id").rows) == 7
    assert len(client.get("Quotes?$select=Id&$top=9").rows) == 9
    assert len(client.get("Quotes?$select=Id&$top=10").rows) == 7
    assert len(client.get("Quotes?$select=Id", prefer="maxpagesize=1000000000").rows) == 7
    assert len(client.get("Quotes?$select=Id", prefer="maxpagesize=3").rows) == 3
    page = client.get("Quotes?$expand=Lines($select=Id)&$select=Id")
    assert len(page.rows) + sum(len(row["Lines"]) for row in page.rows) <= 30 or len(page.rows) == 1
    assert len(client.get("QuoteLines").body) <= 21_000
    client.close()


def test_a_row_over_its_limit_is_refused(seeded_url: str) -> None:
    client = Client(seeded_url, org=everything.FIRST_ORG, max_row_bytes=10_000)
    reply = client.get("QuoteLines?$filter=length(Description)%20gt%2031000")
    assert reply.status >= 400 and complaint(reply) is None, reply.text[:300]
    assert "10000" in reply.error["message"] and "QuoteLines" in reply.error["message"]
    client.close()


def test_every_limit_of_planning_is_a_setting_of_the_same_default() -> None:
    defaults = {one.name: one.default for one in settings.documentation()}
    for one in fields(Limits):
        assert defaults[one.name] == str(one.default), one.name


def test_every_limit_of_planning_stands_in_the_table() -> None:
    elsewhere = {
        "max_page_size",
        "max_top_one_page",
        "max_page_bytes",
        "max_row_bytes",
        "expand_rows",
        "request_line_bytes",
    }
    assert {name for name, *_ in PLANNED} | elsewhere == {one.name for one in fields(Limits)}


# --- limits of the server, over a socket -----------------------------------------------------------------------------

HEAD = b"GET /odata/v4/Quotes?$top=1&$select=Id HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def small(gateway_server: StartGateway, seeded_url: str) -> int:
    """A server with limits of its own."""
    return gateway_server(
        seeded_url, ODATA_AUTH="anonymous", ANONYMOUS_ORG=everything.FIRST_ORG, REQUEST_LINE_BYTES="1100",
        HEADER_FIELD_BYTES="1200",
        HEADER_FIELDS="20", QUERY_BODY_BYTES="1500", REQUESTS_PER_SECOND="40", INFLATE_RATIO="2",
    ).port  # fmt: skip


def _line(total: int) -> bytes:
    target = "/odata/v4/Quotes?$top=1&$select=Id&a="
    target = target.ljust(total - len("GET  HTTP/1.1"), "x")
    return f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


def _field(total: int) -> bytes:
    return HEAD + b"X-Long: " + b"b" * (total - len(b"X-Long: \r\n")) + b"\r\n\r\n"


def _fields(number: int) -> bytes:
    return HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(number - 2)) + b"\r\n"


def _body(total: int) -> bytes:
    body = b"$top=1&$select=Id&a=".ljust(total, b"x")
    head = (
        f"POST /odata/v4/Quotes/$query HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: {total}\r\n"
    )
    return head.encode() + b"Connection: close\r\n\r\n" + body


@pytest.mark.parametrize(
    ("at", "above", "status", "limit"),
    [
        (_line(1100), _line(1101), 414, "1100 bytes"),
        (_field(1200), _field(1203), 431, "1200 bytes"),
        (_fields(20), _fields(21), 431, "20 header fields"),
        (_body(1500), _body(1501), 413, "1500 bytes"),
    ],
    ids=["request line", "header field", "header fields", "body"],
)
def test_a_limit_of_the_server(small: int, at: bytes, above: bytes, status: int, limit: str) -> None:
    assert exchange(small, at).status == 200, exchange(small, at)
    answer: Answer = exchange(small, above)
    assert answer.status == status and limit in json.loads(answer.body)["error"]["message"]
    assert answer.headers["odata-version"] == "4.0"


def test_requests_over_the_rate_come_again_later(small: int) -> None:
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: exchange(small, HEAD + b"\r\n"), range(300)))
    refused = [answer for answer in answers if answer.status == 429]
    assert refused and {answer.status for answer in answers} == {200, 429}
    assert int(refused[0].headers["retry-after"]) >= 1 and refused[0].headers["odata-version"] == "4.0"
    assert "REQUESTS_PER_SECOND" in json.loads(refused[0].body)["error"]["message"]
