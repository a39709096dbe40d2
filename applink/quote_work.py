"""One change of a quote that is there: begun, asked for in the org, stored; no transaction lasts meanwhile.

    begin   the row, and a lease of the quote, committed: a second change is sent away
    ask     the org: look, write, read back (quote_changes.py)
    store   if lease and row are still as they were: what the org now has; else nobody knows (OutcomeUnknown)

The lease of a process that ended ends by itself. Once the org was asked to write, nothing is a 503 any more.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

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

    discount_percent: 0 to 100, off the list price of every line. For a deletion only the first four matter.
    """

    org_id: str
    quote_id: str
    requested_by: str | None = None
    request_id: str | None = None
    status: str | None = None
    name: str | None = None
    expiration_date: date | None = None
    discount_percent: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One change under way. stored, version: the row as it was when the lease was taken."""

    change: QuoteChange
    org: Org
    stored: Rows
    version: int
    lease: Lease
    deadline: float

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
    except BaseException:
        _let_go(engine, work)
        raise
    _store(engine, work, outcome)
    if isinstance(outcome.answer, OperationError):
        raise outcome.answer
    return outcome.answer


def _begin(engine: Engine, change: QuoteChange, org: Org, deadline: float) -> Work:
    with engine.begin() as connection:
        set_org(connection, change.org_id)
        seen = quote_rows.find(connection, change.org_id, change.quote_id)
        if seen is None or seen.salesforce_id is None:
            raise _unknown(change)
        seconds = max(deadline - time.monotonic(), 0.0) + LEASE_MARGIN_SECONDS
        lease = quote_leases.take(connection, seen, change.request_id, seconds)
        if lease is None:
            raise Unavailable(f"Another change of quote {change.quote_id} is under way.", retry_after_seconds=2)
        version = quote_rows.version(connection, seen.org_id, seen.id)  # before the row: never newer than what is read
        row = quote_rows.find(connection, seen.org_id, str(seen.id))
        if version is None or row is None:
            raise _unknown(change)
        stored = row, quote_rows.lines_of(connection, row.org_id, row.id)
    return Work(change=change, org=org, stored=stored, version=version, lease=lease, deadline=deadline)


def _unknown(change: QuoteChange) -> OperationError:
    return QuoteNotFound(f"There is no quote {change.quote_id[:40]} in this org.")


def _let_go(engine: Engine, work: Work) -> None:
    """For the next change; with the database away the lease ends by itself."""
    with contextlib.suppress(*AWAY), engine.begin() as connection:
        set_org(connection, work.change.org_id)
        quote_leases.release(connection, work.lease)


def _store(engine: Engine, work: Work, outcome: Outcome) -> None:
    """Write what came of a change. Raises: OutcomeUnknown where the org has it and the row does not."""
    refused = isinstance(outcome.answer, OperationError)
    try:
        with engine.begin() as connection:
            set_org(connection, work.change.org_id)
            held = quote_leases.release(connection, work.lease)
            as_it_was = quote_rows.version(connection, work.row.org_id, work.row.id, lock=True) == work.version
            if held and as_it_was:
                outcome.store(connection)
    except AWAY as problem:
        if refused:
            raise
        raise OutcomeUnknown(f"The org did it, and it could not be stored here yet. {AGAIN}") from problem
    if not (refused or (held and as_it_was)):
        raise OutcomeUnknown(f"The org did it, and the quote was changed here by somebody else meanwhile. {AGAIN}")
