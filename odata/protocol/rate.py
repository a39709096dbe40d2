"""How often one credential may ask: a bucket of tokens that fills at a steady rate; off when the rate is 0.

In: who asks, proven. Out: nothing, or 429 with Retry-After. One bucket a credential and process; knows no HTTP.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from odata.errors import TooManyRequests

BURST_SECONDS: Final = 2
"""A bucket holds what comes in so many seconds."""
MOST_BUCKETS: Final = 10_000


class RequestRate:
    """requests_per_second: of one credential in this process, 0 for no limit; twice as many may come at once."""

    def __init__(self, requests_per_second: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._rate = requests_per_second
        self._burst = requests_per_second * BURST_SECONDS
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, identity: str) -> None:
        """Count one request. Raises: TooManyRequests with Retry-After in seconds when the bucket is empty."""
        if self._rate == 0:
            return
        now = self._clock()
        with self._lock:
            at, left = self._buckets.pop(identity, (now, float(self._burst)))
            left = min(left + (now - at) * self._rate, float(self._burst))
            allowed = left >= 1
            self._buckets[identity] = (now, left - 1 if allowed else left)
            while len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        if not allowed:
            wait = max(math.ceil((1 - left) / self._rate), 1)
            raise TooManyRequests(
                f"More than REQUESTS_PER_SECOND, which is {self._rate}, for this credential; try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )
