"""A Salesforce org over the SDK's connection: `SdkOrg` is what `org.Org` promises.

Each thing that is asked is a value of rest_calls.py; one sender sends them all, and a session that ended is renewed
once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from applink import callback_urls, refusals, rest_calls, setup
from applink.errors import InvalidRequest, NotFound, OperationError, SessionEnded
from applink.gate import OPEN, Announced, Gate
from applink.org import Delete, Node, Record, SObject, Soql, Written
from applink.sending import Answer, Call, Sender, Session, meaning

T = TypeVar("T")
MOST_NODES: Final = 500
DESCRIBED_SECONDS: Final = 300.0
MISSING_SECONDS: Final = 15.0
"""How long what an object has is remembered, and that there is none, or none that quotes can be made with."""
MOST_DESCRIBED: Final = 1_000


class Sessions(Protocol):
    """Where an org's token comes from."""

    async def current(self, deadline: float) -> Session:
        """The session to use now."""
        ...

    async def renewed(self, ended: Session, deadline: float) -> Session:
        """Another one than `ended`. Raises: SessionEnded where there is none to be had."""
        ...


class CallersSession:
    """The token that came with a request: there is no other."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def current(self, deadline: float) -> Session:
        """The one that came."""
        return self._session

    async def renewed(self, ended: Session, deadline: float) -> Session:
        """None is to be had. Raises: SessionEnded."""
        raise SessionEnded("The org has ended the caller's session.")


class Described:
    """What objects have, for each user, for some minutes. Bounded; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str, str], tuple[float, SObject | None]] = OrderedDict()

    def get(self, session: Session, type_name: str) -> tuple[SObject | None] | None:
        """(object,) or (None,) where it is remembered that there is none; None where nothing is remembered."""
        with self._lock:
            found = self._kept.get((session.org_id, session.username, type_name))
        return (found[1],) if found is not None and self._clock() < found[0] else None

    def put(self, session: Session, type_name: str, sobject: SObject | None) -> None:
        """Remember an answer."""
        of_use = sobject is not None and not setup.lacks(sobject)
        until = self._clock() + (DESCRIBED_SECONDS if of_use else MISSING_SECONDS)
        with self._lock:
            self._kept[session.org_id, session.username, type_name] = until, sobject
            while len(self._kept) > MOST_DESCRIBED:
                self._kept.popitem(last=False)


class SdkOrg:
    """One org as one user, for threads that wait. Implements `org.Org`."""

    def __init__(
        self,
        sender: Sender,
        sessions: Sessions,
        known: Session,
        *,
        described: Described,
        callback_url: Callable[[str, str], str] = callback_urls.checked,
        gate: Gate = OPEN,
    ) -> None:
        self._sender = sender
        self._sessions = sessions
        self._known = known
        self._described = described
        self._callback_url = callback_url
        self._gate = gate
        self._calls = 0

    def __repr__(self) -> str:
        return f"SdkOrg({self.org_id}, {self.username})"

    @property
    def org_id(self) -> str:
        """The org's id, 18 characters."""
        return self._known.org_id

    @property
    def domain_url(self) -> str:
        """Where the org is, such as https://acme.my.salesforce.com; no slash at its end."""
        return self._known.domain_url

    @property
    def username(self) -> str:
        """The user as whom the org is asked."""
        return self._known.username

    @property
    def user_id(self) -> str | None:
        """That user's id, None where it is not known."""
        return self._known.user_id

    @property
    def calls(self) -> int:
        """How many requests were sent through this value, repeated ones included."""
        return self._calls

    def query(self, soql: Soql, *, deadline: float) -> list[Record]:
        """All records of all pages, those of sub-selects included. No records of a sub-select: None, as the org says.

        Raises: InvalidRequest for a query that does not fit into an address (200 ids do), else as org.py says.
        """
        page = self._ask(rest_calls.querying(self._known, soql), deadline)
        return [self._whole(record, deadline) for record in self._rest(page, deadline)]

    def describe(self, type_name: str, *, deadline: float) -> SObject | None:
        """What an object has for this user, None where there is no such object; remembered for a while."""
        kept = self._described.get(self._known, type_name)
        if kept is not None:
            return kept[0]
        try:
            found = self._ask(rest_calls.describing(self._known, type_name), deadline)
        except NotFound:
            found = None
        self._described.put(self._known, type_name, found)
        return found

    def write(
        self, nodes: Sequence[Node], *, deadline: float, before: Callable[[], None] | None = None
    ) -> tuple[Written, ...]:
        """All of the nodes or none. Raises: the guilty node's error, which it names; InvalidRequest above 500."""
        if not 0 < len(nodes) <= MOST_NODES:
            raise InvalidRequest(f"A graph has 1 to {MOST_NODES} nodes, not {len(nodes)}.")
        call = rest_calls.writing(self._known, nodes)
        if before is None:
            return self._ask(call, deadline)
        with self._gate.announced(self.org_id, deadline) as announced:
            before()
            return self._ask(call, deadline, announced)

    def create(self, type_name: str, fields: Mapping[str, Any], *, deadline: float) -> str:
        """A new record or Platform Event; its id."""
        return self._ask(rest_calls.creating(self._known, type_name, fields), deadline)

    def update(self, type_name: str, record_id: str, fields: Mapping[str, Any], *, deadline: float) -> None:
        """Change a record."""
        self._ask(rest_calls.updating(self._known, type_name, record_id, fields), deadline)

    def delete(self, type_name: str, record_id: str, *, deadline: float) -> None:
        """Delete a record; as a graph of one, since a DELETE is repeated by the HTTP client when a connection ends."""
        self.write([Delete(reference="deleted", type=type_name, id=record_id)], deadline=deadline)

    def deliver(self, callback_url: str, body: Mapping[str, Any], *, deadline: float) -> int:
        """POST a callback; the status that the org answers with, 401 excepted: that is SessionEnded.

        Raises: InvalidCallbackUrl when it does not lead to this org; nothing is sent then.
        """
        checked = self._callback_url(callback_url, self.domain_url)
        path = checked.removeprefix(self.domain_url)
        return self._ask(rest_calls.delivering(path, body), deadline)

    def _ask(self, call: Call[T], deadline: float, announced: Announced | None = None) -> T:
        """Send, and once more with another token when the org has ended this one: nothing had happened then."""
        session, answer = self._wait(self._sent(call, deadline, announced), call, deadline)
        try:
            return meaning(call, answer)
        except SessionEnded:
            pass
        _, answer = self._wait(self._sent(call, deadline, announced, ended=session), call, deadline)
        return meaning(call, answer)

    async def _sent(
        self, call: Call[Any], deadline: float, announced: Announced | None, ended: Session | None = None
    ) -> tuple[Session, Answer]:
        """The answer, and the session in which it was given. A place is held for the exchange alone."""
        sessions = self._sessions
        session = await (sessions.current(deadline) if ended is None else sessions.renewed(ended, deadline))
        async with self._gate.place(self.org_id, deadline, announced, goes_on=self._calls > 0):
            self._calls += 1
            return session, await self._sender.send(call, session, deadline)

    def _rest(self, page: dict[str, Any], deadline: float) -> list[dict[str, Any]]:
        """The records of a page and of those that follow it."""
        records = list(page["records"])
        while not page["done"]:
            page = self._ask(rest_calls.following(str(page["nextRecordsUrl"])), deadline)
            records.extend(page["records"])
        return records

    def _whole(self, record: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """A record without the org's attributes, with all of its children."""
        found: dict[str, Any] = {}
        for name, value in record.items():
            if name == "attributes":
                continue
            if isinstance(value, dict):
                if isinstance(value.get("records"), list) and "done" in value:
                    value = tuple(self._whole(child, deadline) for child in self._rest(value, deadline))
                else:
                    value = self._whole(value, deadline)
            found[name] = value
        return found

    def _wait(self, work: Coroutine[Any, Any, T], call: Call[Any], deadline: float) -> T:
        failure: OperationError
        try:
            return self._sender.loop.run(work, deadline)
        except TimeoutError:
            failure = refusals.unanswered("did not answer in time", what=call.what, writes=call.writes)
        raise failure
