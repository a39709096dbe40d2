"""Apex and Flow as callers of the gateway's operations: sign in, invoke, wait for the callback, repeat, send nonsense.

In: an operation, its body, who calls and how. Out: what the gateway answered, and what Apex's handler would get. The
request is a value (`Invocation`) before it is sent, so that it can be sent again byte for byte. Runs in a test, or in
`gateway sim invoke`, against a simulator and a gateway that run elsewhere; knows both by URL only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any, Final, Literal

from simulator import context
from simulator.context import Caller, Target
from simulator.exchange import Answer, send
from simulator.org_client import Callback, OrgClient

ANN: Final = "ann@acme.example"
ABSENT: Final = "-"
"""In place of a header's value: it is not sent at all."""
Through = Literal["mesh", "direct"]
APEX_CALLOUT_SECONDS: Final = 120.0
"""Longest callout that Apex allows."""


class Unreachable(Exception):
    """Nobody answered, or not in time: one line naming where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One request to the gateway, ready to be sent any number of times. url: the whole; body: as sent."""

    operation: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    request_id: str
    callback_id: str | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the gateway said to an invocation. seconds: until the whole answer was there."""

    invocation: Invocation
    answer: Answer
    seconds: float

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.answer.status

    @property
    def body(self) -> Any:
        """The body as JSON. Raises: ValueError."""
        return self.answer.json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Apex:
    """A place from which users of an org call the gateway.

    org: the simulated org; gateway, mesh: URLs without a slash at the end, mesh "" when there is none; app_uuid: the
    gateway's HEROKU_APP_ID; seconds: longest wait for one answer.
    """

    org: OrgClient
    gateway: str
    mesh: str = ""
    app_uuid: str = "app-1"
    seconds: float = APEX_CALLOUT_SECONDS

    def invoke(
        self,
        operation: str,
        body: Mapping[str, Any],
        *,
        user: str | Caller = ANN,
        through: Through = "mesh",
        deadline_seconds: float = 600,
        callback: bool = False,
        **changes: Any,
    ) -> Reply:
        """Prepare an invocation and send it once. Arguments as `prepare`. Raises: Unreachable, NoOrg."""
        return self.send(
            self.prepare(
                operation,
                body,
                user=user,
                through=through,
                deadline_seconds=deadline_seconds,
                callback=callback,
                **changes,
            )
        )

    def prepare(
        self,
        operation: str,
        body: Mapping[str, Any] | bytes,
        *,
        user: str | Caller = ANN,
        through: Through = "mesh",
        deadline_seconds: float = 600,
        callback: bool = False,
        request_id: str | None = None,
        client_context: str | None = None,
        org_domain_url: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Invocation:
        """One request as Salesforce would send it, or one that it never would.

        Args:
            body: JSON members, or bytes as they are. user: a username, which is signed in, or a caller.
            through: "mesh" sends all three headers to the mesh; "direct" sends to the gateway what the mesh leaves.
            callback: adds `callbackUrl` of a new asynchronous call in the org, valid for deadline_seconds.
            client_context: a name of `context.MALFORMED`, or a header value as it is; ABSENT leaves the header out.
            org_domain_url: another domain in `x-client-context`, such as one of `context.FOREIGN_DOMAINS`; the mesh
                never compares it with its own header.
            headers: further ones, which win; ABSENT leaves one out.
        Raises: NoOrg when the simulator does not answer; UnknownUser for one it does not have.
        """
        caller = self.sign_in(user)
        callback_id, callback_url = (
            self.org.new_callback(caller, operation, deadline_seconds) if callback else (None, None)
        )
        request_id = request_id or context.new_request_id(caller)
        target = f"/applink/{operation}"
        sent = self._headers(caller, target, request_id, through)
        if client_context is not None or org_domain_url is not None:
            says = replace(caller, org_domain_url=org_domain_url or caller.org_domain_url)
            sent["x-client-context"] = _spoiled(says, request_id, client_context)
        sent |= headers or {}
        return Invocation(
            operation=operation,
            url=f"{self._base(through)}{target}",
            headers={name: value for name, value in sent.items() if value != ABSENT},
            body=body if isinstance(body, bytes) else _json(body, callback_url),
            caller=caller,
            request_id=request_id,
            callback_id=callback_id,
            callback_url=callback_url,
        )

    def send(self, invocation: Invocation) -> Reply:
        """Send it; every time the same bytes. Raises: Unreachable."""
        started = time.monotonic()
        try:
            answer = send(invocation.url, "POST", invocation.headers, invocation.body, seconds=self.seconds)
        except (OSError, HTTPException) as problem:
            reason = str(problem) or type(problem).__name__
            raise Unreachable(f"no answer from {invocation.url}: {reason}") from None
        return Reply(invocation=invocation, answer=answer, seconds=time.monotonic() - started)

    def repeat(self, reply: Reply) -> Reply:
        """The same request once more, byte for byte, as Salesforce repeats one whose answer it did not get."""
        return self.send(reply.invocation)

    def wait(self, reply: Reply | Invocation, seconds: float = 60) -> Callback | None:
        """What Apex's handler gets for an invocation with a callback, None when nothing comes in time."""
        invocation = reply.invocation if isinstance(reply, Reply) else reply
        if invocation.callback_id is None:
            raise ValueError(f"{invocation.operation} was invoked without a callback")
        return self.org.wait_for_callback(invocation.callback_id, seconds)

    def callbacks(self, reply: Reply) -> tuple[Callback, ...]:
        """Every callback so far that Apex's handler got for an invocation; one, if all is well."""
        found = self.org.callbacks(reply.invocation.callback_id or "")
        return tuple(one for one in found if one.status == 200)

    def sign_in(self, user: str | Caller) -> Caller:
        """A username as a caller with a token of the org."""
        return user if isinstance(user, Caller) else self.org.sign_in(user)

    def _base(self, through: Through) -> str:
        if through == "mesh" and not self.mesh:
            raise ValueError("there is no mesh to go through")
        return self.mesh if through == "mesh" else self.gateway

    def _headers(self, caller: Caller, target: str, request_id: str, through: Through) -> dict[str, str]:
        made = context.headers(caller, Target(resource=target, app_uuid=self.app_uuid), request_id)
        if through == "direct":
            del made["x-request-context"]
        return {"Content-Type": "application/json", "Accept": "application/json", **made}


def _spoiled(caller: Caller, request_id: str, how: str | None) -> str:
    if how is None:
        return context.encode(context.client_context(caller, request_id))
    spoil = context.MALFORMED.get(how)
    return spoil(caller, request_id) if spoil else how


def _json(body: Mapping[str, Any], callback_url: str | None) -> bytes:
    members = dict(body) if callback_url is None else {**body, "callbackUrl": callback_url}
    return json.dumps(members, separators=(",", ":")).encode()
