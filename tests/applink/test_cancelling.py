"""Cancelled jobs: ended at once where nothing is under way; what the org may have is looked up first."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import Engine, text

from applink import claims, jobs
from applink.errors import JobFinished
from tests.applink.queued import ORG, claim, new_job, row, state, submit, succeed


def test_cancelling_a_job_that_waits_ends_it_at_once(engine: Engine) -> None:
    job_id = submit(engine, new_job(3)).job_id
    with engine.begin() as connection:
        cancelled = jobs.cancel(connection, ORG, str(job_id))
        assert cancelled.status == "cancelled" and cancelled.progress == 100
        assert jobs.cancel(connection, ORG, job_id) == cancelled
    assert claim(engine) == []
    assert row(engine, "job", job_id).next_at is not None, "the callback is owed"


def test_cancelling_lets_what_is_under_way_end(engine: Engine) -> None:
    job_id = submit(engine, new_job(4)).job_id
    done, busy = claim(engine, most=2)
    assert succeed(engine, done)
    with engine.begin() as connection:
        asked = jobs.cancel(connection, ORG, job_id)
    assert asked.status == "running" and claim(engine) == []
    with engine.begin() as connection:
        assert claims.renew(connection, [busy]) == {busy.item_id: True}
    assert succeed(engine, busy, 2)
    with engine.begin() as connection:
        assert claims.sweep(connection)[1] == 1
        assert claims.sweep(connection)[1] == 0
    ended = state(engine, job_id)
    assert (ended.status, ended.quote_count, ended.error_count) == ("cancelled", 2, 0)
    with engine.begin() as connection, pytest.raises(JobFinished):
        other = submit(engine, new_job(1, "other")).job_id
        assert succeed(engine, claim(engine)[0])
        jobs.cancel(connection, ORG, other)


def test_cancelling_leaves_what_the_org_may_have_for_a_worker_to_look_up(engine: Engine) -> None:
    job_id = submit(engine, new_job(2)).job_id
    first, second = claim(engine)
    with engine.begin() as connection:
        claims.mark_called(connection, first)
        claims.retry_later(connection, first, seconds=0, consumed=True, error=("OutcomeUnknown", "cut"))
        claims.retry_later(connection, second, seconds=0, consumed=True, error=("OrgUnavailable", "away"))
        assert jobs.cancel(connection, ORG, job_id).status == "running"
    (left,) = claim(engine)
    assert (left.item_id, left.cancelled, left.called_before) == (first.item_id, True, True)
    with engine.begin() as connection:
        assert claims.finish_item(connection, left)
    assert state(engine, job_id).status == "cancelled"


def hold_looks_at_intents(engine: Engine) -> None:
    """Whoever sets test.hold waits, in the middle of a statement that reads intents, for advisory lock 4711."""
    with engine.begin() as connection:
        connection.execute(
            text("""
            CREATE FUNCTION gateway.hold() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN
                IF current_setting(''test.hold'', true) = ''on'' THEN PERFORM pg_advisory_xact_lock(4711); END IF;
                RETURN true; END';
            CREATE POLICY hold ON gateway.intent USING (gateway.hold());
            ALTER TABLE gateway.intent ENABLE ROW LEVEL SECURITY;
            ALTER TABLE gateway.intent FORCE ROW LEVEL SECURITY""")
        )


def test_cancelling_sees_a_call_made_since_it_began_to_look(engine: Engine) -> None:
    """Claimed, called and queued again between the snapshot of the cancelling statement and its lock."""
    job_id = submit(engine, new_job(2)).job_id
    assert succeed(engine, claim(engine, most=1)[0])
    hold_looks_at_intents(engine)

    def cancel() -> None:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL test.hold = on"))
            jobs.cancel(connection, ORG, job_id)

    thread = threading.Thread(target=cancel)
    with engine.connect() as holder:
        holder.execute(text("SELECT pg_advisory_lock(4711)"))
        thread.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted")
        ends = time.monotonic() + 10
        while not holder.execute(waits).scalar_one():
            assert time.monotonic() < ends, "it never looked"
            time.sleep(0.01)
        (item,) = claim(engine)
        with engine.begin() as connection:
            claims.mark_called(connection, item)
        with engine.begin() as connection:
            claims.retry_later(connection, item, seconds=0, consumed=True, error=("OutcomeUnknown", "cut"))
        holder.execute(text("SELECT pg_advisory_unlock(4711)"))
        thread.join(10)
    assert row(engine, "job_item", item.item_id).status == "queued"
    (again,) = claim(engine)
    assert (again.item_id, again.cancelled, again.called_before) == (item.item_id, True, True)
