"""previewQuote: what createQuote would make of an opportunity, and nothing written anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from applink.context import Caller
from applink.kinds import AMOUNT, DATE, PERCENT, TEXT, WHOLE
from applink.operation import Call, Desk, Operation
from applink.operations.messages import opportunity_id
from applink.schema import member
from models.pricing import PricedQuote


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewQuoteRequest:
    """Which opportunity to price."""

    opportunity_id: str = opportunity_id()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewQuoteResult:
    """What the quote would say."""

    opportunity_id: str = member(TEXT, "The opportunity.", example="006bZ0000000001QAA")
    opportunity_name: str = member(TEXT, "The name of the opportunity.", example="Big deal")
    account_name: str | None = member(TEXT, "The name of its account.", required=False, example="Acme")
    currency_iso_code: str = member(TEXT, "The currency of all amounts.", example="USD")
    region: str = member(TEXT, "The region whose discount applies.", example="NAMER")
    discount_percent: Decimal = member(PERCENT, "The discount in percent.", example=10.0)
    subtotal: Decimal = member(AMOUNT, "All lines at their list prices.", example=1000.0)
    grand_total: Decimal = member(AMOUNT, "All lines after the discount.", example=900.0)
    expiration_date: date = member(DATE, "The last day of the offer.", example="2026-04-30")
    line_count: int = member(WHOLE, "How many lines the quote would have.", example=3)
    pricing_note: str = member(TEXT, "Which pricing rule applies, in words.", example="10 % off: region NAMER")
    text: str = member(TEXT, "All of it in a sentence or two, to be shown.", example="Big deal: 3 lines, 900.00 USD.")


def run(desk: Desk, caller: Caller, request: PreviewQuoteRequest, call: Call) -> Mapping[str, Any]:
    """Price one opportunity as the caller sees it. Raises: OpportunityNotFound, NotPriceable, errors of the org."""
    org = desk.orgs.of_caller(caller)
    priced = desk.quotes.preview(request.opportunity_id, org, deadline=call.deadline)
    return {
        "opportunityId": priced.opportunity_id,
        "opportunityName": priced.opportunity_name,
        "accountName": priced.account_name,
        "currencyIsoCode": priced.currency_iso_code,
        "region": priced.region,
        "discountPercent": priced.discount_percent,
        "subtotal": priced.subtotal,
        "grandTotal": priced.total_price,
        "expirationDate": priced.expiration_date,
        "lineCount": priced.line_count,
        "pricingNote": priced.pricing_note,
        "text": in_words(priced),
    }


def in_words(priced: PricedQuote) -> str:
    """A priced quote for a person.

    Example: "Big deal for Acme: 3 lines, 1,000.00 USD; with 10 % off 900.00 USD. Good until 30 April 2026."
    """
    lines = "1 line" if priced.line_count == 1 else f"{priced.line_count} lines"
    account = f" for {priced.account_name}" if priced.account_name else ""
    amount = f"{priced.total_price:,} {priced.currency_iso_code}"
    if priced.total_price != priced.subtotal:
        amount = f"{priced.subtotal:,} {priced.currency_iso_code}, after discount {amount}"
    until = f"{priced.expiration_date.day} {priced.expiration_date:%B %Y}"
    return (
        f"{priced.opportunity_name}{account}: {lines}, {amount}. {priced.pricing_note.rstrip('.')}. Good until {until}."
    )


PREVIEW_QUOTE = Operation(
    name="previewQuote",
    summary="Show what a quote for an opportunity would cost",
    description="Prices the lines of an opportunity with the discount of its region, and writes nothing.",
    request=PreviewQuoteRequest,
    response=PreviewQuoteResult,
    run=run,
    said="The prices as they are now.",
)
