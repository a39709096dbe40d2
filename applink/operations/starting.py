"""How a job starts, for createQuotes and startQuotes: everything is checked first, then everything is stored at once.

The opportunities are read with the caller's own token, 200 a query: background work runs as another user, who may see
more. What cannot be used is refused by its position, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from applink import jobs, opportunities, setup
from applink.context import Caller
from applink.errors import InvalidRequest, OpportunityNotFound
from applink.jobs import NewJob, Submitted
from applink.kinds import MOST_TOLD
from applink.operation import Call, Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A job as it was asked for, its callback already checked. type: the operation's name.

    event: whether a Platform Event is owed at the end.
    """

    type: str
    opportunity_ids: Sequence[str]
    if_draft_exists: str
    callback_url: str | None = None
    event: bool = False


def start(desk: Desk, caller: Caller, wish: Wish, call: Call) -> Mapping[str, Any]:
    """Check and store a job; the same key again answers the job that there is, and asks the org nothing.

    Raises: InvalidRequest, OpportunityNotFound by position; SetupRequired, NotAllowed; KeyReused, TooManyJobs.
    """
    with desk.engine.begin() as connection:
        known = jobs.find(connection, caller.org_id, call.key, call.request_hash)
    stored = known or _stored(desk, caller, wish, call)
    # The same for every repeat, whatever has become of the job since: getJob tells that.
    return {"jobId": str(stored.job_id), "status": "queued", "opportunityCount": stored.opportunity_count}


def _stored(desk: Desk, caller: Caller, wish: Wish, call: Call) -> Submitted:
    _check(wish.opportunity_ids, desk.most_opportunities)
    org = desk.orgs.of_caller(caller)
    setup.require_creatable(org, deadline=call.deadline)
    names = opportunities.check_visible(org, wish.opportunity_ids, deadline=call.deadline)
    _check_seen(wish.opportunity_ids, names)
    job = _new_job(desk, caller, wish, call, names)
    with desk.engine.begin() as connection:
        return jobs.submit(connection, job, most_open=desk.most_open_jobs)


def _new_job(desk: Desk, caller: Caller, wish: Wish, call: Call, names: Mapping[str, str]) -> NewJob:
    return NewJob(
        org_id=caller.org_id,
        type=wish.type,
        idem_key=call.key,
        request_hash=call.request_hash,
        requested_by=caller.user_id,
        request_id=call.request_id,
        authorization_name=desk.orgs.authorization_name(caller.org_id),
        callback_url=wish.callback_url,
        callback_deadline_seconds=desk.callback_seconds,
        if_draft_exists=wish.if_draft_exists,
        items=tuple((one, names[one]) for one in wish.opportunity_ids),
        event=wish.event,
    )


def _check(ids: Sequence[str], most: int) -> None:
    if len(ids) > most:
        raise InvalidRequest(f"opportunityIds has {len(ids)} items; a job takes {most} at most.")
    first: dict[str, int] = {}
    twice = [
        f"opportunityIds[{index}] is the same as opportunityIds[{first[one]}]."
        for index, one in enumerate(ids)
        if first.setdefault(one, index) != index
    ]
    if twice:
        raise InvalidRequest(_first(twice))


def _check_seen(ids: Sequence[str], names: Mapping[str, str]) -> None:
    unseen = [f"opportunityIds[{index}] is {one}." for index, one in enumerate(ids) if one not in names]
    if unseen:
        raise OpportunityNotFound(f"There is no such opportunity, or you may not see it: {_first(unseen)}")


def _first(problems: Sequence[str]) -> str:
    rest = len(problems) - MOST_TOLD
    return " ".join(problems[:MOST_TOLD]) + (f" And {rest} more of {len(problems)}." if rest > 0 else "")
