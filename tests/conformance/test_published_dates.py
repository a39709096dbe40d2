"""A Date published as a point in time or as text (SALESFORCE_DATE_TYPE): filters and keys mean what they say."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL

from tests.conformance.serving import Client
from tests.models import everything

OPERATORS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
MOMENTS = (
    "2026-03-31T00:00:00Z",
    "2026-03-31T00:00:00.000001Z",
    "2026-03-31T12:00:00Z",
    "2026-03-30T23:59:59.999999Z",
    "2026-03-31T00:00:00-02:00",
    "2026-03-31T02:00:00+02:00",
    "2026-03-31T01:00:00+02:00",
    "0001-01-01T00:30:00+01:00",
    "9999-12-31T23:30:00-01:00",
    "9999-12-31T23:59:59.999999Z",
)
DATES = ("Edm.Date", "Edm.DateTimeOffset")
"""As text a date does not compare with a point in time."""


def published_as(client: Client) -> str:
    return client.settings.salesforce_date_type


def found(client: Client, condition: str) -> list[Any]:
    return client.get(f"Things?$select=Id&$orderby=Id&$filter={quote(condition)}").values("Id")


def truth(client: Client, condition: str) -> list[Any]:
    with psycopg.connect(client.settings.database_url, options="-c TimeZone=UTC") as connection:
        live = SQL("SELECT id FROM everything.thing WHERE tenant = %s AND gone_at IS NULL AND ({}) ORDER BY id")
        rows = connection.execute(live.format(SQL(condition)), (everything.FIRST_ORG,))
        return [row[0] for row in rows]


@pytest.mark.parametrize("dated", DATES, indirect=True)
@pytest.mark.parametrize("literal", MOMENTS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_date_is_the_start_of_its_day_in_utc(dated: Client, operator: str, literal: str) -> None:
    """A point in time within a day equals no date, and stands between two."""
    unknown = "v_date IS NULL" if operator == "ne" else "false"
    condition = f"v_date::timestamptz {OPERATORS[operator]} timestamptz '{literal}' OR {unknown}"
    wanted = truth(dated, condition)
    assert found(dated, f"Date {operator} {literal}") == wanted
    assert found(dated, f"{literal} {MIRRORED[operator]} Date") == wanted
    assert found(dated, f"Date {operator} '{literal}'") == wanted


MIRRORED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


@pytest.mark.parametrize("dated", DATES, indirect=True)
def test_lists_and_negations(dated: Client) -> None:
    both = "(2026-03-31T12:00:00Z,2026-12-31T00:00:00Z)"
    assert found(dated, f"Date in {both}") == truth(dated, "v_date = '2026-12-31'") == [9]
    assert found(dated, "not (Date ge 2026-03-31T12:00:00Z)") == truth(dated, "v_date < '2026-04-01' OR v_date IS NULL")


@pytest.mark.parametrize(
    ("literal", "status"),
    [
        ("2026-01-09", 200),
        ("'2026-01-09'", 200),
        ("2026-01-09T00:00:00Z", 200),
        ("2026-01-09T00:00:00.000+00:00", 200),
        ("2026-01-09T02:00:00+02:00", 200),
        ("2026-01-09T10:00:00Z", 404),
        ("2026-01-09T00:00:00.000001Z", 404),
        ("2026-01-09T00:00:00+02:00", 404),
        ("'2026-01-09T10:00:00Z'", 404),
        ("2026-01-10", 404),
    ],
)
def test_a_point_in_time_within_a_day_is_no_key(dated: Client, literal: str, status: int) -> None:
    """404 for an entity that is not there: a key is not rounded."""
    for path in ("", "/Id", "/Id/$value"):
        reply = dated.get(f"Wide(Id=3,P05={quote(literal)}){path}")
        assert reply.status == status, reply.text
    rooted = f"Id eq $root/Wide(Id=3,P05={literal})/Id"
    assert dated.get(f"Wide?$select=Id&$filter={quote(rooted)}").values("Id") == ([3] if status == 200 else [])


@pytest.mark.parametrize("literal", ["2026-13-09", "2026-01-09T25:00:00Z", "'soon'", "7", "null"])
def test_a_key_that_is_no_date_is_refused(dated: Client, literal: str) -> None:
    assert dated.get(f"Wide(Id=3,P05={literal})").status == 400


@pytest.mark.parametrize("literal", ["'2026-01-09'", "2026-01-09T00:00:00Z"])
def test_strict_keys_are_dates_only(dated: Client, literal: str) -> None:
    strict = dated.as_org(everything.FIRST_ORG, profile="strict")
    assert strict.get(f"Wide(Id=3,P05={literal})").status == 400
    assert strict.get("Wide(Id=3,P05=2026-01-09)").status == 200


def test_ids_are_of_the_published_type_and_lead_back(dated: Client) -> None:
    written = {
        "Edm.Date": "2026-01-09",
        "Edm.DateTimeOffset": "2026-01-09T00:00:00%2B00:00",
        "Edm.String": "'2026-01-09'",
    }
    link = dated.get("Wide(Id=3,P05=2026-01-09)/$ref").json["@odata.id"]
    assert link.endswith(f"/Wide(Id=3,P05={written[published_as(dated)]})")
    assert dated.get(link + "?$select=Id").json["Id"] == 3
