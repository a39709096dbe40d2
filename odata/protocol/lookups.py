"""Look-ups of credentials, few at a time: callers that nobody knows yet cause them, and must not take what reads need.

In: a username. Out: what the store says, or Unavailable at once when the store is away or busy with others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import Final, Generic, TypeVar

from odata.errors import Unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)

CONCURRENT: Final = 2
WAIT_SECONDS: Final = 0.5
REST_SECONDS: Final = 1.0
"""After a look-up that failed nobody tries for so long: each would hold a thread until its time is over, too."""


class LookUps(Generic[T]):
    """A look-up that runs twice at a time at most. Safe among threads.

    Args: find: what a name stands for; raises whatever when the store cannot answer.
    """

    def __init__(self, find: Callable[[str], T]) -> None:
        self._find = find
        self._free = threading.BoundedSemaphore(CONCURRENT)
        self._resting_until = float("-inf")

    def __call__(self, name: str) -> T:
        """Raises: Unavailable when the store cannot answer, or two others have been asking for half a second."""
        if monotonic() < self._resting_until or not self._free.acquire(timeout=WAIT_SECONDS):
            raise _unavailable()
        try:
            return self._find(name)
        except Exception as fault:
            self._resting_until = monotonic() + REST_SECONDS
            logger.warning("credentials cannot be read: %s", type(fault).__name__)
            raise _unavailable() from fault
        finally:
            self._free.release()


def _unavailable() -> Unavailable:
    return Unavailable("Credentials cannot be verified at the moment; try again shortly.")
