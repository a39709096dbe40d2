"""The fixtures themselves: ordinary role, copies of the template, a server with pg_trgm."""

from __future__ import annotations

import psycopg

from local.servers import Server


def test_tests_run_as_an_ordinary_role(postgres_server: Server, empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row == (False, False, False)
    assert owner == (True,)


def test_the_trigram_server_lets_the_ordinary_role_have_pg_trgm(trigram_server: Server, worker: str) -> None:
    name = f"{worker}_extension"
    url = trigram_server.create_database(name)
    try:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE EXTENSION pg_trgm")
            row = connection.execute("SELECT similarity('quote', 'quotes') > 0.5").fetchone()
    finally:
        trigram_server.drop_database(name)
    assert row == (True,)
