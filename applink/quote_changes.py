"""updateQuote and deleteQuote: the org first, then the row, so that both stay one.

What stands in the org is compared with the row before anything is written. Changed there: the row takes the org's
values, is marked, and the change is refused (409); asked again, it applies to what is now shown. Gone there: 404. There
already as asked, as after an answer that was cut off: only the row is brought up.

quote_work.py has the frame: a lease, the calls without a transaction, then the row.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Engine

from applink import opportunities, org_quotes, quote_match, quote_rows, quote_sync, reprice
from applink.errors import (
    NotAllowed,
    NotFound,
    NotPriceable,
    OperationError,
    OutcomeUnknown,
    QuoteChanged,
    QuoteNotFound,
    Refused,
)
from applink.org import Org
from applink.org_quotes import OrgQuote
from applink.quote_leases import Lease
from applink.quote_match import Rows
from applink.quote_rows import DELETED_IN_ORG, SYNCED, Event, QuoteRow
from applink.quote_work import Outcome, QuoteChange, Work, changing, resumed
from models.discounts import DiscountRule, in_words
from models.pricing import PricingDefaults

SHOWN: Final = 300
"""Characters of a message that tell what was changed."""
UNSEEN_SECONDS: Final = 600
"""Between two looks at a quote that may not be seen: somebody has to give a permission first."""


def update(
    engine: Engine, change: QuoteChange, org: Org, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], *,
    on: date, deadline: float,
) -> QuoteRow:  # fmt: skip
    """Change status, name, expiry or discount; the row as it is afterwards.

    Raises: QuoteNotFound, QuoteChanged (both mark the row), NotPriceable, NotAllowed, Refused;
            Unavailable: nothing was changed; OutcomeUnknown: the same change again settles it.
    """
    return changing(engine, change, org, deadline, lambda work: _update(work, defaults, rules, on))


def delete(engine: Engine, change: QuoteChange, org: Org, *, deadline: float) -> QuoteRow:
    """Delete a quote; the row as it was. One that is known to be gone in the org is deleted here alone.

    Raises: QuoteNotFound, QuoteChanged (both mark the row), NotAllowed, Refused; Unavailable; OutcomeUnknown.
    """
    return changing(engine, replace(change, deletes=True), org, deadline, _delete)


def settle(
    engine: Engine, change: QuoteChange, lease: Lease, org: Org, defaults: PricingDefaults,
    rules: tuple[DiscountRule, ...], *, on: date, deadline: float,
) -> None:  # fmt: skip
    """Find out what became of a change that was interrupted, and let the row say it. Nothing is written to the org.

    Raises: errors of the port, OutcomeUnknown: later again.
    """
    resumed(engine, change, lease, org, deadline, lambda work: _settled(work, defaults, rules, on))


def _settled(work: Work, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], on: date) -> Outcome:
    found = work.found()
    if found is None:
        if not _is_gone(work):
            raise OutcomeUnknown(_unseen(work), retry_after_seconds=UNSEEN_SECONDS)
        return _removed(work) if work.change.deletes else _went(work)
    base = quote_match.as_in_org(*work.stored, found)
    changed = quote_match.changes(work.stored, base)
    if not changed:
        return Outcome(answer=work.row)
    target = None if work.change.deletes else _asked(work, defaults, rules, on)
    if target is not None and not quote_match.changes(target, quote_match.as_in_org(*target, found)):
        return _stored(work, target, found)
    return _changed(work, base, changed, found)


def _update(work: Work, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], on: date) -> Outcome:
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
        now = _written(work, base, target, found)
    except (NotFound, Refused):
        if work.found() is None:
            return _gone(work)
        raise
    return _gone_since(work) if now is None else _stored(work, target, now)


def _target(work: Work, base: Rows, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], on: date) -> Rows:
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


def _asked(work: Work, defaults: PricingDefaults, rules: tuple[DiscountRule, ...], on: date) -> Rows | None:
    """The rows as they were to be; None where the stored ones cannot be priced so."""
    try:
        return _target(work, work.stored, defaults, rules, on)
    except NotPriceable:
        return None


def _written(work: Work, base: Rows, target: Rows, found: OrgQuote) -> OrgQuote | None:
    """Make the org's quote the target; it as it is then, None where it is gone. A refusal is one of the write."""
    unknown: OutcomeUnknown | None = None
    try:
        reprice.write(work.org, base, target, found, deadline=work.deadline)
    except OutcomeUnknown as error:
        unknown = error
    try:
        now = work.found()
    except OperationError as error:
        raise unknown or _unread(error.message) from None
    if now and unknown and quote_match.changes(target, quote_match.as_in_org(*target, now)):
        raise unknown
    return now


def _stored(work: Work, target: Rows, found: OrgQuote) -> Outcome:
    """The row as the org now has it, and the event that tells the difference."""
    after = quote_match.as_in_org(*target, found)
    row, lines = replace(after[0], sync_status=SYNCED), after[1]
    event: Event | None = None
    changes = quote_match.changes(work.stored, (row, lines))
    if changes or row.discount_percent != work.row.discount_percent:
        row = replace(row, last_modified_by_id=work.by or found.last_modified_by_id)
        event = _event(work, row, changes)

    def store(connection: Connection) -> None:
        if event is not None:
            quote_rows.add_event(connection, row, event)
        quote_rows.change(connection, row)
        quote_rows.replace_lines(connection, row, lines)

    return Outcome(answer=row, store=store)


def _event(work: Work, row: QuoteRow, changes: dict[str, Any]) -> Event:
    before = work.row
    name = "; ".join(f"{name}: {pair[0]} → {pair[1]}" for name, pair in changes.items() if name in _TOLD)
    action = "changed"
    if row.revision != before.revision:
        action = "repriced"
        name = f"Discount {_percent(before.discount_percent)} → {_percent(row.discount_percent)}"
        changes = {"DiscountPercent": [before.discount_percent, row.discount_percent]} | changes
    return Event(
        action=action, name=name or "Changed", by_user_id=work.by, through=work.through,
        request_id=work.change.request_id, changes=changes,
    )  # fmt: skip


_TOLD: Final = frozenset({"Status", "Name", "ExpirationDate"})


def _percent(percent: Decimal | None) -> str:
    return "none" if percent is None else f"{in_words(percent)} %"


def _delete(work: Work) -> Outcome:
    found = work.found()
    if found is None and work.row.sync_status != DELETED_IN_ORG:
        return _gone(work)
    if found is not None:
        base = quote_match.as_in_org(*work.stored, found)
        if changed := quote_match.changes(work.stored, base):
            return _changed(work, base, changed, found)
        _deleted(work, found)
    return _removed(work)


def _removed(work: Work) -> Outcome:
    """The row goes, as the org's quote has gone."""
    event = Event(
        action="deleted", name="Quote deleted", by_user_id=work.by, through=work.through,
        request_id=work.change.request_id, changes=_last(work.row),
    )  # fmt: skip

    def store(connection: Connection) -> None:
        quote_rows.remove(connection, work.row, work.by)
        quote_rows.add_event(connection, work.row, event)

    return Outcome(answer=work.row, store=store)


def _last(row: QuoteRow) -> dict[str, Any]:
    return {
        "QuoteNumber": [row.quote_number, None],
        "Name": [row.name, None],
        "Status": [row.status, None],
        "GrandTotal": [row.grand_total, None],
    }


def _deleted(work: Work, found: OrgQuote) -> None:
    """Delete the org's quote. Raises: OutcomeUnknown where nobody knows."""
    try:
        work.org.delete("Quote", found.id, deadline=work.deadline)
    except (NotFound, OutcomeUnknown) as error:
        try:
            there = work.found() is not None
        except OperationError:
            there = True
        if there:
            raise error


def _gone(work: Work) -> Outcome:
    """Not in the org, or not for this user; marked where it is known that it has gone."""
    return _went(work) if _is_gone(work) else Outcome(answer=QuoteNotFound(_unseen(work)))


def _gone_since(work: Work) -> Outcome:
    """Gone after it was written to. Raises: OutcomeUnknown where that is not known: then it may be there, changed."""
    try:
        gone = _is_gone(work)
    except OperationError as error:
        raise _unread(error.message) from None
    if not gone:
        raise _unread(_unseen(work))
    return _went(work)


def _unread(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"The quote may be changed, and could not be read back: {why}")


def _unseen(work: Work) -> str:
    return f"There is no quote {work.change.quote_id}, or {work.org.username} may not see it."


def _went(work: Work) -> Outcome:
    """Gone, and marked so."""
    return Outcome(
        answer=QuoteNotFound(f"The quote {work.row.quote_number or work.row.salesforce_id} is no longer in the org."),
        store=lambda connection: quote_sync.note_gone(connection, work.row),
    )


def _is_gone(work: Work) -> bool:
    """Whether a quote that was not found is gone: the user would see it, or sees it among what was deleted.

    Whoever does not see the opportunity sees no quote of it; one that went with its opportunity is among the deleted.
    """
    row = work.row
    if opportunities.check_visible(work.org, [row.opportunity_id], deadline=work.deadline):
        return True
    try:
        return bool(org_quotes.deleted(work.org, [row.salesforce_id or ""], deadline=work.deadline))
    except (NotAllowed, NotFound, Refused):
        return False


def _changed(work: Work, base: Rows, changed: dict[str, Any], found: OrgQuote) -> Outcome:
    told = "; ".join(
        "lines" if name == "Lines" else f"{name} {_shown(pair[0])} → {_shown(pair[1])}"
        for name, pair in changed.items()
    )
    answer = QuoteChanged(
        f"The quote was changed in the org: {told[:SHOWN]}. It is now shown as the org has it; ask again if the change "
        "is still wanted."
    )
    return Outcome(
        answer=answer, store=lambda connection: quote_sync.note_changed(connection, work.stored, base, found)
    )


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
