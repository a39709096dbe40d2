"""Six rows of docs/runbook.md: the symptom is made, seen by the command that the page names, and cured as it says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest

from simulator.org_client import OrgClient
from tests.toolchain.making import Run, running

pytestmark = pytest.mark.slow
SECONDS = 40.0
QUICK = {
    "ORG_PAUSE_SECONDS": "1",
    "ORG_PAUSE_MOST_SECONDS": "2",
    "RETRY_MOST_SECONDS": "30",
    "WORKER_POLL_SECONDS": "0.1",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running(tmp_path_factory.mktemp("runbook"), **QUICK) as one:
        yield one


@pytest.fixture
def org(run: Run) -> Iterator[OrgClient]:
    client = OrgClient(f"http://127.0.0.1:{run.variables['SIM_PORT']}")
    yield client
    client.control("DELETE", "faults")
    client.control("POST", "settings", {"request_limit": None})


def gateway(run: Run, words: str) -> str:
    done = run.paste(f".venv/bin/gateway {words}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start(run: Run, operation: str, opportunities: list[str], **members: str) -> str:
    """The id of a job that was asked for as Apex, or a flow, would."""
    sim = run.to_paste()[2].partition(" invoke ")[0]
    body = json.dumps({"opportunityIds": opportunities, **members})
    done = run.paste(f"{sim} invoke {operation} --no-callback --body '{body}'")
    found = re.search(r'^201 .*"jobId": "([0-9a-f-]{36})"', done.stdout, re.DOTALL)
    assert found is not None, done.stdout + done.stderr
    return found[1]


def start_with_callback(run: Run, org: OrgClient) -> tuple[str, str]:
    """A job that will call back, and the id of the asynchronous call in the org."""
    ann = org.sign_in("ann")
    invocation, url = org.new_callback(ann, "createQuotes", 600)
    return start(run, "createQuotes", list(org.opportunities(ann.username, 1)), callbackUrl=url), invocation


def records(org: OrgClient, type_name: str, where: str) -> list[dict[str, Any]]:
    """Records of the first org, whoever may see them."""
    found: list[dict[str, Any]] = org.control("GET", f"records?type={type_name}&where={quote_plus(where)}")["records"]
    return found


def until(run: Run, words: str, pattern: str) -> str:
    """Ask again and again until the answer fits; the answer."""
    end = time.monotonic() + SECONDS
    while True:
        said = gateway(run, words)
        if re.search(pattern, said):
            return said
        assert time.monotonic() < end, f"gateway {words} never said {pattern}, at last:\n{said}"
        time.sleep(0.3)


def test_an_org_at_its_limit_is_paused_and_comes_back_by_itself(run: Run, org: OrgClient) -> None:
    job = start(run, "startQuotes", list(org.opportunities("ann@acme.example", 3)))
    until(run, f"jobs show {job}", "completed")
    org.control("POST", "faults", {
        "match": "POST /composite/graph", "status": 403, "times": 2,
        "body": '[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]',
    })  # fmt: skip
    job = start(run, "startQuotes", list(org.opportunities("ann@acme.example", 3)))
    assert "00DbZ0000000001UAA" in until(run, "status", r"(?m)^paused\t")
    until(run, f"jobs show {job}", r"\tcompleted\t")
    until(run, "status", r"(?s)^(?!.*\npaused\t)")


def test_failed_ones_are_tried_again_once_they_are_mended(run: Run, org: OrgClient) -> None:
    bad = org.control("GET", "specials")["no_lines"]["id"]
    (good,) = org.opportunities("ann@acme.example", 1)
    job = start(run, "startQuotes", [good, bad])
    said = until(run, f"jobs show {job}", "completed_with_errors")
    assert re.search(rf"(?m)^{bad}\tNoLines\t", said)
    (opportunity,) = records(org, "Opportunity", f"Id = '{bad}'")
    entry = records(org, "PricebookEntry", f"Pricebook2Id = '{opportunity['Pricebook2Id']}' AND IsActive = true")[0]
    line = {"OpportunityId": bad, "PricebookEntryId": entry["Id"], "Quantity": 1, "UnitPrice": 5}
    org.control("POST", "records", {"type": "OpportunityLineItem", "fields": line, "org": None})
    gateway(run, f"jobs retry {job}")
    until(run, f"jobs show {job}", r"\tcompleted\t")


def test_a_job_that_was_a_mistake_ends(run: Run, org: OrgClient) -> None:
    org.control("POST", "faults", {"match": "POST /composite/graph", "delay": 1, "times": 100})
    job = start(run, "startQuotes", list(org.opportunities("ann@acme.example", 60)))
    assert job in gateway(run, "jobs list")
    gateway(run, f"jobs cancel {job}")
    said = until(run, f"jobs show {job}", r"\tcancelled\t")
    assert re.search(r"(?m)^\d+ cancelled\t", said)


def test_an_org_with_faults_is_tried_again(run: Run, org: OrgClient) -> None:
    org.control("POST", "faults", {"match": "POST /composite/graph", "status": 503, "body": "<html>", "times": 4})
    job = start(run, "startQuotes", list(org.opportunities("ann@acme.example", 2)))
    until(run, f"jobs show {job}", r"\tcompleted\t")


def test_a_callback_that_the_org_refuses_is_listed_and_resent(run: Run, org: OrgClient) -> None:
    org.control("POST", "faults", {"match": "POST /services/callback/", "status": 500, "times": 1000})
    job, invocation = start_with_callback(run, org)
    until(run, "callbacks list", rf"(?m)^{job}\t.*\tcallback\t[3-9] tries")
    org.control("DELETE", "faults")
    gateway(run, f"callbacks resend {job}")
    assert org.wait_for_callback(invocation, SECONDS) is not None
    until(run, "jobs list", rf"{job}.*callback delivered")


def test_a_callback_that_nobody_wants_is_abandoned(run: Run, org: OrgClient) -> None:
    org.control("POST", "faults", {"match": "POST /services/callback/", "status": 500, "times": 1000})
    job, _ = start_with_callback(run, org)
    until(run, "callbacks list", job)
    gateway(run, f"callbacks abandon {job}")
    assert job not in gateway(run, "callbacks list")
