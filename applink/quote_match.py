"""A quote as expected, and as the org has it: one pair of rows in which the org's values win.

In: the rows that pricing gave or that are stored, and the OrgQuote read back. Out: the rows as they stand there; equal
rows mean that nobody has changed anything. A total that an org reckons without rounding is no change
(docs/pricing.md, "In Salesforce").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any, Final

from applink.org_quotes import OrgLine, OrgQuote
from applink.quote_rows import LineRow, QuoteRow, differences
from models.currencies import ARITHMETIC, STORED_DECIMALS, half_up
from models.pricing import NOTE_LENGTH, org_total

Rows = tuple[QuoteRow, tuple[LineRow, ...]]

NOT_A_CHANGE: Final = (
    "quote_number", "owner_id", "account_id", "account_name", "pricebook_id", "salesforce_id", "last_modified_by_id",
    "sync_status", "pricing_note", "currency_iso_code", "discount_percent",
)  # fmt: skip
"""Columns that follow the org without a quarrel: who owns it, and what only follows from prices."""


def as_in_org(row: QuoteRow, lines: Sequence[LineRow], found: OrgQuote) -> Rows:
    """The rows with what the org has. A line that nobody expected comes last, one that is gone is left out."""
    with localcontext(ARITHMETIC):
        pairs = _pairs(lines, found.lines)
        last = max((line.line_number for line in lines), default=0)
        merged = []
        for expected, there in pairs:
            if expected is None:
                last += 1
                merged.append(_new(there, last))
            else:
                merged.append(_line(expected, there))
        merged.sort(key=lambda line: line.line_number)
        return _head(row, lines, tuple(merged), found), tuple(merged)


def changes(before: Rows, after: Rows) -> dict[str, Any]:
    """What the org has changed, by property as an Event keeps it; empty where nothing is."""
    found: dict[str, Any] = dict(differences(before[0], after[0], NOT_A_CHANGE))
    lines = line_changes(before[1], after[1])
    return found | ({"Lines": lines} if lines else {})


def line_changes(before: Sequence[LineRow], after: Sequence[LineRow]) -> list[list[Any]]:
    """Lines that differ, each [number, [quantity, unit price], [quantity, unit price]], null where there is none."""
    old, new = ({line.line_number: [line.quantity, line.unit_price] for line in lines} for lines in (before, after))
    return [[n, old.get(n), new.get(n)] for n in sorted(old | new) if old.get(n) != new.get(n)]


def _pairs(lines: Sequence[LineRow], found: Sequence[OrgLine]) -> list[tuple[LineRow | None, OrgLine]]:
    by_id = {line.salesforce_id: line for line in lines if line.salesforce_id}
    by_item = {line.opportunity_line_item_id: line for line in lines if line.opportunity_line_item_id}
    by_number = {str(line.line_number): line for line in lines}
    pairs: list[tuple[LineRow | None, OrgLine]] = []
    taken: set[int] = set()
    for there in found:
        suffix = (there.key or "").rpartition("-")[2]
        candidates = (by_id.get(there.id), by_item.get(there.opportunity_line_item_id or ""), by_number.get(suffix))
        fits = (line for line in candidates if line and _may_be(line, there) and line.line_number not in taken)
        expected = next(fits, None)
        if expected is not None:
            taken.add(expected.line_number)
        pairs.append((expected, there))
    return pairs


def _may_be(line: LineRow, there: OrgLine) -> bool:
    return line.salesforce_id in (None, there.id)


def _line(expected: LineRow, there: OrgLine) -> LineRow:
    quantity, unit_price = _stored(there.quantity), _stored(there.unit_price)
    same_price = unit_price == expected.unit_price
    return replace(
        expected,
        salesforce_id=there.id,
        product_id=there.product_id or expected.product_id,
        pricebook_entry_id=there.pricebook_entry_id or expected.pricebook_entry_id,
        opportunity_line_item_id=there.opportunity_line_item_id or expected.opportunity_line_item_id,
        description=there.description or expected.description,
        quantity=quantity,
        unit_price=unit_price,
        discount_percent=expected.discount_percent if same_price else None,
        total_price=_line_total(expected, there),
    )


def _line_total(expected: LineRow, there: OrgLine) -> Decimal:
    exact = there.quantity * there.unit_price
    usual = expected.total_price if (expected.quantity, expected.unit_price) == _amounts(there) else _stored(exact)
    if usual is not None and _between(there.total_price, exact, usual):
        return usual
    return _stored(there.total_price)


def _amounts(there: OrgLine) -> tuple[Decimal, Decimal]:
    return _stored(there.quantity), _stored(there.unit_price)


def _new(there: OrgLine, number: int) -> LineRow:
    unit_price = _stored(there.unit_price)
    return LineRow(
        line_number=number,
        name=there.name[:255],
        product_code=there.product_code and there.product_code[:50],
        product_id=there.product_id,
        opportunity_line_item_id=there.opportunity_line_item_id,
        pricebook_entry_id=there.pricebook_entry_id,
        salesforce_id=there.id,
        description=there.description,
        quantity=_stored(there.quantity),
        unit_price=unit_price,
        list_price=unit_price if there.list_price is None else _stored(there.list_price),
        discount_percent=None,
        total_price=_stored(there.total_price),
    )


def _head(row: QuoteRow, before: Sequence[LineRow], lines: tuple[LineRow, ...], found: OrgQuote) -> QuoteRow:
    repriced = [line for line in lines if line.discount_percent is None]
    same_lines = not line_changes(before, lines)
    merged = replace(
        row,
        quote_number=found.number and found.number[:30],
        name=found.name[:255],
        salesforce_id=found.id,
        owner_id=found.owner_id or row.owner_id,
        account_id=found.account_id or row.account_id,
        pricebook_id=found.pricebook_id or row.pricebook_id,
        status=found.status[:40],
        currency_iso_code=found.currency or row.currency_iso_code,
        subtotal=row.subtotal if same_lines else _subtotal(lines),
        total_price=_total(row, lines, found),
        tax=None if found.tax is None else _stored(found.tax),
        shipping_handling=None if found.shipping_handling is None else _stored(found.shipping_handling),
        grand_total=_stored(found.grand_total),
        expiration_date=found.expiration_date,
        line_count=len(lines),
    )
    if same_lines or not repriced:
        return merged
    note = f"{len(repriced)} of {len(lines)} lines at a price that the org has"
    return replace(merged, discount_percent=None, pricing_note=_noted(note, row.pricing_note))


def _noted(note: str, before: str | None) -> str:
    if before and note in before:
        return before
    text = f"{note}; {before}" if before else f"{note}."
    return text if len(text) <= NOTE_LENGTH else text[: NOTE_LENGTH - 1] + "…"


def _subtotal(lines: Sequence[LineRow]) -> Decimal:
    amounts = ((line.list_price or Decimal(0)) * (line.quantity or Decimal(0)) for line in lines)
    return _stored(sum((_stored(amount) for amount in amounts), Decimal(0)))


def _total(row: QuoteRow, lines: Sequence[LineRow], found: OrgQuote) -> Decimal:
    ours = sum((line.total_price or Decimal(0) for line in lines), _stored(Decimal(0)))
    exact = org_total((line.quantity or Decimal(0), line.unit_price or Decimal(0)) for line in lines)
    return ours if _between(found.total_price, exact, ours) else _stored(found.total_price)


def _between(amount: Decimal, one: Decimal, other: Decimal) -> bool:
    return min(one, other) <= amount <= max(one, other)


def _stored(amount: Decimal) -> Decimal:
    """As a column keeps it."""
    return half_up(amount, STORED_DECIMALS)
