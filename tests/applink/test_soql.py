"""Queries from values: what they look like, and that no text of a request gets out of its literal (bar 37)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from applink.org import Org
from applink.soql import Children, literal, select
from simulator import soql as org_soql
from simulator.running import Simulator
from tests.applink.calling import soon


def test_what_a_query_looks_like() -> None:
    made = select(
        ("Id", "Account.Name"),
        "Opportunity",
        where={"StageName": "Closed Won", "IsDeleted": False, "AccountId": None},
        in_={"Id": ("006A", "006B")},
        children=(Children("OpportunityLineItems", ("Id", "Quantity"), order_by=("SortOrder",)),),
        order_by=("Name", "-CloseDate"),
        limit=5,
    )
    assert made.text == (
        "SELECT Id, Account.Name, (SELECT Id, Quantity FROM OpportunityLineItems ORDER BY SortOrder) FROM Opportunity "
        "WHERE StageName = 'Closed Won' AND IsDeleted = false AND AccountId = null AND Id IN ('006A','006B') "
        "ORDER BY Name, CloseDate DESC LIMIT 5"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (False, "false"), (7, "7"), (-3, "-3"), (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"), (date(2026, 3, 31), "2026-03-31"),
        (datetime(2026, 3, 31, 12, 0, tzinfo=timezone(timedelta(hours=2))), "2026-03-31T10:00:00Z"),
        ("it's", r"'it\'s'"), ("a\\", r"'a\\'"), ('"', r"'\"'"), ("a\nb", r"'a\nb'"), ("", "''"),
        ("' OR Name LIKE '%", r"'\' OR Name LIKE \'%'"), (r"\' OR Id != '", r"'\\\' OR Id != \''"),
    ],
)  # fmt: skip
def test_literals(value: Any, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize(
    "value",
    ["a\0b", "\ud800", Decimal("NaN"), Decimal("-Infinity"), datetime(2026, 1, 1), 1.5, b"x", ["a"]],
)
def test_what_has_no_literal(value: Any) -> None:
    with pytest.raises(ValueError):
        literal(value)


@pytest.mark.parametrize(
    "name", ["", "Id FROM User", "Id,Name", "a b", "1a", "Name'", "(SELECT Id", "é", "Id\n", "A..B"]
)
def test_names_are_names(name: str) -> None:
    attempts: list[Any] = [
        lambda: select((name,), "User"),
        lambda: select(("Id",), name),
        lambda: select(("Id",), "User", where={name: "x"}),
        lambda: select(("Id",), "User", in_={name: ("x",)}),
        lambda: select(("Id",), "User", order_by=(name,)),
        lambda: select(("Id",), "User", children=(Children(name, ("Id",)),)),
    ]
    for attempt in attempts:
        with pytest.raises(ValueError):
            attempt()


def test_an_empty_list_is_no_condition() -> None:
    with pytest.raises(ValueError, match="no values"):
        select(("Id",), "User", in_={"Id": ()})


hostile = st.text(alphabet=st.sampled_from("'\"\\%_()\n\r\t\b\f ,=*/-OR AND LIKE SELECT null u0041"), max_size=40)
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.lists(hostile | anything, min_size=1, max_size=5), hostile | anything)
def test_the_org_reads_every_text_as_the_text_that_it_is(several: list[str], one: str) -> None:
    """Parsed by the org's own grammar, the query has two conditions with just these values."""
    made = select(("Id",), "Opportunity", where={"Name": one}, in_={"Id": several})
    query = org_soql.parse(made.text)
    assert isinstance(query.where, org_soql.Both) and query.where.operator == "AND"
    equal, among = query.where.parts
    assert isinstance(equal, org_soql.Comparison) and isinstance(among, org_soql.Comparison)
    assert [(each.kind, each.value) for each in equal.values] == [("string", one)]
    assert [(each.kind, each.value) for each in among.values] == [("string", text) for text in several]
    assert (len(query.fields), query.source, query.order, query.limit) == (1, "Opportunity", (), None)


@pytest.mark.parametrize(
    "text", ["' OR Name LIKE '%", "\\", "\\'", "x') OR (Name != '", "a\nb", "ünïcödé 漢字 🙂", "%", "+&=#"]
)
def test_through_http_it_is_the_same_text(text: str, work_org: Org, simulator: Simulator) -> None:
    made = simulator.create("Account", {"Name": text})
    found = work_org.query(select(("Id", "Name"), "Account", where={"Name": text}), deadline=soon())
    assert [(record["Id"], record["Name"]) for record in found] == [(made, text)]


def test_a_moment_is_compared_as_a_moment(work_org: Org) -> None:
    asked = select(("Id",), "User", where={"CreatedDate": datetime(2001, 1, 1, tzinfo=UTC)})
    assert work_org.query(asked, deadline=soon()) == []
