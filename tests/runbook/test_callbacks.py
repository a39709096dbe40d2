"""The table "Callbacks and events" of docs/runbook.md: each symptom is made, seen as the page says, and cured."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from simulator.caller import Reply
from simulator.running import Simulator
from tests.runbook.conftest import StartApp
from tests.runbook.heroku import SECONDS, App

pytestmark = pytest.mark.slow
CALLBACK = "POST /services/callback/"


def asked(app: App, *, deadline_seconds: float = 600) -> tuple[str, Reply]:
    """A job of one opportunity whose end Apex waits for, and what it was answered."""
    reply = app.apex.invoke(
        "createQuotes", {"opportunityIds": app.opportunities(1)}, callback=True, deadline_seconds=deadline_seconds
    )
    assert reply.status == 201, reply.answer.body
    return str(reply.body["jobId"]), reply


def tried_for_hours(app: App, *jobs: str) -> None:
    """As long as it takes until the next try is five minutes away."""
    app.scale(worker=0)
    with app.administrator() as connection:
        connection.execute("SELECT set_config('app.org_id', '*', false)")
        later = (
            "UPDATE gateway.job SET next_at = now() + interval '5 min' WHERE id = ANY(%s) AND callback_status = 'due'"
        )
        assert connection.execute(later, (list(jobs),)).rowcount == len(jobs)
    app.scale(worker=1)


def told_by_event(app: App, job: str) -> bool:
    """Whether the org has had the event of a job."""
    return job in {event["JobId__c"] for event in app.simulator.events()}


def test_a_callback_is_still_tried(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    salesforce.fault(CALLBACK, status=500, times=None)
    job, reply = asked(app)
    said = app.until("callbacks list", rf"(?m)^{job}\t.*\tcallback\t[2-9] tries\tnext 20")
    assert re.search(rf"(?m)^{job}\t.*\tuntil 20.*\tThe org answered 500\.$", said)
    tried_for_hours(app, job)
    salesforce.clear_faults()
    app.gateway(f"callbacks resend {job}")
    assert app.apex.wait(reply, SECONDS) is not None
    app.until("jobs list", rf"(?m)^{job}\t.*\tcallback delivered\t")
    app.gateway(f"callbacks resend {job}")
    app.until("jobs list", rf"(?m)^{job}\t.*\tcallback event_published\t")
    assert told_by_event(app, job) and len(app.apex.callbacks(reply)) == 1


def test_neither_callback_nor_event(start: StartApp, salesforce: Simulator) -> None:
    app = start()
    salesforce.fault(CALLBACK, status=404, times=None)
    salesforce.settings(events=False)
    job, _ = asked(app)
    app.until("jobs list", rf"(?m)^{job}\t.*\tcallback expired\t")
    assert re.search(r"(?m)^callback\t.*Quote_Job__e", app.gateway(f"jobs show {job}"))
    with app.administrator() as connection:
        connection.execute("SELECT set_config('app.org_id', '*', false)")
        aged = "UPDATE gateway.job SET finished_at = now() - interval '30 days' WHERE id = %s"
        assert connection.execute(aged, (job,)).rowcount == 1
    salesforce.settings(events=True)
    app.gateway(f"callbacks resend {job}")
    app.until("jobs list", rf"(?m)^{job}\t.*\tcallback event_published\t")
    assert told_by_event(app, job)


def test_apex_gave_too_little_time(start: StartApp) -> None:
    app = start()
    late, reply = asked(app, deadline_seconds=0)
    app.until("jobs list", rf"(?m)^{late}\t.*\tcallback event_published\t")
    assert re.search(r"(?m)^callback\t.*\(408\)", app.gateway(f"jobs show {late}"))
    assert told_by_event(app, late) and not app.apex.callbacks(reply)
    in_time, reply = asked(app)
    app.until("jobs list", rf"(?m)^{in_time}\t.*\tcallback delivered\t")
    assert len(app.apex.callbacks(reply)) == 1 and not told_by_event(app, in_time)


def test_the_handler_throws(start: StartApp, salesforce: Simulator) -> None:
    """What Setup, Apex Jobs shows is here the org's own record of what it answered."""
    app = start()
    salesforce.fault(CALLBACK, status=500, times=None)
    (wanted, reply), (unwanted, _) = asked(app), asked(app)
    for job in (wanted, unwanted):
        app.until("callbacks list", rf"(?m)^{job}\t.*\t[1-9][0-9]* tries\t")
    tried_for_hours(app, wanted, unwanted)
    assert {one["status"] for one in salesforce.requests("/services/callback/")} == {500}
    app.gateway(f"callbacks abandon {unwanted}")
    assert unwanted not in app.gateway("callbacks list")
    salesforce.clear_faults()
    app.gateway(f"callbacks resend {wanted}")
    assert app.apex.wait(reply, SECONDS) is not None
    app.until("jobs list", rf"(?m)^{wanted}\t.*\tcallback delivered\t")
    assert not told_by_event(app, unwanted)


def not_deployed(simulator: Simulator) -> None:
    simulator.settings(events=False)


def not_permitted(simulator: Simulator) -> None:
    simulator.fault("POST /sobjects/Quote_Job__e", refuse="INSUFFICIENT_ACCESS", status=403, times=None)


@pytest.mark.parametrize("lost", [not_deployed, not_permitted])
def test_the_event_is_not_deployed(start: StartApp, salesforce: Simulator, lost: Callable[[Simulator], None]) -> None:
    """heroku.md, section 3 deploys the event and permits it; here it is the org's switch, and the end of a refusal."""
    app = start()
    lost(salesforce)
    before = app.job(app.opportunities(1))
    app.until("jobs list", rf"(?m)^{before}\t.*\tcallback expired\t")
    assert re.search(r"(?m)^callback\t.*(NOT_FOUND|INSUFFICIENT_ACCESS)", app.gateway(f"jobs show {before}"))
    salesforce.settings(events=True)
    salesforce.clear_faults()
    after = app.job(app.opportunities(1))
    app.gateway(f"callbacks resend {before}")
    for job in (before, after):
        app.until("jobs list", rf"(?m)^{job}\t.*\tcallback event_published\t")
        assert told_by_event(app, job)
