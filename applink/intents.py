"""Intents of createQuote: what is about to be done in an org, committed before the org is called, so nothing is twice.

    open_or_find   the request key's intent, made once         take      the right to work on it, for a while
    mark_called    commit, then send the write                 settle    done: the answer that repeats will get
    fail           done: refused for good                      release   nothing was written: the same key may try again
    stale          begun and not ended, for a worker to read back from the org; changes of quotes too (quote_leases.py)

In: a connection within a transaction. A holder is fenced by lease_no, as an item's is. Intents of jobs live under
their items' ids and are ended in claims.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Connection,
    Float,
    Integer,
    Row,
    String,
    bindparam,
    cast,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import insert

from applink.claims import ANY_ORG, CODE_LENGTH, MESSAGE_LENGTH, LeaseLost
from applink.errors import KeyReused
from models.database import set_org
from models.intent import intent as intent_table
from models.org_pause import org_pause

NOT_MADE: Final = "NotMade"
"""The error code of an intent that a sweep closed since the org has no quote of it; the same request may try again."""
REFUSED: Final = "Refused"
"""The error code of an intent that was refused: nothing was made, so its key may be used again, for anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntent:
    """What is asked. idem_key: the request key; request_hash: tells the same request from another one."""

    org_id: str
    operation: str
    opportunity_id: str
    idem_key: str
    request_hash: str
    requested_by: str | None
    request_id: str | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An intent as stored. status: open, settled, failed. gateway_key: of the quote in the org, at every attempt.

    answer: of a settled one. error_code, error_message: of a failed one. taken: somebody works on it now.
    """

    org_id: str
    id: UUID
    operation: str
    opportunity_id: str
    gateway_key: str
    quote_id: UUID
    idem_key: str
    requested_by: str | None
    request_id: str | None
    arguments: Mapping[str, Any]
    status: str
    answer: Mapping[str, Any] | None
    salesforce_id: str | None
    error_code: str | None
    error_message: str | None
    called_at: datetime | None
    attempts: int
    lease_no: int
    taken: bool


_c = intent_table.c
SHOWN: Final = (
    _c.org_id, _c.id, _c.operation, _c.opportunity_id, _c.gateway_key, _c.quote_id, _c.idem_key, _c.requested_by,
    _c.request_id, _c.arguments, _c.status, _c.answer, _c.salesforce_id, _c.error_code, _c.error_message, _c.called_at,
    _c.attempts, _c.lease_no, func.coalesce(_c.lease_until > func.now(), False).label("taken"),
)  # fmt: skip
ONE: Final = (_c.org_id == bindparam("of_org")) & (_c.id == bindparam("of_id"))
FREE: Final = _c.lease_until.is_(None) | (_c.lease_until <= func.now())
LEASED: Final = {
    _c.lease_no: _c.lease_no + 1,
    _c.locked_by: bindparam("worker"),
    _c.lease_until: func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("lease_seconds", type_=Float)),
}

NEW_KEYS: Final = {
    "gateway_key": literal("gw-").concat(func.replace(cast(func.gen_random_uuid(), String), "-", "")),
    "quote_id": func.gateway.uuid_v7(),
}
OPEN: Final = (
    insert(intent_table)
    .values(NEW_KEYS)
    .on_conflict_do_nothing(index_elements=["org_id", "operation", "idem_key"])
    .returning(*SHOWN)
)
FIND: Final = select(*SHOWN, _c.request_hash).where(
    _c.org_id == bindparam("of_org"), _c.operation == bindparam("of_operation"), _c.idem_key == bindparam("of_key")
)
OPENED: Final = {"status": "open", "error_code": None, "error_message": None, "settled_at": None}
REOPEN: Final = (
    update(intent_table)
    .where(ONE, _c.status == "failed", _c.error_code.in_((NOT_MADE, REFUSED)))
    .values(OPENED)
    .returning(*SHOWN)
)
ASKED: Final = ("opportunity_id", "request_hash", "requested_by", "request_id", "arguments")
RENEW: Final = (
    update(intent_table)
    .where(ONE, _c.status == "failed", _c.error_code == REFUSED)
    .values(OPENED | NEW_KEYS | {"called_at": None, "attempts": 0} | {name: bindparam(name) for name in ASKED})
    .returning(*SHOWN)
)


def open_or_find(connection: Connection, new: NewIntent) -> tuple[Intent, bool]:
    """The intent of a request key, and whether it was made now. Commit before anybody works on it.

    One that ended without a quote is open again for the same request, with its first key: nothing is made twice. One
    that was refused is as if it had never been for another request.
    Raises: KeyReused where the key belongs to another request.
    """
    set_org(connection, new.org_id)
    row = {name: getattr(new, name) for name in new.__slots__} | {"arguments": dict(new.arguments)}
    row["request_id"] = new.request_id[:120] if new.request_id else None
    made = connection.execute(OPEN, row).one_or_none()
    if made is not None:
        return _intent(made), True
    key = {"of_org": new.org_id, "of_operation": new.operation, "of_key": new.idem_key}
    found = connection.execute(FIND, key).one()
    if found.status == "failed":
        one = {"of_org": new.org_id, "of_id": found.id}
        if found.request_hash == new.request_hash:
            again = connection.execute(REOPEN, one).one_or_none()
        else:
            again = connection.execute(RENEW, one | {name: row[name] for name in ASKED}).one_or_none()
        if again is not None:
            return _intent(again), False
        found = connection.execute(FIND, key).one()  # somebody else was quicker
    if found.request_hash != new.request_hash:
        raise KeyReused("this request key belongs to another request; a new request needs a new key")
    return _intent(found), False


GET: Final = select(*SHOWN).where(ONE)


def get(connection: Connection, org_id: str, intent_id: UUID) -> Intent | None:
    """An intent as it stands, for those who wait for another's work on it."""
    row = connection.execute(GET, {"of_org": org_id, "of_id": intent_id}).one_or_none()
    return None if row is None else _intent(row)


TAKE: Final = update(intent_table).where(ONE, _c.status == "open", FREE).values(LEASED).returning(*SHOWN)


def take(connection: Connection, org_id: str, intent_id: UUID, by: str, lease_seconds: float) -> Intent | None:
    """The right to work on an open intent until the lease ends; None where somebody else has it, or it is not open."""
    set_org(connection, org_id)
    given = {"of_org": org_id, "of_id": intent_id, "worker": by[:120], "lease_seconds": lease_seconds}
    row = connection.execute(TAKE, given).one_or_none()
    return None if row is None else _intent(row)


MARK_CALLED: Final = text("""
UPDATE gateway.intent SET called_at = now(), attempts = attempts + 1
WHERE org_id = :org_id AND id = :id AND lease_no = :lease_no AND status = 'open'
""")


def mark_called(connection: Connection, intent: Intent) -> None:
    """Remember, before a write is sent, that it may have been: commit, then send. Raises LeaseLost."""
    set_org(connection, intent.org_id)
    if connection.execute(MARK_CALLED, _fence(intent)).rowcount == 0:
        raise LeaseLost(str(intent.id))


SETTLE: Final = text("""
UPDATE gateway.intent
SET status = 'settled', answer = CAST(:answer AS jsonb), quote_id = coalesce(:quote_id, quote_id),
    salesforce_id = :salesforce_id, settled_at = now(), lease_until = NULL, locked_by = NULL, error_code = NULL,
    error_message = NULL
WHERE org_id = :org_id AND id = :id AND lease_no = :lease_no AND status = 'open'
""")


def settle(
    connection: Connection,
    intent: Intent,
    answer: Mapping[str, Any] | None,
    quote_id: UUID | None,
    salesforce_id: str | None,
) -> bool:
    """Done, in the transaction that stores the quote. False, and nothing written, where the lease was lost."""
    set_org(connection, intent.org_id)
    given = _fence(intent) | {
        "answer": None if answer is None else json.dumps(dict(answer), default=str),
        "quote_id": quote_id,
        "salesforce_id": salesforce_id,
    }
    return connection.execute(SETTLE, given).rowcount == 1


FAIL: Final = text("""
UPDATE gateway.intent
SET status = 'failed', error_code = :code, error_message = :message, settled_at = now(), lease_until = NULL,
    locked_by = NULL
WHERE org_id = :org_id AND id = :id AND lease_no = :lease_no AND status = 'open'
""")


def fail(connection: Connection, intent: Intent, code: str, message: str) -> bool:
    """Refused for good, and nothing is in the org. False where the lease was lost."""
    set_org(connection, intent.org_id)
    given = _fence(intent) | {"code": code[:CODE_LENGTH], "message": message[:MESSAGE_LENGTH]}
    return connection.execute(FAIL, given).rowcount == 1


RELEASE: Final = text("""
UPDATE gateway.intent
SET lease_until = NULL, locked_by = NULL, next_at = now() + make_interval(secs => :seconds)
WHERE org_id = :org_id AND id = :id AND lease_no = :lease_no AND status = 'open'
""")


def release(connection: Connection, intent: Intent, *, sweep_after_seconds: float = 0.0) -> bool:
    """Not done: whoever has the key may try at once; a sweep not before so many seconds. False: the lease was lost."""
    set_org(connection, intent.org_id)
    return connection.execute(RELEASE, _fence(intent) | {"seconds": sweep_after_seconds}).rowcount == 1


_paused = select(org_pause.c.org_id).where(org_pause.c.org_id == _c.org_id)
_age = func.make_interval(0, 0, 0, 0, 0, 0, bindparam("age_seconds", type_=Float))
# Across orgs, without those that are paused; first what is due longest. Intents of jobs belong to their items.
STALE: Final = (
    update(intent_table)
    .where(
        tuple_(_c.org_id, _c.id).in_(
            select(_c.org_id, _c.id)
            .where(
                _c.status == "open",
                _c.job_id.is_(None),
                func.greatest(_c.created_at, _c.called_at, _c.settled_at) < func.now() - _age,
                FREE,
                _c.next_at.is_(None) | (_c.next_at <= func.now()),
                ~_paused.exists(),
            )
            .order_by(func.greatest(_c.created_at, _c.next_at, _c.lease_until))
            .limit(bindparam("most", type_=Integer))
            .with_for_update(skip_locked=True)
            .correlate(None)
        )
    )
    .values(LEASED)
    .returning(*SHOWN)
)


def stale(
    connection: Connection, by: str, limit: int, *, age_seconds: float = 60.0, lease_seconds: float = 60.0
) -> list[Intent]:
    """Take intents that were begun and not ended, of any org; each then is settled, failed (NOT_MADE) or released."""
    set_org(connection, ANY_ORG)
    given = {"worker": by[:120], "most": limit, "age_seconds": age_seconds, "lease_seconds": lease_seconds}
    return [_intent(row) for row in connection.execute(STALE, given)]


def _fence(intent: Intent) -> dict[str, Any]:
    return {"org_id": intent.org_id, "id": intent.id, "lease_no": intent.lease_no}


def _intent(row: Row[*tuple[Any, ...]]) -> Intent:
    return Intent(**{name: row._mapping[name] for name in Intent.__slots__})
