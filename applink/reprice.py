"""A stored quote at another discount, and how a change of a quote is written to the org.

The stored lines are priced again from their list prices. The Quote in the org stays the same record: its id and every
link to it remain, its revision goes up by one, and a name that counts revisions counts on. A new Quote beside the old
one is what createQuote does with ifDraftExists "revise".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from applink import quote_graph
from applink.errors import NotPriceable
from applink.org import Node, Org, Upsert
from applink.org_quotes import OrgQuote
from applink.quote_match import Rows
from applink.quote_rows import LineRow, QuoteRow
from applink.setup import GATEWAY_KEY
from models.discounts import DiscountRule
from models.pricing import DAYS_OPEN, LineToPrice, OpportunityToPrice, PricedQuote, PricingDefaults, price, quote_name
from models.pricing_errors import PricingError


def repriced(
    stored: Rows, discount_percent: Decimal, rules: Sequence[DiscountRule], *, on: date, defaults: PricingDefaults
) -> Rows:
    """The rows at this discount, one revision further; the same rows where the discount and every price stay.

    Raises: NotPriceable.
    """
    row, lines = stored
    try:
        priced = price(
            _as_opportunity(row, lines, on), rules, on=on, defaults=defaults, discount_percent=discount_percent
        )
    except PricingError as error:
        raise NotPriceable(error.message, code=error.code) from None
    quote_graph.check_size(len(lines))
    new_lines = tuple(
        replace(line, unit_price=new.unit_price, discount_percent=new.discount_percent, total_price=new.total_price)
        for line, new in zip(lines, priced.lines, strict=True)
    )
    if row.discount_percent == priced.discount_percent and new_lines == tuple(lines):
        return stored
    return _revised(row, priced), new_lines


def write(org: Org, before: Rows, after: Rows, found: OrgQuote, *, deadline: float) -> None:
    """Write to the org what differs: the quote's fields, the prices of its lines, all or nothing.

    A record that bears no key of ours (made by hand) is given one first, since a graph changes records by key.
    """
    fields = _fields(before[0], after[0])
    prices = {
        new.salesforce_id: new.unit_price
        for old, new in zip(before[1], after[1], strict=True)
        if old.unit_price != new.unit_price
    }
    if prices:
        org.write(_nodes(org, fields, prices, found, deadline), deadline=deadline)
    elif fields:
        org.update("Quote", found.id, fields, deadline=deadline)


def _as_opportunity(row: QuoteRow, lines: Sequence[LineRow], on: date) -> OpportunityToPrice:
    return OpportunityToPrice(
        id=row.opportunity_id,
        name=row.opportunity_name or row.name,
        close_date=(row.expiration_date or on) - timedelta(days=DAYS_OPEN),
        pricebook_id=row.pricebook_id,
        lines=tuple(_as_line(row, line) for line in lines),
        account_id=row.account_id,
        account_name=row.account_name,
        owner_id=row.owner_id,
        currency=row.currency_iso_code,
        region_source=row.region,
    )


def _as_line(row: QuoteRow, line: LineRow) -> LineToPrice:
    return LineToPrice(
        line_item_id=line.opportunity_line_item_id or str(line.id),
        name=line.name,
        quantity=line.quantity,
        unit_price=line.list_price,
        pricebook_entry_id=line.pricebook_entry_id,
        pricebook_id=row.pricebook_id,
    )


def _revised(row: QuoteRow, priced: PricedQuote) -> QuoteRow:
    revision = row.revision + 1
    opportunity_name = row.opportunity_name or ""
    counted = row.name in (_name(opportunity_name, row.revision), quote_name(opportunity_name, row.revision))
    extras = (row.tax or Decimal(0)) + (row.shipping_handling or Decimal(0))
    return replace(
        row,
        name=_name(opportunity_name, revision) if counted else row.name,
        revision=revision,
        discount_percent=priced.discount_percent,
        subtotal=priced.subtotal,
        total_price=priced.total_price,
        grand_total=priced.total_price + extras,
        pricing_note=priced.pricing_note,
    )


def _name(opportunity_name: str, revision: int) -> str:
    return quote_graph.plain(quote_name(opportunity_name, revision))


def _fields(before: QuoteRow, after: QuoteRow) -> dict[str, Any]:
    expires = after.expiration_date and after.expiration_date.isoformat()
    wanted = {
        "name": ("Name", after.name),
        "status": ("Status", after.status),
        "expiration_date": ("ExpirationDate", expires),
    }
    return {
        field: value for column, (field, value) in wanted.items() if getattr(before, column) != getattr(after, column)
    }


def _nodes(
    org: Org, fields: dict[str, Any], prices: dict[str | None, Decimal | None], found: OrgQuote, deadline: float
) -> tuple[Node, ...]:
    nodes: list[Node] = []
    if fields:
        safe = {name: quote_graph.plain(value) for name, value in fields.items()}
        nodes.append(_node(quote_graph.QUOTE, "Quote", _key(org, "Quote", found.id, found.key, deadline), safe))
    for number, line in enumerate(found.lines, start=1):
        if line.id in prices:
            key = _key(org, "QuoteLineItem", line.id, line.key, deadline)
            nodes.append(_node(f"line{number}", "QuoteLineItem", key, {"UnitPrice": prices[line.id]}))
    return tuple(nodes)


def _node(reference: str, type_name: str, key: str, fields: dict[str, Any]) -> Upsert:
    return Upsert(reference=reference, type=type_name, key_field=GATEWAY_KEY, key=key, fields=fields)


def _key(org: Org, type_name: str, record_id: str, key: str | None, deadline: float) -> str:
    if key:
        return key
    new = f"gw-{uuid4().hex}"
    org.update(type_name, record_id, {GATEWAY_KEY: new}, deadline=deadline)
    return new
