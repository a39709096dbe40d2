"""Reads need no right to write: a role that may only SELECT gets every answer, and a write inside a read is refused."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from local import demo
from local.servers import Server
from local.web import serving
from models.seed import ORGS
from tests.conformance.serving import Client
from tests.faults.test_web import get

SETS = ("Quotes", "QuoteLines", "Jobs", "JobItems", "QuoteEvents", "QuoteTotals", "DiscountRules")
REQUESTS = (
    "", "$metadata", *SETS, *(f"{name}/$count" for name in SETS), *(f"{name}?$top=3&$count=true" for name in SETS),
    "Quotes?$filter=contains(Name,'a') and GrandTotal gt 100&$orderby=GrandTotal desc&$top=7",
    "Quotes?$expand=Lines($orderby=LineNumber;$top=2),Job,Events&$top=4", "Quotes?$search=a&$top=5",
    "Quotes?$filter=Lines/any(l:l/Quantity gt 2)&$select=Id,Name", "Quotes?$orderby=Lines/$count desc&$top=3",
    "Quotes?$filter=tolower(Status) eq 'draft' and year(CreatedAt) ge 2000&$top=3",
    "JobItems?$filter=Job/Status eq 'failed'",
    "Quotes?$filter=Nothing eq 1", "Quotes(00000000-0000-0000-0000-000000000000)",
)  # fmt: skip


@pytest.fixture
def reader(postgres_server: Server) -> Iterator[Server]:
    """The server as a role without any right yet."""
    name, password = f"reader_{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
        yield replace(postgres_server, role=name, password=password)
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def reader_url(reader: Server, database_url: str) -> Iterator[str]:
    """A filled database as a role that has SELECT and nothing else."""
    role = sql.Identifier(reader.role)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA gateway TO {}").format(role))
        owner.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA gateway TO {}").format(role))
    yield reader.url(str(conninfo_to_dict(database_url)["dbname"]))
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA gateway FROM {}").format(role))
        owner.execute(sql.SQL("REVOKE ALL ON SCHEMA gateway FROM {}").format(role))


def test_a_role_with_select_alone_gets_every_answer(database_url: str, reader_url: str) -> None:
    owner, reader = (Client(url, org=ORGS[0]) for url in (database_url, reader_url))
    for request in REQUESTS:
        url: str | None = request.replace(" ", "%20")
        while url is not None:
            expected, got = owner.get(url), reader.get(url)
            assert (got.status, got.body) == (expected.status, expected.body), url
            assert got.status == 200 or "Nothing" in url or "00000000" in url, url
            url = expected.json.get("@odata.nextLink") if expected.body.startswith(b"{") else None
    owner.close()
    reader.close()


def test_a_role_with_select_alone_serves_logins(database_url: str, reader_url: str, tmp_path: Path) -> None:
    demo.ensure_credentials(database_url)
    with serving(reader_url, tmp_path / "web") as web:
        assert get(web).status == 200
        assert get(web, login="demo:wrong").status == 401


def test_a_write_inside_a_read_is_refused_and_logged(database_url: str, tmp_path: Path) -> None:
    """The owner of the tables reads, too, over connections that cannot write: 25006."""
    demo.ensure_credentials(database_url)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """CREATE TABLE gateway.written (at timestamptz);
               CREATE FUNCTION gateway.write_it() RETURNS boolean LANGUAGE plpgsql AS
                   $$ BEGIN INSERT INTO gateway.written VALUES (now()); RETURN true; END $$;
               ALTER VIEW gateway.quote_total RENAME TO real_total;
               CREATE VIEW gateway.quote_total AS SELECT * FROM gateway.real_total WHERE gateway.write_it()"""
        )
        with serving(database_url, tmp_path / "web") as web:
            for _ in range(2):
                reply = get(web, "/odata/v4/QuoteTotals?$top=1")
                assert (reply.status, json.loads(reply.body)["error"]["code"]) == (403, "Forbidden")
            assert get(web).status == 200
        assert owner.execute("SELECT count(*) FROM gateway.written").fetchone() == (0,)
    assert "database: 25006" in (tmp_path / "web").read_text()
