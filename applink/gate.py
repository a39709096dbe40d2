"""What every call to an org passes: a `Gate` gives each its place. `OPEN` lets all pass; the worker's is `Places`.

A write may be announced while its place is still to come: what has to be done before it is sent is done meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from applink.org import Org


@dataclass(slots=True, eq=False)
class Announced:
    """A write that is to be sent next. waits: its place is still to come."""

    org_id: str
    waits: bool = True


class Gate(Protocol):
    """Lets calls to orgs pass. until: a monotonic time."""

    def announced(self, org_id: str, until: float) -> AbstractContextManager[Announced]:
        """For threads: within, a write may be made ready and sent. Raises: NoPlace, in time and when it is over."""
        ...

    def place(
        self, org_id: str, until: float, announced: Announced | None = None, *, goes_on: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """On the loop of the calls: within, one call may be under way. goes_on: it belongs to what was begun before.

        Raises: NoPlace; NotSent where announced.
        """
        ...


class Open:
    """Lets everything pass."""

    @contextlib.contextmanager
    def announced(self, org_id: str, until: float) -> Iterator[Announced]:
        """At once."""
        yield Announced(org_id)

    def place(
        self, org_id: str, until: float, announced: Announced | None = None, *, goes_on: bool = False
    ) -> AbstractAsyncContextManager[None]:
        """At once."""
        return contextlib.nullcontext()


OPEN = Open()


class Orgs(Protocol):
    """Where orgs come from; `authorizations.Orgs`."""

    def named(self, org_id: str, *, deadline: float | None = None, gate: Gate = OPEN) -> Org:
        """The org as its named authorization; its calls pass the gate."""
        ...


class GatedOrgs:
    """Orgs all of whose calls pass one gate."""

    def __init__(self, orgs: Orgs, gate: Gate) -> None:
        self._orgs = orgs
        self._gate = gate

    def named(self, org_id: str, *, deadline: float | None = None) -> Org:
        """The org as its named authorization. Raises as the other does."""
        return self._orgs.named(org_id, deadline=deadline, gate=self._gate)
