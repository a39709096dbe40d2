"""$expand: each expansion is one lateral sub-select over the page's rows, so one statement serves whatever is expanded.

In: an Expansion and the page it belongs to. Out: Expanded, its JSON and how many rows it adds. Collections are never
joined to each other. A collection that would pass a limit ends early and bears a next link. Standard: URL Conventions,
"System Query Option $expand".
"""

from __future__ import annotations

from sqlalchemy import JSON, Text, case, cast, func, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause, Subquery

from odata.plan.plans import Expansion, Selection
from odata.sql import expressions
from odata.sql.context import Column, Context, Expanded, PageOf, Query, number
from odata.sql.json import constant, entity_url, member_name
from odata.sql.objects import show
from odata.sql.parameters import Link
from odata.sql.rows import cut, page, plain, widest_row, widest_url
from odata.sql.sources import Sources
from odata.url.parts import IT_MARK_ENCODED

AROUND_BYTES = len("//$ref?$skip=&$top=") + 2 * 20


def expanded(
    context: Context, rows: Subquery, expansion: Expansion, selection: Selection, bytes_at_most: int
) -> Expanded:
    """The sub-select of one expansion over the rows of a page."""
    if expansion.mode == "count":
        return _count(context, rows, expansion)
    if not expansion.navigation.collection:
        return _single(context, rows, expansion, bytes_at_most)
    siblings = sum(1 for other in selection.expansions if other.navigation.collection)
    return _collection(context, rows, expansion, bytes_at_most // (2 * siblings))


def _page(context: Context, rows: Subquery, expansion: Expansion, *, limit: int | None) -> PageOf:
    sources = context.sources(expansion.variable)
    return PageOf(
        selection=expansion.selection,
        sources=sources,
        conditions=_conditions(context, rows, expansion, sources),
        order=expansion.order,
        limit=limit,
        offset=expansion.skip,
        outer=context.enclosing(rows),
    )


def _conditions(
    context: Context, rows: Subquery, expansion: Expansion, sources: Sources
) -> tuple[ColumnElement[bool], ...]:
    """Rows that belong to the parent row and meet the nested $filter and $search."""
    linked = tuple(
        context.mapping.column(sources.root, there) == rows.c[own.exposed.column]
        for own, there in expansion.navigation.on
    )
    if expansion.filter is None:
        return linked
    return (*linked, expressions.predicate(expansion.filter, sources, context.binds))


def _count(context: Context, rows: Subquery, expansion: Expansion) -> Expanded:
    lateral = _counted(context, rows, expansion).lateral(context.name("e"))
    name = f"{expansion.name}{context.rendition.prefix}count"
    value = cast(lateral.c.total, Text) if context.rendition.ieee754 else lateral.c.total
    return Expanded(name=name, lateral=lateral, rows=number(0), json=value)


def _counted(context: Context, rows: Subquery, expansion: Expansion) -> Query:
    sources = context.sources(expansion.variable)
    conditions = _conditions(context, rows, expansion, sources)
    counted = select(func.count().label("total"))
    return (
        counted.select_from(sources.from_clause)
        .where(sources.predicate, *conditions)
        .correlate(*context.enclosing(rows))
    )


def _single(context: Context, rows: Subquery, expansion: Expansion, bytes_at_most: int) -> Expanded:
    target = page(context, _page(context, rows, expansion, limit=1))
    shown = show(context, target, expansion.selection, bytes_at_most)
    as_row = shown.row is not None
    body = func.row_to_json(shown.row) if as_row else shown.text
    nested = number(0) if shown.expanded is None else shown.expanded
    lateral = select(body.label("body"), nested.label("rows")).select_from(shown.from_clause)
    joined = lateral.correlate(*context.enclosing(rows)).lateral(context.name("e"))
    added = func.coalesce(joined.c.rows + number(1), number(0))
    if as_row:
        return Expanded(name=expansion.name, lateral=joined, rows=added, json=cast(joined.c.body, JSON))
    text = member_name(expansion.name) + func.coalesce(joined.c.body, constant("null"))
    return Expanded(name=expansion.name, lateral=joined, rows=added, texts=(text,))


def _collection(context: Context, rows: Subquery, expansion: Expansion, bytes_at_most: int) -> Expanded:
    limit = expansion.rows + 1 if expansion.top is None else min(expansion.top, expansion.rows + 1)
    of = _page(context, rows, expansion, limit=limit)
    small = limit <= expansion.rows and widest_row(expansion.selection) * limit <= bytes_at_most
    if small and not expansion.selection.expansions:
        lateral = plain(context, of, bytes_at_most=bytes_at_most).lateral(context.name("e"))
        body: Column = cast(lateral.c.body, Text)
    else:
        statement = cut(context, of, rows_at_most=expansion.rows, bytes_at_most=bytes_at_most)
        lateral = statement.lateral(context.name("e"))
        body = constant("[") + func.coalesce(lateral.c.objects, constant("")) + constant("]")
    texts = [member_name(expansion.name) + body]
    if expansion.count:
        texts.insert(0, _total(context, rows, expansion))
    link = _next_link(context, rows, expansion, lateral)
    more = case(
        (
            lateral.c.seen > lateral.c.kept,
            constant(",") + member_name(f"{expansion.name}{context.rendition.prefix}nextLink") + link,
        ),
        else_=constant(""),
    )
    texts[-1] = texts[-1] + more
    return Expanded(name=expansion.name, lateral=lateral, rows=lateral.c.rows, texts=tuple(texts))


def _total(context: Context, rows: Subquery, expansion: Expansion) -> Column:
    """The nested count ignores nested $top and $skip."""
    total = cast(_counted(context, rows, expansion).scalar_subquery(), Text)
    value = constant('"') + total + constant('"') if context.rendition.ieee754 else total
    return member_name(f"{expansion.name}{context.rendition.prefix}count") + value


def _next_link(context: Context, rows: Subquery, expansion: Expansion, lateral: FromClause) -> Column:
    """The navigation path with $skip moved on; the other nested options come as one bind parameter."""
    parent = expansion.navigation.source
    url: Column = constant(context.rendition.root) + entity_url(rows.c, parent)
    suffix = "/$ref" if expansion.mode == "references" else ""
    url = url + constant(f"/{expansion.name}{suffix}?$skip=") + cast(lateral.c.kept + number(expansion.skip), Text)
    if expansion.top is not None:
        url = url + constant("&$top=") + cast(number(expansion.top) - lateral.c.kept, Text)
    return cast(func.to_json(url + _repeated(context, expansion)), Text)


def _repeated(context: Context, expansion: Expansion) -> Column:
    """The options that a nested next link repeats. What was $it here, there is named by its key."""
    before = len(context.rendition.root) + widest_url(expansion.navigation.source) + len(expansion.name) + AROUND_BYTES
    if context.it is None:
        return context.binds.link(Link(expansion.place, before, None))
    entity = constant("$root/") + entity_url(context.it.rows.c, context.it.variable.set)
    longest = len("$root/") + widest_url(context.it.variable.set)
    return func.replace(context.binds.link(Link(expansion.place, before, longest)), constant(IT_MARK_ENCODED), entity)
