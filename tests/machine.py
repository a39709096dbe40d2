"""How fast this machine is just now, beside the one that limits of processor time are meant for.

A shared machine may need four times the processor time for the same work from one hour to the next. Such a limit is
told from a fault only when a known piece of work is timed beside it.
"""

from __future__ import annotations

from statistics import median
from time import thread_time

REFERENCE_SECONDS = 0.012
"""What `_work` takes on two cores of 3 GHz with Python 3.11."""


def times_slower() -> float:
    """By what a limit is to be multiplied: 1 where this machine is as fast as that one, or faster.

    The median of seven samples: single ones differ by three times on a machine that is busy with other things.
    """
    return max(1.0, median(_work() for _ in range(7)) / REFERENCE_SECONDS)


def _work() -> float:
    """Seconds of this thread's processor time for 200,000 additions."""
    started, total = thread_time(), 0
    for number in range(200_000):
        total += number
    return thread_time() - started
