"""createQuotes: quotes for up to 2,000 opportunities in the background, with a callback to Apex at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from applink import callback_urls
from applink.context import Caller
from applink.kinds import text
from applink.operation import Call, Callback, Desk, Operation
from applink.operations.messages import Job, StartedJob, if_draft_exists, opportunity_ids, request_key
from applink.operations.starting import Wish, start
from applink.schema import member


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateQuotesRequest:
    """For which opportunities to make quotes, and whom to tell."""

    opportunity_ids: tuple[str, ...] = opportunity_ids()
    callback_url: str | None = member(
        text(callback_urls.LONGEST), "Where to report the end. Salesforce fills it in; leave it empty.", required=False
    )
    request_key: str | None = request_key()
    if_draft_exists: str | None = if_draft_exists()


def run(desk: Desk, caller: Caller, request: CreateQuotesRequest, call: Call) -> Mapping[str, Any]:
    """Start the job. Raises: InvalidCallbackUrl, and what `start` raises."""
    callback_url = request.callback_url and desk.orgs.callback_url(request.callback_url, caller)
    wish = Wish(
        type=CREATE_QUOTES.name,
        opportunity_ids=request.opportunity_ids,
        if_draft_exists=request.if_draft_exists or "create",
        callback_url=callback_url or None,
    )
    return start(desk, caller, wish, call)


CREATE_QUOTES = Operation(
    name="createQuotes",
    summary="Make quotes for many opportunities in the background, and call back",
    description=(
        "Answers as soon as the job is stored; it will be worked off whatever happens. At its end Apex is called back, "
        "once, also when it failed or was cancelled."
    ),
    request=CreateQuotesRequest,
    response=StartedJob,
    run=run,
    said="The job is stored.",
    status=201,
    callback=Callback(name="createQuotesResponse", url="{$request.body#/callbackUrl}", body=Job),
    agent=False,
)
