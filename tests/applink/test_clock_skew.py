"""A worker whose clock is 5 minutes off, beside one that is right: leases and deadlines go by the database's clock.

The wrong clock is libfaketime's (apt-get install faketime). Monotonic time stays, as it does where a clock is set.
Long: `make test-slow`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from models.database import set_org
from tests.applink.serving import Place, serving, working
from tests.applink.whole_jobs import STARTED, check, finished, row, submit

pytestmark = pytest.mark.slow

COUNT = 60
OFF_SECONDS = 300
LEASE_SECONDS = 8
QUICK = {
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "WORKER_POLL_SECONDS": "0.1",
    "RETRY_MOST_SECONDS": "1",
    "ORG_PAUSE_SECONDS": "1",
    "ORG_CONCURRENCY": "10",
}
SKEWS = {"ahead": OFF_SECONDS, "behind": -OFF_SECONDS}
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

# Each claim with who made it and, where somebody held the lease, for how long that had been over: negative is early.
WATCH = """
CREATE TABLE public.claimed (kind text, id uuid, worker text, over_seconds float);
CREATE FUNCTION public.watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.claimed VALUES
        (TG_TABLE_NAME, NEW.id, NEW.locked_by, extract(epoch FROM now() - OLD.lease_until));
    RETURN NULL;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON gateway.job_item FOR EACH ROW
    WHEN (NEW.lease_no > OLD.lease_no) EXECUTE FUNCTION public.watch();
CREATE TRIGGER watch AFTER UPDATE ON gateway.job FOR EACH ROW
    WHEN (NEW.lease_no > OLD.lease_no) EXECUTE FUNCTION public.watch();
"""
HELD_BY = """
SELECT count(*) FROM gateway.job_item WHERE job_id = :i AND status = 'running' AND locked_by LIKE :worker
"""
SET_DEADLINE = "UPDATE gateway.job SET callback_deadline = now() + make_interval(secs => :seconds) WHERE id = :i"
CLOCKS = "import time; print(time.time(), time.monotonic())"


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Place]:
    with serving(database_url, tmp_path) as made:
        with made.engine.begin() as connection:
            connection.execute(text(WATCH))
        yield made


def off_by(seconds: int) -> Mapping[str, str]:
    """Settings of a process whose wall clock is so far off; they are tried first."""
    assert LIBRARIES, "libfaketime is missing, these tests need it: apt-get install faketime"
    made = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    said = subprocess.run([sys.executable, "-c", CLOCKS], env=made, capture_output=True, text=True, check=True).stdout
    wall, monotonic = map(float, said.split())
    assert abs(wall - time.time() - seconds) < 20 and abs(monotonic - time.monotonic()) < 20, said
    return made


def runs_under_it(process: subprocess.Popen[bytes]) -> bool:
    return LIBRARIES[0].name in Path(f"/proc/{process.pid}/maps").read_text()


def asked(engine: Engine, statement: str, **values: Any) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(statement), values).all()


def both_started(log: Path) -> None:
    """Until two workers have said so; else one of them may have done the whole job by then."""
    ends = time.monotonic() + 30
    while log.read_text().count(STARTED) < 2:
        assert time.monotonic() < ends, log.read_text()[-2000:]
        time.sleep(0.05)


def both_in_the_midst(engine: Engine, job_id: UUID, *processes: subprocess.Popen[bytes]) -> None:
    """Until a quarter of the job is done and each process holds items."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        held = [asked(engine, HELD_BY, i=job_id, worker=f"%:{each.pid}:%")[0][0] for each in processes]
        if all(held) and row(engine, job_id).quote_count >= COUNT // 4:
            return
        time.sleep(0.05)
    raise AssertionError(f"{row(engine, job_id)._mapping}, items held: {held}")


@pytest.mark.parametrize("skew", SKEWS)
def test_leases_end_by_the_clock_of_the_database(skew: str, place: Place, tmp_path: Path) -> None:
    org, engine = place.simulator, place.engine
    ids = org.opportunities(COUNT)
    off = off_by(SKEWS[skew])
    org.settings(delay_ms=100)
    log = tmp_path / "workers"
    with working(place, log, **QUICK) as right, working(place, log, **QUICK, **off) as wrong:
        both_started(log)
        job_id, callback_id = submit(engine, org, ids)
        both_in_the_midst(engine, job_id, right, wrong)
        assert runs_under_it(wrong) and not runs_under_it(right)
        right.kill()
        finished(engine, job_id, 60, log)
    check(engine, org, ids, job_id, callback_id)
    assert len(org.callback(callback_id)["received"]) == 1
    claims = asked(engine, "SELECT kind, id, worker, over_seconds FROM public.claimed")
    for process in (right, wrong):
        assert [one for one in claims if one.kind == "job_item" and f":{process.pid}:" in one.worker], "both worked"
    reclaimed = [one for one in claims if one.over_seconds is not None]
    assert [one for one in reclaimed if one.over_seconds < 0] == [], "taken before its lease was over"
    assert reclaimed, "items of the one that was killed were taken over"
    latest = max(one.over_seconds for one in reclaimed)
    assert latest < 30, "taken over when the lease was over, not minutes later"
    print(f"{skew}: {len(claims)} claims, {len(reclaimed)} of ended leases, at most {latest:.2f} s after their end")


def told_by(place: Place, log: Path, skew: str, deadline_seconds: float) -> tuple[str, list[Any], list[Any]]:
    """A job of one, told by a worker whose clock is off: callback status, callbacks received, events."""
    org, engine = place.simulator, place.engine
    off = off_by(SKEWS[skew])
    job_id, callback_id = submit(engine, org, org.opportunities(1))
    with engine.begin() as connection:
        set_org(connection, org.caller("worker").org_id)
        connection.execute(text(SET_DEADLINE), {"i": job_id, "seconds": deadline_seconds})
    with working(place, log, **QUICK, **off) as wrong:
        found = finished(engine, job_id, 30, log)
        assert runs_under_it(wrong)
    assert (found.status, found.quote_count) == ("completed", 1)
    return found.callback_status, org.callback(callback_id)["received"], org.events()


@pytest.mark.parametrize("skew", SKEWS)
def test_a_callback_whose_deadline_is_to_come_is_delivered(skew: str, place: Place, tmp_path: Path) -> None:
    status, received, events = told_by(place, tmp_path / "worker", skew, 120)
    assert (status, len(received), events) == ("delivered", 1, [])


@pytest.mark.parametrize("skew", SKEWS)
def test_a_callback_whose_deadline_is_over_is_not(skew: str, place: Place, tmp_path: Path) -> None:
    status, received, events = told_by(place, tmp_path / "worker", skew, -120)
    assert (status, received, len(events)) == ("event_published", [], 1)
