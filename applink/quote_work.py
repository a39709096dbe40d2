"""One change of a quote that is there: begun, asked for in the org, stored; no transaction lasts meanwhile.

    begin   the row, and a lease of the quote, committed: a second change is sent away
    ask     the org: look, write, read back (quote_changes.py)
    store   if lease and row are still as they were: what the org now has; else nobody knows (OutcomeUnknown)
    resume  a change of which nobody knows, found by a worker: look, then store

The lease of a process that ended ends by itself. Once the org was asked to write, nothing is a 503 any more.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from applink import org_quotes, quote_leases, quote_rows
from applink.errors import OperationError, OutcomeUnknown, QuoteNotFound, Unavailable
from applink.org import Org
from applink.org_quotes import OrgQuote
from applink.quote_leases import Lease
from applink.quote_match import Rows
from applink.quote_rows import QuoteRow
from models.database import set_org

LEASE_MARGIN_SECONDS: Final = 5.0
"""A change that has not ended so long after its deadline has died; only then may another begin."""
AWAY: Final = (DBAPIError, NoConnection)
AGAIN: Final = "Send the same again: it looks in the org first."


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteChange:
    """What is asked of a stored quote. quote_id: the org's id or the row's. None: to stay as it is.

    discount_percent: 0 to 100, off the list price of every line. deletes: nothing else is asked.
    """

    org_id: str
    quote_id: str
    requested_by: str | None = None
    request_id: str | None = None
    status: str | None = None
    name: str | None = None
    expiration_date: date | None = None
    discount_percent: Decimal | None = None
    deletes: bool = False

    def wish(self) -> dict[str, Any]:
        """What is asked, as JSON has it."""
        return {
            "status": self.status,
            "name": self.name,
            "expirationDate": self.expiration_date and self.expiration_date.isoformat(),
            "discountPercent": None if self.discount_percent is None else str(self.discount_percent),
            "deletes": self.deletes,
        }


def of_wish(lease: Lease, requested_by: str | None, request_id: str | None, wish: Mapping[str, Any]) -> QuoteChange:
    """The change of which a lease holds the wish."""
    day, percent = wish.get("expirationDate"), wish.get("discountPercent")
    return QuoteChange(
        org_id=lease.org_id,
        quote_id=str(lease.quote_id),
        requested_by=requested_by,
        request_id=request_id,
        status=wish.get("status"),
        name=wish.get("name"),
        expiration_date=date.fromisoformat(day) if day else None,
        discount_percent=Decimal(percent) if percent else None,
        deletes=bool(wish.get("deletes")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One change under way. stored, version: the row as it was when the lease was taken.

    through: what brings the row up, as an Event says it.
    """

    change: QuoteChange
    org: Org
    stored: Rows
    version: int
    lease: Lease
    deadline: float
    through: str = "operation"

    @property
    def row(self) -> QuoteRow:
        """The quote itself."""
        return self.stored[0]

    @property
    def by(self) -> str | None:
        """Who asks."""
        return self.change.requested_by or self.org.user_id

    def found(self) -> OrgQuote | None:
        """The quote as the org has it now; None when it is not there, or not to be seen."""
        return org_quotes.by_id(self.org, self.row.salesforce_id or "", deadline=self.deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the org made of a change. answer: the row, or what is raised, nothing having been changed in the org.

    store(connection): what is to be written here.
    """

    answer: QuoteRow | OperationError
    store: Callable[[Connection], None] = lambda connection: None


def changing(
    engine: Engine, change: QuoteChange, org: Org, deadline: float, ask: Callable[[Work], Outcome]
) -> QuoteRow:
    """The row after a change. ask: what is done in the org while the lease is held.

    Raises: what `ask` raises, and the refusal that it answers; QuoteNotFound; Unavailable where another change is under
            way; OutcomeUnknown where the org did it and the row could not be brought up.
    """
    work = _begin(engine, change, org, deadline)
    try:
        outcome = ask(work)
    except BaseException as problem:
        known = isinstance(problem, OperationError) and not isinstance(problem, OutcomeUnknown)
        _let_go(engine, work, ended=known)
        raise
    _store(engine, work, outcome)
    if isinstance(outcome.answer, OperationError):
        raise outcome.answer
    return outcome.answer


def resumed(
    engine: Engine, change: QuoteChange, lease: Lease, org: Org, deadline: float, ask: Callable[[Work], Outcome]
) -> None:
    """Store what became of a change that was interrupted. lease: taken for it; ask: looks, and writes nothing.

    Raises: what `ask` raises, and OutcomeUnknown where the row changed meanwhile: later again.
    """
    with engine.begin() as connection:
        set_org(connection, change.org_id)
        found = _read(connection, change.org_id, change.quote_id)
        if found is None:
            quote_leases.release(connection, lease, ended=True)
            return
    stored, version = found
    work = Work(
        change=change, org=org, stored=stored, version=version, lease=lease, deadline=deadline, through="reconcile"
    )
    _store(engine, work, ask(work))


def _begin(engine: Engine, change: QuoteChange, org: Org, deadline: float) -> Work:
    with engine.begin() as connection:
        set_org(connection, change.org_id)
        seen = quote_rows.find(connection, change.org_id, change.quote_id)
        if seen is None or seen.salesforce_id is None:
            raise _unknown(change)
        seconds = max(deadline - time.monotonic(), 0.0) + LEASE_MARGIN_SECONDS
        lease = quote_leases.take(connection, seen, change.requested_by, change.request_id, change.wish(), seconds)
        if lease is None:
            raise Unavailable(f"Another change of quote {change.quote_id} is under way.", retry_after_seconds=2)
        found = _read(connection, seen.org_id, str(seen.id))
        if found is None:
            raise _unknown(change)
    return Work(change=change, org=org, stored=found[0], version=found[1], lease=lease, deadline=deadline)


def _read(connection: Connection, org_id: str, row_id: str) -> tuple[Rows, int] | None:
    """A quote with its lines, and a version that is not newer than they are."""
    version = quote_rows.version(connection, org_id, UUID(row_id))
    row = quote_rows.find(connection, org_id, row_id)
    if version is None or row is None:
        return None
    return (row, quote_rows.lines_of(connection, org_id, row.id)), version


def _unknown(change: QuoteChange) -> OperationError:
    return QuoteNotFound(f"There is no quote {change.quote_id[:40]} in this org.")


def _let_go(engine: Engine, work: Work, *, ended: bool) -> None:
    """For the next change, or for a worker; with the database away the lease ends by itself."""
    with contextlib.suppress(*AWAY), engine.begin() as connection:
        set_org(connection, work.change.org_id)
        quote_leases.release(connection, work.lease, ended=ended)


def _store(engine: Engine, work: Work, outcome: Outcome) -> None:
    """Write what came of a change. Raises: OutcomeUnknown where the org has it and the row does not."""
    refused = isinstance(outcome.answer, OperationError)
    try:
        with engine.begin() as connection:
            set_org(connection, work.change.org_id)
            as_it_was = quote_rows.version(connection, work.row.org_id, work.row.id, lock=True) == work.version
            held = quote_leases.release(connection, work.lease, ended=as_it_was or refused)
            if held and as_it_was:
                outcome.store(connection)
    except AWAY as problem:
        if refused:
            raise
        raise OutcomeUnknown(f"The org did it, and it could not be stored here yet. {AGAIN}") from problem
    if not (refused or (held and as_it_was)):
        raise OutcomeUnknown(f"The org did it, and the quote was changed here by somebody else meanwhile. {AGAIN}")
