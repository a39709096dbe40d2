"""What a caller needs from the simulated org, over HTTP: sign in, opportunities, quotes, callbacks, faults.

In: the simulator's URL. Out: values. The org's own REST API where it has what is asked; `/__sim/` for the rest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote_plus

from simulator.context import API_VERSION, Caller, caller_of
from simulator.exchange import Answer, send

POLL_SECONDS: Final = 0.2
IDS_OF_ONE_QUERY: Final = 200


_QUOTES: Final = "SELECT Id, OpportunityId FROM Quote"
_PERMISSION_SETS: Final = "SELECT Id FROM PermissionSet"


class NoOrg(Exception):
    """The simulator does not answer, or not as it should: one line naming where and what."""


class UnknownUser(Exception):
    """No org has a user of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One delivery to an asynchronous call. body: its JSON; as_user: whom Apex's handler runs as; sent_by: whose token.

    status: 200 when Apex heard of it, 408 when the deadline had passed.
    """

    body: Any
    as_user: str
    sent_by: str
    status: int


@dataclass(frozen=True, slots=True)
class OrgClient:
    """The simulator at a URL without a slash at the end."""

    url: str
    seconds: float = 30.0

    def sign_in(self, name: str) -> Caller:
        """A user with their present token, by username, or by its first part for a user of the first org.

        Raises: NoOrg; UnknownUser for a name that no org has, naming those there are.
        """
        users = self.control("GET", "users")["users"]
        found = next((one for one in users if name in (one["username"], one["username"].partition("@")[0])), None)
        if found is None:
            raise UnknownUser(f"no user {name}; there are {', '.join(one['username'] for one in users)}")
        return caller_of(found)

    def new_callback(self, caller: Caller, operation: str, seconds: float) -> tuple[str, str]:
        """Id and address of a new asynchronous call, as Salesforce makes them for one. Raises: NoOrg."""
        wanted = {"username": caller.username, "operation": operation, "deadlineSeconds": seconds}
        said = self.control("POST", "callbacks", wanted)
        return said["id"], said["url"]

    def callbacks(self, callback_id: str) -> tuple[Callback, ...]:
        """Every delivery to an asynchronous call so far, in order. Raises: NoOrg."""
        received = self.control("GET", f"callbacks/{callback_id}")["received"]
        return tuple(
            Callback(body=each["body"], as_user=each["asUser"], sent_by=each["sentBy"], status=each["status"])
            for each in received
        )

    def wait_for_callback(self, callback_id: str, seconds: float) -> Callback | None:
        """The delivery that Apex's handler got, None when none comes in time. Raises: NoOrg."""
        until = time.monotonic() + seconds
        while True:
            taken = [one for one in self.callbacks(callback_id) if one.status == 200]
            if taken or time.monotonic() >= until:
                return taken[0] if taken else None
            time.sleep(POLL_SECONDS)

    def opportunities(self, username: str, count: int) -> tuple[str, ...]:
        """Up to so many opportunities that a user sees and that can become a quote. Raises: NoOrg."""
        found = self.control("GET", f"opportunities?user={quote_plus(username)}&count={count}")
        return tuple(found["ids"])

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

    @contextmanager
    def user_plus(self, caller: Caller, permission_set: str = "QuoteGatewayPerms") -> Iterator[None]:
        """A session-based permission set active for the time of the block, as AppLink activates it for a call.

        Raises: NoOrg.
        """
        (found,) = self.query(caller, f"{_PERMISSION_SETS} WHERE Name = {_text(permission_set)}")
        path = f"/services/data/v{API_VERSION}/sobjects/SessionPermSetActivation"
        token = {"Authorization": f"Bearer {caller.access_token}"}
        made = self._read(self._send("POST", path, token, {"PermissionSetId": found["Id"]}), path)
        try:
            yield
        finally:
            self._read(self._send("DELETE", f"{path}/{made['id']}", token), path)

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
