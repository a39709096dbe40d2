"""Plans: none of the requests that Salesforce sends most reads a whole table, in whatever form PostgreSQL plans it.

As the ordinary role, statistics fresh, on a server with pg_trgm: 100,000 quotes here, 1,000,000 in the slow suite.
"""

from __future__ import annotations

import json

import psycopg
import pytest

from bench.plans import REQUESTS, explained, told
from local.servers import Server
from models import migrating, seed

SCAN = "EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM gateway.job WHERE api_calls = 7"
SCAN = "EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM gateway.job WHERE api_calls = 7"


def test_no_table_is_scanned(trigram_server: Server, worker: str) -> None:
    """One test for all requests: the seed is made once, whatever number of processes runs the suite."""
    _require_indexes(trigram_server, f"{worker}_plans", 100_000)


@pytest.mark.slow
def test_no_table_of_a_million_is_scanned(trigram_server: Server, worker: str) -> None:
    _require_indexes(trigram_server, f"{worker}_million", 1_000_000)


def test_a_scan_is_seen(trigram_url: str) -> None:
    """The check itself: without its indexes a small table is scanned, and that is told."""
    with psycopg.connect(trigram_url) as connection:
        row = connection.execute(SCAN).fetchone()
    assert row is not None
    assert told("a scan", "", "generic", (json.dumps(row[0]),)).scanned == ("job",)


def _require_indexes(server: Server, name: str, quotes: int) -> None:
    with server.new_database(name) as url:
        migrating.migrate(url)
        seed.seed(url, quotes=quotes)
        found = list(explained(url))
    assert {plan.title for plan in found} == {title for title, _ in REQUESTS}
    scans = [
        f"{plan.title} ({plan.form}) scans {plan.scanned}:\n" + "\n".join(plan.lines) for plan in found if plan.scanned
    ]
    assert not scans, "\n\n".join(scans)
