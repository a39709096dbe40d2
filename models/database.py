"""The database as the domain uses it: URLs, engines, the org of a transaction, what the role may do.

In: a URL as Heroku gives it. Out: SQLAlchemy engines over psycopg. Reads of the OData service
have their own connections (odata/sql/run.py); nothing here pools for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Transaction, create_engine, text
from sqlalchemy.engine import make_url


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


class _Named(NamedTuple):
    """What was said last on a connection. transaction: the one or the savepoint that it holds in."""

    transaction: Transaction | None
    org_id: str


def set_org(connection: Connection, org_id: str) -> None:
    """Name the org of this transaction, once; until then the fence refuses every write to an own table."""
    said = _Named(connection.get_nested_transaction() or connection.get_transaction(), org_id)
    if said.transaction is None or connection.info.get(_Named) != said:
        connection.execute(_SET_ORG, {"org_id": org_id})
        connection.info[_Named] = said


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
