"""Quotes made from opportunities: one order, at most one quote, whatever breaks on the way.

    make     opportunity -> price -> one graph in the org -> read back      the caller's intent is marked just before
    store    rows, visible in OData from the commit on                      the same quote twice changes nothing
    recover  what an interrupted order has left in the org, as rows         nothing there: nothing

A record of the org that bears the order's key is this order's quote. What the org has after the call counts: number,
status, owner, amounts and ids are read back, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from applink import (
    drafts,
    opportunities,
    quote_changes,
    quote_graph,
    quote_match,
    quote_order,
    quote_rows,
    quote_sync,
    quote_writes,
    rules,
    setup,
)
from applink.errors import (
    NotPriceable,
    OperationError,
    OpportunityNotFound,
    Unavailable,
)
from applink.opportunities import DEFAULT_REGION_FIELD
from applink.org import Org
from applink.org_quotes import OrgQuote
from applink.quote_leases import Lease
from applink.quote_order import IfDraftExists, QuoteOrder, Through
from applink.quote_rows import Event, LineRow, QuoteRow
from applink.quote_work import QuoteChange
from models.discounts import DiscountRule
from models.pricing import OpportunityToPrice, PricedQuote, PricingDefaults, check_entries, price
from models.pricing_errors import PricingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A quote as the org has it. created: False for a draft that was there before; then there is nothing to store."""

    row: QuoteRow
    lines: tuple[LineRow, ...]
    created: bool
    event: Event | None

    @property
    def quote_id(self) -> UUID:
        """The id of the row."""
        return self.row.id

    @property
    def salesforce_id(self) -> str | None:
        """The id of the org's Quote."""
        return self.row.salesforce_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Priceable:
    """What a price is made of: the opportunity as the org has it, the discount rules of that moment."""

    opportunity: OpportunityToPrice
    known: tuple[DiscountRule, ...]


def today() -> date:
    """The day whose discount rules count."""
    return datetime.now(UTC).date()


class Quotes:
    """Makes, changes and deletes quotes of any org. One a process; holds no state but its settings."""

    def __init__(
        self,
        engine: Engine,
        defaults: PricingDefaults,
        region_field: str = DEFAULT_REGION_FIELD,
        *,
        day: Callable[[], date] = today,
    ) -> None:
        self.engine = engine
        self._defaults = defaults
        self._region_field = region_field
        self._day = day
        self._beside = ThreadPoolExecutor(thread_name_prefix="quotes")

    def make(self, order: QuoteOrder, org: Org, *, deadline: float, before_write: Callable[[], None]) -> Made:
        """Make the quote of an order in the org, or find it there.

        before_write: called when the graph is to be sent next, a place among the org's calls being all that may be
                waited for; it commits that the org was called. NotSent says that it was not after all.
        Raises: SetupRequired, OpportunityNotFound, NotPriceable, NotAllowed, Refused: no quote was made, and an order
                that was called before has been looked up; Unavailable: this attempt made none, later perhaps;
                OutcomeUnknown: the same order again settles it.
        """
        if order.called_before and (found := quote_writes.looked_up(org, order, deadline)):
            return self._recovered(order, org, found, deadline)
        setup.require(org, deadline=deadline)
        try:
            of = self._priceable(order.opportunity_id, org, deadline)
        except OpportunityNotFound:
            quote_sync.note_deleted(self.engine, org, order.opportunity_id, deadline=deadline)
            raise
        if order.if_draft_exists == "create":
            return self._new(order, org, of, None, before_write, deadline)
        return self._after_draft(order, org, of, before_write, deadline)

    def store(self, connection: Connection, made: Made) -> bool:
        """Write the rows of a quote; False where they are there already. The transaction has named the org."""
        return made.event is not None and quote_rows.add(connection, made.row, made.lines, made.event)

    def recover(self, order: QuoteOrder, org: Org, *, deadline: float) -> Made | None:
        """The quote that an interrupted order has made in the org; None where there is none to be seen.

        Raises: Unavailable; OutcomeUnknown where the org refuses to be asked.
        """
        found = quote_writes.looked_up(org, order, deadline)
        return None if found is None else self._recovered(order, org, found, deadline)

    def preview(self, opportunity_id: str, org: Org, *, deadline: float) -> PricedQuote:
        """What the quote would be. Nothing is written. Raises: OpportunityNotFound, NotPriceable."""
        priced = self._priced_new(self._priceable(opportunity_id, org, deadline))
        quote_graph.check_size(priced.line_count)
        return priced

    def update(self, change: QuoteChange, org: Org, *, deadline: float) -> QuoteRow:
        """Change a quote in the org and here (quote_changes.py)."""
        known = rules.of_org(self.engine, change.org_id)
        return quote_changes.update(self.engine, change, org, self._defaults, known, on=self._day(), deadline=deadline)

    def delete(self, change: QuoteChange, org: Org, *, deadline: float) -> QuoteRow:
        """Delete a quote in the org and here (quote_changes.py)."""
        return quote_changes.delete(self.engine, change, org, deadline=deadline)

    def settle(self, change: QuoteChange, lease: Lease, org: Org, *, deadline: float) -> None:
        """Bring the row up to what became of an interrupted change (quote_changes.py)."""
        known = rules.of_org(self.engine, change.org_id)
        quote_changes.settle(self.engine, change, lease, org, self._defaults, known, on=self._day(), deadline=deadline)

    def _priceable(self, opportunity_id: str, org: Org, deadline: float) -> _Priceable:
        """The rules are read while the org is asked."""
        known = self._beside.submit(rules.of_org, self.engine, org.org_id)
        opportunity = self._opportunity(opportunity_id, org, deadline)
        return _Priceable(opportunity=opportunity, known=known.result())

    def _opportunity(self, opportunity_id: str, org: Org, deadline: float) -> OpportunityToPrice:
        read = opportunities.read(org, [opportunity_id], deadline=deadline, region_field=self._region_field)
        if opportunity_id not in read:
            raise OpportunityNotFound(f"No opportunity {opportunity_id}, or {org.username} may not see it.")
        return read[opportunity_id]

    def _priced_new(self, of: _Priceable, *, revision: int = 1) -> PricedQuote:
        """Priced for a quote that is not there yet."""
        priced = self._priced(of, on=self._day(), revision=revision)
        try:
            check_entries(of.opportunity)
        except PricingError as error:
            raise NotPriceable(error.message, code=error.code) from None
        return priced

    def _priced(self, of: _Priceable, *, on: date, revision: int = 1) -> PricedQuote:
        try:
            return price(of.opportunity, of.known, on=on, defaults=self._defaults, revision=revision)
        except PricingError as error:
            raise NotPriceable(error.message, code=error.code) from None

    def _new(
        self,
        order: QuoteOrder,
        org: Org,
        of: _Priceable,
        draft: QuoteRow | None,
        before_write: Callable[[], None],
        deadline: float,
    ) -> Made:
        revision = draft.revision + 1 if draft else 1
        priced = self._priced_new(of, revision=revision)
        line_object = setup.described(org, "QuoteLineItem", deadline=deadline)
        nodes = quote_graph.of(priced, order.gateway_key, line_object)
        row, lines = quote_order.expected(order, priced, org), quote_order.lines_of(priced)
        row = replace(row, revised_from_id=draft.id if draft else None)
        found = quote_writes.written(org, nodes, order, before_write, deadline)
        if isinstance(found, OrgQuote):
            row, lines = quote_match.as_in_org(row, lines, found)
        else:
            row, lines = quote_order.unread(row, lines, found)
        return Made(row=row, lines=lines, created=True, event=quote_order.event_of(order, row, lines))

    def _recovered(self, order: QuoteOrder, org: Org, found: OrgQuote, deadline: float) -> Made:
        """Rows of a quote that is in the org. What it was priced from is read again, as far as it still agrees."""
        lines: tuple[LineRow, ...] = ()
        try:
            of = self._priceable(order.opportunity_id, org, deadline)
            revision = quote_order.revision_of(found.name, quote_graph.plain(of.opportunity.name))
            priced = self._priced(of, on=found.created, revision=revision)
        except Unavailable:
            raise
        except OperationError:
            row = quote_order.found_only(order, found, self._defaults)
        else:
            row = quote_order.expected(order, priced, org)
            lines = tuple(quote_order.believed(line, found) for line in quote_order.lines_of(priced))
        row, lines = quote_match.as_in_org(row, lines, found)
        row = replace(row, created_by_id=order.requested_by or found.created_by_id)
        if row.revision > 1:
            row = replace(row, revised_from_id=drafts.revised(self.engine, row))
        return Made(row=row, lines=lines, created=True, event=quote_order.event_of(order, row, lines))

    def _after_draft(
        self,
        order: QuoteOrder,
        org: Org,
        of: _Priceable,
        before_write: Callable[[], None],
        deadline: float,
    ) -> Made:
        """The draft that is there, or its next revision; two such orders never make two drafts side by side."""
        turn = drafts.Turn(
            engine=self.engine,
            org_id=order.org_id,
            opportunity_id=order.opportunity_id,
            gateway_key=order.gateway_key,
            deadline=deadline,
        )
        while True:
            seen = turn.wait()
            draft = drafts.newest(self.engine, org, of.opportunity.id, deadline=deadline)
            if draft is not None and order.if_draft_exists == "return":
                return self._returned(draft)
            try:
                return self._new(order, org, of, draft, partial(turn.begin, seen, before_write), deadline)
            except drafts.Overtaken:
                continue

    def _returned(self, draft: QuoteRow) -> Made:
        with self.engine.connect() as connection:
            lines = quote_rows.lines_of(connection, draft.org_id, draft.id)
        return Made(row=draft, lines=lines, created=False, event=None)


def answer(row: QuoteRow, *, created: bool) -> dict[str, Any]:
    """What createQuote and updateQuote answer, as JSON has it: amounts are numbers, exact up to 15 digits."""
    return {
        "quoteId": row.salesforce_id,
        "gatewayId": str(row.id),
        "quoteNumber": row.quote_number,
        "opportunityId": row.opportunity_id,
        "status": row.status,
        "currencyIsoCode": row.currency_iso_code,
        "subtotal": _json_amount(row.subtotal),
        "grandTotal": _json_amount(row.grand_total),
        "expirationDate": row.expiration_date and row.expiration_date.isoformat(),
        "lineCount": row.line_count,
        "pricingNote": row.pricing_note,
        "created": created,
    }


def _json_amount(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


__all__ = ["IfDraftExists", "Made", "QuoteChange", "QuoteOrder", "Quotes", "Through", "answer", "today"]
