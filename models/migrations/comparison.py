"""How the schema is compared with the metadata, by Alembic's autogenerate and by the tests."""

from __future__ import annotations

from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from models.base import SCHEMA, metadata


def include_name(name: str | None, kind: str, _: Any) -> bool:
    """Whether a schema is the gateway's own; Alembic looks into no other."""
    return kind != "schema" or name == SCHEMA


def include_object(_: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Search indexes are no part of the schema; they exist where the server can have them."""
    return not (kind == "index" and reflected and compare_to is None and (name or "").endswith(("_joined", "_folded")))


OPTIONS: Final[dict[str, Any]] = {
    "version_table_schema": SCHEMA,
    "include_schemas": True,
    "include_name": include_name,
    "include_object": include_object,
    "compare_server_default": True,
}


def differences(sqlalchemy_url: str) -> list[Any]:
    """What Alembic would change to make the database what the metadata says."""
    # A role named like the schema would have it in its search path, and its tables would be found without a schema.
    own = create_engine(sqlalchemy_url, poolclass=NullPool, connect_args={"options": "-csearch_path=public"})
    with own.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=OPTIONS), metadata))
