"""Faults of the database under sql.run: lost backends, a restart, a line that swallows everything."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.cluster import Cluster, running
from local.servers import FAST_BUT_FORGETFUL, Server, embedded_binaries
from odata.errors import ODataError, Unavailable
from odata.sql.connections import ConnectionLimits
from odata.sql.run import Database
from tests.faults.proxy import Proxy, proxying

DEADLINE_SECONDS = 1.0
LIMITS = ConnectionLimits(connections=4, waiting=6, acquire_timeout_seconds=1.0, connect_timeout_seconds=2.0)


@pytest.fixture
def proxy(empty_database_url: str) -> Iterator[Proxy]:
    with proxying(empty_database_url) as one:
        yield one


@pytest.fixture
def database(proxy: Proxy) -> Iterator[Database]:
    one = Database(proxy.url, limits=LIMITS)
    _use_all_connections(one)
    yield one
    one.close()


def _use_all_connections(database: Database) -> None:
    threads = [threading.Thread(target=database.fetch, args=("SELECT pg_sleep(0.05)",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _terminate(admin_url: str, database_url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )


def _outcome(database: Database, sql: str = "SELECT 1", deadline_seconds: float = DEADLINE_SECONDS) -> str:
    try:
        database.fetch(sql, deadline_seconds=deadline_seconds)
    except ODataError as error:
        return str(error.status)
    return "200"


def test_all_idle_connections_dead_at_once_go_unnoticed(
    database: Database, postgres_server: Server, empty_database_url: str
) -> None:
    _terminate(postgres_server.admin_url, empty_database_url)
    time.sleep(0.1)
    assert [_outcome(database) for _ in range(12)] == ["200"] * 12


def test_a_connection_lost_in_the_middle_of_a_read_is_read_again(
    database: Database, postgres_server: Server, empty_database_url: str
) -> None:
    threading.Timer(0.2, _terminate, args=(postgres_server.admin_url, empty_database_url)).start()
    assert _outcome(database, "SELECT pg_sleep(0.5)", 5.0) == "200"
    assert database.measures()["retries"] == 1


def test_a_line_that_is_reset_is_dialled_again(database: Database, proxy: Proxy) -> None:
    proxy.mode = "reset"
    assert _outcome(database) == "503"
    proxy.mode = "pass"
    time.sleep(1.5)
    assert _outcome(database) == "200"


def test_a_black_hole_is_left_at_the_deadline_and_forgotten_within_five_seconds(
    database: Database, proxy: Proxy
) -> None:
    proxy.mode = "blackhole"
    answers: list[tuple[str, float]] = []

    def ask() -> None:
        began = time.monotonic()
        answers.append((_outcome(database), time.monotonic() - began))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} == {"503"}
    assert max(seconds for _, seconds in answers) < DEADLINE_SECONDS + 0.3
    proxy.mode = "pass"
    healed = time.monotonic()
    while _outcome(database) != "200":
        assert time.monotonic() - healed < 5
    while database.measures() | {"retries": 0, "faults": 0} != {
        "size": 4, "in_use": 0, "waiting": 0, "retries": 0, "faults": 0
    }:  # fmt: skip
        _use_all_connections_quietly(database)
        assert time.monotonic() - healed < 5


def _use_all_connections_quietly(database: Database) -> None:
    threads = [threading.Thread(target=_outcome, args=(database, "SELECT pg_sleep(0.05)")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_out_of_connections_is_503(postgres_server: Server, empty_database_url: str) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(empty_database_url)["dbname"])
    with psycopg.connect(postgres_server.admin_url, autocommit=True) as admin:
        admin.execute(psycopg.sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(psycopg.sql.Identifier(name)))
    database = Database(empty_database_url, limits=LIMITS)
    with pytest.raises(Unavailable):
        database.fetch("SELECT 1")
    database.close()


def test_a_serialization_failure_is_tried_three_times(postgres_server: Server, empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as owner:
        owner.execute(
            "CREATE FUNCTION conflict() RETURNS int LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$"
        )
    database = Database(empty_database_url, limits=LIMITS)
    assert _outcome(database, "SELECT conflict()") == "503"
    assert database.measures()["retries"] == 2
    database.close()


@pytest.fixture
def private_cluster(tmp_path: Path) -> Cluster:
    return Cluster(binaries=embedded_binaries(), home=tmp_path / "pg", options=FAST_BUT_FORGETFUL)


@contextlib.contextmanager
def _load(database: Database, seconds: float) -> Iterator[list[tuple[float, str, float]]]:
    """About 50 reads a second from 8 threads: (when, status, how long)."""
    seen: list[tuple[float, str, float]] = []
    until = time.monotonic() + seconds

    def ask() -> None:
        while (began := time.monotonic()) < until:
            status = _outcome(database, deadline_seconds=25.0)
            seen.append((began, status, time.monotonic() - began))
            time.sleep(max(0.0, 0.16 - (time.monotonic() - began)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    yield seen
    for thread in threads:
        thread.join()


def _stop_immediately(cluster: Cluster) -> None:
    pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)


@pytest.mark.slow
def test_postgres_stopped_for_ten_seconds_gives_200_and_503_only(private_cluster: Cluster) -> None:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running(private_cluster))
        database = Database(url)
        with _load(database, 20) as seen:
            time.sleep(2)
            _stop_immediately(private_cluster)
            time.sleep(10)
            stack.enter_context(running(private_cluster))
            started = time.monotonic()
        database.close()
    assert set(Counter(status for _, status, _ in seen)) == {"200", "503"}
    first_good = min(began + took for began, status, took in seen if status == "200" and began + took > started)
    assert first_good - started <= 3


@pytest.mark.slow
def test_backends_terminated_every_two_seconds_cost_almost_no_read(
    postgres_server: Server, empty_database_url: str
) -> None:
    database = Database(empty_database_url)
    with _load(database, 60) as seen:
        for _ in range(29):
            time.sleep(2)
            _terminate(postgres_server.admin_url, empty_database_url)
    database.close()
    statuses = Counter(status for _, status, _ in seen)
    assert set(statuses) <= {"200", "503"}
    assert statuses["200"] >= 0.995 * statuses.total()


@pytest.mark.slow
def test_a_statement_over_the_limit_ends_with_its_backend(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    began = time.monotonic()
    assert _outcome(database, "SELECT pg_sleep(60)", 25.0) == "503"
    assert 19 <= time.monotonic() - began <= 21
    left = database.fetch("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'")
    assert left == (0,)
    database.close()


@pytest.mark.slow
def test_a_black_hole_of_a_minute_holds_nobody_longer_than_the_deadline(empty_database_url: str) -> None:
    with proxying(empty_database_url) as proxy:
        database = Database(proxy.url)
        with _load(database, 70) as seen:
            time.sleep(2)
            proxy.mode = "blackhole"
            time.sleep(60)
            proxy.mode = "pass"
            healed = time.monotonic()
        database.close()
    assert max(took for _, _, took in seen) <= 26
    assert {status for _, status, _ in seen} == {"200", "503"}
    late = Counter(status for began, status, _ in seen if began > healed + 5)
    assert set(late) == {"200"}
