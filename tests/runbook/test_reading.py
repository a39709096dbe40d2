"""The table "Reading" of docs/runbook.md: each symptom is made, seen as the page says, and cured."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from local.servers import Server
from models import migrating, seed
from simulator.exchange import Answer
from simulator.running import Simulator
from simulator.world import FIRST_ORG
from tests.runbook.conftest import StartApp
from tests.runbook.heroku import App, issued, until

pytestmark = pytest.mark.slow
QUOTES = "/odata/v4/Quotes?$top=1&$select=Id"
ANIMALS = ("zebra", "otter", "lynx", "hyrax", "mole", "gorilla", "kiwi", "puma", "yak", "toucan")
SLOW = "/Quotes/$count?$filter=" + "%20or%20".join(f"contains(Name,'{one}')" for one in ANIMALS)
MANY_QUOTES = 20_000
LONG_NAMES = "UPDATE gateway.quote SET name = left(repeat(md5(id::text), 8), 255) WHERE org_id = %s"
"""No animal is in a name of hexadecimal digits."""


def code(answer: Answer) -> tuple[int, str]:
    """Status and code of a refusal of the OData service."""
    return answer.status, answer.json()["error"]["code"]


def test_database_or_app_away(start: StartApp) -> None:
    app = start()
    login = app.credential()
    assert app.curl(QUOTES, login=login).status == 200
    app.database.mode = "reset"
    until(lambda: str(app.curl("/readiness").status), "503", "/readiness")
    assert code(app.curl(QUOTES, login=login)) == (503, "Unavailable")
    assert "Unavailable" in app.pg_info() and "web.1: up" in app.ps()
    app.database.mode = "pass"
    until(lambda: str(app.curl("/readiness").status), "200", "/readiness")
    app.scale(web=0)
    assert app.curl("/readiness").status == 502
    assert "Available" in app.pg_info() and "web.1" not in app.ps()
    app.scale(web=1)
    assert app.curl("/readiness").status == 200
    assert app.curl(QUOTES, login=login).status == 200


def test_a_wrong_secret(start: StartApp) -> None:
    """The data source is a pair of username and secret here."""
    app = start()
    username, secret = app.credential()
    assert app.curl(QUOTES, login=(username, "not " + secret)).status == 401
    assert re.search(rf"(?m)^{username}\t{FIRST_ORG}\t.*\tvalid$", app.gateway("credentials list"))
    rotated = issued(app.gateway(f"credentials rotate {username}"))
    assert rotated[0] == username and rotated[1] != secret
    for login in (rotated, (username, secret)):  # the one before stays valid for a day
        assert app.curl(QUOTES, login=login).status == 200


@pytest.mark.parametrize("ended", ["revoked", "expired"])
def test_a_credential_that_has_ended(start: StartApp, ended: str) -> None:
    """Rotating brings it back no more; another one is made."""
    app = start()
    username, secret = app.credential()
    if ended == "revoked":
        app.gateway(f"credentials revoke {username}")
    else:
        with app.administrator() as connection:
            past = "UPDATE gateway.credential SET expires_at = now() - interval '1 day' WHERE username = %s"
            connection.execute(past, (username,))
    assert app.curl(QUOTES, login=(username, secret)).status == 401
    assert re.search(rf"(?m)^{username}\t.*\t{ended}", app.gateway("credentials list"))
    assert "revoked or expired" in app.gateway(f"credentials rotate {username}", well=False)
    assert app.curl(QUOTES, login=app.credential()).status == 200


def test_somebody_tries_the_old_secret(start: StartApp) -> None:
    app = start(LOGIN_FAILURES_PER_MINUTE="3")
    username, old = app.credential()
    app.gateway(f"credentials rotate --hours 0 {username}")
    for _ in range(3):
        assert app.curl(QUOTES, login=(username, old)).status == 401
    refused = app.curl(QUOTES, login=(username, old))
    assert code(refused) == (429, "TooManyRequests")
    statuses = [line.get("status") for line in json_lines(app) if line.get("error") or line.get("status", 0) >= 400]
    assert statuses == [401, 401, 401, 429]
    right = issued(app.gateway(f"credentials rotate {username}"))
    time.sleep(int(refused.header("retry-after")))
    assert app.curl(QUOTES, login=right).status == 200


def json_lines(app: App) -> Iterator[dict[str, Any]]:
    """The lines of the web dyno's log that are one request each."""
    for line in app.logs("web").splitlines():
        if line.startswith("{"):
            yield json.loads(line)


@contextmanager
def quotes_locked(app: App) -> Iterator[None]:
    """Every read of quotes waits for the time of the block: the database is as slow as can be."""
    with app.administrator() as connection, connection.transaction():
        connection.execute("LOCK TABLE gateway.quote IN ACCESS EXCLUSIVE MODE")
        yield


def test_more_requests_than_connections(start: StartApp) -> None:
    """The line of metrics comes once a minute, with a request."""
    app = start(
        POOL_CONNECTIONS="1", POOL_WAITING_REQUESTS="3", ACQUIRE_TIMEOUT_SECONDS="1", LOCK_TIMEOUT_SECONDS="120",
        STATEMENT_TIMEOUT_SECONDS="120", REQUEST_DEADLINE_SECONDS="100",
    )  # fmt: skip
    login = app.credential()
    assert app.curl(QUOTES, login=login).status == 200

    def ask(_: int) -> Answer:
        return app.curl(QUOTES, login=login)

    with ThreadPoolExecutor(6) as readers:
        with quotes_locked(app):
            first = readers.submit(ask, 0)
            until(lambda: readings(app), "[1-9]", "how many reads wait for the lock")

            def seen() -> str:
                asked = [readers.submit(ask, number) for number in range(5)]
                assert {code(one.result()) for one in asked} == {(503, "Busy")}
                return app.logs("web")

            until(seen, r"sample#pool\.waiting=[1-9]", "the line of metrics", seconds=150)
        assert first.result().status in (200, 503)
    app.config_set(POOL_CONNECTIONS="6", POOL_WAITING_REQUESTS=None)
    with ThreadPoolExecutor(6) as readers:
        with quotes_locked(app):
            asked = [readers.submit(ask, number) for number in range(6)]
            until(lambda: readings(app), "6", "how many reads wait for the lock")
        assert {one.result().status for one in asked} == {200}


def readings(app: App) -> str:
    """How many reads wait for a lock."""
    with app.administrator() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def many_quotes(trigram_server: Server, worker: str) -> Iterator[str]:
    """A database without pg_trgm, and with quotes enough, of names long enough, that looking at all takes its time."""
    name = f"{worker}_many"
    with trigram_server.new_database(name) as url:
        migrating.migrate(url)
        seed.seed(url, quotes=MANY_QUOTES)
        with psycopg.connect(trigram_server.admin_url, dbname=name, autocommit=True) as connection:
            connection.execute("DROP EXTENSION pg_trgm CASCADE")
            connection.execute("SELECT set_config('app.org_id', %s, false)", (FIRST_ORG,))
            connection.execute(LONG_NAMES, (FIRST_ORG,))
            connection.execute("VACUUM ANALYZE gateway.quote")
        yield url


def test_a_slow_filter(start: StartApp, trigram_server: Server, many_quotes: str) -> None:
    app = start(server=trigram_server, url=many_quotes, STATEMENT_TIMEOUT_SECONDS="0.05")
    login = app.credential()
    path = f"/odata/v4{SLOW}"
    assert code(app.curl(path, login=login)) == (503, "QueryTimeout")
    app.config["STATEMENT_TIMEOUT_SECONDS"] = "20"  # of the command; the dyno keeps its own
    explain = f"explain {SLOW} --org {FIRST_ORG} --analyze"
    assert "ix_quote_name_joined" not in app.gateway(explain)
    assert "no pg_trgm" in app.gateway("doctor")
    app.gateway("migrate")
    assert "pg_trgm is there" in app.gateway("doctor")
    assert "ix_quote_name_joined" in app.gateway(explain)
    until(lambda: str(app.curl(path, login=login).status), "200", "the same read")


def test_a_quote_was_changed_in_the_org(start: StartApp, salesforce: Simulator) -> None:
    """The row says so once somebody asks to change the quote through the gateway; until then nobody has looked."""
    app = start()
    login = app.credential()
    (opportunity,) = app.opportunities(1)
    made = app.apex.invoke("createQuote", {"opportunityId": opportunity}).body

    def sync_status(quote_id: str) -> str:
        path = f"/odata/v4/Quotes?$select=SyncStatus&$filter=SalesforceId%20eq%20'{quote_id}'"
        rows = app.curl(path, login=login).json()["value"]
        return str(rows[0]["SyncStatus"])

    assert sync_status(made["quoteId"]) == "synced"
    salesforce.update("Quote", made["quoteId"], {"Name": "Another name"})
    asked = app.apex.invoke("updateQuote", {"quoteId": made["quoteId"], "name": "Mine"})
    assert asked.status == 409 and sync_status(made["quoteId"]) == "changed_in_org"
    salesforce.delete("Quote", made["quoteId"])
    asked = app.apex.invoke("updateQuote", {"quoteId": made["quoteId"], "name": "Mine"})
    assert asked.status == 404 and sync_status(made["quoteId"]) == "deleted_in_org"
    anew = app.apex.invoke("createQuote", {"opportunityId": opportunity}).body
    assert anew["quoteId"] != made["quoteId"] and sync_status(anew["quoteId"]) == "synced"
