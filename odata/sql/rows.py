"""Rows of one level of a request: a page of entities, what is shown of each, and their JSON.

In: a Selection, its order and conditions. Out: SELECTs of one row each: the JSON text of the collection, how many
rows were seen and kept, and the order keys of the last one. Three forms, the cheapest that holds the limits:

    plain   json_agg over the page; for pages that cannot exceed the byte limit
    cut     every row as text with running totals of bytes and rows; the page ends where a limit would be passed
    sized   plain, and cut only when the plain text came out too long: one statement, the second part runs only then
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ARRAY, Integer, Text, and_, case, cast, func, or_, select, true
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Subquery

from odata.edm.model import EntitySet, Property
from odata.plan.plans import OrderKey, Selection
from odata.sql import expressions
from odata.sql.context import Column, Columns, Context, PageOf, Query, number
from odata.sql.json import constant, etag_columns
from odata.sql.keyset import order_by
from odata.sql.objects import show

BYTES_PER_CHARACTER = 6
BYTES_PER_ESCAPED_CHARACTER = 12
BYTES_PER_PLAIN_VALUE = 48


def page(context: Context, of: PageOf, extra: ColumnElement[bool] | None = None) -> Subquery:
    """The page as a sub-select: stored columns under their own names, order keys as order_0, order_1 ..."""
    keys = [
        expressions.order_key(key.expression, of.sources, context.binds).label(f"order_{index}")
        for index, key in enumerate(of.order)
    ]
    columns = {name: of.sources.root.c[name] for name in _needed(context, of.selection)}
    conditions = [of.sources.predicate, *of.conditions] + ([extra] if extra is not None else [])
    statement = select(
        *(column.label(name) for name, column in columns.items()),
        *keys,
    )
    statement = statement.select_from(of.sources.from_clause).where(and_(*conditions)).correlate(*of.outer)
    statement = statement.order_by(*order_by(of.order, keys))
    if of.limit is not None:
        statement = statement.limit(number(of.limit))
    if of.offset:
        statement = statement.offset(number(of.offset))
    return statement.subquery(context.name("p"))


def _needed(context: Context, selection: Selection) -> dict[str, None]:
    """Names of the columns a page must carry: what is shown, what makes ETag, id and links."""
    entity_set = selection.variable.set
    names = {item.exposed.column: None for item in entity_set.key}
    names.update({item.exposed.column: None for item in (*selection.properties, *selection.carried)})
    if context.rendition.etags and not selection.references:
        names.update(dict.fromkeys(etag_columns(entity_set)))
    for expansion in selection.expansions:
        names.update({own.exposed.column: None for own, _ in expansion.navigation.on})
    return names


def plain(context: Context, of: PageOf, *, bytes_at_most: int, boundary_at: int | None = None) -> Query:
    """One row: body, seen, kept, and the order keys of row number boundary_at as text."""
    rows = page(context, of)
    shown = show(context, rows, of.selection, bytes_at_most)
    columns: list[Column] = [
        shown.collection.label("body"),
        func.count().label("seen"),
        func.count().label("kept"),
        _rows_with_expanded(shown.expanded).label("rows"),
    ]
    if boundary_at:
        columns += _boundary(rows.c, of.order, number(boundary_at))
    return select(*columns).select_from(shown.from_clause).correlate(*of.outer)


def _rows_with_expanded(expanded: Column | None) -> Column:
    if expanded is None:
        return func.count()
    return func.coalesce(func.sum(expanded + number(1)), number(0))


def cut(
    context: Context, of: PageOf, *, rows_at_most: int, bytes_at_most: int, expanded_at_most: int | None = None,
    only_if: ColumnElement[bool] | None = None,
) -> Query:  # fmt: skip
    """As `plain`, but the page ends where a limit would be passed; the first row always stays."""
    rows = page(context, of, only_if)
    shown = show(context, rows, of.selection, bytes_at_most)
    texts = select(
        shown.text.label("text"),
        (number(0) if shown.expanded is None else shown.expanded).label("expanded"),
        *(rows.c[f"order_{index}"] for index in range(len(of.order))),
    )
    # OFFSET 0 keeps PostgreSQL from writing the text twice, once for the sum and once for the page.
    source = texts.select_from(shown.from_clause).correlate(*of.outer)
    written = source.offset(number(0)).subquery(context.name("w"))
    totals = select(
        *written.c,
        func.count().over(rows=(None, 0)).label("number"),
        func.sum(func.octet_length(written.c.text) + number(2)).over(rows=(None, 0)).label("bytes"),
        func.sum(written.c.expanded + number(1)).over(rows=(None, 0)).label("rows"),
    ).subquery(context.name("r"))
    fits = and_(totals.c.number <= number(rows_at_most), totals.c.bytes <= number(bytes_at_most))
    if expanded_at_most is not None:
        fits = and_(fits, totals.c.rows <= number(expanded_at_most))
    keep = or_(fits, totals.c.number == number(1))
    kept = func.count().filter(keep)
    joined = func.string_agg(totals.c.text, constant(",")).filter(keep)
    body = constant("[") + func.coalesce(joined, constant("")) + constant("]")
    return select(
        body.label("body"),
        func.count().label("seen"),
        kept.label("kept"),
        func.coalesce(func.sum(totals.c.expanded + number(1)).filter(keep), number(0)).label("rows"),
        *_boundary(totals.c, of.order, cast(kept, Integer)),
    ).select_from(totals)


def sized(
    context: Context,
    of: PageOf,
    again: PageOf,
    *,
    rows_at_most: int,
    bytes_at_most: int,
    boundary_at: int | None = None,
) -> Query:
    """`plain`; where its text is too long, or without boundary_at its rows too many, `cut`.

    again: the same page over sources of its own. boundary_at: as in `plain`; the caller drops the row too many.
    """
    first = plain(context, of, bytes_at_most=bytes_at_most, boundary_at=boundary_at).subquery(context.name("a"))
    too_long = func.pg_column_size(first.c.body) > number(bytes_at_most)
    refused = too_long if boundary_at else or_(too_long, first.c.seen > number(rows_at_most))
    again = replace(again, outer=(*again.outer, first))
    second = cut(context, again, rows_at_most=rows_at_most, bytes_at_most=bytes_at_most, only_if=refused)
    other = second.lateral(context.name("b"))
    chosen = [
        case((refused, cast(other.c[name], first.c[name].type)), else_=first.c[name]).label(name)
        for name in tuple(first.c.keys())
    ]
    return select(*chosen).select_from(first.join(other, true()))


def _boundary(columns: Columns, order: Sequence[OrderKey], at: Column) -> list[Column]:
    """The order keys of one row of a page as text."""
    picked: list[Column] = []
    for index in range(len(order)):
        values = func.array_agg(columns[f"order_{index}"], type_=ARRAY(Text))
        picked.append(cast(values[at], Text).label(f"after_{index}"))
    return picked


def widest_row(selection: Selection) -> int:
    """The most bytes one row's JSON can have by its declared widths, without expansions."""
    total = 100
    for item in selection.properties:
        total += len(item.name) + 4 + _widest_value(item)
    return total


def widest_url(entity_set: EntitySet) -> int:
    """The most bytes the URL of an entity can have below the root of the service."""
    total = len(entity_set.name) + 2
    for item in entity_set.key:
        text = BYTES_PER_ESCAPED_CHARACTER * (item.exposed.max_length or 0)
        total += len(item.name) + 4 + max(text, BYTES_PER_PLAIN_VALUE + (item.exposed.precision or 0))
    return total


def _widest_value(item: Property) -> int:
    length = item.exposed.max_length
    if item.type.name in ("Edm.String", "Edm.Binary"):
        return BYTES_PER_CHARACTER * (length or 1_000_000)
    return BYTES_PER_PLAIN_VALUE + (item.exposed.precision or 0)
