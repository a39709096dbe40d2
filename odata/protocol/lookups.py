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
    """A look-up that runs twice at a time at most, once while the store is in doubt. Safe among threads.

    Args: find: what a name stands for; raises whatever when the store cannot answer.
    """

    def __init__(self, find: Callable[[str], T]) -> None:
        self._find = find
        self._free = threading.BoundedSemaphore(CONCURRENT)
        self._alone = threading.BoundedSemaphore(1)
        self._failed = False
        self._resting_until = float("-inf")

    def __call__(self, name: str) -> T:
        """Raises: Unavailable when the store cannot answer, or two others have been asking for half a second."""
        # While the store is in doubt one thread tries, and nobody waits for it.
        free, patience = (self._alone, 0.0) if self._failed else (self._free, WAIT_SECONDS)
        if monotonic() < self._resting_until or not free.acquire(timeout=patience):
            raise _unavailable()
        try:
            found = self._find(name)
        except Exception as fault:
            self._resting_until = monotonic() + REST_SECONDS
            self._failed = True
            logger.warning("credentials cannot be read: %s", type(fault).__name__)
            raise _unavailable() from fault
        finally:
            free.release()
        self._failed = False
        return found


def _unavailable() -> Unavailable:
    return Unavailable("Credentials cannot be verified at the moment; try again shortly.")
