"""`gateway jobs`, `callbacks`, `status` and `worker` as processes over a real database."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

import cli
from applink import claims, jobs, shares, status
from odata.edm.record_ids import widen_record_id
from simulator.running import Simulator
from tests.applink.queued import ORG, claim, new_job, refuse, state, submit, succeed, write

PROJECT = Path(cli.__file__).parent
Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(cli.main, list(words), catch_exceptions=False)


def ended_with_a_failure(engine: Engine) -> UUID:
    job_id = submit(engine, new_job(2)).job_id
    good, bad = claim(engine)
    assert succeed(engine, good) and refuse(engine, bad)
    return job_id


def test_jobs_are_listed_and_shown(engine: Engine, run: Run) -> None:
    job_id = ended_with_a_failure(engine)
    listed = run("jobs", "list", "--org", ORG)
    assert listed.exit_code == 0
    (line,) = listed.output.splitlines()
    assert line.startswith(f"{job_id}\t{ORG}\tJ-") and "completed_with_errors\t100.00 %\t1 quotes\t1 failed" in line
    assert run("jobs", "list", "--org", ORG, "--status", "queued").output == ""
    shown = run("jobs", "show", str(job_id)).output
    assert "1 failed" in shown and "1 succeeded" in shown and "NoLines\tThe opportunity has no products." in shown


def test_why_items_wait_is_shown(engine: Engine, run: Run) -> None:
    job_id = submit(engine, new_job(3)).job_id
    for item in claim(engine, most=2):
        with engine.begin() as connection:
            reason = ("OutcomeUnknown", "The org did not say whether it made the quote.")
            assert claims.retry_later(connection, item, seconds=60, consumed=True, error=reason)
    shown = run("jobs", "show", str(job_id)).output
    assert "\n3 queued\tat most 1 tries\tnext " in shown
    assert "\n2 waiting\tOutcomeUnknown\tThe org did not say whether it made the quote.\n" in shown


def test_a_job_is_retried_and_cancelled(engine: Engine, run: Run) -> None:
    job_id = ended_with_a_failure(engine)
    again = run("jobs", "retry", str(job_id))
    assert again.exit_code == 0 and "queued" in again.output
    refused = run("jobs", "retry", str(job_id))
    assert refused.exit_code == 1 and "once it has ended" in refused.output
    assert run("jobs", "cancel", str(job_id)).exit_code == 0
    assert state(engine, job_id).status == "cancelled"
    unknown = run("jobs", "cancel", "00000000-0000-0000-0000-000000000000")
    assert unknown.exit_code == 1 and "there is no job" in unknown.output


def test_callbacks_are_listed_resent_and_abandoned(engine: Engine, run: Run) -> None:
    open_job = submit(engine, new_job(1, "open")).job_id
    assert run("callbacks", "list").output == ""
    assert str(open_job) in run("callbacks", "list", "--waiting").output
    assert run("callbacks", "resend", str(open_job)).exit_code == 1
    with engine.begin() as connection:
        jobs.cancel(connection, ORG, open_job)
    listed = run("callbacks", "list").output
    assert listed.startswith(f"{open_job}\t{ORG}\tcallback\t0 tries") and "salesforce.com" not in listed
    assert run("callbacks", "abandon", str(open_job)).exit_code == 0
    assert run("callbacks", "abandon", str(open_job)).exit_code == 1
    assert state(engine, open_job).callback_status == "expired"
    assert run("callbacks", "resend", str(open_job)).exit_code == 0
    assert run("callbacks", "list").output.startswith(f"{open_job}\t{ORG}\tevent")


def test_status_shows_the_queue(engine: Engine, run: Run) -> None:
    quiet = run("status").output
    assert "items\t0 waiting\t0 later\t0 running" in quiet and "paused" not in quiet
    submit(engine, new_job(5))
    earlier = "UPDATE gateway.job_item SET next_at = now() - interval '90 s' WHERE status = 'queued' AND org_id = :o"
    write(engine, earlier, o=ORG)
    held = claim(engine, most=2)
    with engine.begin() as connection:
        claims.retry_later(connection, held[0], seconds=60, consumed=True, error=("OrgUnavailable", "away"))
        shares.pause(connection, ORG, reason="REQUEST_LIMIT_EXCEEDED", first_seconds=60, most_seconds=900)
    shown = run("status").output
    assert "items\t3 waiting\t1 later\t1 running\t0 with an ended lease\toldest waits 9" in shown
    assert f"paused\t{ORG}\tuntil " in shown and shown.rstrip().endswith("REQUEST_LIMIT_EXCEEDED")


def test_a_missing_database_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    for words in (["status"], ["jobs", "list"], ["callbacks", "list"]):
        said = CliRunner().invoke(cli.main, words)
        assert said.exit_code == 1 and said.output.startswith("Error: the database cannot be used")


def process(database_url: str, environment: Mapping[str, str], log: Path, **settings: str) -> subprocess.Popen[bytes]:
    """`gateway worker` of this checkout."""
    return subprocess.Popen(
        [sys.executable, "-c", "import cli; cli.main()", "worker"],
        cwd=PROJECT,
        env={**os.environ, **environment, "DATABASE_URL": database_url, **settings},
        stdout=log.open("ab"),
        stderr=subprocess.STDOUT,
    )


CONNECTED = text("""
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'gateway worker %'
""")


def test_the_worker_works_and_ends_on_sigterm(
    engine: Engine, database_url: str, simulator: Simulator, tmp_path: Path
) -> None:
    org = widen_record_id(simulator.caller("worker").org_id)
    ids = simulator.opportunities(5)
    log = tmp_path / "log"
    domains = {"APPLINK_TEST_DOMAINS": f"{simulator.url},{simulator.other_url}"}
    working = process(database_url, {**simulator.environment, **domains}, log, DYNO="worker.7")
    try:
        job_id = submit(engine, new_job(org_id=org, items=[(one, None) for one in ids], callback_url=None)).job_id
        ends = time.monotonic() + 20
        while time.monotonic() < ends and _status(engine, job_id) != "completed":
            assert working.poll() is None, log.read_text()
            time.sleep(0.05)
        assert _status(engine, job_id) == "completed", log.read_text()
        with engine.connect() as connection:
            connected = connection.execute(CONNECTED).scalars().all()
        working.send_signal(signal.SIGTERM)
        assert working.wait(10) == 0
    finally:
        working.kill()
        working.wait()
    said = log.read_text()
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    (begun,), (ended,) = ([one for one in lines if word in one] for word in ("started", "ended"))
    assert begun["level"] == "info" and begun["concurrency"] == 8 and ended["left_under_way"] == 0
    assert begun["worker"].startswith("worker.7:") and connected == [f"gateway worker {begun['worker']}"]
    items = [one for one in lines if one.get("outcome") == "made"]
    assert len(items) == 5 and {one["job"] for one in items} == {str(job_id)} and {one["org"] for one in items} == {org}
    assert all(one["ms"]["total"] > 0 and one["request_id"] == "request-1" and one["item"] for one in items), items
    (metrics,) = [line for line in said.splitlines() if not line.startswith("{")]
    assert (
        metrics.startswith("worker=")
        and " sample#queue.waiting=" in metrics
        and "sample#workers.connected=1" in metrics
    )
    assert simulator.environment["HEROKU_APPLINK_TOKEN"] not in said and "Bearer" not in said


def until_status_says(run: Run, text: str) -> None:
    """`gateway status`, for half a minute at most."""
    ends = time.monotonic() + 30
    while text not in (said := run("status").output):
        assert time.monotonic() < ends, said
        time.sleep(0.1)


def test_status_tells_an_idle_worker_from_none(
    run: Run, database_url: str, simulator: Simulator, tmp_path: Path
) -> None:
    none = "workers\t0 connected\t0 at work\t"
    assert none in run("status").output
    with contextlib.ExitStack() as stack:
        both = [process(database_url, simulator.environment, tmp_path / "log") for _ in range(2)]
        for one in both:
            stack.callback(one.wait)
            stack.callback(one.kill)
        until_status_says(run, "workers\t2 connected\t0 at work\t")
        both[0].terminate()
        until_status_says(run, "workers\t1 connected\t0 at work\t")
    until_status_says(run, none)


@pytest.mark.parametrize("dyno", ["worker.1", "a-host-" + "x" * 80])
def test_the_name_of_a_workers_connections_fits(dyno: str) -> None:
    """PostgreSQL cuts a longer one off, and with it what tells two workers apart."""
    name = status.worker_name(dyno)
    assert re.fullmatch(rf"\S*{dyno[-8:]}:{os.getpid()}:\w{{6}}", name) and name != status.worker_name(dyno)
    assert status.connection_name(name).endswith(name)
    assert len(status.connection_name(name.replace(str(os.getpid()), "4194304"))) < 64


def _status(engine: Engine, job_id: UUID) -> str:
    with engine.connect() as connection:
        found: str = connection.execute(
            text("SELECT status FROM gateway.job WHERE id = :i"), {"i": job_id}
        ).scalar_one()
    return found
