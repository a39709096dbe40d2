"""Where a job reports to Apex: an address for each invocation, open until its deadline.

As External Services do: 200 taken, 404 no such invocation, 408 the deadline has passed. Apex hears of the first that
was taken, as the user who made the invocation, whoever's token was used; later ones are kept. The invocation is a
BackgroundOperation record, so SOQL sees what became of it; members that start with "_" are the simulator's own.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from simulator.calls import Answer, Call, refusal
from simulator.errors import invalid_session, not_found
from simulator.store import Row
from simulator.world import Org, World, timestamp

PREFIX: Final = "/services/callback/"


def open_callback(
    world: World, username: str, *, operation: str, deadline_seconds: float | None = None
) -> dict[str, Any]:
    """A new invocation by a user; what `described` says of it. Raises: KeyError for an unknown user."""
    org, user = world.find_user(username)
    seconds = world.settings.callback_deadline_seconds if deadline_seconds is None else deadline_seconds
    ends = time.time() + seconds
    row: Row = {
        "Id": org.store.new_id("08P"),
        "Name": operation,
        "Status": "Waiting",
        "Type": "ExternalServiceCallback",
        "SubmittedAt": timestamp(),
        "ExpiresAt": timestamp(datetime.fromtimestamp(ends, UTC)),
        "RetryCount": 0,
        "_ends": ends,
        "_user": user.username,
        "_received": [],
    }
    with org.store.transaction():
        org.store.put("BackgroundOperation", row)
    return described(world, org, row)


def deliver(world: World, call: Call) -> Answer:
    """POST or PUT to the address of an invocation."""
    if call.org is None or call.user is None:
        return refusal(invalid_session())
    if call.method not in ("POST", "PUT"):
        return Answer(status=405)
    row = call.org.store.get("BackgroundOperation", call.path.removeprefix(PREFIX))
    if row is None:
        return refusal(not_found())
    late = time.time() > row["_ends"]
    delivery = {"at": timestamp(), "asUser": row["_user"], "sentBy": call.user.username, "method": call.method}
    delivery |= {"status": 408 if late else 200, "body": _body(call)}
    row = row | {"_received": [*row["_received"], delivery]}
    if late and row["Status"] == "Waiting":
        row |= {"Status": "Error", "Error": "The callback deadline has passed", "FinishedAt": timestamp()}
    elif not late:
        row |= {"Status": "Complete", "FinishedAt": row.get("FinishedAt") or timestamp()}
    with call.org.store.transaction():
        call.org.store.put("BackgroundOperation", row)
    return Answer(status=408 if late else 200)


def _body(call: Call) -> Any:
    try:
        return orjson.loads(call.body)
    except orjson.JSONDecodeError:
        return call.body.decode("utf-8", "replace")


def listed(world: World) -> list[dict[str, Any]]:
    """Every invocation of every org, oldest first."""
    return [
        described(world, org, row)
        for org in world.orgs.values()
        for row in org.store.rows("BackgroundOperation")
        if "_received" in row
    ]


def described(world: World, org: Org, row: Row) -> dict[str, Any]:
    """One invocation. received: all that came, in order, each with the status it got; handled: what Apex was given."""
    taken = [delivery for delivery in row["_received"] if delivery["status"] == 200]
    return {
        "id": row["Id"],
        "url": f"{world.domain(org)}{PREFIX}{row['Id']}",
        "orgId": org.id,
        "username": row["_user"],
        "operation": row["Name"],
        "status": row["Status"],
        "expiresAt": row["ExpiresAt"],
        "handled": taken[0]["body"] if taken else None,
        "received": row["_received"],
    }
