"""An org each of whose calls waits for a place: `GatedOrg` is what `org.Org` promises, within the budget of calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from applink import setup
from applink.benches import Benches
from applink.errors import OrgLimitReached
from applink.org import Node, Org, Record, SObject, Soql, Written

NO_PLACE: Final = "ALL_CALLS_TAKEN"
DESCRIBED_SECONDS: Final = 120.0
"""How long after a description another is taken from memory; shorter than `salesforce.DESCRIBED_SECONDS`."""


class Orgs(Protocol):
    """Where orgs come from; `authorizations.Orgs`."""

    def named(self, org_id: str, *, deadline: float | None = None) -> Org:
        """The org as its named authorization."""
        ...


class GatedOrgs:
    """Orgs whose calls wait for their places on the benches of this worker."""

    def __init__(self, orgs: Orgs, benches: Benches) -> None:
        self._orgs = orgs
        self._benches = benches
        self._described: dict[tuple[str, str], float] = {}

    def named(self, org_id: str, *, deadline: float | None = None) -> GatedOrg:
        """The org as its named authorization. Raises as the other does."""
        return GatedOrg(self._orgs.named(org_id, deadline=deadline), self._benches, self._described)


class GatedOrg:
    """One org for one item or chore. Raises OrgLimitReached, with NO_PLACE in it, where no place came free in time,
    or the org is paused.
    """

    def __init__(self, org: Org, benches: Benches, described: dict[tuple[str, str], float]) -> None:
        self._org = org
        self._benches = benches
        self._described = described

    @property
    def org_id(self) -> str:
        """18 characters."""
        return self._org.org_id

    @property
    def domain_url(self) -> str:
        """Where the org is, no slash at its end."""
        return self._org.domain_url

    @property
    def username(self) -> str:
        """Of the named authorization's user."""
        return self._org.username

    @property
    def user_id(self) -> str | None:
        """Of the same user; None where nobody said."""
        return self._org.user_id

    @property
    def calls(self) -> int:
        """How many requests were sent through this value."""
        return self._org.calls

    def query(self, soql: Soql, *, deadline: float) -> list[Record]:
        """All records of all pages, in one place."""
        with self._place(deadline):
            return self._org.query(soql, deadline=deadline)

    def describe(self, type_name: str, *, deadline: float) -> SObject | None:
        """What an object has; without a place while a description of it is remembered."""
        key = (self.org_id, type_name)
        if self._described.get(key, 0.0) > time.monotonic():
            return self._org.describe(type_name, deadline=deadline)
        with self._place(deadline):
            found = self._org.describe(type_name, deadline=deadline)
        if found is not None and not setup.lacks(found):
            self._described[key] = time.monotonic() + DESCRIBED_SECONDS
        return found

    def write(
        self, nodes: Sequence[Node], *, deadline: float, before: Callable[[], None] | None = None
    ) -> tuple[Written, ...]:
        """All of the nodes or none. before: runs in the place of the call; without a place it never runs."""
        with self._place(deadline):
            return self._org.write(nodes, deadline=deadline, before=before)

    def create(self, type_name: str, fields: Mapping[str, Any], *, deadline: float) -> str:
        """A new record or Platform Event, in a place; its id."""
        with self._place(deadline):
            return self._org.create(type_name, fields, deadline=deadline)

    def update(self, type_name: str, record_id: str, fields: Mapping[str, Any], *, deadline: float) -> None:
        """Change a record, in a place."""
        with self._place(deadline):
            self._org.update(type_name, record_id, fields, deadline=deadline)

    def delete(self, type_name: str, record_id: str, *, deadline: float) -> None:
        """Delete a record, in a place."""
        with self._place(deadline):
            self._org.delete(type_name, record_id, deadline=deadline)

    def deliver(self, callback_url: str, body: Mapping[str, Any], *, deadline: float) -> int:
        """POST a callback, in a place; the status that the org answers with."""
        with self._place(deadline):
            return self._org.deliver(callback_url, body, deadline=deadline)

    @contextlib.contextmanager
    def _place(self, deadline: float) -> Iterator[None]:
        with self._benches.place(self.org_id, deadline) as free:
            if not free:
                raise OrgLimitReached(f"Every call that this org may get for now was taken ({NO_PLACE}).")
            yield
