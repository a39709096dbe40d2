"""One run: answers checked, then the stacks by turns, then what has a must of its own (depth, patterns, memory ...).

Absolute figures drift with the machine; only ratios inside one run are compared.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from statistics import median
from timeit import timeit

import psycopg

from bench import targets, workloads
from bench.database import ORG, seeded, tell
from bench.load import Measured, one_by_one, scan, wrk
from bench.stacks import Stack, ids, running
from bench.targets import Verdict
from bench.workloads import Workload
from local.trouble import Trouble
from odata.shapes import ShapeCache, Variant, lift
from odata.url.parts import split

SCANNED_ROWS = 200_000
SCANNED_ROWS_ORM = 30_000
SCAN_TURNS = 10
MIX = ("w1", "w2", "w3", "w5")
TITLES = {name: title for name, (title, _) in workloads.WORKLOADS.items()} | {
    "w9": "$metadata",
    "w10": "scan by pages of 2,000, rows/s",
}


def report(quotes: int, *, only: tuple[str, ...], seconds: float, rounds: int) -> int:
    """Measure, print the table and the verdicts; 0 when every must holds."""
    chosen = [name for name in TITLES if not only or name in only]
    with seeded(quotes) as url, psycopg.connect(url, autocommit=True) as connection, running(url) as stacks:
        made = workloads.make(connection, [name for name in chosen if name in workloads.WORKLOADS])
        for workload in made:
            _check(workload, stacks)
        tell("answers are those of the database; measuring")
        rates: dict[tuple[str, int, str], float] = {}
        costs: dict[tuple[str, int, str], float] = {}
        found: list[Verdict] = []
        for workload in made:
            rates |= _rates(workload, stacks, seconds, rounds, costs)
            if workload.name == "w6":
                found += _memory(stacks["gateway"])
        if "w9" in chosen:
            rates |= _metadata(stacks, seconds, rounds)
        if "w10" in chosen:
            rates |= _scans(stacks, min(SCANNED_ROWS, quotes // 2))
        by_name = {workload.name: workload for workload in made}
        found += [
            *targets.verdicts(rates),
            *_patterns(by_name, stacks["gateway"]),
            *_depth(connection, stacks["gateway"], chosen),
        ]
        found += _crowd(by_name, stacks["gateway"], seconds)
    found += _shape()
    print(f"\nRequests a second; {quotes:,} quotes, two orgs; w10 rows a second.\n")
    print("\n".join(targets.table(rates, TITLES, workloads.STACKS)) + "\n")
    print("Milliseconds of CPU a request, server and database together, at 8 connections (least of the rounds).\n")
    print("\n".join(targets.table(costs, TITLES, workloads.STACKS, digits=2)) + "\n")
    print("\n".join(verdict.line() for verdict in found))
    return 0 if all(verdict.holds for verdict in found) else 1


def _check(workload: Workload, stacks: dict[str, Stack]) -> None:
    """Nobody is timed who answers something else than the database.

    Raises: Trouble naming stack and path.
    """
    for name, stack in stacks.items():
        for path, expected in zip(workload.paths[name], workload.expected, strict=False):
            answered = ids(name, stack.get(path, _headers(workload, name)))
            sorts = name != "postgrest" or workload.ordered
            if len(answered) != len(expected) or (sorts and answered != expected):
                raise Trouble(
                    f"{name} answers {path[:200]} with {answered[:3]}..., the database with {expected[:3]}..."
                )


def _headers(workload: Workload, stack: str) -> dict[str, str]:
    return HEADERS.get((workload.name, stack), {})


HEADERS = {
    ("w4", "postgrest"): {"Prefer": "count=exact"},
    ("w8", "gateway"): {"Prefer": "odata.maxpagesize=100"},
}


def _rates(
    workload: Workload, stacks: dict[str, Stack], seconds: float, rounds: int, costs: dict[tuple[str, int, str], float]
) -> dict[tuple[str, int, str], float]:
    """Requests a second of each stack at 8 connections, of some at 1 as well; they take turns."""
    plan = [(8, name) for name in stacks] + [(1, name) for name in ("gateway", "floor", "raw", "postgrest")]
    measured: dict[tuple[str, int, str], list[float]] = {}
    for _ in range(rounds):
        for connections, name in plan:
            result = wrk(
                stacks[name],
                workload.paths[name],
                connections=connections,
                seconds=seconds,
                headers=_headers(workload, name),
            )
            _require_success(result, workload.name, name, connections)
            measured.setdefault((workload.name, connections, name), []).append(result.per_second)
            if connections == 8:
                key = (workload.name, connections, name)
                costs[key] = min(result.cpu_ms, costs.get(key, float("inf")))
    tell(f"{workload.name} " + ", ".join(f"{name}@{at} {max(rate):,.0f}" for (_, at, name), rate in measured.items()))
    return {key: sum(rates) / len(rates) for key, rates in measured.items()}


def _require_success(result: Measured, workload: str, stack: str, connections: int) -> None:
    """A refusal is quick: figures with one in them are never compared.

    Raises: Trouble.
    """
    if result.errors:
        raise Trouble(f"{workload}, {stack} at {connections} connections: {result.errors} answers are no success")


def _metadata(stacks: dict[str, Stack], seconds: float, rounds: int) -> dict[tuple[str, int, str], float]:
    paths = {"gateway": "/odata/v4/$metadata", "bare": "/bare/w9", "postgrest": "/"}
    measured: dict[tuple[str, int, str], list[float]] = {}
    for _ in range(rounds):
        for connections in (8, 1):
            for name, path in paths.items():
                result = wrk(stacks[name], [path], connections=connections, seconds=seconds)
                _require_success(result, "w9", name, connections)
                measured.setdefault(("w9", connections, name), []).append(result.per_second)
    return {key: sum(rates) / len(rates) for key, rates in measured.items()}


NEXT = re.compile(rb'"@odata\.nextLink":"https?://[^/]+([^"]+)"')
LAST_ID = re.compile(rb'"(?:Id|id)": ?"([0-9a-f-]{36})"')


def _scans(stacks: dict[str, Stack], rows: int) -> dict[tuple[str, int, str], float]:
    """A scan in the order of the key, all properties, the stacks by turns; the ORM stack by offset, over fewer rows."""
    zero = "00000000-0000-0000-0000-000000000000"
    peer = f"/quote?org_id=eq.{ORG}&deleted_at=is.null&order=id&limit=2000&id=gt."
    scans = {
        "gateway": ("/odata/v4/Quotes?$orderby=Id", NEXT, ""),
        "floor": (f"/floor/w10?v0={zero}", LAST_ID, "/floor/w10?v0="),
        "raw": (f"/raw/w10?v0={zero}", LAST_ID, "/raw/w10?v0="),
        "postgrest": (peer + zero, LAST_ID, peer),
    }
    for name, scanned in scans.items():
        scan(stacks[name], *scanned, rows=rows // SCAN_TURNS, rows_a_page=2000)
    seconds = dict.fromkeys(scans, 0.0)
    for _ in range(SCAN_TURNS):
        for name, scanned in scans.items():
            seconds[name] += rows / SCAN_TURNS / scan(stacks[name], *scanned, rows=rows // SCAN_TURNS, rows_a_page=2000)
    rates = {("w10", 1, name): rows / took for name, took in seconds.items()}
    rates["w10", 1, "orm"] = _scan_by_offset(stacks["orm"])
    tell("w10 " + ", ".join(f"{name} {rate:,.0f}" for (_, _, name), rate in rates.items()))
    return rates


def _scan_by_offset(stack: Stack) -> float:
    paths = [f"/quotes?$orderby=id&$top=2000&$skip={skip}" for skip in range(0, SCANNED_ROWS_ORM, 2000)]
    return SCANNED_ROWS_ORM / (sum(one_by_one(stack, paths, rounds=1)) / 1000)


# --- what has a must of its own --------------------------------------------------------------------------------------


def _patterns(made: dict[str, Workload], gateway: Stack) -> Iterator[Verdict]:
    """p99 under 10 times p50, from patterns that match once to those that match every row."""
    for name in ("w7", "w7s"):
        if name in made:
            times = sorted(one_by_one(gateway, made[name].paths["gateway"]))
            p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
            text = f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {times[-1]:.1f} ms; 10 p50 / p99"
            yield Verdict(text=text, ratio=10 * p50 / p99, must=1, holds=p99 < 10 * p50)


def _depth(connection: psycopg.Connection, gateway: Stack, chosen: list[str]) -> Iterator[Verdict]:
    """w8: a page far behind costs what one near the start costs."""
    if "w8" not in chosen:
        return
    row = connection.execute(
        "SELECT count(*) FROM gateway.quote WHERE org_id = %s AND deleted_at IS NULL", (ORG,)
    ).fetchone()
    assert row is not None
    far = min(900_000, row[0] * 19 // 20)
    in_hundreds = HEADERS["w8", "gateway"]
    near_paths, far_paths = (
        [
            "/odata/v4/" + workloads._odata(*workloads.page_at(connection, start + 101 * step).odata)
            for step in range(12)
        ]
        for start in (1000, far)
    )
    near, distant = (
        median(one_by_one(gateway, paths, rounds=3, headers=in_hundreds)) for paths in (near_paths, far_paths)
    )
    text = f"w8: row 1,000 {near:.2f} ms, row {far:,} {distant:.2f} ms; 1.2 near / far"
    yield Verdict(text=text, ratio=1.2 * near / distant, must=1, holds=distant < 1.2 * near)


def _crowd(made: dict[str, Workload], gateway: Stack, seconds: float) -> Iterator[Verdict]:
    """64 connections, mixed, by turns with 8: their throughput, no error, p99 under 25 times p50."""
    if not set(MIX) <= set(made):
        return
    paths = [path for name in MIX for path in made[name].paths["gateway"][:300]]
    random.Random(1).shuffle(paths)
    turns = [
        [wrk(gateway, paths, connections=connections, seconds=2 * seconds) for connections in (8, 64)] for _ in range(3)
    ]
    few, many = zip(*turns, strict=True)
    ratio = sum(one.per_second for one in many) / sum(one.per_second for one in few)
    worst = max(many, key=lambda one: one.p99_ms / one.p50_ms)
    errors = sum(one.errors for one in many)
    yield Verdict(text="64 connections mixed / 8 connections", ratio=ratio, must=0.85, holds=ratio >= 0.85)
    yield Verdict(text="64 connections: errors", ratio=float(errors), must=0, holds=errors == 0)
    text = f"64 connections: p50 {worst.p50_ms:.1f} ms, p99 {worst.p99_ms:.1f} ms; 25 p50 / p99"
    yield Verdict(text=text, ratio=25 * worst.p50_ms / worst.p99_ms, must=1, holds=worst.p99_ms < 25 * worst.p50_ms)


def _memory(gateway: Stack) -> Iterator[Verdict]:
    megabytes = gateway.worker_bytes() / 1e6
    yield Verdict(
        text=f"a worker after pages of 2,000: {megabytes:.0f} MB; 150 / that",
        ratio=150 / megabytes,
        must=1,
        holds=megabytes < 150,
    )


def _shape() -> Iterator[Verdict]:
    """What a URL shape seen before costs before its statement runs: literals lifted, plan found."""
    query = (
        f"$filter=Status eq 'Draft' and GrandTotal gt 100.5&$orderby=CreatedAt desc&$top=25&$select={workloads.SELECT}"
    )
    cache: ShapeCache[str] = ShapeCache(entries=100, total_bytes=1_000_000)
    lifted = lift(split("Quotes", query, plus_is_space=True))
    cache.keep(lifted.key, Variant("plan", (), ()), 100)
    parts = split("Quotes", query, plus_is_space=True)

    def again() -> None:
        found = lift(parts)
        cache.find(found.key, found.texts)

    took = min(timeit(again, number=2000) for _ in range(3)) / 2000 * 1000
    yield Verdict(
        text=f"a shape seen before: lift and find {took:.4f} ms; 0.05 / that",
        ratio=0.05 / took,
        must=1,
        holds=took < 0.05,
    )
