"""Next links inside $expand fit into a request line: long options are packed; if that fails, 414 where needed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

import pytest

from tests.conformance.serving import ROOT, Client
from tests.models import everything

LONG = " or ".join(f"contains(Name,'{number:0100}') or Quantity ge 0" for number in range(100))
TOO_LONG = " or ".join(["Quantity ge 0", *(f"Id eq {UUID(int=Random(n).getrandbits(128))}" for n in range(400))])
MARKED = " or ".join(["$it/Revision gt 0"] * 200)


@pytest.fixture(scope="module")
def quotes(seeded_url: str) -> Iterator[Client]:
    client = Client(seeded_url, org=everything.FIRST_ORG, max_page_size=2, filter_nodes=5000, filter_depth=500)
    yield client
    client.close()


@pytest.fixture(scope="module")
def of_one(quotes: Client) -> tuple[str, list[dict[str, Any]]]:
    """A quote of seven lines or more, and its lines."""
    (one,) = quotes.get("Quotes?$filter=Lines/$count ge 7&$top=1").rows
    key = f"Quotes({one['Id']})"
    lines = quotes.get(f"{key}/Lines?$top=100").rows
    assert len(lines) >= 7
    return key, lines


def pages(client: Client, link: str | None) -> Iterator[list[dict[str, Any]]]:
    while link is not None:
        assert len(f"GET {link} HTTP/1.1\r\n") <= 8190
        reply = client.get(link.removeprefix(ROOT))
        assert reply.status == 200, reply.text[:300]
        yield reply.rows
        link = reply.json.get("@odata.nextLink")


@pytest.mark.parametrize(
    "nested", ["", ";$orderby=Name desc", ";$top=5", ";$skip=1", ";$top=6;$skip=1;$select=Id,Name"]
)
def test_packed_options_lead_to_every_row(
    quotes: Client, of_one: tuple[str, list[dict[str, Any]]], nested: str
) -> None:
    key, _ = of_one
    short = quotes.get(f"{key}?$expand=Lines($filter=Quantity ge 0{nested})").json
    long = quotes.query(key, f"$expand=Lines($filter={LONG}{nested})").json
    assert "skiptoken=~" in long["Lines@odata.nextLink"] and "~" not in short["Lines@odata.nextLink"]
    both = [
        [*one["Lines"], *(row for page in pages(quotes, one["Lines@odata.nextLink"]) for row in page)]
        for one in (short, long)
    ]
    assert both[0] == both[1] and len(both[0]) >= 5


def test_aliases_and_format_are_packed_with_them(quotes: Client, of_one: tuple[str, list[dict[str, Any]]]) -> None:
    key, _ = of_one
    lines = f"Lines($select=Name;$filter={LONG} or Name eq @n)"
    asked = f"$expand={lines}&@n='x;y%26z'&$format=application/json;odata.metadata=none"
    reply = quotes.get(quotes.query(key, asked).json["Lines@odata.nextLink"].removeprefix(ROOT))
    assert "@odata.context" not in reply.json
    assert [list(row) for row in reply.rows] == [["Name"], ["Name"]]


def test_a_packed_token_is_of_this_gateway_and_org(
    quotes: Client, of_one: tuple[str, list[dict[str, Any]]], seeded_url: str
) -> None:
    key, _ = of_one
    link = quotes.query(key, f"$expand=Lines($filter={LONG})").json["Lines@odata.nextLink"].removeprefix(ROOT)
    for wrong in (link[:-1], link[:-8] + "AAAAAAAA", link.replace("~", ""), link.split("~")[0] + "~"):
        assert quotes.get(wrong).status == 400, wrong[-60:]
    assert quotes.as_org(everything.SECOND_ORG).get(link).status == 400


def test_of_two_the_one_that_is_needed_counts(quotes: Client, of_one: tuple[str, list[dict[str, Any]]]) -> None:
    key, _ = of_one
    for first, second in (("Lines", "Events"), ("Events", "Lines")):
        long = TOO_LONG.replace("Quantity ge 0", "true")
        expanded = {name: f"{name}($filter={long};$top=1)" for name in (first, second)}
        assert quotes.query(key, f"$expand={','.join(expanded.values())}").status == 200
        expanded["Lines"] = expanded["Lines"].replace("$top=1", "$top=9")
        reply = quotes.query(key, f"$expand={','.join(expanded.values())}")
        assert reply.status == 414, reply.text[:300]


def test_nothing_else_stands_beside_packed_options(quotes: Client, of_one: tuple[str, list[dict[str, Any]]]) -> None:
    key, _ = of_one
    link = quotes.query(key, f"$expand=Lines($filter={LONG})").json["Lines@odata.nextLink"].removeprefix(ROOT)
    assert quotes.get(f"{link}&$top=1").rows
    for more in ("$select=Name", "@a=1", "x=1", "$format=json", "$filter=true", link.partition("&")[2]):
        assert quotes.get(f"{link}&{more}").status == 400, more


@pytest.mark.parametrize("condition", ["true", "$it/Revision gt 0 and $it/Revision lt 99"])
def test_a_link_may_be_as_long_as_a_request_line(
    quotes: Client, of_one: tuple[str, list[dict[str, Any]]], condition: str, seeded_url: str
) -> None:
    key, _ = of_one
    asked = f"{key}?$expand=Lines($filter={condition};$select=Id)"
    link = quotes.get(asked).json["Lines@odata.nextLink"]
    for spare, status in (0, 200), (-1, 414):
        most = len(f"GET {link} HTTP/1.1\r\n") + spare
        client = Client(seeded_url, org=everything.FIRST_ORG, max_page_size=2, request_line_bytes=most)
        reply = client.get(asked)
        client.close()
        assert reply.status == status and (status == 414 or reply.json["Lines@odata.nextLink"] == link), reply.text


@pytest.mark.parametrize("term", ["a%3Bb", "it's", "%22a;b%22", "a", "'a;b'"])
def test_a_search_is_repeated_as_it_was(quotes: Client, of_one: tuple[str, list[dict[str, Any]]], term: str) -> None:
    key, _ = of_one
    search = term if term.startswith("'") else f"NOT {term}"
    whole = quotes.get(f"{key}/Lines?$search={search}&$top=100&$select=Id").rows
    found = quotes.get(f"{key}?$expand=Lines($search={search};$select=Id)").json
    rest = [row for page in pages(quotes, found.get("Lines@odata.nextLink")) for row in page]
    assert [*found["Lines"], *rest] == whole and (whole or search == term)


def test_options_within_options_are_repeated_as_they_were(
    quotes: Client, of_one: tuple[str, list[dict[str, Any]]]
) -> None:
    key, _ = of_one
    for term, seen in ("NOT nothing;$select=Id", 1), ("x%3B$select=Id", 0):
        asked = f"{key}?$expand=Lines($expand=Quote($expand=Lines($search={term};$top=1)))"
        rows = quotes.get(quotes.get(asked).json["Lines@odata.nextLink"]).rows
        assert [len(row["Quote"]["Lines"]) for row in rows] == [seen, seen], term


def test_a_search_is_repeated_by_the_next_link(quotes: Client) -> None:
    for asked, mark in (
        ("Quotes?$search=NOT a%3Bb&$select=Id", "a%3Bb"),
        ("Quotes?$select=Id&$expand=Lines($search=x%3B$select=Id)", "x%3B$select"),
        ("Quotes?$select=Id&$expand=Lines($search=x;$select=Id)", "x;$select"),
    ):
        link = quotes.get(asked).json["@odata.nextLink"]
        assert mark in link and quotes.get(link).status == 200


@pytest.mark.parametrize(("condition", "rows"), [(TOO_LONG, 3), (MARKED, 3), (TOO_LONG, 2), (MARKED, 2)])
def test_what_fits_in_no_way_is_refused_where_a_link_is_needed(
    quotes: Client, of_one: tuple[str, list[dict[str, Any]]], condition: str, rows: int
) -> None:
    key, _ = of_one
    reply = quotes.query(key, f"$expand=Lines($filter={condition};$top={rows})")
    if rows == 2:
        assert reply.status == 200 and len(reply.json["Lines"]) == 2 and "Lines@odata.nextLink" not in reply.json
    else:
        assert reply.status == 414, reply.text[:300]
        assert "longer than the limit of 8190 bytes" in reply.error["message"] and reply.error["target"] == "$expand"
