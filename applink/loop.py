"""One event loop in a thread of its own, on which everything asynchronous of this process runs.

The SDK's sessions belong to the loop that made them, so there is one, and it starts with the first call: after gunicorn
has forked, never before. A process that was forked with a running one gets another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
GRACE_SECONDS: Final = 1.0
"""What a coroutine may take beyond its deadline to end by itself, with an error that says more than ours."""


class Loop:
    """Runs coroutines for threads that wait. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forget)

    def run(self, coroutine: Coroutine[Any, Any, T], deadline: float) -> T:
        """The coroutine's result. deadline: a monotonic time; the coroutine is cancelled a second after it.

        Raises: what the coroutine raises; TimeoutError when it was cancelled.
        Example: loop.run(fetch(), time.monotonic() + 5)
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result(max(0.0, deadline - time.monotonic()) + GRACE_SECONDS)
        finally:
            future.cancel()

    def is_turning(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether this is the loop of now, and of this process."""
        return loop is self._loop

    def close(self) -> None:
        """End the thread; a later call starts another."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        if not thread.is_alive():
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_turn, args=(self._loop,), name="applink-loop", daemon=True)
                self._thread.start()
            return self._loop

    def _forget(self) -> None:
        """In a forked child: the thread is not here, and the lock may be held for ever."""
        self._lock = threading.Lock()
        if self._loop is not None:
            self._loop.set_exception_handler(_say_nothing)  # of what the parent left open, and still uses
        self._loop = self._thread = None


def _say_nothing(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler."""


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    remaining = asyncio.all_tasks(loop)
    for task in remaining:
        task.cancel()
    with contextlib.suppress(RuntimeError):
        loop.run_until_complete(asyncio.gather(*remaining, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_default_executor())
