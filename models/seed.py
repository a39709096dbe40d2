"""`gateway seed`: deterministic rows, made by the server, from a demo's two hundred quotes to millions.

One transaction: it is all there, or nothing is. A large seed takes indexes, foreign keys and triggers off the tables
and puts them back before it commits; a small one writes through them like everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from sqlalchemy import Connection, text

from models import seed_statements
from models.base import SCHEMA
from models.database import engine, set_org
from models.discount_rule import ensure_default_rules

FIRST_ORG: Final = "00DbZ0000000001UAA"
SECOND_ORG: Final = "00DxY0000000002UAA"
ORGS: Final = (FIRST_ORG, SECOND_ORG)
"""Four fifths of the rows belong to the first."""

BATCH: Final = 50_000
LARGE: Final = 20_000
"""From so many quotes on, loading without indexes is the faster way."""
JOBS_WITH_ITEMS: Final = 25_000
QUOTES_WITH_EVENTS: Final = 100_000
SPAN_SECONDS: Final = 90_000_000
"""All quotes together span so long: 2 years and 10 months, up to June 2026."""

TABLES: Final = ("quote", "quote_line", "quote_event", "job", "job_item")


class NotEmptyError(Exception):
    """The database holds quotes or jobs already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One statement over a range of numbers, run once an org."""

    text: str
    statement: str
    first: int
    last: int


def is_empty(connection: Connection) -> bool:
    """Whether there is neither a quote nor a job that the connection sees."""
    return not connection.execute(
        text("SELECT EXISTS (SELECT FROM gateway.quote) OR EXISTS (SELECT FROM gateway.job)")
    ).scalar_one()


def seed(url: str, quotes: int, progress: Callable[[str], None] = lambda line: None) -> None:
    """Fill an empty, migrated database: `quotes` quotes, three times as many lines, a tenth as many jobs, two orgs.

    Raises: NotEmptyError when there are quotes or jobs; then nothing is changed.
    """
    started = monotonic()
    own = engine(url, application_name="gateway seed")
    with own.begin() as connection:
        if not is_empty(connection):
            raise NotEmptyError("The database holds quotes or jobs already; seed an empty one.")
        connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
        connection.execute(text("SET LOCAL work_mem = '64MB'"))
        connection.execute(text("SET LOCAL jit = off"))
        connection.execute(text(seed_statements.SEED_ID))
        with _bare_tables(connection, progress) if quotes >= LARGE else _as_they_are():
            _fill(connection, quotes, progress)
    progress("analyzing")
    with own.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in (*TABLES, "discount_rule"):
            connection.execute(text(f"VACUUM (ANALYZE) {SCHEMA}.{table}"))
    own.dispose()
    progress(f"seeded {quotes:,} quotes in {monotonic() - started:.0f} s")


def _fill(connection: Connection, quotes: int, progress: Callable[[str], None]) -> None:
    step = SPAN_SECONDS / max(quotes / 4, 1)
    for org in ORGS:
        set_org(connection, org)
        ensure_default_rules(connection, org)
    for part in _parts(quotes):
        progress(part.text)
        for org in ORGS:
            set_org(connection, org)
            connection.execute(
                text(part.statement),
                {
                    "org": org,
                    "second": org == SECOND_ORG,
                    "first": part.first,
                    "last": part.last,
                    "quotes": quotes,
                    "step": step,
                },
            )
    connection.execute(text("SELECT setval('gateway.job_number', :used)"), {"used": max(_last_job(quotes), 0) + 1})


FIRST_JOB: Final = 5


def _last_job(quotes: int) -> int:
    """Five jobs to every whole fifty quotes but the first."""
    return quotes // 50 * 5 - 1


def _parts(quotes: int) -> Iterator[Part]:
    kinds = (
        ("jobs", seed_statements.JOBS, FIRST_JOB, _last_job(quotes)),
        ("quotes and their lines", seed_statements.QUOTES, 1, quotes),
        ("job items", seed_statements.JOB_ITEMS, FIRST_JOB, min(_last_job(quotes), JOBS_WITH_ITEMS)),
        ("events", seed_statements.QUOTE_EVENTS, 1, min(quotes, QUOTES_WITH_EVENTS)),
    )
    for name, statement, start, end in kinds:
        for first in range(start, end + 1, BATCH):
            last = min(first + BATCH - 1, end)
            yield Part(text=f"{name} {first:,} to {last:,} of {end:,}", statement=statement, first=first, last=last)


@contextmanager
def _as_they_are() -> Iterator[None]:
    yield


@contextmanager
def _bare_tables(connection: Connection, progress: Callable[[str], None]) -> Iterator[None]:
    """Within: no index, key, foreign key or trigger on the tables. Afterwards: all of them as before, keys checked."""
    saved = _definitions(connection)
    for kind in ("foreign key", "key", "index", "trigger"):
        for one in saved:
            if one.kind == kind:
                connection.exec_driver_sql(one.drop)
    yield
    for kind in ("key", "index", "sampled values", "foreign key", "trigger"):
        for one in saved:
            if one.kind == kind:
                if kind not in ("trigger", "sampled values"):
                    progress(f"building {one.name}")
                connection.exec_driver_sql(one.create)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """An index, key or constraint, or how many values are sampled of one: the statements that remove and restore it."""

    kind: str
    name: str
    drop: str
    create: str


# Everything that slows loading down, as the statements that remove it and bring it back.
DEFINITIONS: Final = """
SELECT CASE contype WHEN 'f' THEN 'foreign key' ELSE 'key' END, conname,
       format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE contype IN ('f', 'u', 'p') AND conrelid = ANY (CAST(:tables AS regclass[]))
UNION ALL
SELECT 'index', relname, format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = ANY (CAST(:tables AS regclass[]))
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
UNION ALL
SELECT 'sampled values', relname, '',
       format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', indexrelid::regclass, attnum, attstattarget)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_attribute ON attrelid = indexrelid
WHERE indrelid = ANY (CAST(:tables AS regclass[])) AND attstattarget > 0
UNION ALL
SELECT 'trigger', relname, format('ALTER TABLE %s DISABLE TRIGGER USER', oid::regclass),
       format('ALTER TABLE %s ENABLE TRIGGER USER', oid::regclass)
FROM pg_class WHERE oid = ANY (CAST(:tables AS regclass[]))
ORDER BY 2
"""


def _definitions(connection: Connection) -> tuple[Definition, ...]:
    rows: Any = connection.execute(text(DEFINITIONS), {"tables": [f"{SCHEMA}.{table}" for table in TABLES]})
    return tuple(Definition(kind=row[0], name=row[1], drop=row[2], create=row[3]) for row in rows)
