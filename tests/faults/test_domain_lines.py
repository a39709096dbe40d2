"""The domain's own transactions on lines that go bad: behind a black hole nobody waits for ever, web and worker."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

import app
import settings
from applink.transactions import Transactions
from local.pooler import pooling
from models.deadlines import TRUSTED_SECONDS
from tests.applink.serving import serving
from tests.faults.proxy import Proxy, proxying

LIMITS = {"STATEMENT_TIMEOUT_SECONDS": "0.8", "CONNECT_TIMEOUT_SECONDS": "1"}
"""A transaction then ends after one second."""
ENOUGH_SECONDS = 10.0


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with proxying(database_url) as one:
        yield one


def engine_at(url: str, **variables: str) -> Engine:
    """As web and worker have it, with one connection."""
    given = settings.load({"DATABASE_URL": url, **LIMITS, **variables})
    return app.domain_engine(given, connections=1, name="test")


@pytest.fixture
def engine(proxy: Proxy) -> Iterator[Engine]:
    made = engine_at(proxy.web_url)
    yield made
    made.dispose()


def waited(work: Callable[[], Any]) -> float:
    """How long `work` took to fail as a database that is away; ENOUGH_SECONDS at most, and then the test fails."""
    begun_at = time.monotonic()
    failed: list[bool] = []

    def run() -> None:
        try:
            work()
        except DBAPIError:
            failed.append(True)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(ENOUGH_SECONDS)
    assert not thread.is_alive(), "waits without end"
    assert failed, "did not fail"
    return time.monotonic() - begun_at


def one(connection: Connection) -> int:
    found: int = connection.execute(text("SELECT 1")).scalar_one()
    return found


def asked(engine: Engine) -> int:
    with engine.begin() as connection:
        return one(connection)


@pytest.mark.parametrize("where", ["statement", "commit", "rollback"])
def test_a_black_hole_in_a_transaction(engine: Engine, proxy: Proxy, where: str) -> None:
    def run() -> None:
        with engine.connect() as connection, connection.begin() as transaction:
            if where == "statement":
                proxy.mode = "blackhole"
            one(connection)
            proxy.mode = "blackhole"
            getattr(transaction, "rollback" if where == "rollback" else "commit")()

    assert waited(run) < 5
    proxy.mode = "pass"
    assert asked(engine) == 1


@pytest.mark.parametrize("idle_seconds", [0.0, TRUSTED_SECONDS + 0.1])
def test_a_black_hole_at_check_out(engine: Engine, proxy: Proxy, idle_seconds: float) -> None:
    """The idle connection and every new one are swallowed. Used a moment ago, it is not asked before."""
    assert asked(engine) == 1
    time.sleep(idle_seconds)
    proxy.mode = "blackhole"
    assert waited(lambda: asked(engine)) < 6
    proxy.mode = "pass"
    assert asked(engine) == 1


def test_the_worker_runs_a_transaction_again_whose_commit_was_swallowed(engine: Engine, proxy: Proxy) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> int:
        tries.append(one(connection))
        proxy.mode = "blackhole" if len(tries) == 1 else "pass"
        threading.Timer(1.5, setattr, (proxy, "mode", "pass")).start()
        return len(tries)

    transactions = Transactions(engine, threading.Event())
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(transactions.run, work).result(ENOUGH_SECONDS) == 2
    assert transactions.away_since is None


def test_a_connection_that_the_server_ended_while_idle_goes_unnoticed(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        assert one(connection) == 1
        idle = connection.connection.driver_connection
    assert isinstance(idle, psycopg.Connection)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'test'"
        )
    assert select.select([idle], [], [], ENOUGH_SECONDS)[0], "the proxy has not passed the end on"
    assert asked(engine) == 1


def test_a_connection_forgotten_while_idle_goes_unnoticed(engine: Engine, proxy: Proxy) -> None:
    """Nobody has said that it ended; it is asked, gives no answer, and another one is made."""
    assert asked(engine) == 1
    time.sleep(TRUSTED_SECONDS + 0.1)
    proxy.mode = "blackhole"
    threading.Timer(0.5, setattr, (proxy, "mode", "pass")).start()
    assert asked(engine) == 1


def test_a_connection_in_use_costs_no_round_trip_but_its_own(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """BEGIN, the statement, COMMIT: nothing else is waited for."""
    assert asked(engine) == 1
    waits: list[None] = []
    wait = psycopg.Connection.wait

    def waiting(*given: Any) -> Any:
        waits.append(None)
        return wait(*given)

    monkeypatch.setattr(psycopg.Connection, "wait", waiting)
    assert asked(engine) == 1
    assert len(waits) <= 3


def test_time_limits_hold_behind_a_transaction_pooler(database_url: str, tmp_path: Path) -> None:
    with pooling(database_url, tmp_path / "pgbouncer", connections=1) as url:
        engine = engine_at(url, DB_POOLER="transaction", IDLE_IN_TRANSACTION_TIMEOUT_SECONDS="0.3")
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as other:
            before = other.execute("SHOW statement_timeout").fetchone()
            with engine.begin() as connection:
                assert connection.execute(text("SHOW statement_timeout")).scalar() == "800ms"
                assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar() == "300ms"
            assert other.execute("SHOW statement_timeout").fetchone() == before, "nothing of ours stays behind"
        engine.dispose()


def test_an_operation_is_answered_behind_a_black_hole(database_url: str, proxy: Proxy, tmp_path: Path) -> None:
    """Bar 17: the thread comes back, and the next request is served as soon as the line is."""
    few = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "4", "OPERATION_CONNECTIONS": "1"}
    with serving(proxy.web_url, tmp_path, variables=LIMITS | few) as place:
        first, second = place.simulator.opportunities(2, user="ann")
        assert place.ask("createQuote", {"opportunityId": first}).status == 200
        proxy.mode = "blackhole"
        swallowed = place.apex.prepare("createQuote", {"opportunityId": second})
        with ThreadPoolExecutor(1) as threads:
            reply = threads.submit(place.apex.send, swallowed).result(30)
        assert reply.status == 503
        proxy.mode = "pass"
        assert place.ask("createQuote", {"opportunityId": second}).status == 200
