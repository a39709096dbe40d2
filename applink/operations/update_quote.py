"""updateQuote: change a quote in the org and here; a discount reprices its lines and makes a revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from applink import quotes
from applink.context import Caller
from applink.errors import InvalidRequest
from applink.kinds import DATE, PERCENT, text
from applink.operation import Call, Desk, Operation
from applink.operations.messages import QuoteResult, quote_id
from applink.quotes import QuoteChange
from applink.schema import member


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateQuoteRequest:
    """Which quote to change, and how; what is left out stays as it is."""

    quote_id: str = quote_id()
    status: str | None = member(
        text(40), "The new status, one of the org's own, such as In Review.", required=False, example="In Review"
    )
    name: str | None = member(text(255), "The new name of the quote.", required=False, example="Big deal - 2")
    expiration_date: date | None = member(DATE, "The new last day of the offer.", required=False, example="2026-05-31")
    discount_percent: Decimal | None = member(
        PERCENT, "A discount off the list price of every line, instead of the rule's.", required=False, example=12.5
    )


def run(desk: Desk, caller: Caller, request: UpdateQuoteRequest, call: Call) -> Mapping[str, Any]:
    """Change a quote. Raises: QuoteNotFound, QuoteChanged, NotAllowed, Refused, Unavailable, OutcomeUnknown."""
    change = QuoteChange(
        org_id=caller.org_id,
        quote_id=request.quote_id,
        requested_by=caller.user_id,
        request_id=call.request_id,
        status=request.status,
        name=request.name,
        expiration_date=request.expiration_date,
        discount_percent=request.discount_percent,
    )
    if (change.status, change.name, change.expiration_date, change.discount_percent) == (None, None, None, None):
        raise InvalidRequest("Nothing is to be changed: give status, name, expirationDate or discountPercent.")
    row = desk.quotes.update(change, desk.orgs.of_caller(caller), deadline=call.deadline)
    return quotes.answer(row, created=False)


UPDATE_QUOTE = Operation(
    name="updateQuote",
    summary="Change a quote",
    description=(
        "Changes status, name, last day or discount of a quote, in the org and in the gateway. A discount prices all "
        "lines anew and raises the revision. A quote that was changed in the org meanwhile is left alone (409): look "
        "at it, then ask again."
    ),
    request=UpdateQuoteRequest,
    response=QuoteResult,
    run=run,
    said="The quote as it is now.",
)
