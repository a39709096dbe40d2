"""Jobs over a real database: submitted once, counted exactly, ended, retried, pruned, each org's own."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from applink import jobs
from applink.errors import JobNotFinished, JobNotFound, KeyReused, TooManyJobs
from applink.jobs import Submitted
from odata.edm.record_ids import widen_record_id
from tests.applink.queued import ORG, OTHER_ORG, claim, new_job, opportunity, refuse, row, state, submit, succeed, write


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


def test_progress_moves_and_the_last_item_ends_the_job(engine: Engine) -> None:
    job_id = submit(engine, new_job(3)).job_id
    items = claim(engine)
    assert succeed(engine, items[0], 1)
    assert (state(engine, job_id).status, state(engine, job_id).progress) == ("running", Decimal("33.33"))
    assert refuse(engine, items[1])
    assert state(engine, job_id).progress == Decimal("66.67")
    assert succeed(engine, items[2], 3)
    done = state(engine, job_id)
    assert (done.status, done.progress, done.quote_count, done.error_count) == (
        "completed_with_errors",
        Decimal(100),
        2,
        1,
    )
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
