"""DB_POOLER=transaction through a real PgBouncer with one connection to the database, shared by everybody."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.pooler import pooling
from local.web import serving
from models.credential import create
from models.database import engine
from models.seed import ORGS
from odata.errors import Forbidden, QueryTimeout
from odata.sql.connections import ConnectionLimits
from odata.sql.run import Database
from tests.faults.test_web import get

LIMITS = ConnectionLimits(
    connections=3, waiting=6, transaction_pooler=True, statement_timeout_seconds=0.5, prepare_after=0
)


@pytest.fixture
def pooled_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    with pooling(database_url, tmp_path / "pgbouncer", connections=1) as url:
        yield url


def test_two_orgs_alternate_over_one_connection(database_url: str, pooled_url: str, tmp_path: Path) -> None:
    with engine(database_url).begin() as connection:
        logins = [create(connection, org_id=org, username=f"of {org}", secret=org) for org in ORGS[:2]]
    with psycopg.connect(database_url) as owner:
        own = [
            {
                str(row[0])
                for row in owner.execute(
                    "SELECT id FROM gateway.quote WHERE org_id = %s AND deleted_at IS NULL", (org,)
                )
            }
            for org in ORGS[:2]
        ]
    variables = {"DB_POOLER": "transaction", "POOL_CONNECTIONS": "4"}
    wrong: list[str] = []

    def ask(number: int) -> None:
        issued, ids = logins[number], own[number]
        for _ in range(25):
            reply = get(web, "/odata/v4/Quotes?$select=Id&$top=2001", f"{issued.username}:{issued.secret}")
            if reply.status != 200 or {row["Id"] for row in reply.json["value"]} != ids:
                wrong.append(f"{reply.status} {reply.body[:200]!r}")

    with serving(pooled_url, tmp_path / "web", variables=variables) as web:
        threads = [threading.Thread(target=ask, args=(number,)) for number in (0, 1, 0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:3]


def test_read_only_time_zone_and_time_limits_hold_without_a_session(database_url: str, pooled_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """CREATE TABLE note (text text);
               CREATE FUNCTION note_it() RETURNS text LANGUAGE sql VOLATILE AS
                   $$ INSERT INTO note VALUES ('written') RETURNING text $$"""
        )
    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
        other.execute("SET TimeZone = 'Asia/Tokyo'")  # what another client leaves in the one session
    database = Database(pooled_url, limits=LIMITS)
    zones = Counter(database.fetch("SELECT current_setting('TimeZone'), $1::text", [str(n)]) for n in range(6))
    assert {row[0] for row in zones if row} == {b"UTC"}
    for _ in range(2):
        with pytest.raises(Forbidden):
            database.fetch("SELECT note_it()")
        with pytest.raises(QueryTimeout):
            database.fetch("SELECT pg_sleep(3)")
        assert database.fetch("SELECT count(*) FROM note") == (0,)
    database.close()
    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
        assert other.execute("SHOW transaction_read_only").fetchone() == ("off",), "nothing of ours stays behind"


def test_a_backend_lost_behind_the_pooler_goes_unnoticed(database_url: str, pooled_url: str) -> None:
    database = Database(pooled_url, limits=LIMITS)
    assert database.fetch("SELECT 1") == (1,)
    with psycopg.connect(database_url, autocommit=True) as owner:
        for _ in range(3):
            owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert database.fetch("SELECT 1") == (1,)
    database.close()


def test_no_read_of_many_is_lost(pooled_url: str) -> None:
    """In a pipeline about one of 50 hung while connections were new."""
    for _ in range(25):
        database = Database(pooled_url, limits=LIMITS)
        for number in range(6):
            assert database.fetch("SELECT $1::int", [str(number)], deadline_seconds=5) == (number,)
        database.close()
