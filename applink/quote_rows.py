"""Quotes as the gateway keeps them: rows of quote, quote_line and quote_event, written so that OData shows them whole.

In and out: QuoteRow, LineRow and Event, whose fields are named as columns. Every function works within the caller's
transaction, which has named the org (models.database.set_org). Knows neither the org nor a price.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from models.base import property_name
from models.quote import quote
from models.quote_event import quote_event
from models.quote_line import quote_line
from odata.edm.record_ids import widen_record_id

SYNCED: Final = "synced"
CHANGED_IN_ORG: Final = "changed_in_org"
DELETED_IN_ORG: Final = "deleted_in_org"
CHANGES_LENGTH: Final = 32_000
MOST_QUOTES: Final = 100
"""How many quotes of one opportunity are looked at, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRow:
    """A row of quote by its columns; `synced_at` is kept by the functions below."""

    id: UUID
    org_id: str
    quote_number: str | None
    name: str
    opportunity_id: str
    opportunity_name: str | None
    account_id: str | None
    account_name: str | None
    owner_id: str | None
    pricebook_id: str | None
    salesforce_id: str | None
    created_by_id: str | None
    last_modified_by_id: str | None
    status: str
    region: str | None
    currency_iso_code: str | None
    discount_percent: Decimal | None
    subtotal: Decimal | None
    total_price: Decimal | None
    tax: Decimal | None
    shipping_handling: Decimal | None
    grand_total: Decimal | None
    expiration_date: date | None
    line_count: int
    pricing_note: str | None
    revision: int = 1
    revised_from_id: UUID | None = None
    sync_status: str = SYNCED
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A row of quote_line by its columns. id: None until it is stored."""

    id: UUID | None = None
    line_number: int
    name: str
    product_code: str | None
    product_id: str | None
    opportunity_line_item_id: str | None
    pricebook_entry_id: str | None
    salesforce_id: str | None
    description: str | None
    quantity: Decimal | None
    unit_price: Decimal | None
    list_price: Decimal | None
    discount_percent: Decimal | None
    total_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of the audit. changes: by property, [before, after]."""

    action: str
    name: str
    by_user_id: str | None
    through: str
    request_id: str | None
    changes: Mapping[str, Any]


def find(connection: Connection, org_id: str, quote_id: str) -> QuoteRow | None:
    """A quote that is not deleted, by the row's uuid or the org's record id of 15 or 18 characters."""
    found = select(*_QUOTE).where(quote.c.org_id == org_id, _is(quote_id), quote.c.deleted_at.is_(None))
    row = connection.execute(found).mappings().first()
    return None if row is None else QuoteRow(**row)


def version(connection: Connection, org_id: str, row_id: UUID, *, lock: bool = False) -> int | None:
    """What every change of a quote raises; None where it is deleted. lock: nobody changes it in this transaction."""
    c = quote.c
    found = select(c.row_version).where(c.org_id == org_id, c.id == row_id, c.deleted_at.is_(None))
    held: int | None = connection.execute(found.with_for_update(key_share=True) if lock else found).scalar()
    return held


def drafts(connection: Connection, org_id: str, opportunity_id: str, status: str) -> list[QuoteRow]:
    """The newest quotes of an opportunity with this status that the org has, as far as the gateway knows."""
    return _newest(connection, org_id, opportunity_id, quote.c.status == status)


def of_opportunity(connection: Connection, org_id: str, opportunity_id: str) -> list[QuoteRow]:
    """The newest quotes of an opportunity, of any status, that the org has, as far as the gateway knows."""
    return _newest(connection, org_id, opportunity_id)


def _newest(
    connection: Connection, org_id: str, opportunity_id: str, *conditions: ColumnElement[bool]
) -> list[QuoteRow]:
    c = quote.c
    rows = connection.execute(
        select(*_QUOTE)
        .where(c.org_id == org_id, c.opportunity_id == opportunity_id, c.deleted_at.is_(None), *conditions)
        .where(c.salesforce_id.is_not(None), c.sync_status != DELETED_IN_ORG)
        .order_by(c.created_at.desc(), c.id.desc())
        .limit(MOST_QUOTES)
    )
    return [QuoteRow(**row) for row in rows.mappings()]


def lines_of(connection: Connection, org_id: str, quote_id: UUID) -> tuple[LineRow, ...]:
    """The lines of a quote by number."""
    c = quote_line.c
    rows = connection.execute(
        select(*_LINE)
        .where(c.org_id == org_id, c.quote_id == quote_id, c.deleted_at.is_(None))
        .order_by(c.line_number, c.id)
    )
    return tuple(LineRow(**row) for row in rows.mappings())


def add(connection: Connection, row: QuoteRow, lines: Sequence[LineRow], event: Event) -> bool:
    """Store a quote with its lines and the event; False, and nothing done, where this quote is stored already.

    An org may give a number twice (its admin can set the counter back): the second quote then has none here.
    """
    values = _values(row)
    if connection.execute(_INSERT_NEW, values).first() is None:
        if _is_stored(connection, row):
            return False
        connection.execute(_INSERT, values | {"quote_number": None})
    _add_lines(connection, row, lines)
    add_event(connection, row, event)
    return True


def replace_lines(connection: Connection, row: QuoteRow, lines: Sequence[LineRow]) -> None:
    """Make the stored lines of a quote these: changed by id, added without one, those not named deleted."""
    kept = [line.id for line in lines if line.id is not None]
    c = quote_line.c
    of_quote = (c.org_id == row.org_id, c.quote_id == row.id, c.deleted_at.is_(None))
    gone = update(quote_line).where(*of_quote, c.id.not_in(kept))
    connection.execute(gone.values(deleted_at=func.now(), salesforce_id=None))
    before = {line.id: line for line in lines_of(connection, row.org_id, row.id)}
    for line in lines:
        if line.id is not None and before.get(line.id) != line:
            connection.execute(update(quote_line).where(*of_quote, c.id == line.id).values(_new_values(line)))
    _add_lines(connection, row, [line for line in lines if line.id is None])


def change(connection: Connection, row: QuoteRow) -> None:
    """Store a quote that is there, as it is now known to be in the org."""
    values = _values(row)
    del values["id"], values["org_id"]
    if row.quote_number is not None and _is_taken(connection, row):
        values["quote_number"] = None
    connection.execute(
        update(quote).where(quote.c.org_id == row.org_id, quote.c.id == row.id).values(**values, synced_at=func.now())
    )


def mark(connection: Connection, row: QuoteRow, sync_status: str) -> None:
    """Say of a stored quote how it stands in the org; `synced_at` stays."""
    connection.execute(
        update(quote).where(quote.c.org_id == row.org_id, quote.c.id == row.id).values(sync_status=sync_status)
    )


def remove(connection: Connection, row: QuoteRow, by_user_id: str | None) -> None:
    """Delete a quote and its lines; the rows stay, unseen, for those who ask what has changed."""
    c = quote_line.c
    connection.execute(
        update(quote_line)
        .where(c.org_id == row.org_id, c.quote_id == row.id, c.deleted_at.is_(None))
        .values(deleted_at=func.now())
    )
    values = {"deleted_at": func.now(), "sync_status": DELETED_IN_ORG, "last_modified_by_id": by_user_id}
    connection.execute(update(quote).where(quote.c.org_id == row.org_id, quote.c.id == row.id).values(values))


def add_event(connection: Connection, row: QuoteRow, event: Event) -> None:
    """Write what happened to a quote."""
    connection.execute(
        _INSERT_EVENT,
        {
            "org_id": row.org_id,
            "quote_id": row.id,
            "name": event.name[:255],
            "action": event.action,
            "by_user_id": event.by_user_id,
            "through": event.through,
            "request_id": event.request_id and event.request_id[:120],
            "changes": _as_json(event.changes),
        },
    )


def differences(before: Any, after: Any, leaving_out: Sequence[str] = ()) -> dict[str, list[Any]]:
    """What differs between two rows, by property: {"Status": ["Draft", "Presented"]}. before None: all that is set."""
    names = [field.name for field in fields(after) if field.name not in leaving_out]
    pairs = {name: [before and getattr(before, name), getattr(after, name)] for name in names}
    return {property_name(name): pair for name, pair in pairs.items() if pair[0] != pair[1]}


_QUOTE: Final = [quote.c[field.name] for field in fields(QuoteRow)]
_LINE: Final = [quote_line.c[field.name] for field in fields(LineRow)]
_INSERT: Final = insert(quote).values(synced_at=func.now())
_INSERT_NEW: Final = upsert(quote).values(synced_at=func.now()).on_conflict_do_nothing().returning(quote.c.id)
"""Any unique index counts: two who store one row meet at any of them."""
_INSERT_LINE: Final = insert(quote_line)
_INSERT_EVENT: Final = insert(quote_event)


def _is(quote_id: str) -> Any:
    try:
        return quote.c.id == UUID(quote_id)
    except ValueError:
        return quote.c.salesforce_id == widen_record_id(quote_id)


def _is_stored(connection: Connection, row: QuoteRow) -> bool:
    """Whether this quote has a row, deleted or not."""
    stored = select(quote.c.id).where(quote.c.org_id == row.org_id, quote.c.id == row.id)
    return connection.execute(stored).first() is not None


def _is_taken(connection: Connection, row: QuoteRow) -> bool:
    """Whether another quote of the org bears this number."""
    c = quote.c
    others = select(c.id).where(c.org_id == row.org_id, c.quote_number == row.quote_number, c.id != row.id)
    return connection.execute(others.limit(1)).first() is not None


def _add_lines(connection: Connection, row: QuoteRow, lines: Sequence[LineRow]) -> None:
    if lines:
        of_quote = {"org_id": row.org_id, "quote_id": row.id}
        connection.execute(_INSERT_LINE, [of_quote | _new_values(line) for line in lines])


def _new_values(line: LineRow) -> dict[str, Any]:
    values = _values(line)
    del values["id"]
    return values


def _values(row: QuoteRow | LineRow) -> dict[str, Any]:
    """By column. Not dataclasses.asdict, which copies every value."""
    return {name: getattr(row, name) for name in row.__slots__}


def _as_json(changes: Mapping[str, Any]) -> str:
    """JSON text, amounts with their decimals; lines are left out where all of them would be too long."""
    text = _json(changes)
    if len(text) > CHANGES_LENGTH:
        text = _json({name: pair for name, pair in changes.items() if name != "Lines"} | {"LinesLeftOut": True})
    return text


def _json(value: Any) -> str:
    match value:
        case Decimal():
            return format(value, "f")
        case Mapping():
            return "{" + ", ".join(f"{_json(str(name))}: {_json(inner)}" for name, inner in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_json(inner) for inner in value) + "]"
        case date() | UUID():
            return json.dumps(str(value))
        case _:
            return json.dumps(value, ensure_ascii=False)
