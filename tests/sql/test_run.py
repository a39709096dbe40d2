"""sql.run against a real server: values in and out, what a statement may not do, what the client hears of errors."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from odata.errors import (
    ArithmeticFailure,
    Busy,
    Forbidden,
    InternalError,
    InvalidLiteral,
    LimitExceeded,
    ODataError,
    QueryTimeout,
    Unavailable,
)
from odata.sql.connections import ConnectionLimits
from odata.sql.errors import CONNECTION_LOST, TRANSLATIONS, translation
from odata.sql.run import Database, Timings

ID = "6f0c2a52-0000-4000-8000-000000000001"


@pytest.fixture(params=[False, True], ids=["session", "transaction_pooler"])
def database(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[Database]:
    limits = ConnectionLimits(connections=2, statement_timeout_seconds=0.5, transaction_pooler=request.param)
    one = Database(empty_database_url, limits=limits)
    yield one
    one.close()


def test_values_travel_as_text_and_json_comes_back_undecoded(database: Database) -> None:
    row = database.fetch(
        """SELECT $1::text, $2::uuid[], $3::numeric, '{"a": 1}'::json, '{"a":1}'::jsonb, 9007199254740993::bigint""",
        ["größe", [ID, None], "1.50"],
    )
    assert row == ("größe".encode(), [UUID(ID), None], Decimal("1.50"), b'{"a": 1}', b'{"a": 1}', 9007199254740993)


def test_no_row_is_none_and_fetch_all_gives_all(database: Database) -> None:
    assert database.fetch("SELECT 1 WHERE $1::boolean", ["false"]) is None
    assert database.fetch_all("SELECT n FROM generate_series(1, $1::int) n", ["3"]) == [(1,), (2,), (3,)]


def test_the_session_is_read_only_in_utc_with_time_limits(database: Database) -> None:
    names = ("transaction_read_only", "TimeZone", "statement_timeout", "lock_timeout", "client_encoding")
    values = [database.fetch("SELECT current_setting($1::text)::varchar", [name]) for name in names]
    assert values == [("on",), ("UTC",), ("500ms",), ("2s",), ("UTF8",)]


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("SELECT 1 / $1::int", ["0"], ArithmeticFailure),
        ("SELECT $1::int * 1000000", ["1000000"], ArithmeticFailure),
        ("SELECT $1::int", ["99999999999999999999"], ArithmeticFailure),
        ("SELECT $1::timestamptz", ["294277-01-01T00:00:00Z"], ArithmeticFailure),
        ("SELECT ln($1::numeric)", ["0"], ArithmeticFailure),
        ("SELECT $1::int", ["x"], InvalidLiteral),
        ("SELECT $1::date", ["2026-02-30x"], InvalidLiteral),
        ("SELECT 'a' ~ $1::text", ["("], InvalidLiteral),
        ("SELECT $1::text", ["a\x00b"], InvalidLiteral),
        ("SELECT $1::text", ["\ud800"], InvalidLiteral),
        ("SELECT $1::text[]", [["\ud800"]], InvalidLiteral),
        ("SELECT substr('a', 1, $1::int)", ["-1"], ArithmeticFailure),
        ("CREATE TABLE written (id int)", [], Forbidden),
        ("SELECT * FROM nowhere", [], Unavailable),
        ("SELECT nothing FROM pg_class", [], Unavailable),
        ("SELECT pg_sleep(3)", [], QueryTimeout),
        ("SELEC", [], InternalError),
        ("SELECT $1::text", ["x"] * 65_536, LimitExceeded),
    ],
)
def test_an_error_is_told_without_sql_and_the_connection_goes_on(
    database: Database, sql: str, parameters: list[str], expected: type[ODataError]
) -> None:
    with pytest.raises(expected) as caught:
        database.fetch(sql, parameters)
    assert type(caught.value) is expected
    for hidden in ("SELECT", "nowhere", "nothing", "pg_", "relation", "column", "psycopg", "294277"):
        assert hidden not in caught.value.message
    assert database.fetch("SELECT 1") == (1,)


@pytest.mark.parametrize("state", sorted(key for key in TRANSLATIONS if len(key) == 5))
def test_every_sqlstate_of_the_table_exists(state: str) -> None:
    error = psycopg.errors.lookup(state)("x")
    entry = translation(error)
    assert entry.error(entry.message).status in (400, 403, 503) or (state == "0A000" and entry.logged)


def test_a_statement_repeated_stays_prepared_and_prepare_false_does_not(empty_database_url: str) -> None:
    database = Database(empty_database_url, limits=ConnectionLimits(connections=1, prepare_after=2))
    for _ in range(4):
        database.fetch("SELECT $1::int", ["1"])
        database.fetch("SELECT $1::bigint", ["1"], prepare=False)
    database.fetch("SELECT $1::smallint", ["1"], prepare=True)
    prepared = database.fetch_all("SELECT statement::varchar FROM pg_prepared_statements ORDER BY 1")
    assert prepared == [("SELECT $1::int",), ("SELECT $1::smallint",)]
    database.close()


def test_a_prepared_statement_whose_result_changed_is_run_again(empty_database_url: str) -> None:
    database = Database(empty_database_url, limits=ConnectionLimits(connections=1, prepare_after=0))
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("CREATE TABLE changing (id int); INSERT INTO changing VALUES (1)")
        assert database.fetch("SELECT * FROM changing") == (1,)
        other.execute("ALTER TABLE changing ADD COLUMN name varchar DEFAULT 'x'")
        assert database.fetch("SELECT * FROM changing") == (1, "x")
    database.close()


@pytest.mark.parametrize("state", sorted(CONNECTION_LOST))
def test_a_lost_connection_is_tried_again_three_times_at_most(empty_database_url: str, state: str) -> None:
    """By whoever it was lost: the statement itself says so here, each time."""
    with psycopg.connect(empty_database_url, autocommit=True) as owner:
        owner.execute(
            "CREATE FUNCTION lost() RETURNS int LANGUAGE plpgsql AS "
            f"'BEGIN RAISE EXCEPTION ''gone'' USING ERRCODE = ''{state}''; END'"
        )
    database, timings = Database(empty_database_url), Timings()
    with pytest.raises(Unavailable):
        database.fetch("SELECT lost()", timings=timings)
    database.close()
    assert (timings.statements, timings.retries) == (3, 2)


def test_what_the_database_cannot_do_is_no_stale_statement(database: Database) -> None:
    timings = Timings()
    with pytest.raises(InternalError):
        database.fetch("SELECT relkind FROM pg_class GROUP BY relkind FOR UPDATE", timings=timings)
    assert (timings.statements, timings.retries) == (1, 0)


def test_a_statement_without_rows_is_a_defect(database: Database) -> None:
    with pytest.raises(InternalError):
        database.fetch("SET statement_timeout = 0")
    assert database.fetch("SELECT 1") == (1,)


def test_of_many_statements_those_used_last_stay_prepared(empty_database_url: str) -> None:
    limits = ConnectionLimits(connections=1, prepare_after=0, prepared_statements=3)
    database = Database(empty_database_url, limits=limits)
    for number in (1, 2, 3, 1, 4):
        assert database.fetch(f"SELECT {number}, $1::text", ["é ' \\"]) == (number, "é ' \\".encode())
    prepared = database.fetch_all("SELECT statement::varchar FROM pg_prepared_statements ORDER BY 1", prepare=False)
    assert prepared == [(f"SELECT {number}, $1::text",) for number in (1, 3, 4)]
    database.close()


def test_statements_that_run_once_push_out_none_that_is_prepared(empty_database_url: str) -> None:
    limits = ConnectionLimits(connections=1, prepare_after=1, prepared_statements=2)
    database = Database(empty_database_url, limits=limits)
    for statement in ("SELECT 1", "SELECT 1", *(f"SELECT {number}" for number in range(2, 9))):
        database.fetch(statement)
    prepared = database.fetch_all("SELECT statement::varchar FROM pg_prepared_statements", prepare=False)
    assert prepared == [("SELECT 1",)]
    database.close()


def test_a_lock_is_waited_for_only_so_long(empty_database_url: str) -> None:
    database = Database(empty_database_url, limits=ConnectionLimits(connections=1, lock_timeout_seconds=0.1))
    with psycopg.connect(empty_database_url) as other:
        other.execute("CREATE TABLE locked (id int)")
        other.commit()
        other.execute("LOCK TABLE locked")
        with pytest.raises(Unavailable):
            database.fetch("SELECT * FROM locked")
    database.close()


def test_timings_say_what_a_request_spent(database: Database) -> None:
    timings = Timings()
    database.fetch("SELECT pg_sleep(0.05)", timings=timings)
    database.fetch("SELECT 1", timings=timings)
    assert timings.statements == 2
    assert timings.run_ms > 50
    assert timings.retries == 0


def test_those_who_would_wait_beyond_the_limit_are_refused_at_once(empty_database_url: str) -> None:
    limits = ConnectionLimits(connections=1, waiting=2, acquire_timeout_seconds=0.5)
    database = Database(empty_database_url, limits=limits)
    database.fetch("SELECT 1")
    outcomes: dict[str, tuple[str, float]] = {}

    def ask(name: str, statement: str) -> None:
        began = time.monotonic()
        try:
            database.fetch(statement)
            outcomes[name] = ("answered", time.monotonic() - began)
        except Unavailable as refusal:
            assert refusal.headers["Retry-After"]
            outcomes[name] = ("refused", time.monotonic() - began)

    threads = [
        threading.Thread(target=ask, args=asked)
        for asked in (("holds", "SELECT pg_sleep(1.5)"), ("waits", "SELECT 1"), ("is one too many", "SELECT 1"))
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert outcomes["holds"][0] == "answered"
    assert outcomes["waits"][0] == "refused" and outcomes["waits"][1] >= 0.5
    assert outcomes["is one too many"][0] == "refused"
    assert list(outcomes) == ["is one too many", "waits", "holds"]  # the last to ask is the first to know
    database.close()


def test_the_connection_used_last_is_used_next(empty_database_url: str) -> None:
    database = Database(empty_database_url, limits=ConnectionLimits(connections=4))
    database.fetch("SELECT 1")
    while database.measures()["size"] < 4 or database.measures()["in_use"]:
        time.sleep(0.01)
    assert len({database.fetch("SELECT pg_backend_pid()") for _ in range(12)}) == 1
    database.close()


def test_a_crowd_is_served_while_connections_change_hands(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve ask, four may be patient, all are served: a busy machine stalls everybody, so a stall is long here."""
    monkeypatch.setattr("odata.sql.connections.STALL_SECONDS", 20.0)
    limits = ConnectionLimits(connections=2, waiting=4, acquire_timeout_seconds=20.0)
    database = Database(empty_database_url, limits=limits)
    answers: list[object] = []

    def ask() -> None:
        for _ in range(20):
            answers.append(database.fetch("SELECT pg_sleep(0.005)"))

    _together([ask] * 12)
    assert len(answers) == 240
    assert database.measures() == {"size": 2, "in_use": 0, "waiting": 0}
    database.close()


@pytest.mark.parametrize("milliseconds", [5, 60])
def test_as_many_as_there_are_threads_are_served(empty_database_url: str, milliseconds: int) -> None:
    """Eight in a row of statements that take long as a rule: two are beyond those with patience, none is refused."""
    database = Database(empty_database_url, limits=ConnectionLimits(connections=6, waiting=6))
    answers: list[object] = []

    def ask() -> None:
        for _ in range(1500 // milliseconds // 8):
            answers.append(database.fetch("SELECT pg_sleep($1::float8)", [str(milliseconds / 1000)]))

    _together([ask] * 8)
    assert len(answers) == 1500 // milliseconds // 8 * 8
    database.close()


def test_one_gate_for_all_servers(seeded_url: str, empty_database_url: str) -> None:
    """A follower that is full is no fault: it is not left alone, and its load does not go to the primary."""
    limits = ConnectionLimits(connections=2, waiting=2, acquire_timeout_seconds=5.0)
    database = Database(empty_database_url, replica_urls=[seeded_url], limits=limits)
    assert database.fetch("SELECT 1") == (1,)
    outcomes: list[tuple[str, float]] = []

    def ask() -> None:
        began = time.monotonic()
        try:
            database.fetch("SELECT pg_sleep(1.5)")
            outcomes.append(("answered", 0.0))
        except Busy:
            outcomes.append(("refused", time.monotonic() - began))

    _together([ask] * 6)
    assert Counter(outcome for outcome, _ in outcomes) == {"answered": 2, "refused": 4}
    assert max(seconds for _, seconds in outcomes) < 1.2
    assert "follower_faults" not in database.measures()
    (served_by,) = database.fetch("SELECT current_database()::varchar") or ()
    assert served_by == conninfo_to_dict(seeded_url)["dbname"]
    database.close()


def test_a_follower_that_is_away_is_passed_by_a_crowd(empty_database_url: str) -> None:
    """No connection could be made: that is the follower's doing, also for those who may not wait with patience."""
    gone = "postgresql://nobody@127.0.0.1:1/nothing"
    limits = ConnectionLimits(connections=2, waiting=2, acquire_timeout_seconds=0.3, connect_timeout_seconds=1)
    database = Database(empty_database_url, replica_urls=[gone], limits=limits)
    answers: list[object] = []
    _together([lambda: answers.append(database.fetch("SELECT 1"))] * 4)
    assert answers == [(1,)] * 4
    database.close()


def _together(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_forked_process_makes_connections_of_its_own(empty_database_url: str) -> None:
    database = Database(empty_database_url, limits=ConnectionLimits(connections=1))
    backend = database.fetch("SELECT pg_backend_pid()")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, repr(database.fetch("SELECT pg_backend_pid()")).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() not in ("", repr(backend))
    assert database.fetch("SELECT pg_backend_pid()") == backend
    database.close()


def test_reads_take_turns_among_followers_and_fall_back_to_the_primary(
    empty_database_url: str, seeded_url: str
) -> None:
    limits = ConnectionLimits(connections=1, acquire_timeout_seconds=0.3, connect_timeout_seconds=1)
    gone = "postgresql://nobody@127.0.0.1:1/nothing"
    database = Database(empty_database_url, replica_urls=[seeded_url, gone], limits=limits)
    names = {database.fetch("SELECT current_database()::varchar") for _ in range(4)}
    assert len(names) == 2
    assert database.measures()["follower_faults"] == 1
    database.close()
