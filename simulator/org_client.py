"""What a caller needs from the simulated org, over HTTP: sign in, opportunities, quotes, callbacks, faults.

In: the simulator's URL. Out: values. The org's own REST API where it has what is asked; `/__sim/` for the rest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote_plus

from simulator.context import API_VERSION, Caller
from simulator.exchange import Answer, send

POLL_SECONDS: Final = 0.1
IDS_OF_ONE_QUERY: Final = 200


_QUOTES: Final = "SELECT Id, OpportunityId FROM Quote"


class NoOrg(Exception):
    """The simulator does not answer, or not as it should: one line naming where and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One call of Apex's handler. body: its JSON; as_user: the name of the user it runs as; status: of the answer."""

    body: Any
    as_user: str
    status: int


@dataclass(frozen=True, slots=True)
class OrgClient:
    """The simulator at a URL without a slash at the end."""

    url: str
    seconds: float = 30.0

    def sign_in(self, username: str) -> Caller:
        """A user with a fresh token of their org. Raises: NoOrg, LookupError for a name the org does not know."""
        answer = self._send("POST", "/__sim/sign-in", {}, {"username": username})
        if answer.status == 404:
            raise LookupError(f"the simulated org has no user {username}")
        said = self._read(answer, "/__sim/sign-in")
        return Caller(
            org_id=said["orgId"],
            org_domain_url=said["orgDomainUrl"],
            user_id=said["userId"],
            username=said["username"],
            access_token=said["accessToken"],
        )

    def new_callback(self, caller: Caller, operation: str, seconds: float) -> tuple[str, str]:
        """Id and address of a new asynchronous call, as Salesforce makes them for one. Raises: NoOrg."""
        wanted = {"operation": operation, "deadlineSeconds": seconds}
        said = self.control("POST", "callbacks", {**wanted, "orgId": caller.org_id, "username": caller.username})
        return said["id"], said["url"]

    def callbacks(self, callback_id: str) -> tuple[Callback, ...]:
        """Every callback that arrived for an asynchronous call, in order. Raises: NoOrg."""
        received = self.control("GET", f"callbacks/{callback_id}")["received"]
        return tuple(Callback(body=one["body"], as_user=one["asUser"], status=one["status"]) for one in received)

    def wait_for_callback(self, callback_id: str, seconds: float) -> Callback | None:
        """The first callback that Apex's handler got, None when none comes in time. Raises: NoOrg."""
        until = time.monotonic() + seconds
        while True:
            accepted = [one for one in self.callbacks(callback_id) if one.status == 200]
            if accepted or time.monotonic() >= until:
                return accepted[0] if accepted else None
            time.sleep(POLL_SECONDS)

    def open_opportunities(self, caller: Caller) -> tuple[str, ...]:
        """Ids of all open opportunities that a user sees. Raises: NoOrg."""
        found = self.query(caller, "SELECT Id FROM Opportunity WHERE IsClosed = false ORDER BY Id")
        return tuple(row["Id"] for row in found)

    def quotes_of(self, caller: Caller, opportunity_ids: Sequence[str]) -> dict[str, str]:
        """Quotes of these opportunities that a user sees: id to opportunity. Raises: NoOrg."""
        quotes = {}
        for start in range(0, len(opportunity_ids), IDS_OF_ONE_QUERY):
            ids = ", ".join(_text(one) for one in opportunity_ids[start : start + IDS_OF_ONE_QUERY])
            found = self.query(caller, f"{_QUOTES} WHERE OpportunityId IN ({ids})")
            quotes.update({row["Id"]: row["OpportunityId"] for row in found})
        return quotes

    def query(self, caller: Caller, soql: str) -> list[dict[str, Any]]:
        """All rows of a SOQL query as a user, over as many pages as there are. Raises: NoOrg."""
        rows: list[dict[str, Any]] = []
        path = f"/services/data/v{API_VERSION}/query?q={quote_plus(soql)}"
        while path:
            answer = self._send("GET", path, {"Authorization": f"Bearer {caller.access_token}"})
            page = self._read(answer, path)
            rows += page["records"]
            path = page.get("nextRecordsUrl", "")
        return rows

    def requests(self) -> list[dict[str, Any]]:
        """What the simulator was asked, oldest first. Raises: NoOrg."""
        found: list[dict[str, Any]] = self.control("GET", "requests")["requests"]
        return found

    def control(self, method: str, path: str, members: Mapping[str, Any] | None = None) -> Any:
        """A call of `/__sim/`. Raises: NoOrg."""
        return self._read(self._send(method, f"/__sim/{path}", {}, members), f"/__sim/{path}")

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], members: Mapping[str, Any] | None = None
    ) -> Answer:
        body = b"" if members is None else json.dumps(dict(members)).encode()
        kind = {"Content-Type": "application/json"} if body else {}
        try:
            return send(f"{self.url}{path}", method, {**headers, **kind}, body, seconds=self.seconds)
        except (OSError, HTTPException) as problem:
            raise NoOrg(f"the simulator at {self.url} does not answer: {problem}") from None

    def _read(self, answer: Answer, path: str) -> Any:
        if answer.status >= 300:
            said = answer.body[:300].decode("utf-8", "replace")
            raise NoOrg(f"{answer.status} from {self.url}{path.partition('?')[0]}: {said}")
        try:
            return answer.json() if answer.body else None
        except ValueError as problem:
            raise NoOrg(f"{self.url}{path.partition('?')[0]}: {problem}") from None


def _text(value: str) -> str:
    """A text as SOQL writes it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
