"""Jobs and operations over the simulated org, 20 ms a call: throughput, use of the cap, createQuote, reads by a job.

Everything runs as in production, each part a process: gunicorn, `gateway worker`, PostgreSQL that waits for its disk,
and the org. A figure is the best of the rounds, since whatever else the machine does only adds to it; beside it stands
the CPU that each part spent, which is steadier.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import psycopg

from bench import place, stacks, steady, workloads
from bench.database import tell
from bench.place import Place
from bench.stacks import Stack
from bench.steady import Reads
from bench.targets import Verdict
from local.trouble import Trouble
from simulator.caller import Reply

USER = "worker@acme.example"
"""Calls the operations, too: this user sees every opportunity."""
OPPORTUNITIES = 400
WARM_UP = 40
CALLS = 100
READS = ("w1", "w2", "w3", "w5")
READS_A_SECOND = 100.0
IDLE_SECONDS = 15.0
LARGE_JOB = 2_000
LONGEST_JOB_SECONDS = 600.0
CAP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to run a job. cap: ORG_CONCURRENCY; must: opportunities a second, or None."""

    name: str
    title: str
    workers: int
    cap: int
    must: float | None = None


CASES = (
    Case(name="one", title="one worker, cap lifted", workers=1, cap=100, must=40),
    Case(name="two", title="two workers, cap lifted", workers=2, cap=100, must=75),
    Case(name="cap", title=f"one worker, cap {CAP}", workers=1, cap=CAP),
    Case(name="cap2", title=f"two workers, cap {CAP}", workers=2, cap=CAP),
)
LEAST_USE = 0.85
MOST_OF_CREATE_QUOTE_MS = 15.0
MOST_SLOWER = 2.0
ALL = (*(case.name for case in CASES), "create", "reads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What became of a job. under_way: calls at the org, mean and most; cpu: milliseconds an opportunity, by part."""

    per_second: float
    under_way: float
    most: int
    cpu: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """createQuote in milliseconds, medians: of the call, the org's part, the rest; the least rest; CPU by part."""

    wall: float
    org: float
    own: float
    least: float
    cpu: dict[str, float]

    def line(self) -> str:
        """All of it in words."""
        return (
            f"createQuote, p50 of {CALLS} calls: {self.wall:.1f} ms, the org's part {self.org:.1f}, the rest "
            f"{self.own:.1f} (least {self.least:.1f}); {_parts(self.cpu)}"
        )


def report(quotes: int, *, only: tuple[str, ...], rounds: int) -> int:
    """Measure, print tables and verdicts; 0 when every must holds. only: names of CASES, create, reads."""
    chosen = only or ALL
    if unknown := set(chosen) - set(ALL):
        raise Trouble(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    load = os.getloadavg()[0]
    found: list[Verdict] = []
    lines: list[str] = []
    with place.serving(quotes) as here:
        jobs = _jobs(here, [case for case in CASES if case.name in chosen], rounds)
        if jobs:
            lines += ["", *_job_table(jobs)]
            found += _job_verdicts(jobs)
        if "create" in chosen:
            made = min((_create_quote(here) for _ in range(rounds)), key=lambda one: one.own)
            lines += ["", made.line()]
            found.append(_at_most("createQuote beside the org's time, ms", made.own, MOST_OF_CREATE_QUOTE_MS))
        if "reads" in chosen:
            idle, busy, job = _reads(here)
            lines += ["", *_read_table(idle, busy, job)]
            found += _read_verdicts(idle, busy)
    print(f"\n{_machine()}; load average {load:.1f} before the run; {place.DELAY_MS:g} ms a call; {quotes:,} quotes.")
    print("\n".join(lines) + "\n")
    print("\n".join(verdict.line() for verdict in found))
    return 0 if all(verdict.holds for verdict in found) else 1


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} cores ({model})"


def _jobs(here: Place, cases: list[Case], rounds: int) -> dict[Case, Job]:
    """The best round of each; they take turns."""
    measured: dict[Case, list[Job]] = defaultdict(list)
    for _, case in itertools.product(range(rounds), cases):
        # An org refuses a user's 11th query at a time: what the cap is there for.
        here.simulator.settings(concurrent_queries=10 if case.cap == CAP else None)
        with here.workers(case.workers, ORG_CONCURRENCY=str(case.cap)) as workers:
            _job(here, workers, WARM_UP)
            job = _job(here, workers, OPPORTUNITIES)
        measured[case].append(job)
        tell(f"{case.title}: {job.per_second:.1f}/s, {job.under_way:.2f} calls under way, {_parts(job.cpu)}")
    return {case: max(jobs, key=lambda one: one.per_second) for case, jobs in measured.items()}


def _job(here: Place, workers: list[psutil.Process], count: int) -> Job:
    here.simulator.forget_requests()
    before = here.cpu_seconds(workers)
    job_id = _submitted(here, count)
    last = max((one["number"] for one in here.simulator.requests()), default=0)
    while not (row := _ended(here, job_id)):
        time.sleep(0.1)
    after = here.cpu_seconds(workers)
    if row != (count, 0):
        raise Trouble(f"a job of {count} ended with quotes and failures {row}")
    (seconds,) = here.row(
        "SELECT extract(epoch FROM finished_at - created_at)::float FROM gateway.job WHERE id = %(id)s", id=job_id
    )
    assert isinstance(seconds, float)
    return Job(
        per_second=count / seconds,
        under_way=here.simulator.mean_under_way(USER, since=last),
        most=here.simulator.most_under_way()["calls"][USER],
        cpu={name: (after[name] - before[name]) * 1000 / count for name in after},
    )


def _submitted(here: Place, count: int) -> str:
    """The id of a new job, stored."""
    ids = here.simulator.opportunities(count)
    reply = here.apex.invoke("createQuotes", {"opportunityIds": ids}, user=USER, through="direct")
    if reply.status != 201:
        raise Trouble(f"createQuotes answers {reply.status}: {reply.answer.body[:300]!r}")
    return str(reply.body["jobId"])


def _ended(here: Place, job_id: str) -> tuple[object, ...] | None:
    """Quotes and failures of a job that has ended."""
    statement = "SELECT finished_at IS NOT NULL, quote_count, error_count FROM gateway.job WHERE id = %(id)s"
    ended, *counts = here.row(statement, id=job_id)
    return tuple(counts) if ended else None


def _create_quote(here: Place) -> Created:
    ids = here.simulator.opportunities(WARM_UP + CALLS)
    for one in ids[:WARM_UP]:
        _one_quote(here, one)
    here.simulator.forget_requests()
    before = here.cpu_seconds([])
    replies = [_one_quote(here, one) for one in ids[WARM_UP:]]
    after = here.cpu_seconds([])
    held: dict[str, float] = defaultdict(float)
    for call in here.simulator.requests():
        held[call["request_id"]] += call["ms"]
    pairs = [(reply.seconds * 1000, held[reply.invocation.request_id]) for reply in replies]
    if min(org for _, org in pairs) < 2 * place.DELAY_MS:
        raise Trouble("the org knows of no calls for a createQuote")
    created = Created(
        wall=median(wall for wall, _ in pairs),
        org=median(org for _, org in pairs),
        own=median(wall - org for wall, org in pairs),
        least=min(wall - org for wall, org in pairs),
        cpu={name: (after[name] - before[name]) * 1000 / CALLS for name in after if name != "workers"},
    )
    tell(created.line())
    return created


def _one_quote(here: Place, opportunity_id: str) -> Reply:
    """createQuote as the mesh would pass it on."""
    reply = here.apex.invoke("createQuote", {"opportunityId": opportunity_id}, user=USER, through="direct")
    if reply.status != 200:
        raise Trouble(f"createQuote answers {reply.status}: {reply.answer.body[:300]!r}")
    return reply


def _reads(here: Place) -> tuple[Reads, Reads, Job]:
    """Reads while nothing else is done, before and after; and reads beside a large job."""
    here.simulator.settings(concurrent_queries=10)
    stack = Stack(
        name="gateway",
        url=here.gateway.url,
        process=psutil.Process(here.gateway.process.pid),
        headers=stacks.login("bench"),
    )
    with psycopg.connect(here.database_url, autocommit=True) as connection:
        paths = [path for made in workloads.make(connection, READS) for path in made.paths["gateway"]]
    random.Random(1).shuffle(paths)
    idle: list[Reads] = []

    def rest(seconds: float) -> Reads:
        return steady.offer(stack, paths, rate=READS_A_SECOND, until=lambda passed: passed >= seconds)

    with here.workers(1) as workers:
        _job(here, workers, WARM_UP)
        rest(3.0)
        idle.append(rest(IDLE_SECONDS))
        busy, job = _beside_a_job(here, stack, paths, workers)
        idle.append(rest(IDLE_SECONDS))
    both = Reads(
        milliseconds=tuple(itertools.chain.from_iterable(one.milliseconds for one in idle)),
        errors=sum(one.errors for one in idle),
    )
    return both, busy, job


def _beside_a_job(here: Place, stack: Stack, paths: list[str], workers: list[psutil.Process]) -> tuple[Reads, Job]:
    """Reads from the moment the job is stored until its end."""
    here.simulator.forget_requests()
    before = here.cpu_seconds(workers)
    job_id = _submitted(here, LARGE_JOB)
    begun, looked = time.monotonic(), 0.0

    def over(passed: float) -> bool:
        nonlocal looked
        if passed - looked < 1.0:
            return False
        looked = passed
        return _ended(here, job_id) is not None or passed > LONGEST_JOB_SECONDS

    reads = steady.offer(stack, paths, rate=READS_A_SECOND, until=over)
    seconds, after = time.monotonic() - begun, here.cpu_seconds(workers)
    if _ended(here, job_id) != (LARGE_JOB, 0):
        raise Trouble(f"the large job did not end with {LARGE_JOB} quotes")
    job = Job(
        per_second=LARGE_JOB / seconds,
        under_way=here.simulator.mean_under_way(USER),
        most=here.simulator.most_under_way()["calls"][USER],
        cpu={name: (after[name] - before[name]) * 1000 / LARGE_JOB for name in after},
    )
    return reads, job


def _parts(cpu: dict[str, float]) -> str:
    return ", ".join(f"{name} {cpu[name]:.1f}" for name in cpu) + " ms of CPU"


def _job_table(jobs: dict[Case, Job]) -> Iterator[str]:
    parts = ("workers", "web", "database", "simulator", "others")
    yield "| job of 400 | opportunities/s | calls under way | most | CPU ms: " + " | ".join(parts) + " |"
    yield "|---|---:|---:|---:|" + "---:|" * len(parts)
    for case, job in jobs.items():
        cpu = " | ".join(f"{job.cpu[part]:.1f}" for part in parts)
        yield f"| {case.title} | {job.per_second:.1f} | {job.under_way:.2f} | {job.most} | {cpu} |"


def _job_verdicts(jobs: dict[Case, Job]) -> Iterator[Verdict]:
    for case, job in jobs.items():
        if case.must is not None:
            text = f"{case.title}: opportunities a second"
            yield Verdict(text=text, ratio=job.per_second, must=case.must, holds=job.per_second >= case.must)
        elif case.cap == CAP:
            use = job.under_way / CAP
            yield Verdict(
                text=f"{case.title}: calls under way / cap", ratio=use, must=LEAST_USE, holds=use >= LEAST_USE
            )


def _at_most(text: str, figure: float, must: float) -> Verdict:
    return Verdict(text=f"{text}, at most", ratio=figure, must=must, holds=figure <= must)


def _read_table(idle: Reads, busy: Reads, job: Job) -> Iterator[str]:
    yield f"| {READS_A_SECOND:g} reads a second | reads | p50 ms | p95 ms | p99 ms | errors |"
    yield "|---|---:|---:|---:|---:|---:|"
    for title, reads in (("idle", idle), (f"beside a job of {LARGE_JOB:,}", busy)):
        shown = " | ".join(f"{reads.percentile(percent):.1f}" for percent in (50, 95, 99))
        yield f"| {title} | {len(reads.milliseconds):,} | {shown} | {reads.errors} |"
    yield f"\nThe job meanwhile: {job.per_second:.1f} opportunities/s, {job.under_way:.2f} calls under way."


def _read_verdicts(idle: Reads, busy: Reads) -> Iterator[Verdict]:
    slower = busy.percentile(95) / idle.percentile(95)
    yield _at_most("reads' p95 beside a job / idle", slower, MOST_SLOWER)
    yield _at_most("reads that failed", float(idle.errors + busy.errors), 0.0)
