"""What `gateway doctor` looks at: whether the database can do its part. Changes nothing.

In: a database URL. Out: findings in the order of their importance, each one line; the first that makes the rest
pointless is the last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from models import credential, database, migrating
from models.search_indexes import without_joined_index

LEAST_VERSION: Final = 140000


@dataclass(frozen=True, slots=True)
class Finding:
    """what: the thing looked at. said: what was found, and the way out where it is not well."""

    what: str
    well: bool
    said: str


def findings(url: str) -> Iterator[Finding]:
    """Look at the database that a URL names."""
    try:
        with database.engine(url, application_name="gateway doctor").connect() as connection:
            yield _version(connection)
            yield _role(connection)
            yield _search(connection)
            migrated = _migrations(connection)
            yield migrated
            if migrated.well:
                yield _credentials(connection)
    except OperationalError as problem:
        yield Finding("database", False, str(problem.orig).strip().splitlines()[0])


def _version(connection: Connection) -> Finding:
    number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    name = connection.execute(text("SHOW server_version")).scalar_one()
    fits = number >= LEAST_VERSION
    return Finding("database", fits, f"PostgreSQL {name}" + ("" if fits else "; the gateway needs 14 or newer"))


def _role(connection: Connection) -> Finding:
    role = database.role(connection)
    rights = {"SUPERUSER": role.superuser, "CREATEROLE": role.create_role, "BYPASSRLS": role.bypass_rls}
    held = ", ".join(name for name, has in rights.items() if has)
    return Finding("role", role.ordinary, f"{role.name} is ordinary" if role.ordinary else f"{role.name} has {held}")


def _search(connection: Connection) -> Finding:
    there = connection.execute(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'")).scalar_one()
    if not there:
        return Finding("search", True, "no pg_trgm: contains and $search read every row of the org")
    missing = without_joined_index(connection)
    said = f"pg_trgm is there, but no index on {', '.join(missing)}; gateway migrate builds it"
    return Finding("search", not missing, said if missing else "pg_trgm is there: contains and $search use indexes")


def _migrations(connection: Connection) -> Finding:
    waiting = migrating.pending(connection)
    return Finding(
        "migrations", not waiting, f"not run: {', '.join(waiting)}; gateway migrate" if waiting else "current"
    )


def _credentials(connection: Connection) -> Finding:
    rows = [row for row in credential.listing(connection) if row.revoked_at is None]
    orgs = len({row.org_id for row in rows})
    said = (
        f"{len(rows)} for {orgs} org{'s' if orgs != 1 else ''}"
        if rows
        else "none; gateway credentials create --org 00D..."
    )
    return Finding("credentials", bool(rows), said)
