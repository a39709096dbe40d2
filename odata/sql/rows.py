"""Rows of one level of a request: a page of entities, what is shown of each, and their JSON.

In: a Selection, its order and conditions. Out: SELECTs of one row each: the JSON text of the collection, how many
rows were seen and kept, and the order keys of the last one. Two forms, the cheaper one that holds the limits:

    plain   json_agg over the page; for pages of few rows that cannot exceed the byte limit
    cut     every row as text with running totals of bytes and rows; the page ends where a limit would be passed
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ARRAY, Integer, Text, and_, cast, func, or_, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Subquery

from odata.edm.model import EntitySet, Property
from odata.plan.plans import OrderKey, Selection
from odata.sql import expressions
from odata.sql.context import Column, Columns, Context, PageOf, Query, number
from odata.sql.json import constant, etag_columns
from odata.sql.keyset import order_by
from odata.sql.objects import SEPARATOR, show

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


def plain(
    context: Context, of: PageOf, *, bytes_at_most: int, boundary_at: int | None = None, many_rows: bool = False
) -> Query:
    """One row: body, seen, kept, and the order keys of row number boundary_at as text. many_rows: as in `show`."""
    rows = page(context, of)
    shown = show(context, rows, of.selection, bytes_at_most, many_rows=many_rows)
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
    many_rows: bool = False,
) -> Query:  # fmt: skip
    """As `plain`, but the page ends where a limit would be passed; the first row always stays.

    objects, instead of body: with commas between them, null where there is none; brackets around a large text would
    cost a copy each.
    many_rows: as in `show`.
    """
    rows = page(context, of)
    shown = show(context, rows, of.selection, bytes_at_most, many_rows=many_rows)
    expanded = [] if shown.expanded is None else [(shown.expanded + number(1)).label("rows")]
    keys = [rows.c[f"order_{index}"] for index in range(len(of.order))]
    texts = select(shown.text.label("text"), *expanded, *keys).select_from(shown.from_clause).correlate(*of.outer)
    # OFFSET 0 keeps PostgreSQL from writing the text twice, once for the sum and once for the page.
    written = texts.offset(number(0)).subquery(context.name("w"))
    position = func.row_number().over()
    fits = [
        position <= number(rows_at_most),
        _so_far(func.octet_length(written.c.text) + number(len(SEPARATOR))) <= number(bytes_at_most),
    ]
    if expanded and expanded_at_most is not None:
        fits.append(_so_far(written.c.rows) <= number(expanded_at_most))
    keep = or_(position == number(1), and_(*fits)).label("keep")
    judged = select(*written.c, keep).subquery(context.name("r"))
    kept = func.count().filter(judged.c.keep)
    return select(
        func.string_agg(judged.c.text, constant(SEPARATOR)).filter(judged.c.keep).label("objects"),
        func.count().label("seen"),
        kept.label("kept"),
        (func.coalesce(func.sum(judged.c.rows).filter(judged.c.keep), number(0)) if expanded else kept).label("rows"),
        *_boundary(judged.c, of.order, cast(kept, Integer)),
    ).select_from(judged)


def _so_far(value: Column) -> Column:
    """The sum of the rows up to this one."""
    return func.sum(value).over(rows=(None, 0))


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
