"""startQuotes: as createQuotes, for Flow and Agentforce, which nobody calls back: a Platform Event tells the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from applink.context import Caller
from applink.operation import Call, Desk, Operation
from applink.operations.messages import StartedJob, if_draft_exists, opportunity_ids, request_key
from applink.operations.starting import Wish, start


@dataclass(frozen=True, slots=True, kw_only=True)
class StartQuotesRequest:
    """For which opportunities to make quotes."""

    opportunity_ids: tuple[str, ...] = opportunity_ids()
    request_key: str | None = request_key()
    if_draft_exists: str | None = if_draft_exists()


def run(desk: Desk, caller: Caller, request: StartQuotesRequest, call: Call) -> Mapping[str, Any]:
    """Start the job. Raises: what `start` raises."""
    wish = Wish(
        type=START_QUOTES.name,
        opportunity_ids=request.opportunity_ids,
        if_draft_exists=request.if_draft_exists or "create",
        event=True,
    )
    return start(desk, caller, wish, call)


START_QUOTES = Operation(
    name="startQuotes",
    summary="Make quotes for many opportunities in the background",
    description=(
        "Answers as soon as the job is stored; it will be worked off whatever happens. Ask getJob how far it is. At "
        "its end the Platform Event Quote_Job__e is published."
    ),
    request=StartQuotesRequest,
    response=StartedJob,
    run=run,
    said="The job is stored.",
    status=201,
)
