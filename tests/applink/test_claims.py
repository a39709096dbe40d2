"""Items of jobs over a real database: claimed by one, fenced, marked before the call, given back as they were."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Engine, text

from applink import claims
from applink.claims import ClaimedItem, LeaseLost
from tests.applink.queued import ORG, OTHER_ORG, claim, end_leases, new_job, refuse, row, state, submit, succeed, write


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


def test_the_mark_of_a_call_waits_for_the_disk(engine: Engine) -> None:
    """Else a crash of the database would forget that the org may have been asked."""
    submit(engine, new_job(1))
    (item,) = claim(engine)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = on"))
        claims.mark_called(connection, item)
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
