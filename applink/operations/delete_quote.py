"""deleteQuote: a quote that is no longer wanted, gone from the org and from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from applink.context import Caller
from applink.kinds import FLAG, TEXT
from applink.operation import Call, Desk, Operation
from applink.operations.messages import quote_id
from applink.quotes import QuoteChange
from applink.schema import member


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteQuoteRequest:
    """Which quote to delete."""

    quote_id: str = quote_id()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteQuoteResult:
    """What was deleted."""

    quote_id: str | None = member(
        TEXT, "The record id that the quote had in the org.", required=False, example="0Q0bZ0000000001SAA"
    )
    gateway_id: str = member(
        TEXT, "The id that the quote had in the gateway.", example="01890a5d-ac96-774b-bcce-b302099a8057"
    )
    deleted: bool = member(FLAG, "Always true.", example=True)


def run(desk: Desk, caller: Caller, request: DeleteQuoteRequest, call: Call) -> Mapping[str, Any]:
    """Delete a quote. Raises: QuoteNotFound, QuoteChanged, NotAllowed, Refused, Unavailable, OutcomeUnknown."""
    change = QuoteChange(
        org_id=caller.org_id, quote_id=request.quote_id, requested_by=caller.user_id, request_id=call.request_id
    )
    row = desk.quotes.delete(change, desk.orgs.of_caller(caller), deadline=call.deadline)
    return {"quoteId": row.salesforce_id, "gatewayId": str(row.id), "deleted": True}


DELETE_QUOTE = Operation(
    name="deleteQuote",
    summary="Delete a quote",
    description="Deletes a quote with its lines from the org, and from the gateway. There is no way back.",
    request=DeleteQuoteRequest,
    response=DeleteQuoteResult,
    run=run,
    said="The quote is deleted.",
    agent=False,
)
