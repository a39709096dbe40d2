"""Counts by name that many threads change: what a worker has done, and how often an org has failed in a row.

`counter[name] += 1` is a look and a change, and another thread may come between; here both are one.
"""

from __future__ import annotations

import threading
from collections import Counter


class Tally:
    """Thread-safe; a name that was never counted is 0."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> int:
        """One more; the count with it: of several threads each gets another number."""
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def forget(self, name: str) -> None:
        """From 0 again."""
        with self._lock:
            self._counts.pop(name, None)

    def items(self) -> tuple[tuple[str, int], ...]:
        """All counts of one moment."""
        with self._lock:
            return tuple(self._counts.items())

    def __getitem__(self, name: str) -> int:
        with self._lock:
            return self._counts[name]
