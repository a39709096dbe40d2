"""One simulator for all tests of this folder that want it, as new for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from simulator.context import Caller
from simulator.exchange import Answer, send
from simulator.running import Simulator, running

BASE = "/services/data/v64.0"


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[Simulator]:
    with running(opportunities=600) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Simulator:
    shared_simulator.reset()
    return shared_simulator


@dataclass(frozen=True, slots=True)
class Rest:
    """The org's REST API as one user has it."""

    caller: Caller

    def call(
        self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None, **headers: str
    ) -> Answer:
        """One call below /services/data/v64.0, or anywhere with a path that starts there."""
        path = path if path.startswith("/services") else BASE + path
        url = self.caller.org_domain_url + path + (f"?{urlencode(query)}" if query else "")
        content = b"" if body is None else json.dumps(body).encode()
        token = {"Authorization": f"Bearer {self.caller.access_token}"}
        return send(url, method, {**token, **headers}, content, seconds=20)

    def query(self, soql: str) -> Answer:
        """A query, form-encoded as the SDK does."""
        return self.call("GET", "/query", query={"q": soql})

    def rows(self, soql: str) -> list[dict[str, Any]]:
        """The records of a query's first page."""
        answer = self.query(soql)
        assert answer.status == 200, answer.body
        return list(answer.json()["records"])

    def graph(self, *nodes: dict[str, Any]) -> dict[str, Any]:
        """One graph; its part of the answer."""
        answer = self.call("POST", "/composite/graph", {"graphs": [{"graphId": "g", "compositeRequest": list(nodes)}]})
        assert answer.status == 200, answer.body
        return dict(answer.json()["graphs"][0])


@pytest.fixture
def ann(simulator: Simulator) -> Rest:
    return Rest(simulator.caller("ann"))


@pytest.fixture
def ben(simulator: Simulator) -> Rest:
    return Rest(simulator.caller("ben"))


@pytest.fixture
def worker(simulator: Simulator) -> Rest:
    return Rest(simulator.caller("worker"))


def node(reference: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """One node of a graph; the path begins after /sobjects/."""
    made = {"referenceId": reference, "method": method, "url": f"{BASE}/sobjects/{path}"}
    return made if body is None else {**made, "body": body}


def error_code(answer: Answer) -> tuple[int, str]:
    """Status and errorCode of a refusal."""
    return answer.status, answer.json()[0]["errorCode"]
