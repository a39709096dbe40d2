"""An order for a quote, and the rows that its quote is expected to have before anybody has asked the org.

In: a QuoteOrder, a PricedQuote, what the org was found to have. Out: QuoteRow, LineRow, Event. Opens no connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from applink import quote_graph, quote_match
from applink.org import Org, Written
from applink.org_quotes import DRAFT, OrgLine, OrgQuote
from applink.quote_match import Rows
from applink.quote_rows import Event, LineRow, QuoteRow
from models.pricing import PricedLine, PricedQuote, PricingDefaults

Through = Literal["operation", "job", "reconcile"]
IfDraftExists = Literal["create", "return", "revise"]


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


def expected(order: QuoteOrder, priced: PricedQuote, org: Org) -> QuoteRow:
    """The row of a quote that the org makes just as it was priced."""
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


def lines_of(priced: PricedQuote) -> tuple[LineRow, ...]:
    """The rows of its lines."""
    return tuple(_line(line) for line in priced.lines)


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


def unread(row: QuoteRow, lines: Sequence[LineRow], written: Mapping[str, Written]) -> Rows:
    """As sent, with the ids that the org gave: its user may make quotes and not see them."""
    with_ids = tuple(replace(line, salesforce_id=written[f"line{line.line_number}"].id) for line in lines)
    return replace(row, salesforce_id=written[quote_graph.QUOTE].id, sync_status="pending"), with_ids


def found_only(order: QuoteOrder, found: OrgQuote, defaults: PricingDefaults) -> QuoteRow:
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


def revision_of(quote_name: str, opportunity_name: str) -> int:
    """The revision in a quote's name, "<opportunity> - <revision>"; 1 for any other name."""
    name, _, suffix = quote_name.rpartition(" - ")
    ours = bool(name) and opportunity_name.startswith(name.rstrip())
    return int(suffix) if ours and re.fullmatch("[1-9][0-9]{0,5}", suffix) else 1


def believed(line: LineRow, found: OrgQuote) -> LineRow:
    """A line as computed now; one that the org has at another price started from a price that nobody knows."""
    there = next((one for one in found.lines if one.opportunity_line_item_id == line.opportunity_line_item_id), None)
    if there is None or there.unit_price == line.unit_price:
        return line
    return replace(line, list_price=_start(there))


def _start(there: OrgLine) -> Decimal:
    return there.unit_price if there.list_price is None else max(there.list_price, there.unit_price)


def event_of(order: QuoteOrder, row: QuoteRow, lines: Sequence[LineRow]) -> Event:
    """The audit's entry for a quote that is new."""
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
