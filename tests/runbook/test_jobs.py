"""The table "Jobs" of docs/runbook.md: each symptom is made, seen with the page's command, cured as it says."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from simulator.running import Simulator
from simulator.world import FIRST_ORG
from tests.runbook.conftest import StartApp
from tests.runbook.heroku import App, until

pytestmark = pytest.mark.slow
WORKER = "worker@acme.example"
GRAPH = "POST /composite/graph"
COMPLETED = r"\tcompleted\t"


def oldest_wait(said: str) -> float:
    """Seconds, of what `gateway status` says."""
    found = re.search(r"oldest waits ([0-9.]+) s", said)
    assert found, said
    return float(found[1])


def test_no_worker_runs(start: StartApp) -> None:
    app = start()
    app.scale(worker=0)
    job = app.job(app.opportunities(2))
    assert "queued" in app.gateway(f"jobs show {job}")
    before = oldest_wait(app.until("status", r"oldest waits (?!0\.0)"))
    said = app.gateway("status")
    assert oldest_wait(said) > before and "\t0 connected\t" in said and "\npaused\t" not in said
    assert "worker.1" not in app.ps()
    assert "ended" in app.logs("worker")
    app.scale(worker=1)
    app.until(f"jobs show {job}", COMPLETED)
    assert "worker.1: up" in app.ps()


def test_an_org_at_its_limit_is_paused(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    app.scale(worker=0)
    job = app.job(app.opportunities(3))
    salesforce.settings(request_limit=0)
    app.scale(worker=1)
    said = app.until("status", r"(?m)^paused\t")
    assert re.search(rf"(?m)^paused\t{FIRST_ORG}\tuntil 20.*\tOrgLimitReached: ", said)
    assert re.search(r"(?m)^3 queued\tat most 0 tries", app.gateway(f"jobs show {job}"))
    salesforce.settings(request_limit=None)
    app.until(f"jobs show {job}", COMPLETED)
    app.until("status", r"(?s)^(?!.*\npaused\t)")


def test_a_worker_died(start: StartApp, salesforce: Simulator) -> None:
    """Killed while two calls are under way that have made their quotes; Heroku starts a dyno that died again."""
    app = start(LEASE_SECONDS="8", WORKER_CONCURRENCY="2")
    salesforce.fault(GRAPH, delay=30, after=True, skip=4, times=None)
    opportunities = app.opportunities(12)
    job = app.job(opportunities)
    app.until(f"jobs show {job}", r"\t[1-9][0-9]?\.[0-9]+ %")
    app.kill("worker")
    assert re.search(r"(?m)^[0-9]+ running\t.*\tlease until 20", app.gateway(f"jobs show {job}"))
    app.until("status", r"[1-9][0-9]* with an ended lease")
    assert len(app.quotes(opportunities)) < len(opportunities)
    salesforce.clear_faults()
    app.scale(worker=1)
    app.until(f"jobs show {job}", COMPLETED)
    assert app.quotes(opportunities) == sorted(opportunities)


def test_every_worker_dies_of_it(start: StartApp, salesforce: Simulator) -> None:
    """Each worker is killed while the org has not answered; with room enough, or a smaller item, none would be."""
    app = start(LEASE_SECONDS="8", ITEM_WORKERS_LOST="5")
    salesforce.fault(GRAPH, delay=30, cut=True, times=None)
    opportunities = app.opportunities(1)
    job = app.job(opportunities)
    for lost in range(1, 6):
        app.until(f"jobs show {job}", r"(?m)^1 running\t")
        app.kill("worker")
        app.until("status", r"\t1 with an ended lease")
        app.scale(worker=1)
        app.until(f"jobs show {job}", rf"at most {lost} leases lost|WorkersLost")
    app.until(f"jobs show {job}", rf"(?m)^{opportunities[0]}\tWorkersLost\t")
    assert "started" in app.logs("worker")
    salesforce.clear_faults()
    app.gateway(f"jobs retry {job}")
    app.until(f"jobs show {job}", COMPLETED)
    assert app.quotes(opportunities) == opportunities


def test_an_org_with_faults_is_tried_again(start: StartApp, salesforce: Simulator) -> None:
    app = start(ITEM_ATTEMPTS="4", RETRY_MOST_SECONDS="300")
    salesforce.fault(GRAPH, status=503, body="<html>", times=None)
    job = app.job(app.opportunities(2))
    app.until(f"jobs show {job}", r"(?m)^2 queued\tat most [1-3] tries\tnext 20")
    assert re.search(r"(?m)^2 waiting\tOutcomeUnknown\t", app.gateway(f"jobs show {job}"))
    app.until_logged("worker", "later.*OutcomeUnknown")
    said = app.until(f"jobs show {job}", r"\tfailed\t")
    assert re.search(r"(?m)^2 failed\tat most 4 tries", said)
    salesforce.clear_faults()
    app.gateway(f"jobs retry {job}")
    app.until(f"jobs show {job}", COMPLETED)


def test_an_item_waits_for_a_look(start: StartApp, salesforce: Simulator) -> None:
    """The quote is made, its answer is lost, and from then on nobody may look: the user may not, then nobody is one."""
    app = start(ITEM_ATTEMPTS="2", APPLINK_AUTHORIZATION=f"{FIRST_ORG}=worker")
    salesforce.fault(GRAPH, cut=True, after=True)
    salesforce.fault("GET /query", user=WORKER, refuse="INSUFFICIENT_ACCESS", status=403, skip=1, times=None)
    opportunities = app.opportunities(1)
    job = app.job(opportunities)
    app.until(f"jobs show {job}", r"(?s)at most ([3-9]|[1-9][0-9]+) tries.*\n1 waiting\tOutcomeUnknown\t")
    app.gateway(f"jobs cancel {job}")
    salesforce.fault("GET /authorizations/", status=404, body={"title": "Not Found"}, times=None)
    app.restart("worker")
    app.until(f"jobs show {job}", r"(?m)^1 waiting\tOrgNotAllowed\t")
    salesforce.clear_faults()
    app.until(f"jobs show {job}", r"(?m)^1 succeeded")
    assert app.quotes(opportunities) == opportunities


def test_failed_ones_are_mended_and_retried(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    bad, (good,) = salesforce.special("no_lines"), app.opportunities(1)
    job = app.job([good, bad])
    said = app.until(f"jobs show {job}", "completed_with_errors")
    assert re.search(rf"(?m)^{bad}\tNoLines\t", said)
    (opportunity,) = salesforce.records("Opportunity", f"Id = '{bad}'")
    book = opportunity["Pricebook2Id"]
    entry = salesforce.records("PricebookEntry", f"Pricebook2Id = '{book}' AND IsActive = true")[0]
    line = {"OpportunityId": bad, "PricebookEntryId": entry["Id"], "Quantity": 1, "UnitPrice": 5}
    salesforce.create("OpportunityLineItem", line)
    app.gateway(f"jobs retry {job}")
    app.until(f"jobs show {job}", COMPLETED)
    assert app.quotes([good, bad]) == sorted([good, bad])


def ended_session(app: App) -> str:
    body = [{"errorCode": "INVALID_SESSION_ID", "message": "Expired."}]
    app.simulator.fault("* /services/data/", user=WORKER, status=401, body=body, times=None)
    return "SessionEnded: "


def locked_user(app: App) -> str:
    """The add-on says that the authorization is there and does not work."""
    app.simulator.fault("GET /authorizations/worker", times=None, status=200, body={
        "id": "7d0c3c0e-0000-4000-8000-000000000001", "status": "invalid", "created_at": "2026-01-05T10:00:00.000001Z",
        "created_by": "ops@acme.example", "created_via_app": "gateway",
        "last_modified_at": "2026-01-05T10:00:00.000001Z", "last_modified_by": "ops@acme.example",
        "org": {
            "id": FIRST_ORG, "developer_name": "worker", "instance_url": app.simulator.url, "type": "SalesforceOrg",
            "api_version": "64.0", "user_auth": {"username": WORKER, "user_id": "005bZ00000000030AA",
                                                 "access_token": "none"},
        },
    })  # fmt: skip
    return "OrgUnavailable: .*not authorized"


@pytest.mark.parametrize("made", [ended_session, locked_user])
def test_the_authorization_is_not_taken(start: StartApp, made: Callable[[App], str]) -> None:
    app = start()
    app.scale(worker=0)
    job = app.job(app.opportunities(3))
    why = made(app)
    app.scale(worker=1)
    app.until("status", rf"(?m)^paused\t{FIRST_ORG}\t.*\t{why}")
    assert re.search(rf"(?m)^worker\t{FIRST_ORG}\t", app.authorizations())
    assert re.search(r"(?m)^3 queued\tat most 0 tries", app.gateway(f"jobs show {job}"))
    app.authorize()
    app.until(f"jobs show {job}", COMPLETED)
    assert "worker\t" + FIRST_ORG + "\tauthorized" in app.authorizations()


def test_there_is_no_authorization(start: StartApp, salesforce: Simulator) -> None:
    app = start(APPLINK_AUTHORIZATION=f"{FIRST_ORG}=worker")
    salesforce.fault("GET /authorizations/worker", status=404, body={"title": "Not Found"}, times=None)
    job = app.job(app.opportunities(3))
    said = app.until(f"jobs show {job}", "completed_with_errors|\tfailed\t")
    assert len(re.findall(r"(?m)^006\w{15}\tOrgNotAllowed\t.*worker", said)) == 3
    assert f"worker\t{FIRST_ORG}" not in app.authorizations()
    app.authorize()
    app.restart("worker")
    app.gateway(f"jobs retry {job}")
    app.until(f"jobs show {job}", COMPLETED)


def test_a_field_is_not_deployed(start: StartApp, salesforce: Simulator) -> None:
    """`sf project deploy start` of heroku.md, section 3, is the switch of the simulated org."""
    app = start()
    app.scale(worker=0)
    job = app.job(app.opportunities(2))
    salesforce.settings(gateway_key=False)
    app.scale(worker=1)
    said = app.until(f"jobs show {job}", "completed_with_errors|\tfailed\t")
    assert len(re.findall(r"(?m)^006\w{15}\tSetupRequired\t.*Gateway_Key__c", said)) == 2
    salesforce.settings(gateway_key=True)
    until(lambda: retried(app, job), COMPLETED, "the job, retried")


def retried(app: App, job: str) -> str:
    """The job after one more retry and its end: what a worker remembers of the org is some seconds old."""
    app.gateway(f"jobs retry {job}")
    return app.until(f"jobs show {job}", "\t(completed|completed_with_errors|failed)\t")


def test_a_job_was_a_mistake(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    salesforce.fault(GRAPH, delay=1, times=None)
    opportunities = app.opportunities(60)
    job = app.job(opportunities)
    app.until(f"jobs show {job}", "[1-9][0-9]* succeeded")
    assert job in app.gateway("jobs list")
    app.gateway(f"jobs cancel {job}")
    said = app.until(f"jobs show {job}", r"\tcancelled\t")
    made = re.search(r"(?m)^([0-9]+) succeeded", said)
    assert made and re.search(r"(?m)^[0-9]+ cancelled\t", said)
    assert len(app.quotes(opportunities)) == int(made[1]) < len(opportunities)


def test_too_many_jobs(start: StartApp, salesforce: Simulator) -> None:
    app = start(JOBS_OPEN_PER_ORG="2")
    salesforce.fault(GRAPH, delay=2, times=None)
    opportunities = app.opportunities(80)
    jobs = [app.job(opportunities[:40]), app.job(opportunities[40:])]
    refused = app.apex.invoke("startQuotes", {"opportunityIds": opportunities[:1]})
    assert (refused.status, refused.body["code"]) == (429, "TooManyJobs")
    said = app.gateway("jobs list")
    assert all(re.search(rf"(?m)^{job}\t.*\t(queued|running)\t", said) for job in jobs)
    app.gateway(f"jobs cancel {jobs[0]}")
    app.until(f"jobs show {jobs[0]}", r"\tcancelled\t")
    assert app.job(opportunities[:1])


def test_more_workers(start: StartApp, salesforce: Simulator) -> None:
    """As many graphs under way at once as calls are allowed; workers beyond ORG_CONCURRENCY add none."""
    app = start(WORKER_CONCURRENCY="1", ORG_CONCURRENCY="2")
    salesforce.fault(GRAPH, delay=0.3, times=None)
    job = app.job(app.opportunities(300))
    said = app.until("status", r"[1-9][0-9]+ waiting")
    assert "\npaused\t" not in said
    for workers, calls in ((1, 1), (2, 2), (3, 2)):
        app.scale(worker=workers)
        app.until("status", rf"(?m)^workers\t{workers} connected\t")
        salesforce.forget_requests()
        until(lambda: str(len(salesforce.requests("/composite/graph"))), "[1-9][0-9]", "how many graphs there were")
        until(lambda: str(salesforce.most_under_way()["calls"]), rf"'{WORKER}': {calls}\b", "calls at once")
    assert "completed" not in app.gateway(f"jobs show {job}")
