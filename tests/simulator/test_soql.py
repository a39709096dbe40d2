"""SOQL: what the subset reads, what it finds, and with which code it refuses the rest."""

# ruff: noqa: S608, the queries are SOQL

from __future__ import annotations

import pytest

from simulator import soql
from simulator.errors import SalesforceError
from simulator.running import Simulator
from simulator.soql import Both, Comparison, Literal, Not, Order
from tests.simulator.conftest import Rest, error_code


def test_a_query_as_nodes() -> None:
    query = soql.parse(
        "select Id, Account.Name, (SELECT Id FROM OpportunityLineItems LIMIT 2) from Opportunity "
        "where Name = 'O\\'Brien \\u00e9' and (Amount >= -1.5 or not IsClosed = TRUE) "
        "order by Name desc nulls last limit 3"
    )
    assert query.fields[:2] == (("Id",), ("Account", "Name"))
    assert query.fields[2] == soql.Query(fields=(("Id",),), source="OpportunityLineItems", limit=2)
    assert query.where == Both(
        "AND",
        (
            Comparison(("Name",), "=", (Literal("string", "O'Brien é"),)),
            Both(
                "OR",
                (
                    Comparison(("Amount",), ">=", (Literal("number", -1.5),)),
                    Not(Comparison(("IsClosed",), "=", (Literal("boolean", True),))),
                ),
            ),
        ),
    )
    assert (query.order, query.limit) == ((Order(("Name",), True, True),), 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELEKT Id FROM User",
        "SELECT Id",
        "SELECT Id FROM",
        "SELECT FROM User",
        "SELECT Id, FROM User",
        "SELECT Id FROM User WHERE",
        "SELECT Id FROM User WHERE Name = ",
        "SELECT Id FROM User WHERE Name = 'open",
        "SELECT Id FROM User WHERE Name = 'a\\q'",
        "SELECT Id FROM User WHERE Name = other",
        "SELECT Id FROM User WHERE Id IN ()",
        "SELECT Id FROM User WHERE Id IN ('a'",
        "SELECT Id FROM User WHERE Name = 'a' AND Name = 'b' OR Name = 'c'",
        "SELECT Id FROM User LIMIT x",
        "SELECT Id FROM User; DELETE",
        "SELECT Id, (SELECT Id, (SELECT Id FROM C) FROM B) FROM User",
        "SELECT Id FROM User WHERE Name = 'a' 'b'",
        "SELECT Id FROM User WHERE Id = '" + "a" * 100_000,
    ],
)
def test_what_is_no_query(text: str) -> None:
    with pytest.raises(SalesforceError) as refused:
        soql.parse(text)
    assert (refused.value.status, refused.value.code) == (400, "MALFORMED_QUERY")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Quote_Job__e", "INVALID_TYPE_FOR_OPERATION"),
        ("SELECT Nothing FROM User", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE Nothing = 1", "INVALID_FIELD"),
        ("SELECT Nobody.Name FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id, (SELECT Id FROM Nothings) FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE Name = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Amount = '1'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Description = 'a'", "INVALID_FIELD"),
        ("SELECT Id FROM User WHERE Id = 'short'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM User OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT CurrencyIsoCode FROM Opportunity", "INVALID_FIELD"),
    ],
)
def test_what_the_org_does_not_have(worker: Rest, query: str, code: str) -> None:
    assert error_code(worker.query(query)) == (400, code)


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("Name = 'pump 000'", 1),  # in any case
        ("Name LIKE 'Pump%'", 5),
        ("Name LIKE 'Pump 00_'", 2),
        ("Name != 'Pump 000'", 39),
        ("ProductCode IN ('P-001', 'P-002', 'P-999')", 2),
        ("ProductCode NOT IN ('P-001', 'P-002')", 38),
        ("ProductCode > 'P-037'", 2),
        ("Family = null", 0),
        ("Family != null", 40),
        ("IsActive = true AND ProductCode <= 'P-004'", 5),
        ("(ProductCode = 'P-001' OR ProductCode = 'P-002') AND NOT Name LIKE 'Valve%'", 1),
        ("CreatedDate = 2026-01-05T11:00:00+01:00", 40),
        ("CreatedDate > 2026-01-05T10:00:00Z", 0),
    ],
)
def test_conditions(worker: Rest, where: str, count: int) -> None:
    answer = worker.query(f"SELECT COUNT() FROM Product2 WHERE {where}")
    assert answer.json() == {"totalSize": count, "done": True, "records": []}


def test_ids_of_15_letters_find_the_record(worker: Rest, simulator: Simulator) -> None:
    special = simulator.special("plain")
    (row,) = worker.rows(f"SELECT Id FROM Opportunity WHERE Id = '{special[:15]}'")
    assert row["Id"] == special
    assert row["attributes"] == {
        "type": "Opportunity",
        "url": f"/services/data/v64.0/sobjects/Opportunity/{special}",
    }
    assert len(worker.rows(f"SELECT Id FROM OpportunityLineItem WHERE OpportunityId = '{special[:15]}'")) == 3


def test_order_limit_and_offset(worker: Rest) -> None:
    rows = worker.rows("SELECT ProductCode FROM Product2 ORDER BY ProductCode DESC LIMIT 2 OFFSET 1")
    assert [row["ProductCode"] for row in rows] == ["P-038", "P-037"]


def test_nulls_come_first_unless_asked_otherwise(worker: Rest) -> None:
    first = worker.rows("SELECT BillingCountry FROM Account ORDER BY BillingCountry LIMIT 1")
    last = worker.rows("SELECT BillingCountry FROM Account ORDER BY BillingCountry NULLS LAST LIMIT 1")
    assert (first[0]["BillingCountry"], last[0]["BillingCountry"]) == (None, "Argentina")


def test_lookups_are_nested_and_null_where_there_is_none(worker: Rest, simulator: Simulator) -> None:
    (row,) = worker.rows(
        f"SELECT Account.Name, Account.Owner.Username FROM Opportunity WHERE Id = '{simulator.special('no_account')}'"
    )
    assert row["Account"] is None
    (row,) = worker.rows(f"SELECT account.owner.name FROM Opportunity WHERE Id = '{simulator.special('of_ben')}'")
    assert row["Account"]["Owner"]["Name"] == "Ben Example"
    assert row["Account"]["Owner"]["attributes"]["type"] == "User"


def test_pages_and_cursors(worker: Rest, simulator: Simulator) -> None:
    simulator.settings(page_size=15)
    page = worker.query("SELECT ProductCode FROM Product2").json()
    found = page["records"]
    assert (page["totalSize"], page["done"], len(found)) == (40, False, 15)
    while "nextRecordsUrl" in page:
        page = worker.call("GET", page["nextRecordsUrl"]).json()
        found += page["records"]
    assert page["done"] is True
    assert len({row["ProductCode"] for row in found}) == 40
    assert error_code(worker.call("GET", "/query/01g000000000099-15")) == (400, "INVALID_QUERY_LOCATOR")


def test_long_sub_selects_have_pages_too(worker: Rest, simulator: Simulator) -> None:
    simulator.settings(child_page_size=20)
    many = simulator.special("many_lines")
    (row,) = worker.rows(f"SELECT Id, (SELECT Id FROM OpportunityLineItems) FROM Opportunity WHERE Id = '{many}'")
    lines = row["OpportunityLineItems"]
    assert (lines["totalSize"], lines["done"], len(lines["records"])) == (45, False, 20)
    assert len(worker.call("GET", lines["nextRecordsUrl"]).json()["records"]) == 20


def test_a_uri_that_is_too_long(worker: Rest) -> None:
    ids = ", ".join(f"'006bZ{number:010d}'" for number in range(1000))
    assert worker.query(f"SELECT Id FROM Opportunity WHERE Id IN ({ids})").status == 414


def test_the_eleventh_query_of_a_user_at_once(worker: Rest, ann: Rest, simulator: Simulator) -> None:
    from concurrent.futures import ThreadPoolExecutor

    simulator.settings(delay_ms=300)
    with ThreadPoolExecutor(14) as pool:
        asked = [pool.submit(worker.query, "SELECT Id FROM User LIMIT 1") for _ in range(13)]
        other = pool.submit(ann.query, "SELECT Id FROM User LIMIT 1")
        answers = [one.result() for one in asked]
    assert sorted(answer.status for answer in answers) == [200] * 10 + [403] * 3
    refused = next(answer for answer in answers if answer.status == 403)
    assert error_code(refused) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert "concurrent queries" in refused.json()[0]["message"]
    assert other.result().status == 200
    assert simulator.most_under_way()["queries"]["worker@acme.example"] == 10
