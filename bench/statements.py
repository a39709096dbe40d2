# ruff: noqa: S608
"""What the floor runs: one prepared statement a workload, the JSON written by PostgreSQL.

Bound: $1 the org, $2 and on what changes with every request. Written the way one writes them by hand (row_to_json,
times by to_char with Z): for large pages that is not the fastest form there is (docs/performance.md). Fixed
text of ours; no value of a request is ever joined in.
"""

from __future__ import annotations

from models.base import property_name
from models.quote import quote
from models.quote_line import quote_line

EIGHT = ("id", "quote_number", "name", "status", "grand_total", "currency_iso_code", "expiration_date", "created_at")
ALL = tuple(column.name for column in quote.columns if column.doc)
LINE = tuple(column.name for column in quote_line.columns if column.doc)
MOMENTS = frozenset({"created_at", "updated_at", "synced_at"})
OURS = "q.org_id = $1 AND q.deleted_at IS NULL"
MATCHES = 'q.name COLLATE "default" ILIKE $2::text'


def columns(names: tuple[str, ...], alias: str = "q") -> str:
    """A select list whose aliases are the JSON names."""
    return ", ".join(f'{_value(name, alias)} AS "{property_name(name)}"' for name in names)


def _value(name: str, alias: str) -> str:
    if name in MOMENTS:
        return f"""to_char({alias}.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"{alias}.{name}"


def page(names: tuple[str, ...], where: str, order: str, top: int, *, more: str = "", count: bool = False) -> str:
    """A page as {"value":[...]}, with its count where asked."""
    rows = f"SELECT {columns(names)}{more} FROM gateway.quote q WHERE {OURS} AND {where} ORDER BY {order} LIMIT {top}"
    total = f"(SELECT count(*) FROM gateway.quote q WHERE {OURS} AND {where})" if count else "NULL"
    body = "coalesce(json_agg(row_to_json(t)), '[]')::text"
    head = f"""'{{"@odata.count":' || {total} || ',"value":'""" if count else """'{"value":'"""
    return f"SELECT {head} || {body} || '}}' FROM ({rows}) t"


LINES = (
    f", (SELECT coalesce(json_agg(row_to_json(l)), '[]') FROM (SELECT {columns(LINE, 'l')} FROM gateway.quote_line l "
    'WHERE l.org_id = $1 AND l.deleted_at IS NULL AND l.quote_id = q.id ORDER BY l.line_number) l) AS "Lines"'
)
NEWEST = "q.created_at DESC, q.id DESC"

STATEMENTS = {
    "w1": f"SELECT row_to_json(t)::text FROM (SELECT {columns(ALL)} FROM gateway.quote q "
          f"WHERE {OURS} AND q.id = $2::uuid) t",
    "w2": page(EIGHT, "q.status = $2 AND q.grand_total > $3::numeric", NEWEST, 25),
    "w3": page(EIGHT, "q.opportunity_id = $2", NEWEST, 10),
    "w4": page(EIGHT, "q.status = $2 AND q.created_at >= $3::timestamptz", NEWEST, 25, count=True),
    "w5": page(EIGHT, "q.created_at < $2::timestamptz", NEWEST, 25, more=LINES),
    "w6": page(ALL, "q.created_at < $2::timestamptz", NEWEST, 2000),
    "w7": page(EIGHT, MATCHES, "q.id", 25),
    "w7s": page(EIGHT, MATCHES, "q.id", 25),
    "w8": page(EIGHT, "(q.created_at, q.id) < ($2::timestamptz, $3::uuid)", NEWEST, 100),
    "w10": page(ALL, "q.id > $2::uuid", "q.id", 2000),
}  # fmt: skip

UNPREPARED = frozenset({"w7", "w7s"})
"""Planned for their pattern, as one does by hand who has met a generic plan."""
