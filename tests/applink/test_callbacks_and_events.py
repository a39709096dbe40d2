"""How the end of a job is told: to Apex by its callback, to a Flow by an event, once, until the deadline."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from applink.authorizations import Orgs
from models import database
from simulator.running import Simulator
from tests.applink.working import new_ids, rows, state, submit, until, working


def test_apex_is_called_back(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    ids = new_ids(simulator, 2)
    callback = simulator.open_callback("ann")
    with working(engine, orgs):
        job_id = submit(engine, org_id, ids, callback_url=callback["url"])
        until(lambda: simulator.callback(callback["id"])["received"])
        until(lambda: state(engine, org_id, job_id).callback_status == "delivered")
    (received,) = simulator.callback(callback["id"])["received"]
    assert received["body"] == state(engine, org_id, job_id).answer()
    assert received["body"]["status"] == "completed" and len(received["body"]["quoteIds"]) == 2
    (job,) = rows(engine, "SELECT * FROM gateway.job WHERE id = :i", i=job_id)
    assert job.callback_url is None and job.callback_error is None


def test_a_flow_gets_an_event(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    with working(engine, orgs):
        job_id = submit(engine, org_id, new_ids(simulator, 2), type="startQuotes", event=True)
        until(lambda: state(engine, org_id, job_id).callback_status == "event_published")
    (event,) = simulator.events()
    told = {name: event[name] for name in ("JobId__c", "Status__c", "QuoteCount__c", "ErrorCount__c")}
    assert told == {"JobId__c": str(job_id), "Status__c": "completed", "QuoteCount__c": 2, "ErrorCount__c": 0}


@pytest.mark.parametrize("how", ["404", "408", "deadline", "address"])
def test_a_closed_window_becomes_an_event(
    how: str, engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    callback = simulator.open_callback("ann", deadlineSeconds=-1 if how == "408" else 600)
    url = {"404": callback["url"] + "x", "address": "https://elsewhere.example/x"}.get(how, callback["url"])
    job_id = submit(engine, org_id, new_ids(simulator, 1), callback_url=url,
                    callback_deadline_seconds=0 if how == "deadline" else 600)  # fmt: skip
    with working(engine, orgs):
        until(lambda: state(engine, org_id, job_id).callback_status == "event_published")
    assert len(simulator.events()) == 1
    tries = simulator.requests("/services/callback/")
    assert len(tries) == (1 if how in ("404", "408") else 0)
    (job,) = rows(engine, "SELECT callback_error FROM gateway.job WHERE id = :i", i=job_id)
    assert job.callback_error


def test_a_callback_is_tried_until_it_is_taken(engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str) -> None:
    callback = simulator.open_callback("ann")
    fault = simulator.fault("POST /services/callback", status=500, body="", times=3)
    with working(engine, orgs):
        job_id = submit(engine, org_id, new_ids(simulator, 1), callback_url=callback["url"])
        until(lambda: state(engine, org_id, job_id).callback_status == "delivered")
    assert len(simulator.requests("/services/callback/")) == 4
    assert next(each for each in simulator.faults() if each["id"] == fault)["met"] == 3
    assert len(simulator.callback(callback["id"])["received"]) == 1


def test_no_callback_tells_of_a_job_that_is_open(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A retry came between the claim of the callback and the look at the job: only the end is told."""
    caplog.set_level("INFO", "gateway.worker")
    callback = simulator.open_callback("ann")

    def write(statement: str) -> None:
        with engine.begin() as connection:
            database.set_org(connection, org_id)
            connection.execute(text(statement), {"i": job_id})

    job_id = submit(engine, org_id, new_ids(simulator, 1), callback_url=callback["url"])
    write("UPDATE gateway.job_item SET next_at = now() + interval '1 h' WHERE job_id = :i")
    write("UPDATE gateway.job SET next_at = now() WHERE id = :i")
    with working(engine, orgs):
        until(lambda: "callback=job_open" in caplog.text or simulator.callback(callback["id"])["received"])
        write("UPDATE gateway.job SET next_at = NULL, lease_until = NULL, lease_no = lease_no + 1 WHERE id = :i")
        write("UPDATE gateway.job_item SET next_at = now() WHERE job_id = :i")
        until(lambda: state(engine, org_id, job_id).callback_status != "due")
    told = [one["body"]["status"] for one in simulator.callback(callback["id"])["received"]]
    assert (told, state(engine, org_id, job_id).callback_status) == (["completed"], "delivered")


def test_an_org_without_the_event_is_told_nothing_more(
    engine: Engine, orgs: Orgs, simulator: Simulator, org_id: str
) -> None:
    simulator.settings(events=False)
    with working(engine, orgs):
        job_id = submit(engine, org_id, new_ids(simulator, 1), event=True)
        until(lambda: state(engine, org_id, job_id).callback_status == "expired")
    (job,) = rows(engine, "SELECT callback_error FROM gateway.job WHERE id = :i", i=job_id)
    assert "Quote_Job__e" in job.callback_error
