"""Patterns over the gateway's own tables: which index serves which, on both servers, as a migration leaves them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import models
from models.search_indexes import folded_name, joined_name, searched_columns
from odata.edm.model import build
from odata.mapping import Mapping
from odata.plan.limits import Profile
from tests.filtering import plan, statement

MODEL = build(models.exposure())


@pytest.fixture(scope="module", params=["embedded", "trigrams"])
def connection(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    url = request.getfixturevalue("seeded_url" if request.param == "embedded" else "trigram_url")
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SET enable_seqscan = off")
        assert request.param == "embedded" or offers_trigrams(opened)
        yield opened


def offers_trigrams(connection: psycopg.Connection) -> bool:
    query = "SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'"
    return connection.execute(query).fetchone() is not None


@pytest.fixture
def trigrams(connection: psycopg.Connection) -> bool:
    """Whether the server offers pg_trgm."""
    return offers_trigrams(connection)


def explain(connection: psycopg.Connection, query: str, profile: Profile, entity_set: str = "Quotes") -> str:
    planned = plan(query, entity_set=entity_set, profile=profile, model=MODEL)
    text, parameters = statement(planned, Mapping(MODEL))
    rows = connection.execute(f"EXPLAIN (COSTS OFF) {text}", parameters).fetchall()
    return "\n".join(row[0] for row in rows)


def indexes(connection: psycopg.Connection) -> set[str]:
    query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'gateway'"
    return {row[0] for row in connection.execute(query).fetchall()}


@pytest.mark.parametrize(
    ("query", "profile", "index"),
    [
        ("$filter=startswith(Name,'acme m')", "salesforce", "ix_quote_name_folded"),
        ("$filter=startswith(Name,'Ü')", "salesforce", "ix_quote_name_folded"),
        ("$filter=startswith(QuoteNumber,'q-0000001') eq true", "salesforce", "ix_quote_quote_number_folded"),
        ("$filter=tolower(AccountName) eq 'acme machines gmbh'", "salesforce", "ix_quote_account_name_folded"),
        ("$filter=tolower(AccountName) eq 'acme machines gmbh'", "strict", "ix_quote_account_name_folded"),
        ("$filter=startswith(Name,'Acme Machines')", "strict", "ix_quote_name_folded"),
        ("$filter=startswith(Name,'Ac')", "strict", "ix_quote_name_folded"),
        ("$filter=startswith(OpportunityName,'Acme Machines')", "strict", "ix_quote_opportunity_name_folded"),
        ("$filter=startswith(Name,'ΟΔΥΣ')", "strict", "ix_quote_name "),
    ],
)
def test_beginnings_need_no_extension(connection: psycopg.Connection, query: str, profile: Profile, index: str) -> None:
    found = explain(connection, query, profile)
    assert f"{index.strip()} " in found or f"{index.strip()}\n" in found, found


@pytest.mark.parametrize(
    ("query", "used"),
    [
        ("$filter=contains(Name,'xyz')", True),
        ("$filter=contains(Name,'ut 27')", True),
        ("$filter=contains(Name,'t 2')", False),
        ("$filter=contains(Name,'見積')", False),
        ("$filter=contains(Name,'o G')", False),
    ],
)
def test_trigrams_serve_what_holds_enough_of_them(
    connection: psycopg.Connection, trigrams: bool, query: str, used: bool
) -> None:
    found = explain(connection, query, "salesforce")
    assert ("ix_quote_name_joined" in found) is (used and trigrams), found


def test_every_searched_column_has_its_indexes(connection: psycopg.Connection, trigrams: bool) -> None:
    wanted = {folded_name(*target) for target in searched_columns()}
    if trigrams:
        wanted |= {joined_name(*target) for target in searched_columns()}
    assert wanted <= indexes(connection)


@pytest.mark.parametrize("told_of", ["folded_index", "joined_index"])
def test_what_is_told_of_texts_has_its_index(told_of: str) -> None:
    told = {(entry.table, item.column) for entry in models.SETS for item in entry.properties if getattr(item, told_of)}
    assert told == set(searched_columns())
