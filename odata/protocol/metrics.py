"""Counters and latencies for the log, one line a minute and process, in the form that Heroku's log drains read.

    count#   how many since the line before     measure#  a percentile of this minute     sample#  a level of now

In: each answered request, the shape cache, the database's own counters. Out: a line of text. There is no thread: the
request that finds the minute over writes the line, so a process without requests writes none.
"""

from __future__ import annotations

import logging
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic
from typing import Any, Final

from odata.messages import Request, Response
from odata.pipeline import Trace
from odata.protocol.report import Report
from odata.service import Principal
from odata.shapes import ShapeCache

EVERY_SECONDS: Final = 60.0
MOST_KEPT: Final = 2000
"""Latencies kept for the percentiles; beyond it a fair sample of them."""

LEVELS: Final = ("size", "in_use", "waiting")
"""What the database tells as of now; everything else it tells counts up."""

STATUS_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx", "501")
"""501 is what a client asked for and the service does not do; the other 5xx are faults that somebody should see."""


class Metrics:
    """What happened since the last line. Safe among threads.

    Args: measures: the database's levels and counters. write: takes one line with its end. clock: monotonic seconds.
    """

    def __init__(
        self,
        shapes: ShapeCache[Any],
        measures: Callable[[], Mapping[str, int]],
        *,
        write: Callable[[str], object] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._shapes = shapes
        self._measures = measures
        self._write = write or _printed
        self._clock = clock
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._milliseconds: list[float] = []
        self._bytes: list[float] = []
        self._before: dict[str, int] = {}
        self._due = clock() + EVERY_SECONDS

    def record(self, reply: Response, trace: Trace) -> None:
        """Count one answered request; write the line when the minute is over."""
        with self._lock:
            seen = self._counts["requests"]
            self._counts["requests"] += 1
            self._counts["status.501" if reply.status == 501 else f"status.{reply.status // 100}xx"] += 1
            self._counts["rows"] += _whole(trace.facts.get("rows"))
            _keep(self._milliseconds, trace.stages.get("total", 0.0), seen)
            _keep(self._bytes, _whole(trace.facts.get("bytes")), seen)
            line = self._line() if self._clock() >= self._due else None
        if line is not None:
            self._write(line + "\n")

    def _line(self) -> str:
        """What is known, as one line; begins a new minute."""
        told = dict(self._measures())
        totals = {"shapes.hits": self._shapes.hits, "shapes.misses": self._shapes.misses}
        totals |= {f"database.{name}": told[name] for name in sorted(told) if name not in LEVELS}
        counts = {
            name: self._counts[name] for name in ("requests", *(f"status.{one}" for one in STATUS_CLASSES), "rows")
        }
        counts |= {name: total - self._before.get(name, 0) for name, total in totals.items()}
        levels = {"shapes.entries": len(self._shapes)} | {f"pool.{name}": told.get(name, 0) for name in LEVELS}
        words = [f"process={os.getpid()}", *(f"count#{name}={count}" for name, count in counts.items())]
        for percent in (50, 95):
            words.append(f"measure#request.p{percent}={_percentile(self._milliseconds, percent):.1f}ms")
        words.append(f"measure#answer.p95={_percentile(self._bytes, 95):.0f}bytes")
        words += [f"sample#{name}={level}" for name, level in levels.items()]
        self._counts.clear()
        self._milliseconds.clear()
        self._bytes.clear()
        self._before = totals
        self._due = self._clock() + EVERY_SECONDS
        return " ".join(words)


def metered(report: Report, metrics: Metrics, level: str) -> Report:
    """The report that also counts, when `level` lets information through."""
    if logging.getLevelNamesMapping()[level.upper()] > logging.INFO:
        return report

    def both(asked: Request, principal: Principal | None, reply: Response, trace: Trace, request_id: str) -> None:
        report(asked, principal, reply, trace, request_id)
        metrics.record(reply, trace)

    return both


def _printed(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()  # a line that waits in a buffer is lost when the process is killed


def _whole(fact: object) -> int:
    return fact if isinstance(fact, int) else 0


def _keep(sample: list[float], value: float, seen: int) -> None:
    """Every value of the minute has the same chance to be in the sample (Vitter's algorithm R)."""
    if len(sample) < MOST_KEPT:
        sample.append(value)
    elif (place := random.randrange(seen + 1)) < MOST_KEPT:
        sample[place] = value


def _percentile(sample: list[float], percent: int) -> float:
    """The value that so many percent do not exceed; 0 without any."""
    return sorted(sample)[-(-len(sample) * percent // 100) - 1] if sample else 0.0
