"""The line of counters and latencies: what it holds, when it is written."""

from __future__ import annotations

import io
import re

import pytest

from odata.messages import Request, Response
from odata.pipeline import Trace
from odata.protocol import metrics
from odata.protocol.metrics import Metrics, metered
from odata.shapes import ShapeCache


class Minute:
    """A clock that stands until it is moved, and the lines that were written."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.told: dict[str, int] = {"size": 6, "in_use": 2, "waiting": 1}
        self.shapes: ShapeCache[str] = ShapeCache(entries=10, total_bytes=1000)
        self.metrics = Metrics(self.shapes, lambda: self.told, write=self.lines.append, clock=lambda: self.now)

    def request(self, *, status: int = 200, ms: float = 1.0, rows: int = 0, size: int = 0) -> None:
        self.metrics.record(Response(status=status), Trace(stages={"total": ms}, facts={"rows": rows, "bytes": size}))

    @property
    def last(self) -> dict[str, str]:
        return dict(word.split("=") for word in self.lines[-1].split())


def test_a_minute_is_one_line_in_the_form_of_heroku() -> None:
    minute = Minute()
    for number in range(1, 101):
        minute.request(status=200 if number > 10 else 404, ms=float(number), rows=2, size=100 * number)
    assert minute.lines == []
    minute.now = 60
    minute.request(status=503, ms=0.5)
    assert len(minute.lines) == 1 and minute.lines[0].endswith("\n") and minute.lines[0].count("\n") == 1
    assert all(re.fullmatch(r"process=\d+|(count|measure|sample)#[a-z0-9._]+=[0-9.]+(ms|bytes)?", word)
               for word in minute.lines[0].split())  # fmt: skip
    assert minute.last.items() >= {
        "count#requests": "101", "count#status.2xx": "90", "count#status.3xx": "0", "count#status.4xx": "10",
        "count#status.5xx": "1", "count#rows": "200", "measure#request.p50": "50.0ms", "measure#request.p95": "95.0ms",
        "measure#answer.p95": "9500bytes", "sample#pool.size": "6", "sample#pool.in_use": "2",
        "sample#pool.waiting": "1",
    }.items()  # fmt: skip


def test_what_is_not_served_is_no_fault() -> None:
    minute = Minute()
    minute.request(status=501)
    minute.now = 60
    minute.request(status=500)
    assert minute.last.items() >= {"count#status.501": "1", "count#status.5xx": "1"}.items()


def test_each_minute_counts_anew_from_what_only_counts_up() -> None:
    minute = Minute()
    minute.shapes.hits, minute.shapes.misses = 7, 3
    minute.told["retries"] = 4
    minute.now = 60
    minute.request()
    assert minute.last.items() >= {
        "count#shapes.hits": "7", "count#shapes.misses": "3", "count#database.retries": "4", "count#requests": "1",
    }.items()  # fmt: skip
    minute.shapes.hits, minute.told["retries"] = 9, 5
    minute.now = 119
    minute.request()
    assert len(minute.lines) == 1
    minute.now = 120
    minute.request()
    assert minute.last.items() >= {
        "count#shapes.hits": "2", "count#shapes.misses": "0", "count#database.retries": "1", "count#requests": "2",
    }.items()  # fmt: skip


def test_a_busy_minute_takes_no_more_memory_and_stays_near_the_truth() -> None:
    minute = Minute()
    for number in range(20_000):
        minute.request(ms=number % 1000)
    assert len(minute.metrics._milliseconds) == metrics.MOST_KEPT
    minute.now = 60
    minute.request()
    assert 450 < float(minute.last["measure#request.p50"].removesuffix("ms")) < 550
    assert 930 < float(minute.last["measure#request.p95"].removesuffix("ms")) < 970


def test_it_stands_behind_the_report_and_keeps_quiet_with_it() -> None:
    minute = Minute()
    reported: list[str] = []

    def report(*said: object) -> None:
        reported.append(str(said[-1]))

    minute.now = 60
    metered(report, minute.metrics, "info")(Request(), None, Response(status=200), Trace(), "a")
    metered(report, minute.metrics, "warning")(Request(), None, Response(status=200), Trace(), "b")
    assert reported == ["a", "b"] and len(minute.lines) == 1


def test_a_line_waits_in_no_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process had not written would be lost."""
    sent = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(sent, write_through=False))
    now = [0.0]
    metrics = Metrics(ShapeCache(entries=1, total_bytes=1), dict, clock=lambda: now[0])
    now[0] = 60.0
    metrics.record(Response(status=200), Trace())
    assert sent.getvalue().endswith(b"\n")
