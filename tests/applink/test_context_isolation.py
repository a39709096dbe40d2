"""M5: what one request brings, the next one on the same thread does not have."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from tests.applink.conftest import Served
from tests.applink.serving import Place


@pytest.fixture(scope="module")
def place(served: Served) -> Iterator[Place]:
    with served("isolation", variables={"WEB_THREADS": "1"}) as made:
        yield made


def test_a_request_without_context_sees_nothing_of_the_one_before(place: Place) -> None:
    """One web process with one thread, one connection: nothing separates the two but the code."""
    opportunity = place.simulator.special("plain")
    made = place.apex.prepare("previewQuote", {"opportunityId": opportunity}, through="direct")
    without = {name: value for name, value in made.headers.items() if name != "x-client-context"}
    connection = http.client.HTTPConnection("127.0.0.1", place.gateway.port, timeout=20)
    said = []
    for headers in (made.headers, without, made.headers, without):
        connection.request("POST", "/applink/previewQuote", made.body, dict(headers))
        answer = connection.getresponse()
        said.append((answer.status, json.loads(answer.read())))
    assert [status for status, _ in said] == [200, 401, 200, 401]
    refusal = json.dumps(said[1][1])
    assert "ContextMissing" in refusal and made.caller.username not in refusal and opportunity not in refusal


def test_callers_that_alternate_get_what_is_theirs(place: Place) -> None:
    opportunity = place.simulator.special("apac")
    for user, status in (("worker", 200), ("ann", 404), ("worker", 200), ("ann", 404)):
        assert place.ask("previewQuote", {"opportunityId": opportunity}, user=user).status == status
    who = [line["who"] for line in place.lines() if line["operation"] == "previewQuote" and line["who"]][-4:]
    assert who == ["worker@acme.example", "ann@acme.example"] * 2


def test_odata_ignores_a_context(place: Place) -> None:
    """M1, M4: on every other route the header means nothing."""
    made = place.apex.prepare("previewQuote", {"opportunityId": place.simulator.special("plain")}, through="direct")
    before = len(place.simulator.requests("/services/"))
    connection = http.client.HTTPConnection("127.0.0.1", place.gateway.port, timeout=20)
    connection.request("GET", "/odata/v4/Quotes", headers={"x-client-context": made.headers["x-client-context"]})
    assert connection.getresponse().status == 401
    assert len(place.simulator.requests("/services/")) == before
