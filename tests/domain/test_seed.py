"""Seed data: the same everywhere, varied, and consistent in itself."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier

import models
from local.servers import Server
from models import migrating, seed
from models.job import CALLBACK_STATUSES, JOB_STATUSES
from models.job_item import ITEM_STATUSES
from models.quote import SYNC_STATUSES

DIGEST = "SELECT md5(string_agg(t::text, chr(10) ORDER BY t.org_id, t.id)) FROM gateway.{} AS t"
SHAPE = """
SELECT indexdef FROM pg_indexes WHERE schemaname = 'gateway'
UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'gateway'::regnamespace
UNION ALL SELECT attrelid::regclass || attname || attstattarget FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE relnamespace = 'gateway'::regnamespace AND relkind = 'i' AND attstattarget > 0
UNION ALL SELECT tgrelid::regclass || tgname || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1
"""


def rows(url: str, query: str | Composed) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query if isinstance(query, Composed) else query.encode()).fetchall()


def test_the_same_rows_and_schema_by_either_way(
    seeded_url: str, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large seed takes keys and triggers off and puts them back; in batches or at once the rows are the same."""
    monkeypatch.setattr(seed, "LARGE", 1)
    monkeypatch.setattr(seed, "BATCH", 64)
    migrating.migrate(empty_database_url)
    shape = rows(empty_database_url, SHAPE)
    count = rows(seeded_url, "SELECT count(*) FROM gateway.quote")[0][0]
    said: list[str] = []
    seed.seed(empty_database_url, quotes=int(str(count)), progress=said.append)
    for table in seed.TABLES:
        assert rows(empty_database_url, DIGEST.format(table)) == rows(seeded_url, DIGEST.format(table)), table
    assert rows(empty_database_url, SHAPE) == shape
    assert any("quotes and their lines 65 to 128" in line for line in said)


def test_a_large_seed_keeps_how_many_values_are_sampled(
    trigram_server: Server, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "LARGE", 1)
    with trigram_server.new_database(f"{worker}_sampled") as url:
        migrating.migrate(url)
        shape = rows(url, SHAPE)
        assert any("ix_quote_name_joined" in str(row) and "1000" in str(row) for row in shape)
        seed.seed(url, quotes=100)
        assert rows(url, SHAPE) == shape


def test_a_database_with_rows_is_left_alone(seeded_url: str) -> None:
    with pytest.raises(seed.NotEmptyError):
        seed.seed(seeded_url, quotes=10)


@pytest.fixture(scope="module")
def varied_url(postgres_server: Server, worker: str) -> Iterator[str]:
    """Enough quotes for the rare values."""
    with postgres_server.new_database(f"{worker}_varied") as url:
        migrating.migrate(url)
        seed.seed(url, quotes=4_000)
        yield url


def test_every_shown_nullable_column_is_null_somewhere(varied_url: str) -> None:
    for entry in models.SETS:
        for item in entry.properties:
            if item.nullable and entry.table not in ("discount_rule", "quote_total"):
                counted = SQL("SELECT count(*) FILTER (WHERE {} IS NULL), count(*) FROM {}")
                of = Identifier("gateway", entry.table)
                nulls, total = rows(varied_url, counted.format(Identifier(item.column), of))[0]
                assert 0 < int(str(nulls)) < int(str(total)), (entry.name, item.name)


def test_varied_as_real_data(varied_url: str) -> None:
    orgs = rows(varied_url, "SELECT org_id, count(*) FROM gateway.quote GROUP BY 1 ORDER BY 1")
    assert orgs == [(seed.FIRST_ORG, 3_200), (seed.SECOND_ORG, 800)]
    (names,) = rows(varied_url, "SELECT string_agg(name, ' ') FROM gateway.quote")[0]
    for piece in ("'", "ü", "東京", "🚀", "%", "_", "\\", '"', "\u00a0"):
        assert piece in str(names), piece
    assert rows(varied_url, "SELECT min(line_count), max(line_count) FROM gateway.quote") == [(0, 40)]
    assert rows(varied_url, "SELECT max(length(description)) FROM gateway.quote_line") == [(32_000,)]
    assert rows(varied_url, "SELECT count(*) FROM gateway.quote WHERE name = ''")[0][0]
    equal = "SELECT max(n) FROM (SELECT count(*) AS n FROM gateway.quote GROUP BY org_id, created_at) AS c"
    assert int(str(rows(varied_url, equal)[0][0])) >= 3
    for table, column, expected in (
        ("job", "status", JOB_STATUSES),
        ("job", "callback_status", CALLBACK_STATUSES),
        ("job_item", "status", ITEM_STATUSES),
        ("quote", "sync_status", SYNC_STATUSES),
    ):
        distinct = SQL("SELECT DISTINCT {} FROM {}").format(Identifier(column), Identifier("gateway", table))
        found = rows(varied_url, distinct)
        assert {row[0] for row in found} == set(expected), (table, column)


@pytest.mark.parametrize(
    "wrong",
    [
        """SELECT id FROM gateway.job j WHERE quote_count <>
           (SELECT count(*) FROM gateway.quote q WHERE (q.org_id, q.job_id) = (j.org_id, j.id))""",
        """SELECT id FROM gateway.job_item i WHERE quote_id IS NOT NULL AND NOT EXISTS
           (SELECT FROM gateway.quote q WHERE (q.org_id, q.id, q.job_id) = (i.org_id, i.quote_id, i.job_id))""",
        """SELECT id FROM gateway.quote q WHERE job_id IS NOT NULL AND NOT EXISTS
           (SELECT FROM gateway.job j WHERE (q.org_id, q.job_id) = (j.org_id, j.id))""",
        """SELECT id FROM gateway.quote_event e WHERE quote_id IS NOT NULL AND NOT EXISTS
           (SELECT FROM gateway.quote q WHERE (q.org_id, q.id) = (e.org_id, e.quote_id))""",
        """SELECT id FROM gateway.quote q WHERE line_count <>
           (SELECT count(*) FROM gateway.quote_line l WHERE (q.org_id, q.id) = (l.org_id, l.quote_id))""",
        """SELECT q.id FROM gateway.quote q JOIN gateway.quote_line l ON (q.org_id, q.id) = (l.org_id, l.quote_id)
           GROUP BY q.org_id, q.id HAVING q.total_price <> sum(l.total_price) AND count(l.total_price) = count(*)""",
        """SELECT id FROM gateway.job_item WHERE next_at < '9999-01-01' OR lease_until < '9999-01-01'""",
        """SELECT id FROM gateway.job WHERE next_at < '9999-01-01'""",
        """SELECT last_value FROM gateway.job_number WHERE last_value <
           (SELECT max(substring(name FROM 'J-([0-9]+)')::integer) FROM gateway.job)""",
    ],
)
def test_consistent_in_itself(varied_url: str, wrong: str) -> None:
    assert rows(varied_url, wrong) == []
