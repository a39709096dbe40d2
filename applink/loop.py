"""One event loop in a thread of its own, on which everything asynchronous of this process runs.

The SDK's sessions belong to the loop that made them, so there is one, and it starts with the first call: after gunicorn
has forked, never before. A process that forks ends it first, since its sockets and its selector would be the child's as
well; both start another with their next call.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, Final, TypeVar

T = TypeVar("T")
GRACE_SECONDS: Final = 1.0
"""What a coroutine may take beyond its deadline to end by itself, with an error that says more than ours."""
ENDING_SECONDS: Final = 5.0


class Loop:
    """Runs coroutines for threads that wait. Thread-safe. at_end: runs on the loop before it ends; closes sessions."""

    def __init__(self, at_end: Callable[[], Awaitable[None]] | None = None) -> None:
        self._at_end = at_end
        self._lock = threading.Lock()
        self._turning: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
        _end_before_forks(self)

    def run(self, coroutine: Coroutine[Any, Any, T], deadline: float) -> T:
        """The coroutine's result. deadline: a monotonic time; the coroutine is cancelled a second after it.

        Raises: what the coroutine raises; TimeoutError when it was cancelled.
        Example: loop.run(fetch(), time.monotonic() + 5)
        """
        with self._lock:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result(max(0.0, deadline - time.monotonic()) + GRACE_SECONDS)
        except CancelledError:
            pass
        finally:
            future.cancel()
        raise TimeoutError("the loop has ended")

    def close(self) -> None:
        """End the thread, and what runs on it; a later call starts another."""
        with self._lock:
            turning, self._turning = self._turning, None
            if turning is None:
                return
            loop, thread = turning
            loop.call_soon_threadsafe(loop.stop)
            thread.join(ENDING_SECONDS)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._turning is None:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=self._turn, args=(loop,), name="applink-loop", daemon=True)
            self._turning = loop, thread
            thread.start()
        return self._turning[0]

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        loop.run_until_complete(self._end())
        loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._at_end is not None:
            await self._at_end()


def _end_before_forks(loop: Loop) -> None:
    """Close it in whatever forks, for as long as somebody uses it."""
    known = weakref.ref(loop)

    def end() -> None:
        found = known()
        if found is not None:
            found.close()

    def begin() -> None:
        found = known()
        if found is not None:
            found._lock, found._turning = threading.Lock(), None  # another thread may have held or started it since

    os.register_at_fork(before=end, after_in_child=begin)
