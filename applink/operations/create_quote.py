"""createQuote: one quote while the user waits, with the user's own token, and never two for one request key.

The intent is committed before the org is called. Whoever holds its lease works; everybody else with the same key waits
for the answer that the first one stores. What the org did when the answer was lost is found by the key, by the next
request with the same request key or by a worker.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import uuid4

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from applink import intents, quote_rows, quotes, schema
from applink.claims import LeaseLost
from applink.context import Caller
from applink.errors import OperationError, OutcomeUnknown, QuoteDeleted, Unavailable
from applink.intents import Intent, NewIntent
from applink.operation import Call, Desk, Operation
from applink.operations.messages import QuoteResult, if_draft_exists, opportunity_id, request_key
from applink.org import Org
from applink.quotes import IfDraftExists, Made, QuoteOrder
from models.database import set_org

POLL_SECONDS: Final = 0.1
AWAY: Final = (DBAPIError, NoConnection)
LEASE_MARGIN_SECONDS: Final = 5.0
"""A request that does not end at its deadline has died; only then may another take its intent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateQuoteRequest:
    """For which opportunity to make a quote."""

    opportunity_id: str = opportunity_id()
    request_key: str | None = request_key()
    if_draft_exists: str | None = if_draft_exists()


class _RefusedBefore(OperationError):
    """What somebody else with the same key was answered a moment ago."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message, code=code)
        self.status = status


def run(desk: Desk, caller: Caller, request: CreateQuoteRequest, call: Call) -> Mapping[str, Any]:
    """Make the quote, or answer what the same request key was answered before.

    Raises: KeyReused, QuoteDeleted; SetupRequired, OpportunityNotFound, NotPriceable, NotAllowed, Refused,
            Unavailable: no quote was made; OutcomeUnknown: the same key settles it.
    """
    org = desk.orgs.of_caller(caller)
    while True:
        intent, held = _opened(desk, caller, request, call)
        if intent.status == "settled":
            return _answered(desk, intent)
        if held is not None:
            try:
                return _make(desk, org, request, held, call)
            except LeaseLost:
                pass  # somebody else ends it; wait for that
        _wait(desk, intent, call)


def _opened(desk: Desk, caller: Caller, request: CreateQuoteRequest, call: Call) -> tuple[Intent, Intent | None]:
    """The intent of the key, and the same held by this request unless somebody else works on it, or it has ended."""
    wish = NewIntent(
        org_id=caller.org_id,
        operation=CREATE_QUOTE.name,
        opportunity_id=request.opportunity_id,
        idem_key=call.key,
        request_hash=call.request_hash,
        requested_by=caller.user_id,
        request_id=call.request_id,
        arguments={"ifDraftExists": request.if_draft_exists or "create"},
    )
    lease_seconds = max(call.deadline - time.monotonic(), 0.0) + LEASE_MARGIN_SECONDS
    with desk.engine.begin() as connection:
        intent, _ = intents.open_or_find(connection, wish)
        held = None
        if intent.status == "open":
            held = intents.take(connection, intent.org_id, intent.id, f"createQuote {uuid4()}", lease_seconds)
    return intent, held


def _wait(desk: Desk, intent: Intent, call: Call) -> None:
    """Until nobody works on an intent. Raises: what its worker was refused with; Unavailable at the deadline."""
    while True:
        with desk.engine.connect() as connection:
            now = intents.get(connection, intent.org_id, intent.id)
        if now is not None and now.status == "failed":
            _raise_again(now)
        if now is None or not now.taken or now.status != "open":
            return
        if time.monotonic() + POLL_SECONDS > call.deadline:
            raise Unavailable(
                f"The same request, requestKey '{call.key}', is still being worked on.", retry_after_seconds=5
            )
        time.sleep(POLL_SECONDS)


def _make(desk: Desk, org: Org, request: CreateQuoteRequest, held: Intent, call: Call) -> Mapping[str, Any]:
    order = QuoteOrder(
        org_id=held.org_id,
        opportunity_id=held.opportunity_id,
        gateway_key=held.gateway_key,
        quote_id=held.quote_id,
        requested_by=held.requested_by,
        request_id=call.request_id,
        if_draft_exists=cast(IfDraftExists, request.if_draft_exists or "create"),
        called_before=held.called_at is not None,
    )
    called = [order.called_before]

    def before_write() -> None:
        with desk.engine.begin() as connection:
            intents.mark_called(connection, held)
        called[0] = True

    try:
        made = desk.quotes.make(order, org, deadline=call.deadline, before_write=before_write)
    except OutcomeUnknown as problem:
        _let_go(desk, held)
        raise OutcomeUnknown(f"{problem.message} {_same_key(call)}") from None
    except Unavailable:
        _let_go(desk, held)
        raise
    except OperationError as problem:
        _fail(desk, held, problem)
        raise
    except AWAY as problem:
        _let_go(desk, held)
        if called[0]:
            raise OutcomeUnknown(f"The org was asked, and the database is away. {_same_key(call)}") from problem
        raise
    return _store(desk, held, made, call)


def _same_key(call: Call) -> str:
    return (
        f"Send it again with requestKey '{call.key}': that answers this quote if it was made, and makes no second one."
    )


def _store(desk: Desk, held: Intent, made: Made, call: Call) -> Mapping[str, Any]:
    """The rows and the answer in one transaction: from here on the key answers this quote."""
    answer = schema.write(QuoteResult, quotes.answer(made.row, created=made.created))
    try:
        with desk.engine.begin() as connection:
            set_org(connection, held.org_id)
            desk.quotes.store(connection, made)
            if not intents.settle(connection, held, answer, made.quote_id, made.salesforce_id):
                raise LeaseLost(str(held.id))
    except AWAY as problem:
        said = "The quote is in the org, and could not be stored here yet."
        raise OutcomeUnknown(f"{said} {_same_key(call)}") from problem
    return answer


def _let_go(desk: Desk, held: Intent) -> None:
    """For whoever comes next; with the database away the lease ends by itself."""
    with contextlib.suppress(*AWAY), desk.engine.begin() as connection:
        intents.release(connection, held)


def _fail(desk: Desk, held: Intent, problem: OperationError) -> None:
    """Those who wait with the same key get the same refusal; whoever comes later may try again."""
    with contextlib.suppress(*AWAY), desk.engine.begin() as connection:
        intents.fail(connection, held, intents.REFUSED, f"{problem.status} {problem.code} {problem.message}")


def _raise_again(failed: Intent) -> None:
    said = re.fullmatch(r"(?s)(4[0-9]{2}) ([A-Za-z0-9_]{1,80}) (.*)", failed.error_message or "")
    if said is not None:
        raise _RefusedBefore(int(said[1]), said[2], said[3])


def _answered(desk: Desk, intent: Intent) -> Mapping[str, Any]:
    """The first answer; where a worker settled it, what the quote is now. Raises: QuoteDeleted."""
    with desk.engine.connect() as connection:
        row = quote_rows.find(connection, intent.org_id, str(intent.quote_id))
    if row is None or row.sync_status == quote_rows.DELETED_IN_ORG:
        raise QuoteDeleted(
            f"The quote {intent.salesforce_id or intent.quote_id} of requestKey '{intent.idem_key}' was made, and "
            "deleted since. Another quote needs another key."
        )
    return intent.answer if intent.answer is not None else quotes.answer(row, created=True)


CREATE_QUOTE = Operation(
    name="createQuote",
    summary="Make a quote for an opportunity",
    description=(
        "Prices the lines of the opportunity and makes a Quote with its lines in the org, with the rights of the user "
        "who asks. Answers when the quote is there."
    ),
    request=CreateQuoteRequest,
    response=QuoteResult,
    run=run,
    said="The quote is in the org.",
)
