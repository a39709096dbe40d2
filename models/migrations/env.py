"""Alembic's entry: runs the scripts on the connection that models.database gives, or on `-x url=...` for developers."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine

import models
from models.base import SCHEMA


def include(_: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Search indexes are no part of the schema; they exist where the server can have them."""
    return not (kind == "index" and reflected and compare_to is None and (name or "").endswith("_trgm"))


def include_name(name: str | None, kind: str, _: Any) -> bool:
    return kind != "schema" or name == SCHEMA


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=models.metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=include_name,
        include_object=include,
    )
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    from models.database import sqlalchemy_url

    with create_engine(sqlalchemy_url(context.get_x_argument(as_dictionary=True)["url"])).begin() as own:
        run(own)
