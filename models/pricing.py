"""Pricing: what a quote of an opportunity costs, as docs/pricing.md tells a sales operations person.

In: an opportunity with its lines, the discount rules of its org, a date. Out: a PricedQuote whose fields are named
as the columns they go to. Decimal only, half-up; no clock, no connection: the same arguments give the same quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from typing import Final

from models.currencies import ARITHMETIC, STORED_DECIMALS, amount_decimals, coarser_than_usual, half_up
from models.discounts import Discount, DiscountRule, decide
from models.pricing_errors import (
    AmountTooLarge,
    InactivePriceBookEntry,
    InvalidCurrency,
    InvalidDiscount,
    InvalidPrice,
    InvalidQuantity,
    LineOutsidePriceBook,
    NoLines,
    NoPriceBook,
    PricingError,
)  # fmt: skip

DAYS_OPEN: Final = 30
"""A quote holds for this many days after the opportunity's close date."""

LARGEST_AMOUNT: Final = Decimal("9999999999999999.99")
LARGEST_QUANTITY: Final = Decimal("9999999999.99")
QUANTITY_DECIMALS: Final = 2
NOTE_LENGTH: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class LineToPrice:
    """A line of an opportunity. unit_price: its sales price. list_price: the price book's, compared for the note only.

    pricebook_id is the price book of the line's entry; entry_is_active: whether the org takes it for a new line. Ids
    have 18 characters.
    """

    line_item_id: str
    name: str
    quantity: Decimal | None
    unit_price: Decimal | None
    pricebook_entry_id: str | None
    pricebook_id: str | None
    list_price: Decimal | None = None
    entry_is_active: bool = True
    product_id: str | None = None
    product_code: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityToPrice:
    """An opportunity as the org has it. region_source: the value of REGION_FIELD. currency: None in an org of one.

    discount_override: DiscountOverride__c in percent; None for none, 0 for no discount.
    """

    id: str
    name: str
    close_date: date
    pricebook_id: str | None
    lines: tuple[LineToPrice, ...]
    account_id: str | None = None
    account_name: str | None = None
    owner_id: str | None = None
    currency: str | None = None
    region_source: str | None = None
    discount_override: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PricingDefaults:
    """What holds where an opportunity says nothing: the settings DEFAULT_REGION and DEFAULT_CURRENCY."""

    region: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine:
    """A line of the quote, by the columns of quote_line. list_price: the price of one before the discount."""

    line_number: int
    name: str
    opportunity_line_item_id: str
    pricebook_entry_id: str
    product_id: str | None
    product_code: str | None
    description: str | None
    quantity: Decimal
    list_price: Decimal
    discount_percent: Decimal
    unit_price: Decimal
    total_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedQuote:
    """A quote, by the columns of quote, beside the decimals of its amounts and its lines. It knows no tax."""

    name: str
    opportunity_id: str
    opportunity_name: str
    account_id: str | None
    account_name: str | None
    owner_id: str | None
    pricebook_id: str
    region: str
    currency_iso_code: str
    decimals: int
    discount_percent: Decimal
    subtotal: Decimal
    total_price: Decimal
    expiration_date: date
    line_count: int
    pricing_note: str
    revision: int
    lines: tuple[PricedLine, ...]


def price(opportunity: OpportunityToPrice, rules: Sequence[DiscountRule], *, on: date, defaults: PricingDefaults,
          revision: int = 1, discount_percent: Decimal | None = None) -> PricedQuote:  # fmt: skip
    """Price an opportunity.

    Args:   on: the day whose rules count. discount_percent: asked for this quote; goes before override and rules.
    Raises: a PricingError that names the line and what would fit.
    """
    with localcontext(ARITHMETIC):
        pricebook_id = _pricebook(opportunity)
        currency = _currency(opportunity.currency or defaults.currency)
        decimals = amount_decimals(currency)
        discount = decide(
            opportunity.region_source, rules, on=on, default_region=defaults.region,
            override=_percent(opportunity.discount_override, "The opportunity's discount override"),
            asked=_percent(discount_percent, "The discount asked for"),
        )  # fmt: skip
        lines = tuple(
            _line(_Item(number, line), pricebook_id, discount.percent, decimals)
            for number, line in enumerate(opportunity.lines, start=1)
        )
        return PricedQuote(
            name=quote_name(opportunity.name, revision),
            opportunity_id=opportunity.id,
            opportunity_name=opportunity.name[:120],
            account_id=opportunity.account_id,
            account_name=opportunity.account_name and opportunity.account_name[:255],
            owner_id=opportunity.owner_id,
            pricebook_id=pricebook_id,
            region=discount.region,
            currency_iso_code=currency,
            decimals=decimals,
            discount_percent=discount.percent,
            subtotal=_sum((half_up(line.list_price * line.quantity, decimals) for line in lines), decimals),
            total_price=_sum((line.total_price for line in lines), decimals),
            expiration_date=opportunity.close_date + timedelta(days=DAYS_OPEN),
            line_count=len(lines),
            pricing_note=_note(discount, opportunity.lines, currency),
            revision=revision,
            lines=lines,
        )


def check_entries(opportunity: OpportunityToPrice) -> None:
    """Whether the org would take every line as one of a new quote; of a quote that is made it is not asked.

    Raises: InactivePriceBookEntry, which names the first line that has one.
    """
    for number, line in enumerate(opportunity.lines, start=1):
        if not line.entry_is_active:
            what = "its price book entry is inactive; activate it, or choose another product."
            raise _Item(number, line).fault(InactivePriceBookEntry, what)


def quote_name(opportunity_name: str, revision: int) -> str:
    """The name of a quote, "<opportunity> - <revision>": at most 255 characters, the revision never cut off."""
    suffix = f" - {revision}"
    return opportunity_name[: 255 - len(suffix)].rstrip() + suffix


def org_total(lines: Iterable[tuple[Decimal, Decimal]]) -> Decimal:
    """What an org that rounds nothing has as the total of lines, each (quantity, unit_price) as we sent it.

    The quote's total_price unless a quantity is fractional (docs/pricing.md, "In Salesforce"). A total read from the
    org that lies between the two, both included, is no change made there.
    """
    with localcontext(ARITHMETIC):
        return sum((quantity * unit_price for quantity, unit_price in lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class _Item:
    """A line under examination, and how an error calls it."""

    number: int
    line: LineToPrice

    def fault(self, kind: type[PricingError], what: str) -> PricingError:
        words = f"Line {self.number} ({self.line.name}): {what}"
        return kind(words, line_number=self.number, line_item_id=self.line.line_item_id)


def _pricebook(opportunity: OpportunityToPrice) -> str:
    if not opportunity.lines:
        raise NoLines("The opportunity has no products; add at least one.")
    if not opportunity.pricebook_id:
        raise NoPriceBook("The opportunity has no price book; choose one.")
    return opportunity.pricebook_id


def _currency(code: str) -> str:
    if not re.fullmatch("[A-Z]{3}", code):
        raise InvalidCurrency(f"'{code[:20]}' is no currency; it needs three capital letters, such as EUR.")
    return code


def _percent(percent: Decimal | None, name: str) -> Decimal | None:
    if percent is None:
        return None
    if not _decimal(percent).is_finite() or not 0 <= percent <= 100:
        raise InvalidDiscount(f"{name} is {percent:.10g} percent; it needs 0 to 100.")
    return half_up(percent.copy_abs(), 2)


def _line(item: _Item, pricebook_id: str, percent: Decimal, decimals: int) -> PricedLine:
    line = item.line
    entry = _entry(item, pricebook_id)
    quantity = _quantity(item)
    before = _price_before(item, decimals)
    if half_up(before * quantity, decimals) > LARGEST_AMOUNT:
        raise item.fault(AmountTooLarge, f"{quantity:f} at {before:f} is more than {LARGEST_AMOUNT:,f}.")
    unit_price = half_up(before * (100 - percent) * Decimal("0.01"), decimals)
    return PricedLine(
        line_number=item.number,
        name=line.name[:255],
        opportunity_line_item_id=line.line_item_id,
        pricebook_entry_id=entry,
        product_id=line.product_id,
        product_code=line.product_code and line.product_code[:50],
        description=line.description,
        quantity=quantity,
        list_price=before,
        discount_percent=percent,
        unit_price=unit_price,
        total_price=half_up(unit_price * quantity, decimals),
    )


def _entry(item: _Item, pricebook_id: str) -> str:
    line = item.line
    if not line.pricebook_entry_id:
        raise item.fault(LineOutsidePriceBook, "it has no price book entry.")
    if line.pricebook_id != pricebook_id:
        raise item.fault(
            LineOutsidePriceBook,
            f"its price is of price book {line.pricebook_id}; the opportunity's price book is {pricebook_id}.",
        )
    return line.pricebook_entry_id


def _quantity(item: _Item) -> Decimal:
    quantity = item.line.quantity
    if quantity is None:
        raise item.fault(InvalidQuantity, "it has no quantity.")
    if not _decimal(quantity).is_finite() or not 0 <= quantity <= LARGEST_QUANTITY:
        raise item.fault(InvalidQuantity, f"its quantity is {quantity:.12g}; it needs 0 to {LARGEST_QUANTITY:,f}.")
    stored = half_up(quantity.copy_abs(), QUANTITY_DECIMALS)  # no -0
    if stored != quantity:
        raise item.fault(
            InvalidQuantity, f"its quantity is {quantity:.12g}; it needs at most {QUANTITY_DECIMALS} decimals."
        )
    return stored


def _price_before(item: _Item, decimals: int) -> Decimal:
    """The price of one before the discount: the opportunity's sales price, as exact as an amount is stored."""
    given = item.line.unit_price
    if given is None:
        raise item.fault(InvalidPrice, "it has no sales price.")
    if not _decimal(given).is_finite() or given < 0:
        raise item.fault(InvalidPrice, f"its sales price is {given:.12g}; it needs 0 or more.")
    if given > LARGEST_AMOUNT or (rounded := half_up(given.copy_abs(), decimals)) > LARGEST_AMOUNT:
        raise item.fault(AmountTooLarge, f"its sales price is more than {LARGEST_AMOUNT:,f}.")
    return rounded


def _sum(amounts: Iterable[Decimal], decimals: int) -> Decimal:
    total = sum(amounts, half_up(Decimal(0), decimals))
    if total > LARGEST_AMOUNT:
        raise AmountTooLarge(f"The lines together are more than {LARGEST_AMOUNT:,f}.")
    return total


def _decimal(number: Decimal) -> Decimal:
    """The same number. A float has already lost what half-up needs, so it is a mistake of the caller."""
    if not isinstance(number, Decimal):
        raise TypeError(f"{number!r} is {type(number).__name__}; amounts are Decimal")
    return number


def _note(discount: Discount, lines: Sequence[LineToPrice], currency: str) -> str:
    """What decided the price, in words, for pricing_note; at most 255 characters."""
    clauses = [discount.note]
    negotiated = sum(1 for line in lines if line.list_price is not None and line.list_price != line.unit_price)
    if negotiated:
        clauses.append(f"{negotiated} of {len(lines)} lines at a negotiated price before the discount")
    if coarser_than_usual(currency):
        clauses.append(f"{currency} amounts rounded to {STORED_DECIMALS} decimals")
    text = "; ".join(clauses) + "."
    return text if len(text) <= NOTE_LENGTH else text[: NOTE_LENGTH - 1] + "…"
