"""Objects put together from the values' own texts: byte for byte those that row_to_json writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import RawCursor

import models
from local.servers import Server
from models.seed import FIRST_ORG
from odata.edm.model import Model, build
from odata.mapping import Mapping
from odata.plan.limits import Limits
from odata.plan.make import make
from odata.sql.parameters import Org
from odata.sql.read_connection import load_undecoded
from odata.sql.rendition import Rendition
from odata.sql.select import select
from odata.url import parse
from tests.models import everything

ROOT = "https://gw.example/odata/v4/"
RENDITIONS = {
    "minimal": Rendition(root=ROOT),
    "none": Rendition(root=ROOT, metadata="none"),
    "full": Rendition(root=ROOT, metadata="full", prefix="@"),
    "ieee754": Rendition(root=ROOT, ieee754=True),
}
LIMITS = Limits(max_page_bytes=10_000)
"""So few bytes that both forms cut their pages."""
QUOTES = build(models.exposure())
EVERYTHING = build(everything.EXPOSURE)

UNUSUAL = r"""
INSERT INTO everything.thing (tenant, id, name, v_decimal, v_guid)
VALUES ('00DbZ0000000001UAA', 201, 'no number', 'NaN', NULL),
       ('00DbZ0000000001UAA', 202, E'\x01 and \x7f', 1, NULL);
ALTER TABLE everything.thing ALTER r_decimal TYPE numeric;
UPDATE everything.thing SET r_decimal = '-Infinity' WHERE id = 3;
UPDATE everything.thing SET r_decimal = 'Infinity' WHERE id = 2;
"""


@pytest.fixture(scope="module")
def things(postgres_server: Server, worker: str) -> Iterator[psycopg.Connection]:
    with postgres_server.new_database(f"{worker}_literal") as url, psycopg.connect(url) as connection:
        everything.create(connection)
        everything.add_infinite_rows(connection)
        connection.execute(UNUSUAL)
        connection.commit()
        load_undecoded(connection.adapters)
        yield connection


@pytest.fixture(scope="module")
def quotes(seeded_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(seeded_url) as connection:
        load_undecoded(connection.adapters)
        yield connection


def page(
    connection: psycopg.Connection, model: Model, asked: str, rendition: Rendition, limits: Limits = LIMITS
) -> tuple[str, str | None]:
    """(SQL, objects) of a page."""
    path, _, query = asked.partition("?")
    statement = select(make(parse(path, query), model, limits=limits), Mapping(model), rendition, limits)
    values = [FIRST_ORG if isinstance(one, Org) else "" for one in statement.parameters]
    connection.execute("SET TimeZone = 'UTC'")
    row = RawCursor(connection).execute(statement.sql, values).fetchone()
    assert row is not None
    if statement.columns[0] == "objects":
        return statement.sql, None if row[0] is None else row[0].decode()
    assert statement.columns[0] == "body"
    return statement.sql, row[0].decode()[1:-1]


@pytest.fixture
def literally(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Switches between the forms, whatever a page has of rows and properties."""

    def switch(on: bool) -> None:
        monkeypatch.setattr("odata.sql.select.MANY_ROWS", 0 if on else 10_000)
        monkeypatch.setattr("odata.sql.select.MANY_PROPERTIES", 0)

    return switch


@pytest.mark.parametrize("rendition", RENDITIONS.values(), ids=RENDITIONS)
@pytest.mark.parametrize(
    "asked",
    [
        "Things?$top=500", "Things?$top=500&$expand=Parent", "Things?$top=500&$expand=Children($select=Id)",
        "Pairs?$top=500&$expand=Thing($expand=Parent)", "PairNotes?$top=500", "OddKeys?$top=500", "Wide?$top=500",
        "Things?$top=500&$select=Decimal,RequiredDecimal", "Things?$top=500&$select=Boolean", "Things/$ref?$top=500",
    ],
)  # fmt: skip
@pytest.mark.parametrize("most_bytes", [2_000_000, 10_000_000_000], ids=["cut", "plain"])
def test_every_type(
    things: psycopg.Connection, asked: str, rendition: Rendition, most_bytes: int, literally: Callable[[bool], None]
) -> None:
    limits = Limits(max_page_bytes=most_bytes)
    literally(True)
    literal, objects = page(things, EVERYTHING, asked, rendition, limits)
    literally(False)
    by_row, wanted = page(things, EVERYTHING, asked, rendition, limits)
    assert objects == wanted and json.loads(f"[{objects}]")
    assert literal != by_row


@pytest.mark.parametrize("name", list(QUOTES.sets))
def test_every_set_of_the_gateway(quotes: psycopg.Connection, name: str, literally: Callable[[bool], None]) -> None:
    limits = Limits(max_page_bytes=10_000_000)
    literally(True)
    _, objects = page(quotes, QUOTES, name, RENDITIONS["minimal"], limits)
    literally(False)
    assert objects == page(quotes, QUOTES, name, RENDITIONS["minimal"], limits)[1]
    assert json.loads(f"[{objects}]")


def test_a_page_ends_where_its_bytes_would_pass_the_limit(things: psycopg.Connection) -> None:
    whole = page(things, EVERYTHING, "Things?$top=500", RENDITIONS["minimal"], Limits(max_page_bytes=10_000_000))[1]
    cut = page(things, EVERYTHING, "Things?$top=500", RENDITIONS["minimal"])[1]
    assert whole is not None and cut is not None
    assert 0 < len(json.loads(f"[{cut}]")) < len(json.loads(f"[{whole}]"))
    assert whole.startswith(cut) and len(cut.encode()) <= 10_000


def test_nothing_found_is_null(things: psycopg.Connection) -> None:
    nothing = page(things, EVERYTHING, "Things?$top=500&$filter=false", RENDITIONS["minimal"])
    assert nothing[1] is None
