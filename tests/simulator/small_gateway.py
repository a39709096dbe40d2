"""A gateway in sixty lines: makes quotes in the org as a good one would, or goes wrong on order. Not the real one.

It answers createQuote, createQuotes, the sets Jobs and Quotes, and calls back; enough to try caller, verdict and
`gateway sim` before and beside the real operations.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from simulator import context
from simulator.exchange import send
from tests.simulator.stand_in import Arrived, Said


@dataclass(slots=True)
class SmallGateway:
    """wrong: "" or one of twice, no-row, no-callback, two-callbacks, refused, late. rows: what Quotes shows."""

    wrong: str = ""
    rows: list[dict[str, str]] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)

    def speak(self, request: Arrived) -> Said:
        """The answer to one request."""
        parts = urlsplit(request.target)
        if parts.path.startswith("/odata/v4/"):
            return self._odata(unquote(parts.path), parse_qs(parts.query))
        if self.wrong == "refused":
            return _json(409, {"code": "SetupRequired", "message": "no field", "requestId": "r"})
        caller = context.decode(request.all("x-client-context")[0])
        body = json.loads(request.body)
        if parts.path == "/applink/createQuote":
            row = self._quote(caller, body["opportunityId"], "")
            return _json(200, {"quoteId": row["SalesforceId"], "gatewayId": row["Id"], "created": True})
        job = str(uuid.uuid4())
        threading.Thread(target=self._work, args=(job, caller, body), daemon=True).start()
        return _json(201, {"jobId": job, "status": "queued", "opportunityCount": len(body["opportunityIds"])})

    def _work(self, job: str, caller: dict[str, Any], body: dict[str, Any]) -> None:
        made = [self._quote(caller, one, job)["SalesforceId"] for one in body["opportunityIds"]]
        if self.wrong == "no-row":
            self.rows.pop()
        told = {"jobId": job, "status": "completed", "quoteIds": made, "errors": [], "failures": []}
        for _ in range({"no-callback": 0, "two-callbacks": 2}.get(self.wrong, 1)):
            _post(caller, body["callbackUrl"], told)
        self.asked[job] = 1

    def _quote(self, caller: dict[str, Any], opportunity: str, job: str) -> dict[str, str]:
        url = f"{caller['orgDomainUrl']}/services/data/v64.0/sobjects/Quote"
        for _ in range(2 if self.wrong == "twice" else 1):
            made = _post(caller, url, {"Name": "Small", "OpportunityId": opportunity})["id"]
        row = {"Id": str(uuid.uuid4()), "SalesforceId": made, "OpportunityId": opportunity, "JobId": job}
        self.rows.append(row)
        return row

    def _odata(self, path: str, query: dict[str, list[str]]) -> Said:
        if path.startswith("/odata/v4/Jobs("):
            done = path.removeprefix("/odata/v4/Jobs(").removesuffix(")") in self.asked
            return _json(200, {"Status": "completed" if done else "running", "Progress": 100 if done else 50})
        name, _, value = query["$filter"][0].partition(" eq ")
        return _json(200, {"value": [row for row in self.rows if row[name] == value.strip("'")]})


def _post(caller: dict[str, Any], url: str, members: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {caller['accessToken']}", "Content-Type": "application/json"}
    answer = send(url, "POST", headers, json.dumps(members).encode(), seconds=10)
    assert answer.status < 300, answer.body
    return answer.json() if answer.body else None


def _json(status: int, document: Any) -> Said:
    return Said(status=status, headers=(("Content-Type", "application/json"),), body=json.dumps(document).encode())
