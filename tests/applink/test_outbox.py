"""The outbox over a real database: owed from the submission, due at the end, held by one, until the deadline."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from applink import jobs, outbox, shares
from applink.outbox import Owed
from tests.applink.queued import ORG, claim, new_job, refuse, row, state, submit, succeed, write


def due(engine: Engine, worker: str = "w1") -> list[Owed]:
    with engine.begin() as connection:
        return list(outbox.claim(connection, worker, 10))


def ended(engine: Engine, **changes: Any) -> UUID:
    job_id = submit(engine, new_job(1, **changes)).job_id
    for item in claim(engine):
        assert succeed(engine, item)
    return job_id


def now(engine: Engine, job_id: UUID) -> None:
    write(engine, "UPDATE gateway.job SET next_at = now(), lease_until = NULL WHERE id = :i", i=job_id)


def test_a_callback_is_due_when_its_job_has_ended(engine: Engine) -> None:
    job_id = submit(engine, new_job(1)).job_id
    assert state(engine, job_id).callback_status == "due" and due(engine) == []
    assert succeed(engine, claim(engine)[0])
    (owed,) = due(engine)
    assert (owed.job_id, owed.attempts) == (job_id, 0) and 3500 < owed.seconds_left <= 3600
    assert due(engine, "w2") == [], "w1 has it"
    with engine.begin() as connection:
        assert outbox.delivered(connection, owed)
        assert not outbox.delivered(connection, owed)
    assert row(engine, "job", job_id).callback_url is None
    assert (state(engine, job_id).callback_status, due(engine)) == ("delivered", [])


def test_cancelled_and_failed_jobs_are_told_of_as_well(engine: Engine) -> None:
    job_id = submit(engine, new_job(1)).job_id
    with engine.begin() as connection:
        jobs.cancel(connection, ORG, job_id)
    assert [owed.job_id for owed in due(engine)] == [job_id]


def test_nothing_is_owed_where_nothing_was_asked(engine: Engine) -> None:
    job_id = ended(engine, callback_url=None)
    assert (state(engine, job_id).callback_status, due(engine)) == ("none", [])


def test_an_event_is_owed_without_a_callback(engine: Engine) -> None:
    job_id = ended(engine, callback_url=None, event=True)
    (owed,) = due(engine)
    assert owed.callback_url is None and 86_000 < owed.seconds_left <= 86_400
    assert outbox.event_fields(state(engine, job_id)) == {
        "JobId__c": str(job_id), "Status__c": "completed", "QuoteCount__c": 1, "ErrorCount__c": 0,
        "RequestedBy__c": new_job().requested_by,
    }  # fmt: skip


def test_what_fails_is_tried_later_and_not_after_the_deadline(engine: Engine) -> None:
    job_id = ended(engine, callback_deadline_seconds=100)
    (owed,) = due(engine)
    with engine.begin() as connection:
        assert outbox.later(connection, owed, 300.0, "The org answered 500.")
    stored = row(engine, "job", job_id)
    assert (stored.next_at - stored.callback_deadline).total_seconds() <= 0.5
    assert (stored.attempts, stored.callback_error, due(engine)) == (1, "The org answered 500.", [])
    now(engine, job_id)
    assert due(engine)[0].attempts == 1
    write(engine, "UPDATE gateway.job SET callback_deadline = now() - interval '1 s' WHERE id = :i", i=job_id)
    now(engine, job_id)
    assert due(engine)[0].seconds_left < 0


def test_a_closed_window_owes_an_event(engine: Engine) -> None:
    job_id = ended(engine)
    (late,) = due(engine)
    write(engine, "UPDATE gateway.job SET lease_until = now() - interval '1 s' WHERE id = :i", i=job_id)
    (owed,) = due(engine, "w2")
    with engine.begin() as connection:
        assert not outbox.event_instead(connection, late, "404")
        assert not outbox.later(connection, late, 1, "late") and not outbox.expired(connection, late, "late")
        assert outbox.event_instead(connection, owed, "The org knows no such callback (404).")
    (event,) = due(engine)
    assert event.callback_url is None and event.attempts == 0
    with engine.begin() as connection:
        assert outbox.published(connection, event)
    stored = row(engine, "job", job_id)
    assert (stored.callback_status, stored.callback_error) == (
        "event_published", "The org knows no such callback (404).",
    )  # fmt: skip


def test_a_paused_org_is_told_nothing(engine: Engine) -> None:
    job_id = ended(engine)
    with engine.begin() as connection:
        shares.pause(connection, ORG, reason="x", first_seconds=60, most_seconds=60)
    assert due(engine) == []
    with engine.begin() as connection:
        shares.resume(connection, ORG)
    assert [owed.job_id for owed in due(engine)] == [job_id]


def test_a_retried_job_tells_of_its_second_end_by_event(engine: Engine) -> None:
    job_id = submit(engine, new_job(1)).job_id
    with engine.begin() as connection:
        from applink import claims

        (item,) = claims.claim(connection, "w1", {ORG: 1})
        claims.finish_item(connection, item, error=("NoLines", "none"))
    (owed,) = due(engine)
    with engine.begin() as connection:
        assert outbox.delivered(connection, owed)
        jobs.retry(connection, ORG, job_id)
    assert due(engine) == []
    assert succeed(engine, claim(engine)[0])
    (event,) = due(engine)
    assert event.callback_url is None


def failed(engine: Engine) -> UUID:
    job_id = submit(engine, new_job(1)).job_id
    (item,) = claim(engine)
    assert refuse(engine, item)
    return job_id


def test_a_retry_during_a_delivery_owes_the_callback_for_the_second_end(engine: Engine) -> None:
    job_id = failed(engine)
    (owed,) = due(engine)
    with engine.begin() as connection:
        jobs.retry(connection, ORG, job_id)
    with engine.begin() as connection:
        assert not outbox.delivered(connection, owed) and not outbox.later(connection, owed, 1.0, "500")
    stored = row(engine, "job", job_id)
    assert (stored.lease_until, stored.locked_by, due(engine)) == (None, None, [])
    assert succeed(engine, claim(engine)[0])
    (again,) = due(engine)
    assert again.callback_url == owed.callback_url and again.lease_no > owed.lease_no


def days_ago(engine: Engine, job_id: UUID) -> None:
    """As if the job had been asked for, and had ended, three days before."""
    write(engine, "UPDATE gateway.job SET finished_at = finished_at - interval '3 days',"
          " callback_deadline = callback_deadline - interval '3 days' WHERE id = :i", i=job_id)  # fmt: skip


def test_what_is_resent_days_later_has_a_day_again(engine: Engine) -> None:
    job_id = ended(engine, callback_url=None, event=True)
    days_ago(engine, job_id)
    (owed,) = due(engine)
    assert owed.seconds_left < 0
    with engine.begin() as connection:
        assert outbox.expired(connection, owed, "No event could be published for a day.")
        assert outbox.resend(connection, ORG, job_id)
    (again,) = due(engine)
    assert 86_000 < again.seconds_left <= 86_400


def test_an_event_instead_of_a_callback_has_a_day_from_then_on(engine: Engine) -> None:
    """No worker ran for days; or an operator resends a callback whose deadline has passed."""
    job_id = ended(engine)
    days_ago(engine, job_id)
    with engine.begin() as connection:
        assert outbox.resend(connection, ORG, job_id)
    (owed,) = due(engine)
    assert owed.callback_url is not None and owed.seconds_left < 0, "the org waits no longer"
    with engine.begin() as connection:
        assert outbox.event_instead(connection, owed, "The callback's deadline has passed.")
    (event,) = due(engine)
    assert event.callback_url is None and 86_000 < event.seconds_left <= 86_400
