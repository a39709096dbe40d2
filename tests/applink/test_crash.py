"""Workers killed, stopped, frozen, cut off, at random moments: nothing lost, nothing twice. Long: `make test-slow`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

import cli
from models import database
from simulator.running import Simulator, running
from tests.applink.whole_jobs import STARTED, check, finished, row, submit

pytestmark = pytest.mark.slow

PROJECT = Path(cli.__file__).parent
COUNT = 200
SETTINGS = {
    "LEASE_SECONDS": "2",
    "WORKER_POLL_SECONDS": "0.1",
    "RETRY_MOST_SECONDS": "1",
    "ORG_PAUSE_SECONDS": "1",
    "ORG_PAUSE_MOST_SECONDS": "2",
    "ORG_CONCURRENCY": "6",
    "SHUTDOWN_SECONDS": "20",
}


ENDED = '"ended": true'
"""What the last line of a worker has."""


@pytest.fixture(scope="module")
def org() -> Iterator[Simulator]:
    with running(opportunities=COUNT + 400, delay_ms=25) as simulator:
        yield simulator


@pytest.fixture
def engine(database_url: str) -> Engine:
    return create_engine(database.sqlalchemy_url(database_url), poolclass=NullPool)


class Workers:
    """`gateway worker` processes; `restart` puts a new one in the place of one that is gone."""

    def __init__(self, count: int, environment: Mapping[str, str], log: Path) -> None:
        self._environment = {**os.environ, **environment}
        self._log = log
        self.processes = [self._start() for _ in range(count)]

    def restart(self, index: int) -> None:
        self.processes[index].wait()
        self.processes[index] = self._start()

    def send(self, index: int, number: signal.Signals) -> None:
        self.processes[index].send_signal(number)

    def lines(self, index: int, what: str) -> list[str]:
        """What the process in a place has logged so far with `what` in it."""
        name = f":{self.processes[index].pid}:"
        return [line for line in self._log.read_text().splitlines() if name in line and what in line]

    def wait_for(self, index: int, what: str) -> None:
        """Until the process in a place has logged it."""
        ends = time.monotonic() + 30
        while not self.lines(index, what):
            assert time.monotonic() < ends, self._log.read_text()[-2000:]
            time.sleep(0.02)

    def _start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", "import cli; cli.main()", "worker"]
        return subprocess.Popen(
            words, cwd=PROJECT, env=self._environment, stdout=self._log.open("ab"), stderr=subprocess.STDOUT
        )


@contextlib.contextmanager
def workers(database_url: str, org: Simulator, log: Path, count: int = 2, **settings: str) -> Iterator[Workers]:
    domains = {"APPLINK_TEST_DOMAINS": f"{org.url},{org.other_url}"}
    made = Workers(count, {**org.environment, **domains, "DATABASE_URL": database_url, **SETTINGS, **settings}, log)
    try:
        yield made
    finally:
        for process in made.processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


STORM = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def fresh(org: Simulator, count: int) -> list[str]:
    org.reset()
    return org.opportunities(count)


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_twenty_random_moments(
    seed: int, engine: Engine, database_url: str, org: Simulator, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    ids = fresh(org, COUNT)
    for _ in range(COUNT * 3 // 100):
        org.fault("POST /composite/graph", cut=True, after=True, times=1, skip=chance.randrange(COUNT))
        org.fault("POST /composite/graph", status=503, body="<html>busy</html>", times=1, skip=chance.randrange(COUNT))
    log = tmp_path / "log"
    begun = time.monotonic()
    with workers(database_url, org, log) as running_now, psycopg.connect(database_url, autocommit=True) as other:
        job_id, callback_id = submit(engine, org, ids)
        storms = set(chance.sample(range(20), 5))
        for turn in range(20):
            time.sleep(chance.uniform(0.2, 1.6))
            victim = chance.randrange(2)
            running_now.send(victim, signal.SIGKILL)
            running_now.restart(victim)
            if turn in storms:
                other.execute(STORM)
        found = finished(engine, job_id, 60, log)
    print(f"seed {seed}: {found.finished_at - found.created_at} for the job, {time.monotonic() - begun:.1f} s in all")
    check(engine, org, ids, job_id, callback_id)


def test_ended_by_sigterm_twenty_times(engine: Engine, database_url: str, org: Simulator, tmp_path: Path) -> None:
    chance = random.Random(7)
    ids = fresh(org, COUNT)
    org.settings(delay_ms=150)
    log = tmp_path / "log"
    slowest, at_work = 0.0, 0
    with workers(database_url, org, log, LEASE_SECONDS="30") as running_now:
        job_id, callback_id = submit(engine, org, ids)
        for turn in range(20):
            if turn % 5:  # else perhaps while it is being loaded
                running_now.wait_for(turn % 2, STARTED)
            time.sleep(chance.uniform(0.1, 1.0))
            begun, open_still = time.monotonic(), row(engine, job_id).finished_at is None
            running_now.send(turn % 2, signal.SIGTERM)
            ended_by = running_now.processes[turn % 2].wait(20)
            slowest = max(slowest, time.monotonic() - begun)
            if running_now.lines(turn % 2, STARTED):
                (line,) = running_now.lines(turn % 2, ENDED)
                assert ended_by == 0 and json.loads(line)["left_under_way"] == 0, log.read_text()[-2000:]
                at_work += open_still
            else:
                assert ended_by in (0, -signal.SIGTERM), "it was not there yet"
            running_now.restart(turn % 2)
        finished(engine, job_id, 60, log)
    check(engine, org, ids, job_id, callback_id)
    assert at_work >= 5, "several ended in the middle of the job"
    said = [json.loads(line) for line in log.read_text().splitlines() if '"outcome"' in line]
    spent = [line for line in said if line["outcome"] not in ("made", "given_back")]
    assert spent == [], "no attempt is spent by an end"
    assert org.most_under_way()["calls"]["worker@acme.example"] <= int(SETTINGS["ORG_CONCURRENCY"])
    print(f"slowest end {slowest:.1f} s")


HELD = "SELECT id, lease_no FROM gateway.job_item WHERE job_id = :i AND status = 'running' AND locked_by LIKE :name"
TAKEN = """
SELECT count(*) FROM gateway.job_item AS i JOIN unnest(CAST(:ids AS uuid[]), CAST(:nos AS bigint[])) AS held (id, no)
    ON i.id = held.id WHERE i.lease_no > held.no
"""


def frozen_until_others_took_over(engine: Engine, job_id: UUID, running_now: Workers, index: int) -> bool:
    """Stop a worker that holds items till another has taken one of them; False: it held none that mattered."""
    running_now.send(index, signal.SIGSTOP)
    ends = time.monotonic() + 15
    with engine.connect() as connection:
        name = f"%:{running_now.processes[index].pid}:%"
        held = connection.execute(text(HELD), {"i": job_id, "name": name}).all()
        mine = {"ids": [each.id for each in held], "nos": [each.lease_no for each in held]}
        taken = 0
        while held and not taken and time.monotonic() < ends:
            time.sleep(0.05)
            taken = connection.execute(text(TAKEN), mine).scalar_one()
            connection.rollback()
    running_now.send(index, signal.SIGCONT)
    return bool(taken)


def test_a_frozen_worker_comes_back_too_late(engine: Engine, database_url: str, org: Simulator, tmp_path: Path) -> None:
    ids = fresh(org, COUNT)
    log = tmp_path / "log"
    with workers(database_url, org, log) as running_now:
        job_id, callback_id = submit(engine, org, ids)
        too_late = 0
        for turn in range(4):
            before = row(engine, job_id).quote_count
            ends = time.monotonic() + 10
            while row(engine, job_id).quote_count < before + 5 and time.monotonic() < ends:
                time.sleep(0.02)
            too_late += frozen_until_others_took_over(engine, job_id, running_now, turn % 2)
        finished(engine, job_id, 60, log)
    check(engine, org, ids, job_id, callback_id)
    assert too_late, "no worker was frozen with an item in hand"
    assert '"outcome": "lease_lost"' in log.read_text(), "whoever came back has seen it"
