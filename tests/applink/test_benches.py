"""Benches: shares are kept, orgs take turns, a free place is taken at once, nobody waits when it is over."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from uuid import uuid4

from applink.benches import Benches
from applink.claims import ClaimedItem

A, B = "00D-A", "00D-B"
PATIENCE = 10.0
"""Seconds for what has to come; nobody waits so long for what comes at once."""


def items(org_id: str, count: int) -> list[ClaimedItem]:
    return [
        ClaimedItem(
            org_id=org_id, job_id=uuid4(), item_id=uuid4(), sequence=n, opportunity_id="006", lease_no=1, attempts=0,
            leases_lost=0, intent_id=uuid4(), gateway_key="gw", quote_id=uuid4(), requested_by=None, request_id=None,
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


def until(is_so: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.005)


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


def place(benches: Benches, stack: contextlib.ExitStack, org_id: str = A) -> bool:
    """A place that is free, or refused at once."""
    return stack.enter_context(benches.place(org_id, time.monotonic() + PATIENCE))


def no_place(benches: Benches, org_id: str = A) -> bool:
    """Whether none comes free."""
    with benches.place(org_id, time.monotonic() + 0.02) as free:
        return not free


def test_an_org_has_no_more_calls_than_its_share() -> None:
    benches = Benches(8)
    benches.share({A: 3})
    with contextlib.ExitStack() as stack:
        assert all(place(benches, stack) for _ in range(3)) and no_place(benches)
        assert benches.under_way() == {A: 3}
        benches.share({A: 1})
        assert benches.under_way() == {A: 3}, "what is under way ends as it ends"
    assert benches.under_way() == {}
    with contextlib.ExitStack() as stack:
        assert place(benches, stack) and no_place(benches)


def test_a_process_has_no_more_calls_than_its_own() -> None:
    benches = Benches(3)
    benches.share({A: 8, B: 8})
    with contextlib.ExitStack() as stack:
        assert all(place(benches, stack, org_id) for org_id in (A, B, A)) and no_place(benches, B)


def test_a_share_ends_unless_it_is_renewed() -> None:
    benches = Benches(8)
    benches.share({A: 3}, time.monotonic() - 1)
    with contextlib.ExitStack() as stack:
        assert no_place(benches)
        benches.share({A: 3}, time.monotonic() + PATIENCE)
        assert place(benches, stack)


def test_nobody_calls_a_paused_org() -> None:
    benches = Benches(8)
    benches.share({A: 3, B: 3})
    benches.pause(A)
    with contextlib.ExitStack() as stack:
        assert [place(benches, stack, org_id) for org_id in (A, B)] == [False, True]
        benches.pause(B, every=True)
        assert [place(benches, stack, org_id) for org_id in (A, B)] == [True, False]


def test_a_place_that_comes_free_is_taken_at_once() -> None:
    benches = Benches(2)
    benches.share({A: 2, B: 2})
    got: list[bool] = []

    def wait() -> None:
        with benches.place(B, time.monotonic() + PATIENCE) as free:
            got.append(free)

    with contextlib.ExitStack() as stack:
        assert place(benches, stack) and place(benches, stack)
        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: B in benches.under_way())
        assert got == []
    thread.join(PATIENCE / 2)
    assert got == [True], "at once: it would have given up much later"


def test_an_org_that_is_waited_for_is_under_way() -> None:
    benches = Benches(2)
    thread = threading.Thread(target=lambda: benches.place(A, time.monotonic() + PATIENCE).__enter__())
    thread.start()
    until(benches.under_way)
    assert benches.under_way() == {A: 0}, "so that the worker asks for a share"
    benches.share({A: 1})
    thread.join(PATIENCE / 2)
    assert not thread.is_alive()


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
