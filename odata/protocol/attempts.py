"""Failed logins, counted per credential and source, and per source: guessing gets slow, a proven secret never does."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from odata.errors import TooManyRequests

WINDOW_SECONDS: Final = 60.0
SOURCE_FACTOR: Final = 10
"""One source may fail for this many credentials at once: Salesforce calls for many orgs from few addresses."""
MOST_COUNTED: Final = 10_000


class Attempts:
    """Failures of the last minute, in fixed windows; at most MOST_COUNTED counters, the oldest forgotten first."""

    def __init__(self, failures_per_minute: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._limit = failures_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def check(self, username: str, source: str) -> None:
        """Raises: TooManyRequests with Retry-After when this credential or source failed too often lately."""
        now = self._clock()
        with self._lock:
            for key, limit in self._keys(username, source):
                began, failures = self._counted.get(key, (now, 0))
                if now - began < WINDOW_SECONDS and failures >= limit:
                    left = math.ceil(began + WINDOW_SECONDS - now)
                    raise TooManyRequests(
                        f"More than {limit} failed logins in a minute; try again in {left} s.",
                        headers={"Retry-After": str(left)},
                    )

    def failed(self, username: str, source: str) -> None:
        """Count one failure."""
        now = self._clock()
        with self._lock:
            for key, _ in self._keys(username, source):
                began, failures = self._counted.pop(key, (now, 0))
                if now - began >= WINDOW_SECONDS:
                    began, failures = now, 0
                self._counted[key] = (began, failures + 1)
            while len(self._counted) > MOST_COUNTED:
                self._counted.popitem(last=False)

    def _keys(self, username: str, source: str) -> tuple[tuple[tuple[str, ...], int], ...]:
        return ((username, source), self._limit), ((source,), self._limit * SOURCE_FACTOR)
