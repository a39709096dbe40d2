"""updateQuote and deleteQuote: the org first, then the row, so that both stay one.

What stands in the org is compared with the row before anything is written. Changed there: the row takes the org's
values, is marked, and the change is refused (409); asked again, it applies to what is now shown. Gone there: 404. There
already as asked, as after an answer that was cut off: only the row is brought up.

The row stays locked meanwhile, so a second change of the same quote is sent away. A process that ends lets go of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from applink import opportunities, org_quotes, quote_match, quote_rows, quote_sync, reprice
from applink.errors import NotFound, OperationError, OutcomeUnknown, QuoteChanged, QuoteNotFound, Refused, Unavailable
from applink.org import Org
from applink.org_quotes import OrgQuote
from applink.quote_match import Rows
from applink.quote_rows import DELETED_IN_ORG, SYNCED, Event, QuoteRow
from models.database import set_org
from models.discounts import DiscountRule, in_words
from models.pricing import PricingDefaults

SHOWN: Final = 300
"""Characters of a message that tell what was changed."""


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
class _Work:
    """One change under way, within the transaction that holds the row."""

    connection: Connection
    change: QuoteChange
    org: Org
    stored: Rows
    deadline: float

    @property
    def row(self) -> QuoteRow:
        return self.stored[0]

    @property
    def by(self) -> str | None:
        return self.change.requested_by or self.org.user_id

    def found(self) -> OrgQuote | None:
        return org_quotes.by_id(self.org, self.row.salesforce_id or "", deadline=self.deadline)


def update(
    engine: Engine, change: QuoteChange, org: Org, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], *,
    on: date, deadline: float,
) -> QuoteRow:  # fmt: skip
    """Change status, name, expiry or discount; the row as it is afterwards.

    Raises: QuoteNotFound, QuoteChanged (both mark the row), NotPriceable, NotAllowed, Refused;
            Unavailable: nothing was changed; OutcomeUnknown: the same change again settles it.
    """
    with engine.begin() as connection:
        work = _begun(connection, change, org, deadline)
        outcome = _update(work, defaults, rules, on) if work else _unknown(change)
    return _given(outcome)


def delete(engine: Engine, change: QuoteChange, org: Org, *, deadline: float) -> QuoteRow:
    """Delete a quote; the row as it was. One that is known to be gone in the org is deleted here alone.

    Raises: QuoteNotFound, QuoteChanged (both mark the row), NotAllowed, Refused; Unavailable; OutcomeUnknown.
    """
    with engine.begin() as connection:
        work = _begun(connection, change, org, deadline)
        outcome = _delete(work) if work else _unknown(change)
    return _given(outcome)


def _given(outcome: QuoteRow | OperationError) -> QuoteRow:
    """Raised only now: what was noted about the quote is committed."""
    if isinstance(outcome, OperationError):
        raise outcome
    return outcome


def _begun(connection: Connection, change: QuoteChange, org: Org, deadline: float) -> _Work | None:
    set_org(connection, change.org_id)
    try:
        row = quote_rows.find(connection, change.org_id, change.quote_id, lock=True)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":
            raise
        raise Unavailable(f"Another change of quote {change.quote_id} is under way.", retry_after_seconds=2) from None
    if row is None or row.salesforce_id is None:
        return None
    stored = row, quote_rows.lines_of(connection, row.org_id, row.id)
    return _Work(connection=connection, change=change, org=org, stored=stored, deadline=deadline)


def _unknown(change: QuoteChange) -> OperationError:
    return QuoteNotFound(f"There is no quote {change.quote_id[:40]} in this org.")


def _update(
    work: _Work, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], on: date
) -> QuoteRow | OperationError:
    found = work.found()
    if found is None:
        return _gone(work)
    base = quote_match.as_in_org(*work.stored, found)
    if changed := quote_match.changes(work.stored, base):
        target = _target(work, work.stored, defaults, rules, on)
        if quote_match.changes(target, quote_match.as_in_org(*target, found)):
            return _changed(work, base, changed, found)
        return _stored(work, target, found)
    target = _target(work, base, defaults, rules, on)
    try:
        found = _written(work, base, target, found)
    except (NotFound, Refused):
        if work.found() is None:
            return _gone(work)
        raise
    return _stored(work, target, found)


def _target(work: _Work, base: Rows, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], on: date) -> Rows:
    """The rows as they are to be."""
    change = work.change
    row, lines = base
    asked: dict[str, Any] = {
        "name": change.name,
        "status": change.status,
        "expiration_date": change.expiration_date,
    }
    if change.discount_percent is not None:
        row, lines = reprice.repriced(base, change.discount_percent, rules, on=on, defaults=defaults)
    return replace(row, **{name: value for name, value in asked.items() if value is not None}), lines


def _written(work: _Work, base: Rows, target: Rows, found: OrgQuote) -> OrgQuote:
    """Make the org's quote the target; it as it is then."""
    unknown: OutcomeUnknown | None = None
    try:
        reprice.write(work.org, base, target, found, deadline=work.deadline)
    except OutcomeUnknown as error:
        unknown = error
    try:
        now = work.found()
    except Unavailable as error:
        raise unknown or OutcomeUnknown(
            f"The quote may be changed, and could not be read back: {error.message}"
        ) from None
    if now is None:
        raise NotFound("The quote is no longer there.")
    if unknown and quote_match.changes(target, quote_match.as_in_org(*target, now)):
        raise unknown
    return now


def _stored(work: _Work, target: Rows, found: OrgQuote) -> QuoteRow:
    """The row as the org now has it, and the event that tells the difference."""
    after = quote_match.as_in_org(*target, found)
    row = replace(after[0], sync_status=SYNCED)
    changes = quote_match.changes(work.stored, (row, after[1]))
    if changes or row.discount_percent != work.row.discount_percent:
        row = replace(row, last_modified_by_id=work.by or found.last_modified_by_id)
        quote_rows.add_event(work.connection, row, _event(work, row, changes))
    quote_rows.change(work.connection, row)
    quote_rows.replace_lines(work.connection, row, after[1])
    return row


def _event(work: _Work, row: QuoteRow, changes: dict[str, Any]) -> Event:
    before = work.row
    name = "; ".join(f"{name}: {pair[0]} → {pair[1]}" for name, pair in changes.items() if name in _TOLD)
    action = "changed"
    if row.revision != before.revision:
        action = "repriced"
        name = f"Discount {_percent(before.discount_percent)} → {_percent(row.discount_percent)}"
        changes = {"DiscountPercent": [before.discount_percent, row.discount_percent]} | changes
    return Event(
        action=action, name=name or "Changed", by_user_id=work.by, through="operation",
        request_id=work.change.request_id, changes=changes,
    )  # fmt: skip


_TOLD: Final = frozenset({"Status", "Name", "ExpirationDate"})


def _percent(percent: Decimal | None) -> str:
    return "none" if percent is None else f"{in_words(percent)} %"


def _delete(work: _Work) -> QuoteRow | OperationError:
    found = work.found()
    if found is None and work.row.sync_status != DELETED_IN_ORG:
        return _gone(work)
    if found is not None:
        base = quote_match.as_in_org(*work.stored, found)
        if changed := quote_match.changes(work.stored, base):
            return _changed(work, base, changed, found)
        _deleted(work, found)
    quote_rows.remove(work.connection, work.row, work.by)
    event = Event(
        action="deleted", name="Quote deleted", by_user_id=work.by, through="operation",
        request_id=work.change.request_id, changes=_last(work.row),
    )  # fmt: skip
    quote_rows.add_event(work.connection, work.row, event)
    return work.row


def _last(row: QuoteRow) -> dict[str, Any]:
    return {
        "QuoteNumber": [row.quote_number, None],
        "Name": [row.name, None],
        "Status": [row.status, None],
        "GrandTotal": [row.grand_total, None],
    }


def _deleted(work: _Work, found: OrgQuote) -> None:
    """Delete the org's quote. Raises: OutcomeUnknown where nobody knows."""
    try:
        work.org.delete("Quote", found.id, deadline=work.deadline)
    except (NotFound, OutcomeUnknown) as error:
        try:
            there = work.found() is not None
        except Unavailable:
            there = True
        if there:
            raise error


def _gone(work: _Work) -> OperationError:
    """Not in the org: marked, if the user would see it. Whoever does not see the opportunity sees no quote of it."""
    visible = opportunities.check_visible(work.org, [work.row.opportunity_id], deadline=work.deadline)
    if not visible:
        return QuoteNotFound(f"There is no quote {work.change.quote_id}, or {work.org.username} may not see it.")
    quote_sync.note_gone(work.connection, work.row)
    return QuoteNotFound(f"The quote {work.row.quote_number or work.row.salesforce_id} is no longer in the org.")


def _changed(work: _Work, base: Rows, changed: dict[str, Any], found: OrgQuote) -> OperationError:
    quote_sync.note_changed(work.connection, work.stored, base, found)
    told = "; ".join(
        "lines" if name == "Lines" else f"{name} {_shown(pair[0])} → {_shown(pair[1])}"
        for name, pair in changed.items()
    )
    return QuoteChanged(
        f"The quote was changed in the org: {told[:SHOWN]}. It is now shown as the org has it; ask again if the change "
        "is still wanted."
    )


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
