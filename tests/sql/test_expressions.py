"""Filters as SQL and as rows: the cases of tests/cases/filter.toml, $search, wide filters, plans that use an index."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.servers import Server
from odata.mapping import Mapping
from tests.filtering import MODEL, Table, plan, statement
from tests.models import everything

CASES = tomllib.loads((Path(__file__).parents[1] / "cases" / "filter.toml").read_text("utf-8"))["case"]
INDEXES = """
CREATE EXTENSION pg_trgm;
INSERT INTO everything.thing (tenant, id, name, v_string, v_datetimeoffset, v_int32)
SELECT '00DbZ0000000001UAA', 10000 + n, 'thing ' || n, md5(n::text), now() - n * interval '1 hour', n
FROM generate_series(1, 5000) AS n;
CREATE INDEX by_name ON everything.thing USING gin (name COLLATE "default" gin_trgm_ops);
CREATE INDEX by_string ON everything.thing
    USING gin ((replace(lower(v_string COLLATE "default"), ' ', '') COLLATE "C") gin_trgm_ops);
CREATE INDEX by_folded ON everything.thing (tenant, (lower(v_string COLLATE "default") COLLATE "C"));
CREATE INDEX by_bytes ON everything.thing (tenant, v_string, id);
CREATE INDEX by_moment ON everything.thing (tenant, v_datetimeoffset);
CREATE INDEX by_number ON everything.thing (tenant, v_int32);
ANALYZE everything.thing;
"""


@pytest.fixture(scope="module")
def table(postgres_server: Server, worker: str) -> Iterator[Table]:
    yield from filled(postgres_server, f"{worker}_expressions", "")


@pytest.fixture(scope="module")
def indexed(trigram_server: Server, worker: str) -> Iterator[Table]:
    yield from filled(trigram_server, f"{worker}_indexed", INDEXES)


def filled(server: Server, name: str, extra: str) -> Iterator[Table]:
    with server.new_database(name) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        everything.create(connection)
        if extra:
            connection.execute(extra)
        yield Table(connection, Mapping(MODEL))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_filter(table: Table, case: dict[str, Any]) -> None:
    query, profile = f"$filter={case['filter']}", case.get("profile", "strict")
    text, _ = statement(plan(query, profile=profile), table.mapping)
    assert case["sql"] in " ".join(text.split())
    assert table.keys(query, profile=profile) == case["ids"]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("emoji", [4]),
        ("EMOJI", [4]),
        ("ü", [4]),
        ("rocket OR quoted", [3]),
        ("emoji quoted", []),
        ("emoji AND first", [4]),
        ('"and trailing"', [7]),
        ("first NOT emoji", [1, 2, 3, 5, 6, 7, 8, 9]),
        ("NOT (emoji OR quoted OR trailing)", [1, 2, 5, 6, 8, 9]),
        ("mo", [4]),
        ("100%", [2]),
    ],
)
def test_search(table: Table, search: str, ids: list[int]) -> None:
    assert table.keys(f"$search={search}") == ids


def test_a_thousand_equalities_are_one_parameter(table: Table) -> None:
    query = "$filter=" + " or ".join(f"Id eq {number}.0" for number in range(1, 1001))
    text, parameters = statement(plan(query), table.mapping)
    assert len(parameters) == 2 and text.count("ANY") == 1
    assert table.keys(query) == list(range(1, 10))


def test_a_wide_or_does_not_nest(table: Table) -> None:
    query = "$filter=" + " or ".join(f"contains(Name,'first {number}')" for number in range(1, 1001))
    assert table.keys(query) == list(range(1, 10))


def test_two_thousand_items(table: Table) -> None:
    query = "$filter=Name in (" + ",".join(f"'first {number}'" for number in range(3, 2003)) + ")"
    assert table.keys(query) == [3, 4, 5, 6, 7, 8, 9]


def test_orgs_stay_apart_inside_lambdas(table: Table) -> None:
    """Both orgs have the same ids; only the first has a thing 9."""
    text, _ = statement(plan("$filter=Children/any(c:c/Parent/Name ne Name)"), table.mapping)
    assert text.count("org") == 3
    assert table.keys("$filter=Children/any(c:c/Parent/Name ne Name)") == []


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("$filter=contains(Name,'thing 4711')", "by_name"),
        ("$filter=contains(Name,'g 4711')", "by_name"),
        ("$filter=contains(Name,'ng 47')", "by_name"),
        ("$filter=startswith(Name,'thing 4711') eq true", "by_name"),
        ("$filter=startswith(String,'abcde') eq true", "by_folded"),
        ("$filter=startswith(String,'AB')", "by_folded"),
        ("$filter=tolower(String) eq 'abcde'", "by_folded"),
        ("$filter=endswith(String,'abcde')", "by_string"),
        ("$filter=indexof(String,'abcdef') ne -1", "by_string"),
        ("$filter=contains(Name,'4711') eq true or contains(String,'4711') eq true", "by_name"),
        ("$search=abcdef", "by_string"),
        ("$filter=year(DateTimeOffset) eq 2024", "by_moment"),
        ("$filter=DateTimeOffset eq cast('2024-02-29T10:00:00Z',Edm.DateTimeOffset)", "by_moment"),
        ("$filter=DateTimeOffset lt cast('2024-02-29T10:00:00Z',Edm.DateTimeOffset)", "by_moment"),
        ("$filter=date(DateTimeOffset) eq 2024-02-29", "by_moment"),
        ("$filter=Int32 eq 7.0", "by_number"),
        ("$filter=Int32 in (1,2,3)", "by_number"),
        ("$filter=Int32 gt 4990.5", "by_number"),
        ("$filter=Int32 eq '7'", "by_number"),
    ],
)
def test_an_index_serves(indexed: Table, query: str, index: str) -> None:
    assert f"Index Scan on {index}" in (plan_text := indexed.explain(query, profile="salesforce")) or (
        f"using {index}" in plan_text
    ), plan_text


@pytest.mark.parametrize(("beginning", "index"), [("ab", "by_folded"), ("abΣ", "by_bytes"), ("aI", "by_bytes")])
def test_an_index_serves_beginnings_in_the_case_that_is_asked_for(indexed: Table, beginning: str, index: str) -> None:
    assert index in indexed.explain(f"$filter=startswith(String,'{beginning}')")


def test_a_beginning_is_that_of_the_text_whatever_it_holds(indexed: Table) -> None:
    """Wildcards and the escape stand for themselves, and letters beyond ASCII fold, with the index as without."""
    cases = {"A%": "a%C", "a_": "a_c", "A\\": "a\\c", "ÜN": "ünder", "": "x", "o'": "O'Neil"}
    for number, (part, whole) in enumerate(cases.items()):
        indexed.connection.execute(
            "UPDATE everything.thing SET v_string = %s WHERE tenant = %s AND id = %s",
            (whole, everything.FIRST_ORG, 15000 - number),
        )
        found = indexed.keys("$filter=startswith(String,'" + part.replace("'", "''") + "')", profile="salesforce")
        everyone = indexed.keys("$filter=tolower(substring(String,0," + str(len(part)) + ")) eq '"
                                + part.lower().replace("'", "''") + "'", profile="salesforce")  # fmt: skip
        assert 15000 - number in found or not part
        assert found == everyone


def test_a_pattern_of_two_letters_leaves_the_trigram_index_alone(indexed: Table) -> None:
    assert "by_string" not in indexed.explain("$filter=contains(String,'ab')", profile="salesforce")
    assert "by_string" not in indexed.explain("$search=ab")
