"""What the service is told: every set complete, every name and column there, nothing hidden shown."""

from __future__ import annotations

import re
from types import ModuleType

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

import models
from odata.edm.check import check
from odata.edm.model import build
from odata.exposure import ExposedSet
from odata.mapping import SQL_TYPES
from tests.models import everything, session

HIDDEN = re.compile(
    "org_id|row_version|deleted_at|lease|locked_by|next_at|idem_key|request_hash|callback_url|deadline|arguments|secret"
)
SETS = models.exposure().sets


def test_the_seven_sets() -> None:
    assert [entry.name for entry in SETS] == [
        "Quotes", "QuoteLines", "Jobs", "JobItems", "QuoteEvents", "QuoteTotals", "DiscountRules",
    ]  # fmt: skip
    build(models.exposure())
    assert check(models.exposure()) == ()


@pytest.mark.parametrize("entry", SETS, ids=lambda entry: entry.name)
def test_every_set_is_complete(entry: ExposedSet) -> None:
    properties = {item.name: item for item in entry.properties}
    assert entry.org_column == "org_id" and entry.fixed_org is None
    assert entry.default_order and entry.description
    assert entry.name_property is not None and properties[entry.name_property].type == "Edm.String"
    for item in entry.properties:
        assert item.description.endswith("."), item.name
        assert not HIDDEN.search(item.column), item.column
        assert re.fullmatch("[A-Z][A-Za-z]{0,39}", item.name)
        if item.type == "Edm.String":
            assert item.max_length, item.name
            assert item.sortable is (item.max_length <= 1024)
        if item.type == "Edm.Decimal":
            assert item.precision and item.precision <= 18 and item.scale == 2
        assert item.record_id is (item.type == "Edm.String" and item.max_length == 18), item.name


def test_navigation_leads_back() -> None:
    sets = {entry.name: entry for entry in SETS}
    for entry in SETS:
        for navigation in entry.navigation:
            if navigation.partner:
                back = {item.name: item for item in sets[navigation.target].navigation}[navigation.partner]
                assert (back.target, back.partner) == (entry.name, navigation.name)
                assert back.on == tuple((there, here) for here, there in navigation.on)
                assert back.collection != navigation.collection


def test_every_property_has_its_column(seeded_url: str) -> None:
    query = """SELECT table_name, column_name, is_nullable = 'YES', character_maximum_length, collation_name
               FROM information_schema.columns WHERE table_schema = 'gateway'"""
    with psycopg.connect(seeded_url) as connection:
        found = {(row[0], row[1]): row[2:] for row in connection.execute(query)}
    for entry in SETS:
        for item in entry.properties:
            nullable, length, collation = found[entry.table, item.column]
            if entry.table != "quote_total":  # a view has no constraints
                assert nullable is item.nullable, (entry.name, item.name)
            if item.type == "Edm.String":
                assert collation == "C", (entry.name, item.name)
                assert length in (item.max_length, None)


@pytest.mark.parametrize("module", [session, everything])
def test_the_further_exposures_have_their_tables(module: ModuleType, empty_database_url: str) -> None:
    build(module.EXPOSURE)
    with psycopg.connect(empty_database_url) as connection:
        module.create(connection)
        for entry in module.EXPOSURE.sets:
            columns = SQL(", ").join(Identifier(item.column) for item in entry.properties)
            some = SQL("SELECT {} FROM {} LIMIT 1").format(columns, Identifier(entry.schema, entry.table))
            row = connection.execute(some).fetchone()
            assert row is not None and len(row) == len(entry.properties)


def test_everything_covers_every_primitive_type() -> None:
    types = {item.type.removeprefix("Edm.") for item in everything.THINGS.properties}
    assert types >= {name.removeprefix("Edm.") for name in SQL_TYPES} | {"Color"}
    assert len(everything.WIDE.properties) == 60
    assert len(everything.LONG_NAME) == 128
