"""What a job does while the named authorization is not taken, and once there is none: as docs/runbook.md says."""

from __future__ import annotations

from sqlalchemy import Engine

from applink import jobs
from applink.authorizations import Orgs
from simulator.running import Simulator
from tests.applink.calling import AUTHORIZATION
from tests.applink.working import ended, new_ids, quotes_of, rows, state, submit, until, working


def test_a_session_that_is_not_taken_pauses_the_org_and_fails_nothing(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 8)
    simulator.fault(
        "* /services/data/", times=None, status=401, body=[{"errorCode": "INVALID_SESSION_ID", "message": "Expired."}]
    )
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids)
        (pause,) = until(lambda: rows(engine, "SELECT * FROM gateway.org_pause WHERE org_id = :i", i=org_id))
        assert pause.reason.startswith("SessionEnded: ")
        waiting = state(engine, org_id, job_id)
        assert waiting.status in jobs.OPEN and not waiting.failures
        simulator.clear_faults()
        assert ended(engine, org_id, job_id).status == "completed"
    quotes_of(engine, simulator, ids)


def test_an_authorization_that_is_not_authorized_pauses_the_org_at_once(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    """One item is enough to find out, and spends no try on it."""
    (one,) = new_ids(simulator, 1)
    simulator.fault("GET /authorizations/", times=None, status=200, body={**AUTHORIZATION, "status": "invalid"})
    simulator.expire_token()
    with working(engine, orgs):
        job_id = submit(engine, org_id, [one])
        (pause,) = until(lambda: rows(engine, "SELECT * FROM gateway.org_pause WHERE pauses >= 2"))
        assert pause.reason == "OrgUnavailable: The authorization worker is invalid, not authorized."
        assert rows(engine, "SELECT attempts FROM gateway.job_item WHERE job_id = :i", i=job_id) == [(0,)]
        simulator.clear_faults()
        assert ended(engine, org_id, job_id).status == "completed"
    quotes_of(engine, simulator, [one])


def test_without_an_authorization_every_item_fails_and_can_be_retried(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    ids = new_ids(simulator, 3)
    simulator.fault("GET /authorizations/", times=None, status=404, body={"title": "Not Found"})
    simulator.expire_token()
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids)
        assert {one.code for one in ended(engine, org_id, job_id).failures} == {"OrgNotAllowed"}
        simulator.clear_faults()
        with engine.begin() as connection:
            jobs.retry(connection, org_id, job_id)
        assert ended(engine, org_id, job_id).status == "completed"
    quotes_of(engine, simulator, ids)
