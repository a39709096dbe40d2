"""The schema, brought to a revision by Alembic, and which revisions it lacks.

In: a URL as Heroku gives it. Apart from `database`, so that web and worker, which never migrate, do without Alembic and
Mako: 9 MB of a process.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from models.base import SCHEMA
from models.database import sqlalchemy_url
from models.search_indexes import ensure_search_indexes

MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK_TIMEOUT_SECONDS: Final = 2
LOCK_ATTEMPTS: Final = 30


def migrate(url: str, revision: str = "heads", *, progress: Callable[[str], None] = lambda line: None) -> None:
    """Bring the schema to a revision (heads: both branches), then make the search indexes the server can have.

    Additive and safe under traffic: every lock is waited for at most 2 s, and then everything is tried again. Several
    processes may call it at once; one works, the others wait. Raises OperationalError when a lock stays taken.
    """
    progress(f"migrating to {revision}")
    _with_retries(url, lambda config: command.upgrade(config, revision), progress)
    made = ensure_search_indexes(_bare_engine(url), progress=progress)
    progress(f"schema is current; {made.text}")


def downgrade(url: str, revision: str = "base", *, progress: Callable[[str], None] = lambda line: None) -> None:
    """Take the schema back; base drops every table of the gateway with its rows."""
    _with_retries(url, lambda config: command.downgrade(config, revision), progress)


def pending(connection: Connection) -> tuple[str, ...]:
    """Heads the schema has not reached; empty when it is current."""
    script = ScriptDirectory.from_config(migration_config())
    reached: set[str] = set()
    if connection.execute(text("SELECT to_regclass('gateway.alembic_version')")).scalar() is not None:
        context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        reached = _with_ancestors(script, context.get_current_heads())
    return tuple(sorted(set(script.get_heads()) - reached))


def _with_ancestors(script: ScriptDirectory, revisions: tuple[str, ...]) -> set[str]:
    """The version table names a head only, not the other branch's revision that it depends on."""
    reached: set[str] = set()
    waiting = list(revisions)
    while waiting:
        name = waiting.pop()
        found = script.get_revision(name)
        reached.add(name)
        for before in (found.down_revision, found.dependencies):
            waiting += [before] if isinstance(before, str) else list(before or ())
    return reached


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration; with a connection the scripts run on it, inside its transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _with_retries(url: str, run: Callable[[Config], None], progress: Callable[[str], None]) -> None:
    bare = _bare_engine(url)
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            with bare.begin() as connection:
                _prepare(connection)
                return run(migration_config(connection))
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in RETRIED or attempt == LOCK_ATTEMPTS:
                raise
            progress(f"a lock is taken; trying again ({attempt} of {LOCK_ATTEMPTS})")
            time.sleep(0.2 + random.random())


RETRIED: Final = frozenset({"55P03", "40P01"})
"""lock_not_available, deadlock_detected."""


def _prepare(connection: Connection) -> None:
    """One migration at a time, and a schema to keep the version table in."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('gateway.migrate'))"))
    # IF NOT EXISTS would ask for the right to create schemas even when it is there.
    if connection.execute(text("SELECT to_regnamespace('gateway')")).scalar() is None:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))


def _bare_engine(url: str) -> Engine:
    """No pool, and no prepared statements: it may run through PgBouncer."""
    bare = create_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args={"application_name": "gateway migrate"})

    @event.listens_for(bare, "connect")
    def _unprepared(dbapi_connection: Any, _: Any) -> None:
        dbapi_connection.prepare_threshold = None

    return bare
