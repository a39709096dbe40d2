"""The OData sets as a person asks them: what is sent, further pages, and one line when nothing fits."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from simulator.rows import NoRows, Progress, QuoteRow, Rows
from tests.simulator.stand_in import Arrived, Said, StandIn, listening

JOB = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def service() -> Iterator[StandIn]:
    with listening() as stand_in:
        yield stand_in


def rows(service: StandIn) -> Rows:
    return Rows(root=f"{service.url}/odata/v4/", seconds=5)


def test_progress(service: StandIn) -> None:
    service.speak = lambda request: Said(body=b'{"Status": "running", "Progress": 12.5}')
    assert rows(service).progress(JOB) == Progress(status="running", percent=12.5)
    [arrived] = service.arrived
    assert arrived.target == f"/odata/v4/Jobs({JOB})?$select=Status,Progress"
    assert arrived.all("authorization") == ["Basic ZGVtbzpkZW1v"]


@pytest.mark.parametrize("status", ["completed", "completed_with_errors", "failed", "cancelled"])
def test_last_statuses(status: str) -> None:
    assert Progress(status=status, percent=100).finished


def test_further_pages(service: StandIn) -> None:
    def speak(request: Arrived) -> Said:
        first = "skiptoken" not in request.target
        link = {"@odata.nextLink": f"{service.url}/odata/v4/Quotes?$skiptoken=x"} if first else {}
        row = {"Id": "a" if first else "b", "SalesforceId": None, "OpportunityId": "006A"}
        return Said(body=json.dumps({"value": [row], **link}).encode())

    service.speak = speak
    found = rows(service).quotes_of_job(JOB)
    assert found == tuple(QuoteRow(id=name, salesforce_id="", opportunity_id="006A") for name in "ab")
    assert service.arrived[0].target.endswith(f"&$filter=JobId%20eq%20{JOB}")


@pytest.mark.parametrize(("status", "body"), [(401, b"{}"), (404, b"{}"), (503, b"<html>"), (200, b"<html>")])
def test_what_does_not_fit_is_one_line(service: StandIn, status: int, body: bytes) -> None:
    service.speak = lambda request: Said(status=status, body=body)
    with pytest.raises(NoRows, match=str(status)):
        rows(service).progress(JOB)


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(NoRows, match=r"no rows from http://127\.0\.0\.1:1/"):
        Rows(root="http://127.0.0.1:1/odata/v4/").quotes("0Q0")
