"""Quotes made from opportunities: one order, at most one quote, whatever breaks on the way.

    make     opportunity -> price -> one graph in the org -> read back      the caller's intent is marked just before
    store    rows, visible in OData from the commit on                      the same quote twice changes nothing
    recover  what an interrupted order has left in the org, as rows         nothing there: nothing

A record of the org that bears the order's key is this order's quote. What the org has after the call counts: number,
status, owner, amounts and ids are read back, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Connection, Engine

from applink import drafts, opportunities, org_quotes, quote_changes, quote_graph, quote_match, quote_rows, rules, setup
from applink.errors import (
    NotPriceable,
    OperationError,
    OpportunityNotFound,
    OutcomeUnknown,
    Refused,
    Unavailable,
)
from applink.opportunities import DEFAULT_REGION_FIELD
from applink.org import Node, Org, Written
from applink.org_quotes import DRAFT, OrgLine, OrgQuote
from applink.quote_changes import QuoteChange
from applink.quote_rows import Event, LineRow, QuoteRow
from models.pricing import OpportunityToPrice, PricedLine, PricedQuote, PricingDefaults, price
from models.pricing_errors import PricingError

Through = Literal["operation", "job", "reconcile"]
IfDraftExists = Literal["create", "return", "revise"]

EXISTS: Final = frozenset({"INVALID_FIELD_FOR_INSERT_UPDATE", "DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})
"""What an org says to an upsert whose record is there already, having been made by an earlier attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteOrder:
    """One quote to be made. gateway_key, quote_id: the intent's, the same for every attempt.

    requested_by: the user who wants it; None with a credential of ours. called_before: whether an earlier attempt may
    have reached the org; its quote is looked for before anything is written.
    """

    org_id: str
    opportunity_id: str
    gateway_key: str
    quote_id: UUID
    requested_by: str | None = None
    request_id: str | None = None
    through: Through = "operation"
    job_id: UUID | None = None
    if_draft_exists: IfDraftExists = "create"
    called_before: bool = False


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

    def make(self, order: QuoteOrder, org: Org, *, deadline: float, before_write: Callable[[], None]) -> Made:
        """Make the quote of an order in the org, or find it there.

        before_write: called at most once, before the org is asked to write; it commits that the org was called.
        Raises: SetupRequired, OpportunityNotFound, NotPriceable, NotAllowed, Refused: no quote was made;
                Unavailable: none was made, later perhaps; OutcomeUnknown: the same order again settles it.
        """
        setup.require(org, deadline=deadline)
        if order.called_before and (found := org_quotes.by_key(org, order.gateway_key, deadline=deadline)):
            return self._recovered(order, org, found, deadline)
        opportunity = self._opportunity(order.opportunity_id, org, deadline)
        if order.if_draft_exists == "create":
            return self._new(order, org, opportunity, None, before_write, deadline)
        return self._after_draft(order, org, opportunity, before_write, deadline)

    def store(self, connection: Connection, made: Made) -> bool:
        """Write the rows of a quote; False where they are there already. The transaction has named the org."""
        return made.event is not None and quote_rows.add(connection, made.row, made.lines, made.event)

    def recover(self, order: QuoteOrder, org: Org, *, deadline: float) -> Made | None:
        """The quote that an interrupted order has made in the org; None where there is none to be seen."""
        found = org_quotes.by_key(org, order.gateway_key, deadline=deadline)
        return None if found is None else self._recovered(order, org, found, deadline)

    def preview(self, opportunity_id: str, org: Org, *, deadline: float) -> PricedQuote:
        """What the quote would be. Nothing is written. Raises: OpportunityNotFound, NotPriceable."""
        priced = self._priced(self._opportunity(opportunity_id, org, deadline), org.org_id, on=self._day())
        quote_graph.check_size(priced.line_count)
        return priced

    def update(self, change: QuoteChange, org: Org, *, deadline: float) -> QuoteRow:
        """Change a quote in the org and here (quote_changes.py)."""
        known = rules.of_org(self.engine, change.org_id)
        return quote_changes.update(self.engine, change, org, self._defaults, known, on=self._day(), deadline=deadline)

    def delete(self, change: QuoteChange, org: Org, *, deadline: float) -> QuoteRow:
        """Delete a quote in the org and here (quote_changes.py)."""
        return quote_changes.delete(self.engine, change, org, deadline=deadline)

    def _opportunity(self, opportunity_id: str, org: Org, deadline: float) -> OpportunityToPrice:
        read = opportunities.read(org, [opportunity_id], deadline=deadline, region_field=self._region_field)
        if opportunity_id not in read:
            raise OpportunityNotFound(f"No opportunity {opportunity_id}, or {org.username} may not see it.")
        return read[opportunity_id]

    def _priced(self, opportunity: OpportunityToPrice, org_id: str, *, on: date, revision: int = 1) -> PricedQuote:
        known = rules.of_org(self.engine, org_id)
        try:
            return price(opportunity, known, on=on, defaults=self._defaults, revision=revision)
        except PricingError as error:
            raise NotPriceable(error.message, code=error.code) from None

    def _new(
        self,
        order: QuoteOrder,
        org: Org,
        opportunity: OpportunityToPrice,
        draft: QuoteRow | None,
        before_write: Callable[[], None],
        deadline: float,
    ) -> Made:
        revision = draft.revision + 1 if draft else 1
        priced = self._priced(opportunity, order.org_id, on=self._day(), revision=revision)
        line_object = setup.described(org, "QuoteLineItem", deadline=deadline)
        nodes = quote_graph.of(priced, order.gateway_key, line_object)
        row, lines = _expected(order, priced, org), tuple(_line(line) for line in priced.lines)
        row = replace(row, revised_from_id=draft.id if draft else None)
        before_write()
        found = _written(org, nodes, order, deadline)
        if isinstance(found, OrgQuote):
            row, lines = quote_match.as_in_org(row, lines, found)
        else:
            row, lines = _unread(row, lines, found)
        return Made(row=row, lines=lines, created=True, event=_event(order, row, lines))

    def _recovered(self, order: QuoteOrder, org: Org, found: OrgQuote, deadline: float) -> Made:
        """Rows of a quote that is in the org. What it was priced from is read again, as far as it still agrees."""
        lines: tuple[LineRow, ...] = ()
        try:
            opportunity = self._opportunity(order.opportunity_id, org, deadline)
            revision = _revision(found.name, quote_graph.plain(opportunity.name))
            priced = self._priced(opportunity, order.org_id, on=found.created, revision=revision)
        except (OpportunityNotFound, NotPriceable):
            row = _found_only(order, found, self._defaults)
        else:
            row = _expected(order, priced, org)
            lines = tuple(_believed(_line(line), found) for line in priced.lines)
        row, lines = quote_match.as_in_org(row, lines, found)
        row = replace(row, created_by_id=order.requested_by or found.created_by_id)
        if row.revision > 1:
            row = replace(row, revised_from_id=drafts.revised(self.engine, row))
        return Made(row=row, lines=lines, created=True, event=_event(order, row, lines))

    def _after_draft(
        self,
        order: QuoteOrder,
        org: Org,
        opportunity: OpportunityToPrice,
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
            draft = drafts.newest(self.engine, org, opportunity.id, deadline=deadline)
            if draft is not None and order.if_draft_exists == "return":
                return self._returned(draft)
            try:
                return self._new(order, org, opportunity, draft, partial(turn.begin, seen, before_write), deadline)
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


def _written(org: Org, nodes: Sequence[Node], order: QuoteOrder, deadline: float) -> OrgQuote | Mapping[str, Written]:
    """Write the graph and read the quote back; what was written where the quote cannot be seen afterwards.

    Raises: OutcomeUnknown also where the quote was made and could not be read.
    """
    try:
        written = org.write(nodes, deadline=deadline)
    except Refused as refused:
        if refused.code in EXISTS and (found := _read_back(org, order, deadline)):
            return found
        raise
    except OutcomeUnknown:
        if found := _looked_for(org, order, deadline):
            return found
        raise
    return _read_back(org, order, deadline) or {node.reference: node for node in written}


def _read_back(org: Org, order: QuoteOrder, deadline: float) -> OrgQuote | None:
    """The quote after it was made: that it cannot be read does not undo it."""
    try:
        return org_quotes.by_key(org, order.gateway_key, deadline=deadline)
    except Unavailable as error:
        raise OutcomeUnknown(f"The quote was made, and could not be read back: {error.message}") from None


def _looked_for(org: Org, order: QuoteOrder, deadline: float) -> OrgQuote | None:
    """The quote of a call that was not answered. Not there means nothing: it may still be made."""
    try:
        return org_quotes.by_key(org, order.gateway_key, deadline=deadline)
    except OperationError:
        return None


def _expected(order: QuoteOrder, priced: PricedQuote, org: Org) -> QuoteRow:
    return QuoteRow(
        id=order.quote_id,
        org_id=order.org_id,
        quote_number=None,
        name=priced.name,
        opportunity_id=priced.opportunity_id,
        opportunity_name=priced.opportunity_name,
        account_id=priced.account_id,
        account_name=priced.account_name,
        owner_id=priced.owner_id,
        pricebook_id=priced.pricebook_id,
        salesforce_id=None,
        created_by_id=order.requested_by or org.user_id,
        last_modified_by_id=order.requested_by or org.user_id,
        status=DRAFT,
        region=priced.region[:40],
        currency_iso_code=priced.currency_iso_code,
        discount_percent=priced.discount_percent,
        subtotal=priced.subtotal,
        total_price=priced.total_price,
        tax=None,
        shipping_handling=None,
        grand_total=priced.total_price,
        expiration_date=priced.expiration_date,
        line_count=priced.line_count,
        pricing_note=priced.pricing_note,
        revision=priced.revision,
        job_id=order.job_id,
    )


def _line(line: PricedLine) -> LineRow:
    return LineRow(
        line_number=line.line_number,
        name=line.name,
        product_code=line.product_code,
        product_id=line.product_id,
        opportunity_line_item_id=line.opportunity_line_item_id,
        pricebook_entry_id=line.pricebook_entry_id,
        salesforce_id=None,
        description=line.description,
        quantity=line.quantity,
        unit_price=line.unit_price,
        list_price=line.list_price,
        discount_percent=line.discount_percent,
        total_price=line.total_price,
    )


def _unread(
    row: QuoteRow, lines: Sequence[LineRow], written: Mapping[str, Written]
) -> tuple[QuoteRow, tuple[LineRow, ...]]:
    """As sent, with the ids that the org gave: its user may make quotes and not see them."""
    with_ids = tuple(replace(line, salesforce_id=written[f"line{line.line_number}"].id) for line in lines)
    return replace(row, salesforce_id=written[quote_graph.QUOTE].id, sync_status="pending"), with_ids


def _found_only(order: QuoteOrder, found: OrgQuote, defaults: PricingDefaults) -> QuoteRow:
    """A row of which only the org knows anything: the opportunity is gone, or can no longer be priced."""
    name, _, suffix = found.name.rpartition(" - ")
    return QuoteRow(
        id=order.quote_id,
        org_id=order.org_id,
        quote_number=None,
        name=found.name,
        opportunity_id=order.opportunity_id,
        opportunity_name=(name or found.name)[:120],
        account_id=found.account_id,
        account_name=None,
        owner_id=found.owner_id,
        pricebook_id=found.pricebook_id,
        salesforce_id=found.id,
        created_by_id=order.requested_by or found.created_by_id,
        last_modified_by_id=found.last_modified_by_id,
        status=found.status,
        region=None,
        currency_iso_code=found.currency or defaults.currency,
        discount_percent=None,
        subtotal=None,
        total_price=None,
        tax=None,
        shipping_handling=None,
        grand_total=None,
        expiration_date=None,
        line_count=0,
        pricing_note="As found in the org; what it was priced from is no longer there.",
        revision=int(suffix) if re.fullmatch("[1-9][0-9]{0,5}", suffix) else 1,
        job_id=order.job_id,
    )


def _revision(quote_name: str, opportunity_name: str) -> int:
    """The revision in a quote's name, "<opportunity> - <revision>"; 1 for any other name."""
    name, _, suffix = quote_name.rpartition(" - ")
    ours = bool(name) and opportunity_name.startswith(name.rstrip())
    return int(suffix) if ours and re.fullmatch("[1-9][0-9]{0,5}", suffix) else 1


def _believed(line: LineRow, found: OrgQuote) -> LineRow:
    """A line as computed now; one that the org has at another price started from a price that nobody knows."""
    there = next((one for one in found.lines if one.opportunity_line_item_id == line.opportunity_line_item_id), None)
    if there is None or there.unit_price == line.unit_price:
        return line
    return replace(line, list_price=_start(there))


def _start(there: OrgLine) -> Decimal:
    return there.unit_price if there.list_price is None else max(there.list_price, there.unit_price)


def _event(order: QuoteOrder, row: QuoteRow, lines: Sequence[LineRow]) -> Event:
    changes: dict[str, Any] = {
        "QuoteNumber": [None, row.quote_number],
        "Name": [None, row.name],
        "Status": [None, row.status],
        "DiscountPercent": [None, row.discount_percent],
        "GrandTotal": [None, row.grand_total],
        "ExpirationDate": [None, row.expiration_date],
        "PricingNote": [None, row.pricing_note],
        "Lines": quote_match.line_changes((), lines),
    }
    revised = row.revised_from_id is not None
    return Event(
        action="revised" if revised else "created",
        name=f"Quote revised: revision {row.revision}" if revised else "Quote created",
        by_user_id=order.requested_by or row.created_by_id,
        through=order.through,
        request_id=order.request_id,
        changes=changes,
    )


__all__ = ["Made", "QuoteChange", "QuoteOrder", "Quotes", "answer", "today"]
