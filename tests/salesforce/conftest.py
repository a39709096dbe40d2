"""Services as an org meets them: gunicorn over the recorded session's tables, and over quotes and jobs."""

# ruff: noqa: S608, the SQL is written here

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

import models
from local import web
from local.servers import Server
from models import database, migrating, seed
from models.credential import create
from odata.exposure import Exposure
from tests.models import session
from tests.salesforce.adapter import Adapter
from tests.salesforce.truth import Truth

QUOTES = 3000
SESSION_COMMAND = [
    "gunicorn", "--config", "gunicorn.conf.py", "tests.models.session_app:create_app()",
]  # fmt: skip
SECRET = "a secret that no file may hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """A service, its database, and one client of each profile."""

    url: str
    adapter: Adapter
    strict: Adapter
    truth: Truth


@pytest.fixture(scope="session")
def session_url(postgres_server: Server, template_database: str, worker: str) -> Iterator[str]:
    """A database with the session's tables beside ours, and a credential of each profile."""
    with postgres_server.new_database(f"{worker}_session", template=template_database) as url:
        with psycopg.connect(database.libpq_url(url)) as connection:
            session.create(connection)
        _credentials(url, session.ORG)
        yield url


@pytest.fixture(scope="session")
def real_url(postgres_server: Server, worker: str) -> Iterator[str]:
    """A database with 3,000 quotes, and a credential of each profile for the first org."""
    with postgres_server.new_database(f"{worker}_salesforce") as url:
        migrating.migrate(url)
        seed.seed(url, quotes=QUOTES)
        _credentials(url, seed.FIRST_ORG)
        yield url


@pytest.fixture(scope="session")
def session_service(session_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with _mounted(session_url, session.EXPOSURE, session.ORG, tmp_path_factory, command=SESSION_COMMAND) as mounted:
        yield mounted


@pytest.fixture(scope="session")
def real_service(real_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with _mounted(real_url, models.exposure(), seed.FIRST_ORG, tmp_path_factory) as mounted:
        yield mounted


def _credentials(url: str, org_id: str) -> None:
    with database.engine(url).begin() as connection:
        for profile in ("salesforce", "strict"):
            create(connection, org_id=org_id, username=profile, secret=SECRET, profile=profile, scope="write")


@contextmanager
def _mounted(
    url: str,
    exposure: Exposure,
    org_id: str,
    folders: pytest.TempPathFactory,
    *,
    command: list[str] | None = None,
) -> Iterator[Mounted]:
    log = folders.mktemp("salesforce") / "log"
    with (
        web.serving(url, log, command=command) as served,
        psycopg.connect(database.libpq_url(url), autocommit=True) as connection,
    ):
        yield Mounted(
            url=url,
            adapter=Adapter(served.service_root, "salesforce", SECRET),
            strict=Adapter(served.service_root, "strict", SECRET),
            truth=Truth(
                connection=connection,
                exposure=exposure,
                org_id=org_id,
                names=_names(connection) if command is None else {},
            ),
        )


def _names(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Values of seeded rows that the translated requests name."""
    quotes = "gateway.quote WHERE org_id = %(org)s AND deleted_at IS NULL"
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            f"""
            SELECT id::text AS quote, upper(id::text) AS "QUOTE", account_id AS account, opportunity_id AS opportunity,
                   left(account_id, 15) AS account15, left(opportunity_id, 15) AS opportunity15,
                   expiration_date::text AS expiration, created_at::date::text AS day,
                   (SELECT max(id::text) FROM {quotes}) AS other_quote,
                   (SELECT min(id::text) FROM gateway.quote_line
                    WHERE org_id = %(org)s AND quantity IS NOT NULL) AS line,
                   (SELECT min(quote_id::text) FROM gateway.quote_line WHERE org_id = %(org)s) AS line_quote
            FROM {quotes} AND account_id IS NOT NULL AND expiration_date IS NOT NULL ORDER BY id OFFSET 1500 LIMIT 1
            """,
            {"org": seed.FIRST_ORG},
        ).fetchone()
    assert found is not None
    return {name: str(value) for name, value in found.items()}
