"""Trigram indexes behind contains, startswith, endswith, indexof and $search, where the server offers pg_trgm.

An accelerator, not part of the schema: without the extension everything answers the same, slower. Run after every
migration, it adds what is missing, so a server that gains pg_trgm gains the indexes with the next `gateway migrate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.base import SCHEMA, metadata

LOCK_TIMEOUT_SECONDS: Final = 60
"""A build waits for older transactions only, and blocks nobody meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchIndexes:
    """available: the server has pg_trgm. built: names made now. text: the outcome in a line."""

    available: bool
    built: tuple[str, ...]
    text: str


def searched_columns() -> tuple[tuple[str, str], ...]:
    """(table, column) of every property that takes part in $search; each gets an index ix_<table>_<column>_trgm."""
    return tuple(
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if column.info.get("searchable")
    )


def ensure_search_indexes(engine: Engine, *, progress: Callable[[str], None] = lambda line: None) -> SearchIndexes:
    """Make the missing trigram indexes without blocking writers; what cannot be made is reported, never an error."""
    with (
        engine.begin() as guard,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        # Held by a transaction of its own: a build in progress looks like an interrupted one to others.
        if not guard.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('gateway.search'))")).scalar_one():
            return SearchIndexes(available=True, built=(), text="another process builds the search indexes")
        refusal = _ensure_extension(connection)
        home = _extension_schema(connection)
        if home is None:
            return SearchIndexes(available=False, built=(), text=f"no trigram search ({refusal})")
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        try:
            built = tuple(
                index_name(*target) for target in _missing(connection) if _build(connection, target, home, progress)
            )
        finally:
            connection.execute(text("RESET lock_timeout"))
    return SearchIndexes(available=True, built=built, text=f"trigram search is on, {len(built)} indexes built")


def _ensure_extension(connection: Connection) -> str:
    """Why there is no pg_trgm, or ''. It is a trusted extension: who may create in the database may have it."""
    if _extension_schema(connection) is not None:
        return ""
    if connection.execute(text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")).first() is None:
        return "this server has no pg_trgm"
    try:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError as error:
        return f"the role may not create pg_trgm, {getattr(error.orig, 'sqlstate', None)}"
    return ""


def _extension_schema(connection: Connection) -> str | None:
    """The schema pg_trgm lives in, quoted; on Heroku it is heroku_ext."""
    home: str | None = connection.execute(
        text("SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
             "WHERE extname = 'pg_trgm'")
    ).scalar()  # fmt: skip
    return home


def _missing(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Searched columns of existing tables without a valid index; an invalid one is what an interrupted build left."""
    state = text("SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(:name)")
    missing = []
    for table, column in searched_columns():
        if connection.execute(text("SELECT to_regclass(:name)"), {"name": f"{SCHEMA}.{table}"}).scalar() is None:
            continue
        valid = connection.execute(state, {"name": f"{SCHEMA}.{index_name(table, column)}"}).scalar()
        if valid is False:
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.{index_name(table, column)}"))
        if not valid:
            missing.append((table, column))
    return tuple(missing)


def index_name(table: str, column: str) -> str:
    return f"ix_{table}_{column}_trgm"


def _build(connection: Connection, target: tuple[str, str], home: str, progress: Callable[[str], None]) -> bool:
    table, column = target
    progress(f"building the search index of {table}.{column}")
    try:
        connection.execute(
            text(
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index_name(table, column)} "
                f'ON {SCHEMA}.{table} USING gin ({column} COLLATE "default" {home}.gin_trgm_ops)'
            )
        )
    except DBAPIError as error:
        progress(f"the search index of {table}.{column} was not built ({getattr(error.orig, 'sqlstate', None)})")
        return False
    return True
