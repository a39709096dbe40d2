"""One JSON object per row: control information, properties and expanded navigation properties of a Selection.

In: a page's columns and a Selection. Out: Shown, the object as an expression and the collection of all of them. Three
forms: a lateral row whose column aliases are the JSON names (quick to plan, and quick for a page of few rows);
text where an alias cannot serve: names over 63 bytes, which PostgreSQL would cut, and expanded collections with a next
link that is there or not; for a page of many rows `literal_object`, which takes less time a row.
Standard: JSON Format, "Entity", "Navigation Property", "Control Information".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import JSON, Text, cast, func, select, true
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause, Subquery

from odata.edm.model import EntitySet
from odata.edm.types import type_annotation
from odata.plan.plans import Selection
from odata.sql.context import Column, Context, It, number
from odata.sql.json import constant, entity_url, etag, json_value, literally
from odata.sql.literal_objects import Member, exact_object, literal_object

LONGEST_ALIAS_BYTES = 63
SEPARATOR = ", \n "
"""Between objects, as json_agg writes it: each begins a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """from_clause: the page with all that the object needs. row: for json_agg, None in the text form. text: one object.
    expanded: rows that expansions add to one object, None without expansions."""

    from_clause: FromClause
    text: ColumnElement[str]
    row: Column | None
    expanded: Column | None

    @property
    def collection(self) -> Column:
        """All objects of the page: json, or text in the text form. A cast of one to the other copies it twice."""
        if self.row is not None:
            return func.coalesce(func.json_agg(self.row, type_=JSON), constant("[]"))
        joined = func.string_agg(self.text, constant(SEPARATOR))
        return constant("[") + func.coalesce(joined, constant("")) + constant("]")


def show(
    context: Context, rows: Subquery, selection: Selection, bytes_at_most: int, *, many_rows: bool = False
) -> Shown:
    """The JSON object of each row of a page. many_rows: in the form that takes more to plan, and less for each row."""
    if selection.carried:
        context = replace(context, it=It(selection.variable, rows))
    parts = [context.expand(context, rows, expansion, selection, bytes_at_most) for expansion in selection.expansions]
    source: FromClause = rows
    for part in parts:
        source = source.outerjoin(part.lateral, true())
    base = _control(context, rows, selection) + _properties(context, rows, selection) + _links(context, rows, selection)
    base += [Member(part.name, part.json) for part in parts if part.json is not None]
    later = [text for part in parts if part.json is None for text in part.texts]
    rows_added = sum((part.rows for part in parts[1:]), start=parts[0].rows) if parts else None
    if many_rows:
        return Shown(from_clause=source, text=literal_object(base, later), row=None, expanded=rows_added)
    return _object(context, source, base, later, rows_added, (rows, *(part.lateral for part in parts)))


def _object(
    context: Context, source: FromClause, base: list[Member], later: list[Column], expanded: Column | None,
    outer: tuple[FromClause, ...],
) -> Shown:  # fmt: skip
    if not base or any(len(member.name.encode()) > LONGEST_ALIAS_BYTES for member in base):
        return Shown(from_clause=source, text=exact_object(base, later), row=None, expanded=expanded)
    row = select(*(member.value.label(member.name) for member in base)).correlate(*outer).lateral(context.name("v"))
    written = cast(func.row_to_json(row.table_valued()), Text)
    joined = source.join(row, true())
    if not later:
        return Shown(from_clause=joined, text=written, row=row.table_valued(), expanded=expanded)
    whole: Column = func.left(written, number(-1))
    for member in later:
        whole = whole + constant(",") + member
    return Shown(from_clause=joined, text=whole + constant("}"), row=None, expanded=expanded)


# --- members ---------------------------------------------------------------------------------------------------------


def _control(context: Context, rows: Subquery, selection: Selection) -> list[Member]:
    rendition, entity_set = context.rendition, selection.variable.set
    prefix = rendition.prefix
    url = constant(rendition.root) + entity_url(rows.c, entity_set)
    if selection.references:
        return [Member(f"{prefix}id", url)]
    if not rendition.etags:
        return []
    tag = Member(f"{prefix}etag", etag(rows.c, entity_set))
    if not rendition.full:
        return [tag]
    return [
        Member(f"{prefix}type", constant(f"#{entity_set.type_name}")),
        Member(f"{prefix}id", url),
        tag,
        Member(f"{prefix}editLink", entity_url(rows.c, entity_set)),
    ]


def _properties(context: Context, rows: Subquery, selection: Selection) -> list[Member]:
    shown: list[Member] = []
    for item in selection.properties:
        annotation = type_annotation(item.type, hash_sign=context.rendition.prefix != "@")
        if context.rendition.full and annotation is not None:
            shown.append(Member(f"{item.name}{context.rendition.prefix}type", constant(annotation)))
        column = rows.c[item.exposed.column]
        value = json_value(column, item, context.rendition)
        shown.append(Member(item.name, value, column, literally(item, context.rendition)))
    return shown


def _links(context: Context, rows: Subquery, selection: Selection) -> list[Member]:
    """Navigation and association links, under metadata=full only."""
    if not context.rendition.full or selection.references:
        return []
    prefix, entity_set = context.rendition.prefix, selection.variable.set
    url = constant(context.rendition.root) + entity_url(rows.c, entity_set)
    shown: list[Member] = []
    for name in _linked(entity_set, selection):
        shown.append(Member(f"{name}{prefix}associationLink", url + constant(f"/{name}/$ref")))
        shown.append(Member(f"{name}{prefix}navigationLink", url + constant(f"/{name}")))
    return shown


def _linked(entity_set: EntitySet, selection: Selection) -> list[str]:
    if selection.listed is None or "*" in selection.listed:
        return list(entity_set.navigation)
    expanded_names = {expansion.name for expansion in selection.expansions}
    return [name for name in entity_set.navigation if name in selection.listed or name in expanded_names]
