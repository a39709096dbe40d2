"""The database of the measurements: a private server with pg_trgm, and a seed that is kept between runs.

A second run starts at once: the data directory stays in .data/bench; a database that is whole is only migrated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import LiteralString

import psycopg

from local import servers
from local.cluster import Cluster, running
from models import credential, database, migrating, seed

HOME = servers.DATA / "bench"
ORG = seed.FIRST_ORG
LOGINS = {"bench": "salesforce", "bench-strict": "strict"}
"""Username -> profile; the secret is the username."""
OPTIONS = servers.FAST_BUT_FORGETFUL | {
    "shared_buffers": "1GB",
    "effective_cache_size": "3GB",
    "max_wal_size": "2GB",
    "autovacuum": "off",
}
"""Statistics are made by the seed; nothing runs beside what is measured."""

PEER_INDEX: LiteralString = "CREATE INDEX IF NOT EXISTS bench_quote_name ON gateway.quote USING gin (name gin_trgm_ops)"
"""PostgREST compares under the column's own collation, which our search index cannot serve: it gets its own."""
FLOOR_INDEX: LiteralString = (
    "CREATE INDEX IF NOT EXISTS bench_quote_name_folding "
    'ON gateway.quote USING gin (name COLLATE "default" gin_trgm_ops)'
)
"""The floor writes ILIKE by hand, and has the index that one makes for it."""


@contextlib.contextmanager
def server(home: Path = HOME, options: Mapping[str, str] = OPTIONS) -> Iterator[servers.Server]:
    """The server for the time of the block, its data kept."""
    cluster = Cluster(binaries=servers.installed_binaries("pg_trgm"), home=home / "postgres", options=options)
    with running(cluster) as admin_url:
        yield servers._with_role(admin_url)


@contextlib.contextmanager
def seeded(quotes: int) -> Iterator[str]:
    """The URL, for the ordinary role, of a database of `quotes` quotes over two orgs, migrated and analysed."""
    with server() as running_server:
        url = running_server.url(kept(running_server, quotes))
        _bring_up_to_date(url, PEER_INDEX, FLOOR_INDEX)
        yield url


@contextlib.contextmanager
def copied(quotes: int, home: Path, options: Mapping[str, str]) -> Iterator[str]:
    """The URL of a copy of such a database, for measurements that write: as new every time, without a peer's index."""
    with server(home, options) as running_server:
        template = kept(running_server, quotes)
        _bring_up_to_date(running_server.url(template))
        copy = f"copy_of_{template}"
        running_server.drop_database(copy)
        yield running_server.create_database(copy, template=template)


def kept(running_server: servers.Server, quotes: int) -> str:
    """The name of the database with so many quotes; made and seeded where it is not there or not whole."""
    name = f"quotes_{quotes}"
    url = running_server.url(name)
    if not (running_server.has_database(name) and _whole(url, quotes)):
        running_server.drop_database(name)
        running_server.create_database(name)
        migrating.migrate(url, progress=tell)
        seed.seed(url, quotes, progress=tell)
    return name


def _whole(url: str, quotes: int) -> bool:
    with contextlib.suppress(psycopg.Error), psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM gateway.quote").fetchone()
        return row is not None and row[0] == quotes
    return False


def _bring_up_to_date(url: str, *statements: LiteralString) -> None:
    """Migrations and search indexes made since, further statements, statistics of new indexes, logins."""
    with psycopg.connect(url, autocommit=True) as connection:
        before = _indexes(connection)
        migrating.migrate(url, progress=lambda line: None)
        for statement in statements:
            connection.execute(statement)
        if _indexes(connection) != before:
            tell("analyzing")
            connection.execute("VACUUM (ANALYZE) gateway.quote, gateway.quote_line, gateway.job")
    own = database.engine(url)
    with own.begin() as connected:
        for username, profile in LOGINS.items():
            if credential.find(connected, username) is None:
                credential.create(connected, org_id=ORG, username=username, secret=username, profile=profile)
    own.dispose()


def _indexes(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM pg_indexes WHERE schemaname = 'gateway'").fetchone()
    assert row is not None
    return int(row[0])


def tell(line: str) -> None:
    """Progress, on its own line at once."""
    print(f"bench: {line}", flush=True)
