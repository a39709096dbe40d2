"""Jobs over a real database: submitted once, claimed by one, fenced, counted exactly, cancelled, retried, pruned."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text

from applink import claims, jobs, shares
from applink.claims import ClaimedItem, LeaseLost
from applink.errors import JobFinished, JobNotFinished, JobNotFound, KeyReused, TooManyJobs
from applink.jobs import NewJob, Submitted
from models import database
from odata.edm.record_ids import widen_record_id

ORG = widen_record_id("00DqU0000000001")
OTHER_ORG = widen_record_id("00DqU0000000002")
USER = widen_record_id("005qU0000000001")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database.engine(database_url)
    yield made
    made.dispose()


def opportunity(number: int) -> str:
    return widen_record_id(f"006qU{number:010}")


def new_job(count: int = 3, key: str = "key", **changes: Any) -> NewJob:
    asked = NewJob(
        org_id=ORG,
        type="createQuotes",
        idem_key=key,
        request_hash="a" * 64,
        requested_by=USER,
        request_id="request-1",
        authorization_name="worker",
        callback_url="https://acme.my.salesforce.com/services/callback/1",
        callback_deadline_seconds=3600,
        if_draft_exists="create",
        items=[(opportunity(n), f"Deal {n}") for n in range(count)],
        event=False,
    )
    return replace(asked, **changes)


def submit(engine: Engine, new: NewJob, **limits: int) -> Submitted:
    with engine.begin() as connection:
        return jobs.submit(connection, new, **limits)


def claim(engine: Engine, worker: str = "w1", org: str = ORG, most: int = 10) -> list[ClaimedItem]:
    with engine.begin() as connection:
        return list(claims.claim(connection, worker, {org: most}))


def write(engine: Engine, statement: str, **given: Any) -> int:
    """A change of rows of any org: what a test needs of time."""
    with engine.begin() as connection:
        database.set_org(connection, "*")
        return connection.execute(text(statement), given).rowcount


def row(engine: Engine, table: str, row_id: UUID) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT * FROM gateway.{table} WHERE id = :i"), {"i": row_id}).one()  # noqa: S608


def end_leases(engine: Engine) -> None:
    write(engine, "UPDATE gateway.job_item SET lease_until = now() - interval '1 s' WHERE status = 'running'"
                  " AND lease_until < '9999-01-01'")  # fmt: skip


def succeed(engine: Engine, item: ClaimedItem, number: int = 1) -> bool:
    with engine.begin() as connection:
        quote = widen_record_id(f"0Q0qU{number:010}")
        return claims.finish_item(connection, item, quote_id=item.quote_id, salesforce_id=quote, api_calls=3)


def refuse(engine: Engine, item: ClaimedItem) -> bool:
    with engine.begin() as connection:
        return claims.finish_item(connection, item, error=("NoLines", "The opportunity has no products."))


def state(engine: Engine, job_id: UUID) -> jobs.JobState:
    with engine.begin() as connection:
        return jobs.get(connection, ORG, job_id)


def test_a_job_is_stored_with_items_and_intents(engine: Engine) -> None:
    made = submit(engine, new_job(3))
    assert (made.status, made.opportunity_count, made.new) == ("queued", 3, True)
    stored = row(engine, "job", made.job_id)
    assert stored.name.startswith("J-") and stored.name.endswith(" createQuotes 3")
    assert stored.callback_status == "due" and stored.next_at is None
    assert 3590 < (stored.callback_deadline - stored.created_at).total_seconds() <= 3600
    items = claim(engine)
    assert [item.opportunity_id for item in items] == [opportunity(n) for n in range(3)]
    assert [item.sequence for item in items] == [1, 2, 3]
    assert len({item.gateway_key for item in items}) == 3
    assert all(item.gateway_key.startswith("gw-") and len(item.gateway_key) == 35 for item in items)
    assert not any(item.called_before or item.cancelled for item in items)
    assert row(engine, "job", made.job_id).status == "running"


def test_the_same_key_is_the_same_job(engine: Engine) -> None:
    first = submit(engine, new_job())
    again = submit(engine, new_job())
    assert again == replace(first, new=False)
    with pytest.raises(KeyReused):
        submit(engine, new_job(request_hash="b" * 64))
    other = submit(engine, new_job(org_id=OTHER_ORG))
    assert other.new and other.job_id != first.job_id


def test_the_same_call_twenty_times_at_once_is_one_job(engine: Engine) -> None:
    answers: list[Submitted] = []
    threads = [threading.Thread(target=lambda: answers.append(submit(engine, new_job(20)))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12 and len({one.job_id for one in answers}) == 1
    assert sum(one.new for one in answers) == 1
    assert len(claim(engine, most=100)) == 20


def test_an_org_has_so_many_open_jobs(engine: Engine) -> None:
    for n in range(2):
        submit(engine, new_job(1, f"key-{n}"), most_open=2)
    with pytest.raises(TooManyJobs):
        submit(engine, new_job(1, "key-2"), most_open=2)
    assert not submit(engine, new_job(1, "key-1"), most_open=2).new
    assert submit(engine, new_job(1, "key-2", org_id=OTHER_ORG), most_open=2).new


def test_two_workers_never_hold_the_same_item(engine: Engine) -> None:
    submit(engine, new_job(40))
    held: list[ClaimedItem] = []

    def work(worker: str) -> None:
        while taken := claim(engine, worker, most=3):
            held.extend(taken)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item.sequence for item in held) == list(range(1, 41))


def test_each_org_gives_what_there_is_room_for(engine: Engine) -> None:
    submit(engine, new_job(5))
    submit(engine, new_job(5, org_id=OTHER_ORG))
    with engine.begin() as connection:
        assert {ORG, OTHER_ORG} <= {one.org_id for one in claims.ready(connection)}
        taken = claims.claim(connection, "w1", {ORG: 2, OTHER_ORG: 3})
    assert [item.org_id for item in taken].count(ORG) == 2
    assert [item.org_id for item in taken].count(OTHER_ORG) == 3


def test_demo_data_waits_for_ever(engine: Engine) -> None:
    with engine.begin() as connection:
        assert claims.ready(connection) == ()


def test_a_lost_lease_hits_no_row(engine: Engine) -> None:
    job_id = submit(engine, new_job(1)).job_id
    (late,) = claim(engine, "w1")
    assert claim(engine, "w2") == []
    end_leases(engine)
    (held,) = claim(engine, "w2")
    assert held.lease_no > late.lease_no
    with engine.begin() as connection:
        assert claims.renew(connection, [late, held]) == {held.item_id: False}
        with pytest.raises(LeaseLost):
            claims.mark_called(connection, late)
    with engine.begin() as connection:
        assert not claims.retry_later(connection, late, seconds=1, consumed=True, error=("x", "x"))
        assert claims.give_back(connection, [late]) == 0
    assert not succeed(engine, late)
    assert succeed(engine, held)
    assert not succeed(engine, held) and not refuse(engine, held)
    assert (state(engine, job_id).status, state(engine, job_id).quote_count) == ("completed", 1)


def test_a_call_is_remembered_and_the_end_of_its_worker_is_no_try(engine: Engine) -> None:
    submit(engine, new_job(1))
    (item,) = claim(engine)
    with engine.begin() as connection:
        claims.mark_called(connection, item)
    end_leases(engine)
    (again,) = claim(engine, "w2")
    assert (again.called_before, again.attempts, again.gateway_key) == (True, 0, item.gateway_key)
    assert (item.leases_lost, again.leases_lost, again.quote_id) == (0, 1, item.quote_id)
    with engine.begin() as connection:
        assert claims.give_back(connection, [again]) == 1
    assert claim(engine)[0].leases_lost == 1, "what was given back had not ended anybody"


def test_a_mark_is_taken_back(engine: Engine) -> None:
    submit(engine, new_job(1))
    (item,) = claim(engine)
    with engine.begin() as connection:
        claims.mark_called(connection, item)
    assert row(engine, "intent", item.item_id).called_at is not None
    for _ in range(2):  # whoever does not know whether it has done so does it once more
        with engine.begin() as connection:
            claims.take_mark_back(connection, item)
        found = row(engine, "intent", item.item_id)
        assert (found.called_at, found.attempts) == (None, 0)
    with engine.begin() as connection:
        claims.mark_called(connection, item)
    end_leases(engine)
    (again,) = claim(engine, "w2")
    for late_or_called_before in (item, again):
        with engine.begin() as connection:
            claims.take_mark_back(connection, late_or_called_before)
        assert row(engine, "intent", item.item_id).called_at is not None


def test_what_was_not_begun_goes_back_as_it_was(engine: Engine) -> None:
    submit(engine, new_job(2))
    items = claim(engine)
    with engine.begin() as connection:
        assert claims.give_back(connection, items) == 2
    again = claim(engine, "w2")
    assert [(item.sequence, item.attempts) for item in again] == [(1, 0), (2, 0)]


def test_a_retry_waits_and_counts_only_when_consumed(engine: Engine) -> None:
    submit(engine, new_job(2))
    first, second = claim(engine)
    with engine.begin() as connection:
        assert claims.retry_later(connection, first, seconds=60, consumed=True, error=("OrgUnavailable", "away"))
        assert claims.retry_later(connection, second, seconds=0, consumed=False, error=("OrgLimitReached", "full"))
    assert [(item.sequence, item.attempts) for item in claim(engine)] == [(2, 0)]
    write(engine, "UPDATE gateway.job_item SET next_at = now() WHERE id = :i", i=first.item_id)
    assert [(item.sequence, item.attempts) for item in claim(engine)] == [(1, 1)]


def test_progress_moves_and_the_last_item_ends_the_job(engine: Engine) -> None:
    job_id = submit(engine, new_job(3)).job_id
    items = claim(engine)
    assert succeed(engine, items[0], 1)
    assert (state(engine, job_id).status, state(engine, job_id).progress) == ("running", Decimal("33.33"))
    assert refuse(engine, items[1])
    assert state(engine, job_id).progress == Decimal("66.67")
    assert succeed(engine, items[2], 3)
    done = state(engine, job_id)
    assert (done.status, done.progress, done.quote_count, done.error_count) == ("completed_with_errors", 100, 2, 1)
    assert done.quote_ids == (widen_record_id("0Q0qU0000000001"), widen_record_id("0Q0qU0000000003"))
    assert done.errors == (f"{opportunity(1)}: The opportunity has no products.",)
    assert done.answer()["failures"] == [
        {"opportunityId": opportunity(1), "code": "NoLines", "message": "The opportunity has no products."}
    ]
    stored = row(engine, "job", job_id)
    assert stored.finished_at is not None and stored.next_at is not None and stored.api_calls == 6
    assert stored.message == "1 of 3 opportunities failed."


@pytest.mark.parametrize(
    ("outcomes", "status"), [("ss", "completed"), ("ff", "failed"), ("sf", "completed_with_errors")]
)
def test_how_a_job_ends(engine: Engine, outcomes: str, status: str) -> None:
    job_id = submit(engine, new_job(2)).job_id
    for outcome, item in zip(outcomes, claim(engine), strict=True):
        assert succeed(engine, item) if outcome == "s" else refuse(engine, item)
    assert state(engine, job_id).status == status


def test_items_ended_at_once_are_counted_exactly(engine: Engine) -> None:
    job_id = submit(engine, new_job(24)).job_id
    items = claim(engine, most=24)
    threads = [
        threading.Thread(target=succeed if n % 3 else refuse, args=(engine, item)) for n, item in enumerate(items)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = state(engine, job_id)
    assert (done.status, done.quote_count, done.error_count) == ("completed_with_errors", 16, 8)


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


def test_the_mark_of_a_call_waits_for_the_disk(engine: Engine) -> None:
    """Else a crash of the database would forget that the org may have been asked."""
    submit(engine, new_job(1))
    (item,) = claim(engine)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = on"))
        claims.mark_called(connection, item)
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_retry_is_for_failed_opportunities_of_a_finished_job(engine: Engine) -> None:
    job_id = submit(engine, new_job(2)).job_id
    good, bad = claim(engine)
    with engine.begin() as connection, pytest.raises(JobNotFinished):
        jobs.retry(connection, ORG, job_id)
    assert succeed(engine, good) and refuse(engine, bad)
    with engine.begin() as connection:
        again = jobs.retry(connection, ORG, job_id)
    assert (again.status, again.quote_count, again.error_count, again.progress) == ("queued", 1, 0, Decimal(50))
    (item,) = claim(engine)
    assert item.opportunity_id == bad.opportunity_id and item.gateway_key == bad.gateway_key and item.attempts == 0
    assert succeed(engine, item, 2)
    assert state(engine, job_id).status == "completed"
    with engine.begin() as connection:
        assert jobs.retry(connection, ORG, job_id).status == "completed"


def test_only_jobs_of_the_own_org_are_reached(engine: Engine) -> None:
    job_id = submit(engine, new_job(1)).job_id
    for ask in (jobs.get, jobs.cancel, jobs.retry):
        for other_id in (job_id, "no uuid", "00000000-0000-0000-0000-000000000000"):
            with engine.begin() as connection, pytest.raises(JobNotFound):
                ask(connection, OTHER_ORG, other_id)


def test_old_jobs_intents_and_keys_are_pruned(engine: Engine) -> None:
    keep = {"jobs_days": 90, "intents_days": 7, "keys_days": 7}
    with engine.begin() as connection:
        jobs.prune(connection, **keep, most=10_000)
    job_id = submit(engine, new_job(1)).job_id
    assert succeed(engine, claim(engine)[0])
    with engine.begin() as connection:
        assert jobs.prune(connection, **keep) == jobs.Pruned(jobs=0, intents=0, keys=0)
    write(engine, "UPDATE gateway.job SET created_at = created_at - interval '8 days' WHERE id = :i", i=job_id)
    with engine.begin() as connection:
        assert jobs.prune(connection, **keep) == jobs.Pruned(jobs=0, intents=0, keys=1)
    assert submit(engine, new_job(1)).new, "the key is free again"
    old = "UPDATE gateway.job SET finished_at = finished_at - interval '91 days' WHERE id = :i"
    write(engine, old, i=job_id)
    with engine.begin() as connection:
        assert jobs.prune(connection, **keep).jobs == 0, "its callback is owed"
    write(engine, "UPDATE gateway.job SET callback_status = 'delivered' WHERE id = :i", i=job_id)
    with engine.begin() as connection:
        assert jobs.prune(connection, **keep).jobs == 1
    with engine.connect() as connection:
        left = "SELECT count(*) FROM gateway.intent WHERE job_id = :i"
        assert connection.execute(text(left), {"i": job_id}).scalar() == 0


def divide(connection: Connection, worker: str, busy: int = 0, most: int = 8, **more: Any) -> int:
    return divided(connection, worker, busy, most, **more).calls[ORG]


def divided(connection: Connection, worker: str, busy: int = 0, most: int = 8, **more: Any) -> shares.Shares:
    given = {"org_concurrency": 8, "lease_seconds": 10.0} | more
    return shares.divide(connection, worker, (ORG,), lambda _: {ORG: busy}, most=most, **given)


def test_workers_share_an_orgs_calls(engine: Engine) -> None:
    with engine.begin() as connection:
        assert divide(connection, "w1") == 8
        assert divide(connection, "w2") == 0, "all are taken"
        assert divide(connection, "w1", busy=8) == 4, "begin no more until four are left"
        assert divide(connection, "w2") == 0
        assert divide(connection, "w1", busy=3) == 4
        assert divide(connection, "w2") == 4
        assert divide(connection, "w3") == 0
        assert divide(connection, "w1") == 3
        assert divide(connection, "w2") == 3
        assert divide(connection, "w3") == 2
        given = {"most": 8, "org_concurrency": 8, "lease_seconds": 10}
        assert shares.divide(connection, "w3", (), lambda _: {}, **given).calls == {}
        assert divide(connection, "w1") == 4
        connection.execute(text("UPDATE gateway.org_share SET lease_until = now() - interval '1 s'"))
        assert divide(connection, "w1") == 8, "the others are dead"
        assert divide(connection, "w1", most=5) == 5


def test_a_share_is_settled_when_nobody_waits_for_another(engine: Engine) -> None:
    with engine.begin() as connection:
        assert divided(connection, "w1", busy=8).settled
        assert not divided(connection, "w2").settled, "four are to come"
        assert not divided(connection, "w1", busy=6).settled, "two are to be given up"
        assert divided(connection, "w1", busy=4).settled and divided(connection, "w2").settled
        assert not divided(connection, "w3").settled
        assert divided(connection, "w1").settled and divided(connection, "w2").settled
        assert divided(connection, "w3") == shares.Shares(calls={ORG: 2}, settled=True), "eight are not nine"


def test_calls_that_begin_while_shares_are_divided_are_counted(engine: Engine) -> None:
    """What is under way is asked for when no more can begin; also of an org for which nothing waits any longer."""
    asked: list[Mapping[str, int]] = []

    def limit(calls: Mapping[str, int]) -> dict[str, int]:
        asked.append(calls)
        return {ORG: 5, OTHER_ORG: 1}

    kept = "SELECT org_id, calls FROM gateway.org_share WHERE worker = 'w1' ORDER BY 1"
    with engine.begin() as connection:
        divide(connection, "w2", most=4)
        given = {"most": 8, "org_concurrency": 8, "lease_seconds": 10.0}
        assert shares.divide(connection, "w1", (ORG,), limit, **given).calls == {ORG: 4}
        assert asked == [{ORG: 4}]
        assert connection.execute(text(kept)).all() == [(ORG, 5), (OTHER_ORG, 1)]


def test_a_pause_grows_and_ends_with_an_answer(engine: Engine) -> None:
    def left(connection: Connection) -> float:
        seconds = connection.execute(text("SELECT extract(epoch FROM paused_until - now()) FROM gateway.org_pause"))
        return float(seconds.scalar_one())

    def over(connection: Connection) -> None:
        connection.execute(text("UPDATE gateway.org_pause SET paused_until = now() - interval '1 s'"))

    limits: dict[str, Any] = {"reason": "REQUEST_LIMIT_EXCEEDED", "first_seconds": 60.0, "most_seconds": 900.0}
    submit(engine, new_job(1))
    with engine.begin() as connection:
        assert shares.pause(connection, ORG, **limits)
        assert not shares.pause(connection, ORG, **limits), "seven others were under way"
        assert left(connection) == 60 and shares.take_probe(connection, "w1", seconds=60) is None
        assert claims.ready(connection) == (claims.Waiting(org_id=ORG, paused=True),)
        over(connection)
        assert claims.ready(connection) == (claims.Waiting(org_id=ORG, paused=True),), "until it has answered"
        assert shares.take_probe(connection, "w1", seconds=60) == ORG
        assert shares.take_probe(connection, "w2", seconds=60) is None
        assert shares.pause(connection, ORG, **limits)
        assert left(connection) == 120
        for expected in (240, 480, 900, 900):
            over(connection)
            assert shares.take_probe(connection, "w1", seconds=60) == ORG
            assert shares.pause(connection, ORG, **limits)
            assert left(connection) == expected
        assert shares.resume(connection, ORG) and not shares.resume(connection, ORG)
        assert claims.ready(connection) == (claims.Waiting(org_id=ORG, paused=False),)
        assert shares.pause(connection, ORG, **limits, at_least_seconds=300)
        assert left(connection) == 300
