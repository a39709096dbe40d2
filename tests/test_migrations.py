"""Migrations: both branches up and down, the schema as the metadata says, locks, and search indexes that come later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from local.servers import Server
from models import database, migrating, search_indexes
from models.migrations.comparison import differences

TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'gateway'::regnamespace AND relkind IN ('r', 'v', 'S') ORDER BY 1
"""

BUILT = "SELECT indexname FROM pg_indexes WHERE schemaname = 'gateway' AND indexname LIKE '%_joined' ORDER BY 1"
EXPECTED = sorted(search_indexes.joined_name(*target) for target in search_indexes.searched_columns())


@pytest.fixture
def trigram_database(trigram_server: Server, worker: str) -> Iterator[str]:
    with trigram_server.new_database(f"{worker}_migrations") as url:
        yield url


def names(url: str, query: str = TABLES) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute(query)]


def test_up_down_and_up_again(empty_database_url: str) -> None:
    migrating.migrate(empty_database_url)
    there = names(empty_database_url)
    assert {"quote", "quote_total", "job", "credential", "job_number"} <= set(there)
    migrating.downgrade(empty_database_url)
    assert names(empty_database_url) == ["alembic_version"]
    assert names(empty_database_url, "SELECT proname FROM pg_proc WHERE pronamespace = 'gateway'::regnamespace") == []
    migrating.migrate(empty_database_url)
    assert names(empty_database_url) == there


def test_schema_is_what_the_metadata_says(empty_database_url: str) -> None:
    migrating.migrate(empty_database_url)
    assert differences(database.sqlalchemy_url(empty_database_url)) == []


def test_core_stands_alone(empty_database_url: str) -> None:
    """Beside a customer's own tables only the queue and the credentials are wanted."""
    migrating.migrate(empty_database_url, "core@head")
    assert "job" in names(empty_database_url) and "quote" not in names(empty_database_url)
    with database.engine(empty_database_url).connect() as connection:
        assert migrating.pending(connection) == ("quoting_0001",)
    migrating.migrate(empty_database_url)
    with database.engine(empty_database_url).connect() as connection:
        assert migrating.pending(connection) == ()


def test_pending_of_an_empty_database(empty_database_url: str) -> None:
    with database.engine(empty_database_url).connect() as connection:
        assert migrating.pending(connection) == ("core_0004", "quoting_0001")


def test_an_ordinary_role_migrates(empty_database_url: str) -> None:
    migrating.migrate(empty_database_url)
    with database.engine(empty_database_url).connect() as connection:
        assert database.role(connection).ordinary


def test_several_at_once(trigram_database: str) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            migrating.migrate(trigram_database)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(trigram_database, BUILT) == EXPECTED
    assert names(trigram_database, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []


def test_a_taken_lock_is_waited_for_and_tried_again(empty_database_url: str) -> None:
    migrating.migrate(empty_database_url)
    said: list[str] = []
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("LOCK TABLE gateway.quote IN ACCESS SHARE MODE")
        thread = threading.Thread(
            target=migrating.downgrade, args=(empty_database_url,), kwargs={"progress": said.append}
        )
        thread.start()
        time.sleep(2.6)
        connection.rollback()
        thread.join()
    assert any("a lock is taken" in line for line in said)
    assert names(empty_database_url) == ["alembic_version"]


def test_search_indexes_come_with_the_extension(trigram_database: str) -> None:
    migrating.migrate(trigram_database)
    assert names(trigram_database, BUILT) == EXPECTED
    with psycopg.connect(trigram_database) as connection:
        connection.execute("DROP EXTENSION pg_trgm CASCADE")
    assert names(trigram_database, BUILT) == []
    migrating.migrate(trigram_database)
    assert names(trigram_database, BUILT) == EXPECTED
    assert differences(database.sqlalchemy_url(trigram_database)) == []


def test_more_values_are_sampled_of_joined_texts(trigram_database: str) -> None:
    sampled = (
        "SELECT DISTINCT attstattarget::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
        "WHERE relnamespace = 'gateway'::regnamespace AND relname LIKE 'ix\\_%\\_joined'"
    )
    migrating.migrate(trigram_database)
    assert names(trigram_database, sampled) == [str(search_indexes.SAMPLED_VALUES)]
    with psycopg.connect(trigram_database) as connection:
        connection.execute("ALTER INDEX gateway.ix_quote_name_joined ALTER COLUMN 1 SET STATISTICS -1")
    migrating.migrate(trigram_database)
    assert names(trigram_database, sampled) == [str(search_indexes.SAMPLED_VALUES)]


def test_a_server_without_the_extension_says_so(empty_database_url: str) -> None:
    said: list[str] = []
    migrating.migrate(empty_database_url, progress=said.append)
    offered = names(empty_database_url, "SELECT name FROM pg_available_extensions WHERE name = 'pg_trgm'")
    assert ("no trigram search" in said[-1]) is (offered == [])


def test_folded_indexes_need_no_extension_and_mend_themselves(empty_database_url: str) -> None:
    query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'gateway' AND indexname LIKE '%_folded' ORDER BY 1"
    expected = sorted(search_indexes.folded_name(*target) for target in search_indexes.searched_columns())
    migrating.migrate(empty_database_url)
    assert names(empty_database_url, query) == expected
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("DROP INDEX gateway.ix_quote_name_folded")
    migrating.migrate(empty_database_url)
    assert names(empty_database_url, query) == expected
    assert differences(database.sqlalchemy_url(empty_database_url)) == []
