"""Benches: shares are kept, orgs take turns, chores go first, nobody waits when it is over."""

from __future__ import annotations

import threading
from uuid import uuid4

from applink.benches import Benches
from applink.claims import ClaimedItem

A, B = "00D-A", "00D-B"


def items(org_id: str, count: int) -> list[ClaimedItem]:
    return [
        ClaimedItem(
            org_id=org_id, job_id=uuid4(), item_id=uuid4(), sequence=n, opportunity_id="006", lease_no=1, attempts=0,
            intent_id=uuid4(), gateway_key="gw", quote_id=uuid4(), requested_by=None, request_id=None,
            if_draft_exists="create", type="createQuotes", authorization_name=None, called_before=False,
            cancelled=False, error_code=None, error_message=None,
        )
        for n in range(count)
    ]  # fmt: skip


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
    thread = threading.Thread(target=lambda: got.append(benches.take()), daemon=True)
    thread.start()
    thread.join(0.05)
    waits = thread.is_alive()
    benches.close()
    thread.join(1)
    return waits


def test_an_org_has_no_more_than_its_share() -> None:
    benches = Benches(8)
    benches.share({A: 2})
    benches.add(items(A, 5))
    assert taken(benches, 2) == [A, A]
    assert benches.under_way() == {A: 2}
    benches.leave(A)
    assert taken(benches, 1) == [A]
    assert blocked(benches)


def test_a_process_has_no_more_than_its_own() -> None:
    benches = Benches(3)
    benches.share({A: 8, B: 8})
    benches.add(items(A, 5) + items(B, 5))
    assert sorted(set(taken(benches, 3))) == [A, B], "orgs take turns"
    assert blocked(benches)


def test_a_share_that_shrinks_lets_calls_end() -> None:
    benches = Benches(8)
    benches.share({A: 3})
    benches.add(items(A, 9))
    taken(benches, 3)
    benches.share({A: 1})
    assert benches.under_way() == {A: 3}
    benches.leave(A)
    benches.leave(A)
    assert blocked(benches)


def test_room_is_twice_the_share_and_refilled_at_the_half() -> None:
    benches = Benches(8)
    benches.share({A: 3, B: 0})
    assert benches.rooms() == {A: 6}
    benches.add(items(A, 6))
    assert benches.rooms() == {}
    taken(benches, 3)
    assert benches.rooms() == {A: 3}


def test_a_chore_comes_before_the_next_item() -> None:
    benches = Benches(8)
    benches.share({A: 1})
    benches.add(items(A, 2))
    taken(benches, 1)
    order: list[str] = []
    held = threading.Event()

    def chore() -> None:
        held.set()
        with benches.place(A, 5) as free:
            assert free
            order.append("chore")

    def item() -> None:
        benches.take()
        order.append("item")

    threads = [threading.Thread(target=chore), threading.Thread(target=item)]
    threads[0].start()
    held.wait()
    threads[0].join(0.05)
    threads[1].start()
    threads[1].join(0.05)
    assert order == []
    benches.leave(A)
    for thread in threads:
        thread.join(1)
    assert order == ["chore", "item"]


def test_no_place_in_time_is_said() -> None:
    benches = Benches(8)
    with benches.place(A, 0.02) as free:
        assert not free
    assert benches.under_way() == {}


def test_what_has_not_begun_is_taken_back() -> None:
    benches = Benches(8)
    benches.share({A: 1, B: 1})
    benches.add(items(A, 3) + items(B, 2))
    assert len(benches.clear(A)) == 3 and len(benches.clear()) == 2
    benches.close()
    assert benches.take() is None
