"""Benches: items as shares allow, orgs take turns, nobody waits when it is over."""

from __future__ import annotations

import threading

from applink.benches import Benches
from tests.applink.queued import items

A, B = "00D-A", "00D-B"
PATIENCE = 10.0
"""Seconds for what has to come."""


def taken(benches: Benches, count: int) -> list[str]:
    found = []
    for _ in range(count):
        one = benches.take()
        assert one is not None
        found.append(one[0].org_id)
    return found


def blocked(benches: Benches) -> bool:
    """Whether one more would have to wait."""
    got: list[object] = []
    asks = threading.Event()

    def ask() -> None:
        asks.set()
        got.append(benches.take())

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert asks.wait(PATIENCE)
    thread.join(0.05)
    waits = thread.is_alive()
    benches.close()
    thread.join(PATIENCE)
    return waits and got == [None]


def test_more_items_than_calls_are_in_hand() -> None:
    benches = Benches(8)
    benches.share({A: 2})
    benches.add(items(A, 9))
    assert taken(benches, 6) == [A] * 6
    benches.done(A)
    assert taken(benches, 1) == [A]
    assert blocked(benches)


def test_orgs_take_turns() -> None:
    benches = Benches(8)
    benches.share({A: 8, B: 8})
    benches.add(items(A, 5) + items(B, 5))
    assert sorted(set(taken(benches, 3))) == [A, B]


def test_room_is_twice_the_share_and_refilled_at_the_half() -> None:
    benches = Benches(8)
    benches.share({A: 3, B: 0})
    assert benches.rooms() == {A: 6}
    benches.add(items(A, 6))
    assert benches.rooms() == {}
    taken(benches, 3)
    assert benches.rooms() == {A: 3}


def test_what_has_not_begun_is_taken_back() -> None:
    benches = Benches(8)
    benches.share({A: 1, B: 1})
    benches.add(items(A, 3) + items(B, 2))
    assert len(benches.clear(A)) == 3 and len(benches.clear()) == 2
    benches.close()
    assert benches.take() is None


def test_an_org_is_in_use_while_it_has_items() -> None:
    benches = Benches(8)
    benches.share({A: 1, B: 1})
    assert benches.in_use() == ()
    benches.add(items(A, 1))
    assert benches.in_use() == (A,)
    taken(benches, 1)
    benches.share({})
    assert benches.in_use() == (A,), "in hand"
    benches.done(A)
    assert benches.in_use() == ()
