"""Jobs from Apex's call to Apex's callback: web process, worker process, org and rows, each as deployed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

from simulator.exchange import send
from tests.applink.conftest import Served
from tests.applink.serving import CONTRACT, Place, quotes_of, working

ENDED = ("completed", "completed_with_errors", "failed", "cancelled")


@pytest.fixture(scope="module")
def place(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    log = tmp_path_factory.mktemp("end_to_end_worker") / "log"
    with (
        served("end_to_end", variables={"ODATA_AUTH": "anonymous", "ANONYMOUS_ORG": "00DbZ0000000001UAA"}) as made,
        working(made, log, RETRY_MOST_SECONDS="1", WORKER_POLL_SECONDS="0.1"),
    ):
        yield made


@pytest.fixture(autouse=True)
def _as_new(place: Place) -> None:
    place.simulator.clear_faults()
    place.simulator.forget_requests()


def ended(place: Place, job: str, seconds: float = 40) -> dict[str, Any]:
    """A job once it has ended."""
    ends = time.monotonic() + seconds
    while True:
        said: dict[str, Any] = place.ask("getJob", {"jobId": job}).body
        if said["status"] in ENDED or time.monotonic() > ends:
            return said
        time.sleep(0.2)


def test_apex_is_called_back_with_what_the_org_and_the_rows_have(place: Place) -> None:
    good, bad = place.simulator.opportunities(10, user="ann"), place.simulator.special("no_lines")
    ids = [*good[:5], bad, *good[5:]]
    reply = place.ask("createQuotes", {"opportunityIds": ids}, callback=True)
    assert reply.status == 201, reply.body
    callback = place.apex.wait(reply, 40)
    assert callback is not None and callback.status == 200
    said = callback.body
    OAS30Validator(
        {"$ref": "#/components/schemas/Job", "components": CONTRACT["components"]}
    ).validate(said)  # fmt: skip
    assert (said["jobId"], said["status"], said["progress"]) == (reply.body["jobId"], "completed_with_errors", 100)
    assert said["opportunityIds"] == ids and len(said["quoteIds"]) == 10 and len(said["errors"]) == 1
    assert [(one["opportunityId"], one["code"]) for one in said["failures"]] == [(bad, "NoLines")]
    assert said == ended(place, reply.body["jobId"])
    assert [quotes_of(place, one)[0]["Id"] for one in good] == said["quoteIds"]
    assert callback.as_user == reply.invocation.caller.username and callback.sent_by == "worker@acme.example"
    url = f"{place.gateway.service_root}Jobs({reply.body['jobId']})?$expand=Quotes,Items"
    shown = send(url, "GET", {}, seconds=20).json()
    assert (float(shown["Progress"]), len(shown["Quotes"]), len(shown["Items"])) == (100, 10, 11)
    assert len(place.apex.callbacks(reply)) == 1


def test_flow_is_told_by_an_event(place: Place) -> None:
    ids = place.simulator.opportunities(3, user="ann")
    reply = place.ask("startQuotes", {"opportunityIds": ids})
    assert ended(place, reply.body["jobId"])["status"] == "completed"
    ends = time.monotonic() + 20
    told: list[dict[str, Any]] = []
    while not told and time.monotonic() < ends:
        time.sleep(0.2)
        told = [one for one in place.simulator.events() if reply.body["jobId"] in str(one)]
    assert len(told) == 1


def test_what_failed_is_tried_again_and_the_rest_is_left_alone(place: Place) -> None:
    one, other = place.simulator.opportunities(2, user="ann")
    before = len(quotes_of(place, one))
    place.simulator.fault(
        "POST /composite/graph", contains=other, refuse="FIELD_CUSTOM_VALIDATION_EXCEPTION", times=None
    )
    job = place.ask("startQuotes", {"opportunityIds": [one, other]}).body["jobId"]
    failed = ended(place, job)
    assert failed["status"] == "completed_with_errors"
    assert [line["code"] for line in failed["failures"]] == ["FIELD_CUSTOM_VALIDATION_EXCEPTION"]
    place.simulator.clear_faults()
    assert place.ask("retryJob", {"jobId": job}).body["status"] in ("queued", "running")
    assert ended(place, job)["status"] == "completed"
    assert len(quotes_of(place, one)) == before + 1


def test_what_nobody_asks_for_again_is_settled_by_the_worker(served: Served, tmp_path: Path) -> None:
    """A quote was made, the answer lost, and the caller gave up: org and rows agree after the sweep all the same."""
    with served("settled", variables={"INTENT_SETTLE_SECONDS": "1"}) as place:
        opportunity = place.simulator.special("plain")
        rows = place.count("quote", "opportunity_id = :id", id=opportunity)
        place.simulator.fault("POST /composite/graph", cut=True, after=True)
        place.simulator.fault("GET /query", status=503, body="away", times=None, skip=1)
        lost = place.ask("createQuote", {"opportunityId": opportunity})
        assert lost.body["code"] == "OutcomeUnknown"
        place.simulator.clear_faults()
        with working(place, tmp_path / "worker", WORKER_POLL_SECONDS="0.1"):
            ends = time.monotonic() + 40
            while place.count("intent", "status = 'open' AND job_id IS NULL") and time.monotonic() < ends:
                time.sleep(0.2)
        assert place.count("quote", "opportunity_id = :id", id=opportunity) == rows + 1
        [quote] = quotes_of(place, opportunity)
        again = place.apex.repeat(lost)
        assert (again.status, again.body["quoteId"]) == (200, quote["Id"])
