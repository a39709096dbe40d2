"""The order of a page and where the next one starts. In: OrderKeys of a plan. Out: ORDER BY items and the keyset
predicate.

The predicate for mixed or nullable keys is an OR chain with a redundant bound on the first key, without which
PostgreSQL scans from the start (measured: 78 ms against 0.1 ms at row 250,000). Standard: Protocol, "Server-Driven
Paging".
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, false, or_, tuple_
from sqlalchemy.sql.elements import ColumnElement

from odata.plan.plans import OrderKey
from odata.sql.context import Column


def order_by(keys: Sequence[OrderKey], columns: Sequence[Column]) -> list[Column]:
    """Nulls first ascending, last descending; no NULLS clause where there are none, so that ordinary indexes serve."""
    return [_ordered(key, column) for key, column in zip(keys, columns, strict=True)]


def _ordered(key: OrderKey, column: Column) -> Column:
    if key.descending:
        return column.desc().nulls_last() if key.nullable else column.desc()
    return column.asc().nulls_first() if key.nullable else column.asc()


def after(
    keys: Sequence[OrderKey], columns: Sequence[Column], boundary: Sequence[Column | None]
) -> ColumnElement[bool]:
    """Rows that stand behind the boundary; a boundary value of None is null."""
    directions = {key.descending for key in keys}
    if len(directions) == 1 and not any(key.nullable for key in keys):
        row, bound = tuple_(*columns), tuple_(*(value for value in boundary if value is not None))
        return row < bound if directions == {True} else row > bound
    chain = []
    for index, (key, column, value) in enumerate(zip(keys, columns, boundary, strict=True)):
        ties = [_equal(columns[i], boundary[i]) for i in range(index)]
        chain.append(and_(*ties, _beyond(key, column, value)))
    return and_(_bound(keys[0], columns[0], boundary[0]), or_(*chain))


def _equal(column: Column, value: Column | None) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _beyond(key: OrderKey, column: Column, value: Column | None) -> ColumnElement[bool]:
    if value is None:
        return false() if key.descending else column.is_not(None)
    if not key.descending:
        return column > value
    return or_(column < value, column.is_(None)) if key.nullable else column < value


def _bound(key: OrderKey, column: Column, value: Column | None) -> ColumnElement[bool]:
    """True for every row of the chain and cheap to find: a bound on the first key alone."""
    if value is None:
        return column.is_(None) if key.descending else or_(column.is_(None), column.is_not(None))
    if not key.descending:
        return column >= value
    return or_(column <= value, column.is_(None)) if key.nullable else column <= value
