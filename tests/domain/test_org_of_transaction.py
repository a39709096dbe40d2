"""The org of a transaction: said once for each, and known to the database wherever a row is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from models import database
from models.database import set_org


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database.engine(database_url, pool_size=1, max_overflow=0)
    yield made
    made.dispose()


@pytest.fixture
def said(engine: Engine) -> list[str]:
    """The orgs that the database was told of, in order."""
    found: list[str] = []

    def note(connection: Connection, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        if "set_config" in statement:
            found.append(given["org_id"])

    event.listen(engine, "before_cursor_execute", note)
    return found


def org_of(connection: Connection) -> str | None:
    org: str | None = connection.execute(text("SELECT nullif(current_setting('app.org_id', true), '')")).scalar_one()
    return org


def test_once_a_transaction(engine: Engine, said: list[str]) -> None:
    for _ in range(2):
        with engine.begin() as connection:
            for org in ("a", "a", "b", "b", "a"):
                set_org(connection, org)
                assert org_of(connection) == org
    assert said == ["a", "b", "a"] * 2


def test_none_is_left_to_the_next(engine: Engine) -> None:
    with engine.begin() as connection:
        set_org(connection, "a")
    with engine.begin() as connection:
        assert org_of(connection) is None


def test_a_savepoint_given_up_takes_its_org_along(engine: Engine) -> None:
    with engine.begin() as connection:
        set_org(connection, "a")
        inner = connection.begin_nested()
        set_org(connection, "b")
        inner.rollback()
        assert org_of(connection) == "a"
        set_org(connection, "b")
        assert org_of(connection) == "b"
        set_org(connection, "a")
        assert org_of(connection) == "a"


def test_without_a_transaction_begun(engine: Engine) -> None:
    with engine.connect() as connection:
        set_org(connection, "a")
        set_org(connection, "a")
        assert org_of(connection) == "a"
        connection.rollback()
        set_org(connection, "a")
        assert org_of(connection) == "a"
