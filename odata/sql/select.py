"""Stage `sql.select`: a plan becomes a Statement, SQLAlchemy Core compiled once.

In: a ReadPlan, the mapping, a Rendition. Out: one SELECT of one row, whatever is expanded. Knows no URL and no HTTP;
refuses nothing: a plan is always expressible. A table reference without its org predicate does not compile.
"""

from __future__ import annotations

from itertools import count

from sqlalchemy import Text, and_, case, cast, exists, func, true
from sqlalchemy import select as sql_select
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Subquery

from odata.mapping import Mapping
from odata.plan.bound import Value
from odata.plan.limits import Limits
from odata.plan.plans import PathStep, ReadPlan, Selection
from odata.sql import expressions
from odata.sql.context import Column, Context, PageOf, Query, number
from odata.sql.expand import expanded
from odata.sql.fence import require_org_predicates
from odata.sql.json import constant, etag, etag_columns, json_value, raw_value
from odata.sql.keyset import after
from odata.sql.objects import show
from odata.sql.parameters import Parameter, StatementBinds
from odata.sql.rendition import Rendition
from odata.sql.rows import cut, page, plain, widest_row
from odata.sql.sources import Sources
from odata.sql.statement import Statement

MANY_ROWS = 200
MANY_PROPERTIES = 12
"""From so many rows of so many properties on, literal objects save more than they take to plan and to look at texts."""

DIALECT = psycopg.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
DIALECT._backslash_escapes = False  # standard_conforming_strings is on since PostgreSQL 9.1


def select(plan: ReadPlan, mapping: Mapping, rendition: Rendition, limits: Limits | None = None) -> Statement:
    """Write the statement of a plan.

    Returns: columns by kind: collection body or objects, seen, kept, rows, count, parent, after_0 ...; entity and
             property body, etag, parent; value value, parent; count count, parent. objects: those of body without its
             brackets. parent: whether what the path goes through exists.
    """
    binds = StatementBinds(None if plan.after is None else len(plan.order))
    context = Context(
        mapping=mapping, rendition=rendition, binds=binds, limits=limits or Limits(), names=count(), expand=expanded
    )
    statement = WRITERS[plan.kind](plan, context)
    require_org_predicates(statement, mapping)
    compiled = statement.compile(dialect=DIALECT)
    given = compiled.params  # made anew each time it is asked for
    parameters = tuple(binds.parameter(name, given[name]) for name in compiled.positiontup or ())
    return Statement(
        sql=str(compiled),
        parameters=parameters,
        columns=tuple(statement.selected_columns.keys()),
        prepare=False if any(map(_is_pattern, parameters)) else None,
    )


def _is_pattern(parameter: Parameter) -> bool:
    return isinstance(parameter, Value) and (parameter.transform or "").startswith("like_")


# --- kinds -----------------------------------------------------------------------------------------------------------


def _collection(plan: ReadPlan, context: Context) -> Query:
    if plan.rows == 0:
        nothing = sql_select(constant("[]").label("body"), number(0).label("seen"), number(0).label("kept"))
        return _with_totals(plan, context, nothing.subquery("c"), complete=False)
    limit = plan.rows + 1 if plan.paged else plan.rows
    of = _page_of(plan, context, limit)
    most = context.limits.max_page_bytes
    many_rows = plan.rows >= MANY_ROWS and len(plan.selection.properties) >= MANY_PROPERTIES
    expands = _expands_collections(plan.selection)
    if expands or _widest_page(plan) > most:
        at_most = context.limits.expand_rows if expands else None
        rows = cut(
            context, of, rows_at_most=plan.rows, bytes_at_most=most, expanded_at_most=at_most, many_rows=many_rows
        )
    else:
        rows = plain(
            context, of, bytes_at_most=most, boundary_at=plan.rows if plan.paged else None, many_rows=many_rows
        )
    return _with_totals(plan, context, rows.subquery("c"), complete=True, limit=limit)


def _expands_collections(selection: Selection) -> bool:
    return any(
        (expansion.navigation.collection and expansion.mode != "count") or expansion.selection.expansions
        for expansion in selection.expansions
    )


def _widest_page(plan: ReadPlan) -> int:
    """The most bytes of its rows by their declared widths."""
    selections = (plan.selection, *(expansion.selection for expansion in plan.selection.expansions))
    return sum(map(widest_row, selections)) * plan.rows


def _with_totals(plan: ReadPlan, context: Context, rows: Subquery, *, complete: bool, limit: int = 0) -> Query:
    """The page's columns, the count when asked for, and whether the path leads here when nothing was found."""
    columns: list[Column] = list(rows.c)
    if plan.of_a_moment:
        columns.append(cast(context.binds.moment(), Text).label(f"after_{len(plan.order)}"))
    if plan.count:
        total: Column = _total(plan, context).scalar_subquery()
        if complete and plan.after is None:
            short = rows.c.seen < number(limit)
            reached = short & (rows.c.seen > number(0)) if plan.skip else short
            total = case((reached, rows.c.seen + number(plan.skip)), else_=total)
        columns.append(total.label("count"))
    if len(plan.steps) > 1:
        columns.append(case((rows.c.seen == number(0), _parent(plan, context)), else_=true()).label("parent"))
    return sql_select(*columns).select_from(rows)


def _entity(plan: ReadPlan, context: Context) -> Query:
    rows = page(context, _page_of(plan, context, 1))
    shown = show(context, rows, plan.selection, context.limits.max_page_bytes)
    body = func.row_to_json(shown.row) if shown.row is not None else shown.text
    columns: list[Column] = [body.label("body")]
    if context.rendition.etags and not plan.selection.references:
        columns.append(etag(rows.c, plan.set).label("etag"))
    return _with_parent(plan, context, sql_select(*columns).select_from(shown.from_clause))


def _property(plan: ReadPlan, context: Context) -> Query:
    assert plan.of_property is not None
    rows = page(context, _page_of(plan, context, 1))
    column = rows.c[plan.of_property.exposed.column]
    if plan.kind == "property":
        value: Column = func.to_json(json_value(column, plan.of_property, context.rendition))
    else:
        value = (
            column
            if plan.of_property.type.name == "Edm.Binary"
            else raw_value(column, plan.of_property, context.rendition)
        )
    columns = [value.label("body")]
    if set(etag_columns(plan.set)) <= set(rows.c.keys()):
        columns.append(etag(rows.c, plan.set).label("etag"))
    return _with_parent(plan, context, sql_select(*columns).select_from(rows))


def _count(plan: ReadPlan, context: Context) -> Query:
    total = _total(plan, context)
    if len(plan.steps) == 1:
        return total
    rows = total.subquery("c")
    found = case((rows.c.count == number(0), _parent(plan, context)), else_=true())
    return sql_select(rows.c.count, found.label("parent")).select_from(rows)


WRITERS = {
    "collection": _collection,
    "entity": _entity,
    "property": _property,
    "value": _property,
    "count": _count,
}


# --- the resource path -----------------------------------------------------------------------------------------------


def _page_of(plan: ReadPlan, context: Context, limit: int) -> PageOf:
    sources = context.sources(plan.variable)
    return PageOf(
        selection=plan.selection,
        sources=sources,
        conditions=tuple(_conditions(plan, context, sources)),
        order=plan.order,
        limit=limit,
        offset=plan.skip,
    )


def _conditions(plan: ReadPlan, context: Context, sources: Sources) -> list[ColumnElement[bool]]:
    conditions = _path(plan.steps, context, sources)
    if plan.filter is not None:
        conditions.append(expressions.predicate(plan.filter, sources, context.binds))
    if plan.after is not None:
        keys = [expressions.order_key(key.expression, sources, context.binds) for key in plan.order]
        boundary = [None if plan.after[index] else context.binds.after(index, key) for index, key in enumerate(keys)]
        conditions.append(after(plan.order, keys, boundary))
    return conditions


def _path(steps: tuple[PathStep, ...], context: Context, sources: Sources) -> list[ColumnElement[bool]]:
    """Conditions on the last step: its key, and that the steps before it lead to it."""
    *before, last = steps
    conditions = sources.keyed(last.variable, last.key, context.binds)
    if last.navigation is not None:
        conditions.append(exists(_leading(tuple(before), last, context, sources)))
    return conditions


def _leading(steps: tuple[PathStep, ...], target: PathStep, context: Context, sources: Sources) -> Query:
    """Entities of the step before that the target's row belongs to."""
    previous = steps[-1].variable
    inner = sources.inner(previous)
    assert target.navigation is not None
    linked = inner.link(previous, target.navigation, sources.root)
    conditions = _path(steps, context, inner)
    return sql_select(number(1)).select_from(inner.from_clause).where(inner.predicate, linked, *conditions)


def _parent(plan: ReadPlan, context: Context) -> ColumnElement[bool]:
    """Whether the entity that the last step starts from exists."""
    steps = plan.steps[:-1]
    sources = context.sources(steps[-1].variable)
    conditions = _path(steps, context, sources)
    inside = sql_select(number(1)).select_from(sources.from_clause)
    return exists(inside.where(sources.predicate, *conditions))


def _with_parent(plan: ReadPlan, context: Context, found: Query) -> Query:
    """One row that says whether the path leads here, with nulls where nothing is behind it.

    Where no entity is behind a key or before a property, the path leads nowhere: no row at all.
    """
    if len(plan.steps) == 1 or plan.of_property is not None or plan.steps[-1].key:
        return found
    parent = sql_select(_parent(plan, context).label("parent")).subquery("q")
    entity = found.subquery("e")
    return sql_select(*entity.c, parent.c.parent).select_from(parent.outerjoin(entity, true()))


def _total(plan: ReadPlan, context: Context) -> Query:
    """How many entities there are, whatever $top, $skip and a token say."""
    sources = context.sources(plan.variable)
    conditions = _path(plan.steps, context, sources)
    if plan.filter is not None:
        conditions.append(expressions.predicate(plan.filter, sources, context.binds))
    counted = sql_select(func.count().label("count"))
    return counted.select_from(sources.from_clause).where(and_(sources.predicate, *conditions))
