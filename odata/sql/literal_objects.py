"""One JSON object as text, put together from its members: where a row cannot write it, and for pages of many rows.

In: Members of an object. Out: an expression. row_to_json looks up the type of each value of each row anew, and walks a
row that holds nulls from its start for each of them; `concat` looks types up once a statement. What it cannot do is
escape: so the texts of a row are looked at once, all together, and where a character needs an escape, or a number is
none, all of them are written by to_json. Measured: docs/decisions/json-in-postgres.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Numeric, Text, case, cast, func, or_
from sqlalchemy.sql.elements import ColumnElement

from odata.sql.context import Column, number
from odata.sql.json import Constant, Literally, constant, member_name

MOST_ARGUMENTS = 100
"""PostgreSQL's limit for one call (FUNC_MAX_ARGS)."""
ALWAYS_LITERAL = ("bare", "quoted")
"""Ways in which no value needs a look."""


@dataclass(frozen=True, slots=True)
class Member:
    """value: its to_json is the JSON value. stored: the column whose own text is, in the way that `literally` says."""

    name: str
    value: Column
    stored: Column | None = None
    literally: Literally | None = None


def exact_object(members: Sequence[Member], later: Sequence[Column]) -> Column:
    """The object of members and, behind them, of `later`, which are members as text. Each value is escaped."""
    return _object(members, later, literally=False)


def literal_object(members: Sequence[Member], later: Sequence[Column]) -> Column:
    """The same object; values are escaped in rows only where one of them needs it."""
    unusual = list(_unusual(members))
    literal = _object(members, later, literally=True)
    return case((or_(*unusual), exact_object(members, later)), else_=literal) if unusual else literal


def _object(members: Sequence[Member], later: Sequence[Column], *, literally: bool) -> Column:
    parts: list[Column] = [constant("{")]
    for index, member in enumerate(members):
        parts += _parts(member, "," if index else "", literally=literally)
    for index, text in enumerate(later):
        parts += [constant(","), text] if index or members else [text]
    return _concat([*parts, constant("}")])


def _parts(member: Member, before: str, *, literally: bool) -> Iterator[Column]:
    name = before + member_name(member.name).text
    if member.stored is None or member.literally is None or not (literally or member.literally in ALWAYS_LITERAL):
        yield constant(name)
        yield func.coalesce(_json(member.value), constant("null"))
        return
    quote = '"' if member.literally in ("quoted", "text") else ""
    absent = member.stored.is_(None)
    yield case((absent, constant(name + "null")), else_=constant(name + quote))
    yield member.stored
    if quote:
        yield case((absent, constant("")), else_=constant(quote))


def _json(value: Column) -> Column:
    """A bare constant has no type for to_json."""
    return func.to_json(cast(value, Text) if isinstance(value, Constant) else value)


def _unusual(members: Sequence[Member]) -> Iterator[ColumnElement[bool]]:
    """Conditions on a row, one of which is true where a value's own text is not its JSON; null is none."""
    texts, numbers = _stored(members, "text"), _stored(members, "number")
    if texts:
        escaped = cast(func.to_json(_concat(texts)), Text)
        yield func.strpos(escaped, constant("\\")) > number(0)
    if numbers:
        yield func.greatest(*numbers) >= cast(constant("Infinity"), Numeric)  # NaN is greater still
        yield func.least(*numbers) <= cast(constant("-Infinity"), Numeric)


def _stored(members: Sequence[Member], literally: Literally) -> list[Column]:
    stored = [member.stored for member in members if member.literally == literally and member.stored is not None]
    return [cast(column, Numeric) for column in stored] if literally == "number" else stored


def _concat(parts: Sequence[Column]) -> Column:
    """All in a row; in several calls where one would have too many arguments."""
    if len(parts) <= MOST_ARGUMENTS:
        return func.concat(*parts, type_=Text)
    size = MOST_ARGUMENTS
    return _concat([func.concat(*parts[start : start + size], type_=Text) for start in range(0, len(parts), size)])
