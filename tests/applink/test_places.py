"""Places: shares are kept, a free place is handed on at once, writes are announced, nobody waits in vain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TypeVar

import pytest

from applink.errors import NoPlace, NotSent
from applink.gate import Announced
from applink.places import Places

T = TypeVar("T")
A, B = "00D-A", "00D-B"
PATIENCE = 10.0
"""Seconds for what has to come; nobody waits so long for what comes at once."""


def soon() -> float:
    return time.monotonic() + PATIENCE


async def takes(places: Places, stack: AsyncExitStack, org_id: str = A) -> None:
    """A call begins and stays."""
    await stack.enter_async_context(places.place(org_id, soon()))


async def no_place(places: Places, org_id: str = A) -> bool:
    """Whether none comes free."""
    try:
        async with places.place(org_id, time.monotonic() + 0.02):
            return False
    except NoPlace:
        return True


async def until(is_so: Callable[[], object]) -> None:
    """Let others run until something is so."""
    ends = soon()
    while not is_so():
        assert time.monotonic() < ends, "it did not come"
        await asyncio.sleep(0.002)


def waiting(places: Places, org_id: str = A) -> int:
    return places._calls[org_id].waiting


def test_an_org_has_no_more_calls_than_its_share() -> None:
    async def run() -> None:
        places = Places(8)
        places.share({A: 3})
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await takes(places, stack)
            assert await no_place(places)
            assert places.limit({A: 2}) == {A: 3}
            places.share({A: 1})
            assert places.limit({A: 1}) == {A: 3}, "what is under way ends as it ends"
        assert places.limit({A: 1}) == {}
        async with AsyncExitStack() as stack:
            await takes(places, stack)
            assert await no_place(places)

    asyncio.run(run())


def test_none_begins_above_a_limit() -> None:
    async def run() -> None:
        places = Places(8)
        places.share({A: 3, B: 3})
        assert places.limit({A: 1}) == {}
        async with AsyncExitStack() as stack:
            await takes(places, stack)
            assert await no_place(places, A) and await no_place(places, B)

    asyncio.run(run())


def test_a_process_has_no_more_calls_than_its_own() -> None:
    async def run() -> None:
        places = Places(3)
        places.share({A: 8, B: 8})
        async with AsyncExitStack() as stack:
            for org_id in (A, B, A):
                await takes(places, stack, org_id)
            assert await no_place(places, B)

    asyncio.run(run())


def test_a_share_ends_unless_it_is_renewed() -> None:
    async def run() -> None:
        places = Places(8)
        places.share({A: 3}, time.monotonic() - 1)
        async with AsyncExitStack() as stack:
            assert await no_place(places)
            waits = asyncio.create_task(takes(places, stack))
            await until(lambda: waiting(places))
            places.share({A: 3}, soon())
            await asyncio.wait_for(waits, PATIENCE / 2)

    asyncio.run(run())


def test_a_place_given_before_a_worker_froze_is_not_used_after_its_share() -> None:
    async def run() -> None:
        places = Places(1)
        async with AsyncExitStack() as stack:
            async with AsyncExitStack() as first:
                places.share({A: 1}, soon())
                await takes(places, first)
                waits = asyncio.create_task(takes(places, stack))
                await until(lambda: waiting(places))
            places._shared_until = time.monotonic()  # the place is given, its user has not run since
            await until(lambda: not places.limit({A: 1}))
            assert not waits.done()
            places.share({A: 1}, soon())
            await asyncio.wait_for(waits, PATIENCE / 2)
        assert places.limit({A: 1}) == {}

    asyncio.run(run())


def test_a_place_given_before_a_pause_is_not_used_in_it() -> None:
    async def run() -> None:
        places = Places(1)
        places.share({A: 1})
        async with AsyncExitStack() as never:
            async with AsyncExitStack() as first:
                await takes(places, first)
                waits = asyncio.create_task(takes(places, never))
                await until(lambda: waiting(places))
            assert places.limit({A: 1}) == {A: 1} and not waits.done(), "given, not used yet"
            places.pause(A)
            with pytest.raises(NoPlace):
                await waits
        assert places.limit({A: 1}) == {}

    asyncio.run(run())


def test_nobody_calls_a_paused_org() -> None:
    async def run() -> None:
        places = Places(8)
        places.share({A: 1, B: 1})
        async with AsyncExitStack() as stack:
            await takes(places, stack)
            waits = asyncio.create_task(takes(places, stack))
            await until(lambda: waiting(places))
            places.pause(A)
            with pytest.raises(NoPlace) as refused:
                await asyncio.wait_for(waits, PATIENCE / 2)
            assert not isinstance(refused.value, NotSent)
            await takes(places, stack, B)
        places.pause(B, every=True)
        async with AsyncExitStack() as stack:
            await takes(places, stack)
            assert await no_place(places, B)

    asyncio.run(run())


def test_a_place_is_handed_on_to_writes_then_to_what_goes_on_then_to_what_begins() -> None:
    async def run() -> None:
        places, order = Places(8), list[str]()
        places.share({A: 1})

        async def call(name: str, announced: Announced | None = None, goes_on: bool = False) -> None:
            async with places.place(A, soon(), announced, goes_on=goes_on):
                order.append(name)

        with ExitStack() as announcing:
            write = announcing.enter_context(places.announced(A, soon()))
            async with AsyncExitStack() as stack:
                await takes(places, stack)
                tasks = [
                    asyncio.create_task(one)
                    for one in (call("begins 1"), call("goes on", None, True), call("begins 2"), call("write", write))
                ]
                await until(lambda: waiting(places) == 4)
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE / 2)
        assert order == ["write", "goes on", "begins 1", "begins 2"]

    asyncio.run(run())


def test_a_place_of_the_process_goes_to_another_org() -> None:
    async def run() -> None:
        places = Places(1)
        places.share({A: 1, B: 1})
        async with AsyncExitStack() as second:
            async with AsyncExitStack() as first:
                await takes(places, first)
                waits = asyncio.create_task(takes(places, second, B))
                await until(lambda: waiting(places, B))
                assert set(places.in_use()) == {A, B}, "so that the worker asks for a share of B"
            await asyncio.wait_for(waits, PATIENCE / 2)

    asyncio.run(run())


def test_who_gives_up_waiting_leaves_nothing_taken() -> None:
    """Whether its place was still to come or had just been given."""

    async def run(*, given: bool) -> None:
        places = Places(1)
        places.share({A: 1})
        async with AsyncExitStack() as stack, AsyncExitStack() as never:
            await takes(places, stack)
            waits = asyncio.create_task(takes(places, never))
            await until(lambda: waiting(places))
            if given:
                await stack.aclose()
                assert places.limit({A: 1}) == {A: 1}
            waits.cancel()
            with suppress(asyncio.CancelledError):
                await waits
        assert places.limit({A: 1}) == {} and places.in_use() == ()

    asyncio.run(run(given=False))
    asyncio.run(run(given=True))


@pytest.mark.parametrize(("share", "most"), [(1, 1), (4, 1), (8, 2), (0, 0)])
def test_a_quarter_of_the_share_is_announced(share: int, most: int) -> None:
    places = Places(8)
    places.share({A: share})
    with ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(places.announced(A, soon()))
        with pytest.raises(NoPlace), places.announced(A, time.monotonic() + 0.02):
            pass
        assert bool(places.in_use()) == bool(most)
    assert places.in_use() == ()


def in_a_thread(ask: Callable[[], T]) -> Callable[[], T]:
    """Begin to ask; the answer, when it is asked for."""
    got: list[T] = []
    thread = threading.Thread(target=lambda: got.append(ask()), daemon=True)
    thread.start()

    def answer() -> T:
        thread.join(PATIENCE / 2)
        return got[0]

    return answer


def announces(places: Places) -> bool:
    try:
        with places.announced(A, soon()):
            return True
    except NoPlace:
        return False


def test_the_next_write_is_announced_when_one_has_its_place() -> None:
    async def run() -> None:
        places = Places(8)
        places.share({A: 1})
        with places.announced(A, soon()) as write:
            answer = in_a_thread(lambda: announces(places))
            await until(lambda: waiting(places))
            async with places.place(A, soon(), write):
                assert await asyncio.to_thread(answer)
        assert places._calls[A].announced == 0

    asyncio.run(run())


@pytest.mark.parametrize("ends", [lambda places: places.pause(A), lambda places: places.close()])
def test_an_announced_write_is_not_sent_any_more(ends: Callable[[Places], None]) -> None:
    async def sends(places: Places, write: Announced) -> None:
        async with places.place(A, soon(), write):
            pass

    async def refused(work: Awaitable[None]) -> bool:
        with suppress(NotSent):
            await asyncio.wait_for(work, PATIENCE / 2)
            return False
        return True

    async def run() -> None:
        places = Places(8)
        places.share({A: 1})
        async with AsyncExitStack() as stack:
            await takes(places, stack)
            with places.announced(A, soon()) as write:
                waits = asyncio.create_task(sends(places, write))
                other = in_a_thread(lambda: announces(places))
                await until(lambda: waiting(places) == 2)
                ends(places)
                assert await refused(waits) and not await asyncio.to_thread(other)
                assert await refused(sends(places, write)), "nor when it comes later"

    asyncio.run(run())


def test_what_is_asked_goes_on_when_it_is_over() -> None:
    async def run() -> None:
        places = Places(8)
        places.share({A: 1})
        places.close()
        async with AsyncExitStack() as stack:
            await takes(places, stack)

    asyncio.run(run())
