"""Alembic's entry: runs the scripts on the connection of models.migrating, or on `-x url=...` for developers."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

import models
from models.migrations.comparison import OPTIONS


def run(connection: Connection) -> None:
    """Run the migrations that Alembic asked for, in one transaction."""
    context.configure(connection=connection, target_metadata=models.metadata, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    from models.database import sqlalchemy_url

    url = sqlalchemy_url(context.get_x_argument(as_dictionary=True)["url"])
    with create_engine(url, connect_args={"options": "-csearch_path=public"}).begin() as own:
        run(own)
