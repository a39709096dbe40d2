"""Intents of createQuote over a real database: made once, held by one, fenced, closed and open again."""

from __future__ import annotations

import threading
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from applink import intents, shares
from applink.claims import LeaseLost
from applink.errors import KeyReused
from applink.intents import Intent, NewIntent
from odata.edm.record_ids import widen_record_id
from tests.applink.queued import ORG, OTHER_ORG, USER, claim, new_job, opportunity, submit, write

QUOTE = widen_record_id("0Q0qU0000000001")
WISH = NewIntent(
    org_id=ORG,
    operation="createQuote",
    opportunity_id=opportunity(1),
    idem_key="key",
    request_hash="a" * 64,
    requested_by=USER,
    request_id="r" * 200,
    arguments={"ifDraftExists": "create"},
)


def begin(engine: Engine, wish: NewIntent = WISH) -> tuple[Intent, bool]:
    with engine.begin() as connection:
        return intents.open_or_find(connection, wish)


def take(engine: Engine, intent: Intent, seconds: float = 30.0) -> Intent | None:
    with engine.begin() as connection:
        return intents.take(connection, intent.org_id, intent.id, "web", seconds)


def held(engine: Engine, intent: Intent) -> Intent:
    found = take(engine, intent)
    assert found is not None
    return found


def stale(engine: Engine, most: int = 10) -> list[UUID]:
    with engine.begin() as connection:
        return [one.id for one in intents.stale(connection, "w1", most)]


def age(engine: Engine, intent: Intent, seconds: int = 61) -> None:
    write(engine, "UPDATE gateway.intent SET created_at = created_at - make_interval(secs => :s),"
          " called_at = called_at - make_interval(secs => :s), lease_until = lease_until - make_interval(secs => :s)"
          " WHERE id = :i", i=intent.id, s=seconds)  # fmt: skip


def test_a_key_has_one_intent(engine: Engine) -> None:
    first, new = begin(engine)
    assert new and first.status == "open" and not first.taken and first.arguments == {"ifDraftExists": "create"}
    assert first.gateway_key.startswith("gw-") and len(first.gateway_key) == 35 and len(first.request_id or "") == 120
    assert begin(engine) == (first, False)
    with pytest.raises(KeyReused):
        begin(engine, replace(WISH, request_hash="b" * 64))
    for other in (replace(WISH, org_id=OTHER_ORG), replace(WISH, operation="x"), replace(WISH, idem_key="y")):
        assert begin(engine, other)[1]


def test_one_of_twenty_at_once_holds_it(engine: Engine) -> None:
    found: list[Intent | None] = []
    threads = [threading.Thread(target=lambda: found.append(take(engine, begin(engine)[0]))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12 and sum(one is not None for one in found) == 1


def test_a_settled_intent_keeps_its_answer(engine: Engine) -> None:
    one = held(engine, begin(engine)[0])
    with engine.begin() as connection:
        intents.mark_called(connection, one)
        assert intents.settle(connection, one, {"quoteId": QUOTE, "created": True}, one.quote_id, QUOTE)
        assert not intents.settle(connection, one, {}, uuid4(), None) and not intents.fail(connection, one, "x", "x")
    again, new = begin(engine)
    assert not new and (again.status, again.salesforce_id, again.attempts) == ("settled", QUOTE, 1)
    assert again.answer == {"quoteId": QUOTE, "created": True} and again.quote_id == one.quote_id
    assert take(engine, again) is None


def test_a_late_holder_writes_nothing(engine: Engine) -> None:
    late = held(engine, begin(engine)[0])
    assert take(engine, late) is None
    age(engine, late)
    now = held(engine, late)
    with engine.begin() as connection:
        with pytest.raises(LeaseLost):
            intents.mark_called(connection, late)
        assert not intents.settle(connection, late, {}, late.quote_id, None)
        assert not intents.release(connection, late)
        assert intents.release(connection, now)
    assert take(engine, now) is not None, "released: at once for whoever has the key"


def test_what_is_stale_is_taken_once_and_may_be_closed(engine: Engine) -> None:
    one = held(engine, begin(engine)[0])
    assert stale(engine) == []
    with engine.begin() as connection:
        intents.mark_called(connection, one)
    age(engine, one)
    assert stale(engine) == [one.id] and stale(engine) == []
    age(engine, one)
    with engine.begin() as connection:
        (again,) = intents.stale(connection, "w1", 10)
        assert again.called_at is not None
        assert intents.release(connection, again, sweep_after_seconds=60)
    assert stale(engine) == []
    write(engine, "UPDATE gateway.intent SET next_at = now() WHERE id = :i", i=one.id)
    with engine.begin() as connection:
        (again,) = intents.stale(connection, "w1", 10)
        assert intents.fail(connection, again, intents.NOT_MADE, "The org has no quote of it.")
    assert stale(engine) == []
    opened, new = begin(engine)
    assert not new and opened.status == "open" and opened.called_at is not None
    assert opened.gateway_key == one.gateway_key, "the same key again: never two quotes"


def test_a_refusal_stays_one(engine: Engine) -> None:
    one = held(engine, begin(engine)[0])
    with engine.begin() as connection:
        assert intents.fail(connection, one, "NoLines", "The opportunity has no products.")
    again, _ = begin(engine)
    assert (again.status, again.error_code) == ("failed", "NoLines")


def test_a_call_just_made_is_not_stale(engine: Engine) -> None:
    one = held(engine, begin(engine)[0])
    age(engine, one)
    with engine.begin() as connection:
        intents.mark_called(connection, one)
    assert stale(engine) == []


def test_intents_of_jobs_and_paused_orgs_are_not_swept(engine: Engine) -> None:
    submit(engine, new_job(1))
    (item,) = claim(engine)
    write(engine, "UPDATE gateway.intent SET created_at = created_at - interval '1 h' WHERE id = :i", i=item.item_id)
    assert stale(engine) == []
    one, _ = begin(engine)
    age(engine, one)
    with engine.begin() as connection:
        shares.pause(connection, ORG, reason="x", first_seconds=60, most_seconds=60)
    assert stale(engine) == []
    with engine.begin() as connection:
        shares.resume(connection, ORG)
    assert stale(engine) == [one.id]


def test_what_is_due_longest_is_taken_first(engine: Engine) -> None:
    """Looks in vain, or workers that end over one, let the others pass: newer ones, and of other orgs."""
    vain, ending, newer = (
        begin(engine, replace(WISH, idem_key=f"k{n}", org_id=org_id))[0]
        for n, org_id in enumerate((ORG, ORG, OTHER_ORG), start=1)
    )
    for one, seconds in (vain, 3600), (ending, 3600), (newer, 120):
        age(engine, one, seconds)
    write(engine, "UPDATE gateway.intent SET next_at = now() - interval '1 s' WHERE id = :i", i=vain.id)
    write(engine, "UPDATE gateway.intent SET lease_until = now() - interval '2 s' WHERE id = :i", i=ending.id)
    assert [stale(engine, 1)[0] for _ in range(3)] == [newer.id, ending.id, vain.id]


OTHER = replace(WISH, opportunity_id=opportunity(2), request_hash="b" * 64, arguments={"ifDraftExists": "return"})


def test_a_refused_key_is_free_for_another_request(engine: Engine) -> None:
    one = held(engine, begin(engine)[0])
    with engine.begin() as connection:
        intents.mark_called(connection, one)
        assert intents.fail(connection, one, intents.REFUSED, "422 NoLines The opportunity has no products.")
    other, new = begin(engine, OTHER)
    assert not new and (other.status, other.opportunity_id, other.arguments) == (
        "open", OTHER.opportunity_id, {"ifDraftExists": "return"},
    )  # fmt: skip
    assert (other.called_at, other.attempts, other.error_code) == (None, 0, None)
    assert other.gateway_key != one.gateway_key and other.quote_id != one.quote_id, "nothing of the first is left"
    with pytest.raises(KeyReused):
        begin(engine, WISH)
    held(engine, other)
    with engine.begin() as connection:
        assert not intents.settle(connection, one, {}, one.quote_id, None), "the fence goes on"


def test_a_refused_request_may_be_sent_again(engine: Engine) -> None:
    one = held(engine, begin(engine)[0])
    with engine.begin() as connection:
        assert intents.fail(connection, one, intents.REFUSED, "404 OpportunityNotFound Not there.")
    again, new = begin(engine)
    assert not new and (again.status, again.gateway_key) == ("open", one.gateway_key)


def test_a_key_whose_end_was_looked_up_is_not(engine: Engine) -> None:
    """The org was asked, and what it did came to nothing as far as anybody can see: that is no refusal."""
    one = held(engine, begin(engine)[0])
    with engine.begin() as connection:
        intents.mark_called(connection, one)
        assert intents.fail(connection, one, intents.NOT_MADE, "The org has no quote of it.")
    with pytest.raises(KeyReused):
        begin(engine, OTHER)
    assert begin(engine)[0].gateway_key == one.gateway_key
