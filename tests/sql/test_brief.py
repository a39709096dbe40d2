"""Connections beside the pool: for one look-up, and for whether the database answers."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from odata.sql.brief import Readiness, ask_database, brief_connection
from tests.faults.proxy import proxying


def test_it_cannot_write_and_its_limits_are_set(empty_database_url: str) -> None:
    with brief_connection(empty_database_url, name="a test") as connection:
        names = ("transaction_read_only", "statement_timeout", "lock_timeout", "application_name")
        found = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in names]
    assert found == [("on",), ("3s",), ("2s",), ("a test",)]


def test_a_line_that_goes_silent_is_left_at_the_deadline(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odata.sql.brief.BRIEF_SECONDS", 0.5)
    with proxying(empty_database_url) as proxy:
        began = time.monotonic()
        with (
            pytest.raises(psycopg.OperationalError),
            brief_connection(proxy.url, name="a test") as connection,
        ):
            proxy.mode = "blackhole"
            connection.execute("SELECT 1")
        assert time.monotonic() - began < 2


def test_many_who_ask_share_one_answer(empty_database_url: str) -> None:
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        ask_database(empty_database_url)

    ready = Readiness(ask)
    assert [ready() for _ in range(5)] == [True] * 5 and len(asked) == 1
    time.sleep(1.05)
    assert ready() and len(asked) == 2


def test_no_answer_is_not_ready_and_nobody_queues_for_it() -> None:
    asked: list[str] = []
    released = threading.Event()

    def ask() -> None:
        asked.append("x")
        released.wait(10)
        raise psycopg.OperationalError

    ready = Readiness(ask)
    lasted: list[tuple[bool, float]] = []

    def probe() -> None:
        began = time.monotonic()
        lasted.append((ready(), time.monotonic() - began))

    threads = [threading.Thread(target=probe) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    quick = list(lasted)
    released.set()
    for thread in threads:
        thread.join()
    assert [one for one, _ in lasted] == [False] * 8 and len(asked) == 1
    assert len(quick) == 7 and max(seconds for _, seconds in quick) < 1.2
