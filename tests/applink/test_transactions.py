"""What a worker's log says while the database takes no connection."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from sqlalchemy import text

from applink.transactions import DatabaseAway, Transactions
from local.servers import Server
from models import database


def test_why_the_server_takes_no_connection(
    postgres_server: Server, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(database_url)["dbname"])
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
        admin.execute(psycopg.sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(psycopg.sql.Identifier(name)))
    engine = database.engine(database_url)
    with pytest.raises(DatabaseAway):
        Transactions(engine, threading.Event()).run(
            lambda connection: connection.execute(text("SELECT 1")), until=time.monotonic()
        )
    engine.dispose()
    assert f'too many connections for database "{name}"' in caplog.text
