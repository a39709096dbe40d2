"""Indexes behind contains, startswith, endswith, indexof and $search: of folded texts; of trigrams where offered.

An accelerator, not part of the schema: without them everything answers the same, slower. Run after every migration, it
adds what is missing, so a server that gains pg_trgm gains the trigram indexes with the next `gateway migrate`. They are
built beside the traffic, which a migration, being one transaction, could not do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.base import SCHEMA, metadata

LOCK_TIMEOUT_SECONDS: Final = 60
"""A build waits for older transactions only, and blocks nobody meanwhile."""
SAMPLED_VALUES: Final = 1000
"""Of joined texts, for the planner to try a pattern on: with fewer it takes rare ones for frequent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchIndexes:
    """available: the server has pg_trgm. built: names made now. text: the outcome in a line."""

    available: bool
    built: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchIndex:
    """One wanted index. on: what follows ON <table> in its definition. sampled_values: how many of its only expression
    ANALYZE keeps; None for the server's own number.
    """

    name: str
    table: str
    column: str
    on: str
    sampled_values: int | None = None


def searched_columns() -> tuple[tuple[str, str], ...]:
    """(table, column) of every property that takes part in $search; each gets a folded and a joined index."""
    return tuple(
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if column.info.get("searchable")
    )


def joined_name(table: str, column: str) -> str:
    """Name of the trigram index of a column, of its texts joined: case folded, without blanks."""
    return f"ix_{table}_{column}_joined"


def folded_name(table: str, column: str) -> str:
    """Name of the index for beginnings of a column, case folded."""
    return f"ix_{table}_{column}_folded"


def without_joined_index(connection: Connection) -> tuple[str, ...]:
    """table.column of those whose joined index is not there, or not whole; of tables that are there."""
    states = text(
        "SELECT to_regclass(:table) IS NOT NULL, EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:index) "
        "AND indisvalid)"
    )
    found = []
    for table, column in searched_columns():
        names = {"table": f"{SCHEMA}.{table}", "index": f"{SCHEMA}.{joined_name(table, column)}"}
        there, whole = connection.execute(states, names).one()
        if there and not whole:
            found.append(f"{table}.{column}")
    return tuple(found)


def ensure_search_indexes(engine: Engine, *, progress: Callable[[str], None] = lambda line: None) -> SearchIndexes:
    """Make the missing indexes without blocking writers; what cannot be made is reported, never an error."""
    with (
        engine.begin() as guard,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        # Held by a transaction of its own: a build in progress looks like an interrupted one to others.
        if not guard.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('gateway.search'))")).scalar_one():
            return SearchIndexes(available=True, built=(), text="another process builds the search indexes")
        refusal = _ensure_extension(connection)
        home = _extension_schema(connection)
        wanted = (*_folded(), *(_joined(home) if home else ()))
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        try:
            built = [index for index in _missing(connection, wanted) if _build(connection, index, progress)]
            sampled = [index for index in wanted if _sample(connection, index, progress)]
            _analyze(connection, [*built, *sampled], progress)
        finally:
            connection.execute(text("RESET lock_timeout"))
    state = "trigram search is on" if home else f"no trigram search ({refusal})"
    names = tuple(index.name for index in built)
    return SearchIndexes(available=home is not None, built=names, text=f"{state}, {len(names)} search indexes built")


def _folded() -> Iterator[SearchIndex]:
    """Beginnings, and equality with tolower, in any letter case (docs/decisions/patterns.md).

    Without the key at the end, equal texts share their entry: an account's name stands once for its thousand quotes.
    """
    for table, column in searched_columns():
        yield SearchIndex(
            name=folded_name(table, column), table=table, column=column,
            on=f'(org_id, (lower({column} COLLATE "default") COLLATE "C"))',
        )  # fmt: skip


def _joined(home: str) -> Iterator[SearchIndex]:
    """Patterns anywhere in a text, by the trigrams of it folded and without blanks. home: the schema of pg_trgm."""
    for table, column in searched_columns():
        yield SearchIndex(
            name=joined_name(table, column), table=table, column=column,
            on=f"""USING gin ((replace(lower({column} COLLATE "default"), ' ', '') COLLATE "C") {home}.gin_trgm_ops)""",
            sampled_values=SAMPLED_VALUES,
        )  # fmt: skip


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


def _missing(connection: Connection, wanted: tuple[SearchIndex, ...]) -> tuple[SearchIndex, ...]:
    """Indexes of existing tables that are not there and valid; an invalid one is what an interrupted build left."""
    state = text("SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass(:name)")
    missing = []
    for index in wanted:
        if connection.execute(text("SELECT to_regclass(:name)"), {"name": f"{SCHEMA}.{index.table}"}).scalar() is None:
            continue
        valid = connection.execute(state, {"name": f"{SCHEMA}.{index.name}"}).scalar()
        if valid is False:
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.{index.name}"))
        if not valid:
            missing.append(index)
    return tuple(missing)


def _build(connection: Connection, index: SearchIndex, progress: Callable[[str], None]) -> bool:
    progress(f"building {index.name}")
    try:
        connection.execute(
            text(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index.name} ON {SCHEMA}.{index.table} {index.on}")
        )
    except DBAPIError as error:
        progress(f"{index.name} was not built ({getattr(error.orig, 'sqlstate', None)})")
        return False
    return True


def _sample(connection: Connection, index: SearchIndex, progress: Callable[[str], None]) -> bool:
    """Set what the index wants of statistics; whether it had not been set."""
    if index.sampled_values is None:
        return False
    name = f"{SCHEMA}.{index.name}"
    target = text("SELECT attstattarget FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum = 1")
    row = connection.execute(target, {"name": name}).first()
    if row is None or row[0] == index.sampled_values:
        return False
    try:
        connection.execute(text(f"ALTER INDEX {name} ALTER COLUMN 1 SET STATISTICS {index.sampled_values}"))
    except DBAPIError as error:
        progress(f"{index.name} keeps its statistics ({getattr(error.orig, 'sqlstate', None)})")
        return False
    return True


def _analyze(connection: Connection, built: list[SearchIndex], progress: Callable[[str], None]) -> None:
    """What is known of an expression, such as a folded text, is gathered by ANALYZE after its index is there."""
    for table in dict.fromkeys(index.table for index in built):
        progress(f"analyzing {table}")
        try:
            connection.execute(text(f"ANALYZE {SCHEMA}.{table}"))
        except DBAPIError as error:
            progress(f"{table} was not analyzed ({getattr(error.orig, 'sqlstate', None)})")
