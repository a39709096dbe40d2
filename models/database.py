"""The database as the domain uses it: URLs, engines, the org of a transaction, migrations, what the role may do.

In: a URL as Heroku gives it. Out: SQLAlchemy engines over psycopg, and a migrated schema. Reads of the OData service
have their own connections (odata/sql/run.py); nothing here pools for them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from models.base import SCHEMA
from models.search_indexes import ensure_search_indexes

MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK_TIMEOUT_SECONDS: Final = 2
LOCK_ATTEMPTS: Final = 30


def sqlalchemy_url(url: str) -> str:
    """postgres://... or postgresql://... as the URL of SQLAlchemy's psycopg dialect."""
    return make_url(_libpq(url)).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The same as a URL that psycopg and psql take, which read no + as a space (a socket's path may hold one)."""
    rendered = make_url(_libpq(url)).set(drivername="postgresql").render_as_string(hide_password=False)
    base, mark, query = rendered.partition("?")
    return base + mark + query.replace("+", "%20")


def _libpq(url: str) -> str:
    return "postgresql" + url.removeprefix("postgres") if url.startswith("postgres://") else url


def engine(url: str, *, application_name: str = "gateway", **options: Any) -> Engine:
    """An engine for the domain's own transactions (operations, worker, commands)."""
    return create_engine(
        sqlalchemy_url(url), connect_args={"application_name": application_name, "connect_timeout": 10}, **options
    )


def set_org(connection: Connection, org_id: str) -> None:
    """Name the org of this transaction; until then the fence refuses every write to an own table."""
    connection.execute(_SET_ORG, {"org_id": org_id})


_SET_ORG: Final = text("SELECT set_config('app.org_id', :org_id, true)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What the connected role may do beyond owning its tables. The gateway needs none of the three."""

    name: str
    superuser: bool
    create_role: bool
    bypass_rls: bool

    @property
    def ordinary(self) -> bool:
        """Whether it has none of the rights that a gateway should not have."""
        return not (self.superuser or self.create_role or self.bypass_rls)


def role(connection: Connection) -> Role:
    """The role that a connection speaks as, and its rights."""
    row = connection.execute(
        text("SELECT rolname, rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    ).one()
    return Role(name=row[0], superuser=row[1], create_role=row[2], bypass_rls=row[3])


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
