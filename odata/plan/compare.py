"""Comparisons: eq ne gt ge lt le of bound operands and literals, rewritten so that an index can serve them.

In: an operator and its operands. Out: Comparison, Truth, Membership or Constant. The null rules of URL Conventions
hold: eq and ne never give null, gt ge lt le with null give false. May refuse with TypeMismatch or InvalidLiteral
(400).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal as OneOf
from typing import TypeAlias

from odata.edm.model import EnumType
from odata.edm.types import (
    BOOLEAN,
    DATE,
    DATE_TIME_OFFSET,
    DECIMAL,
    DOUBLE,
    INT32,
    INT64,
    SINGLE,
    STRING,
    PrimitiveType,
)
from odata.errors import TypeMismatch
from odata.plan.bound import (
    Bound,
    Comparison,
    Constant,
    FunctionCall,
    Logic,
    Membership,
    Not,
    Null,
    OfEntity,
    PropertyValue,
    Truth,
    Value,
    type_of,
)
from odata.plan.literals import check_kind, described, literal_value, mismatch, natural
from odata.plan.scope import Scope
from odata.plan.values import database_text
from odata.url.nodes import Literal

Operator: TypeAlias = OneOf["eq", "ne", "gt", "ge", "lt", "le"]

MIRRORED: dict[str, Operator] = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}


def compare(operator: Operator, left: Bound | Literal, right: Bound | Literal, scope: Scope) -> Bound:
    """left operator right, operands in either order."""
    if isinstance(left, Literal):
        if isinstance(right, Literal):
            left = natural(left, scope)
        else:
            return compare(MIRRORED[operator], right, left, scope)
    if isinstance(right, Literal):
        if right.kind == "null":
            return _with_null(operator, left, scope)
        if isinstance(left, Null):
            return _with_null(operator, natural(right, scope), scope)
        return _LITERAL_RULES[type_of(left).family](operator, left, right, scope)
    if isinstance(right, Null):
        return _with_null(operator, left, scope)
    if isinstance(left, Null):
        return _with_null(operator, right, scope)
    return _expressions(operator, left, right, scope)


def _with_null(operator: Operator, operand: Bound, scope: Scope) -> Bound:
    if operator not in ("eq", "ne"):
        return Constant(False)
    if isinstance(operand, Null):
        return Constant(operator == "eq")
    if isinstance(operand, Value | Constant):
        return Constant(operator == "ne")
    type = type_of(operand)
    return Comparison(operator, operand, Null(type), scope.lenient and type.family == "string")


def _not_null(operand: Bound) -> Bound:
    return Comparison("ne", operand, Null(type_of(operand)))


def _expressions(operator: Operator, left: Bound, right: Bound, scope: Scope) -> Bound:
    types = type_of(left), type_of(right)
    families = {type.family for type in types}
    if families == {"boolean"} and isinstance(right, Constant) and operator in ("eq", "ne"):
        return Truth(left, right.value, operator == "ne")
    if families == {"boolean"} and isinstance(left, Constant) and operator in ("eq", "ne"):
        return Truth(right, left.value, operator == "ne")
    if len(families) == 1 and (families != {"enum"} or types[0].name == types[1].name):
        return Comparison(operator, left, right)
    if scope.lenient and families == {"guid", "string"}:
        return Comparison(operator, cast_to(left, STRING), cast_to(right, STRING))
    if scope.lenient and families == {"date", "datetimeoffset"}:
        return Comparison(operator, cast_to(left, DATE_TIME_OFFSET), cast_to(right, DATE_TIME_OFFSET))
    raise TypeMismatch(
        f"{described(left)} is {types[0].name} and does not compare with {described(right)}, which is {types[1].name}."
    )


def cast_to(operand: Bound, type: PrimitiveType) -> Bound:
    """operand as another type; itself when it has that type already."""
    return operand if type_of(operand) is type else FunctionCall("cast", (operand,), type)


# --- literals, by the family of the other operand --------------------------------------------------------------------


def _plain(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    type = type_of(left)
    check_kind(literal, type, described(left), scope)
    return Comparison(operator, left, literal_value(literal, type))


def _boolean(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    check_kind(literal, BOOLEAN, described(left), scope)
    if operator not in ("eq", "ne"):
        return Comparison(operator, left, literal_value(literal, BOOLEAN))
    literal_value(literal, BOOLEAN)
    return Truth(left, scope.guards.ask("boolean", literal) == "true", operator == "ne")


def _string(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    read = left
    while isinstance(read, OfEntity):
        read = read.operand
    property = read.property if isinstance(read, PropertyValue) else None
    if property is not None and property.storage is DATE:
        return _date_as_text(operator, left, literal, scope)
    check_kind(literal, STRING, described(left), scope)
    widen = "widen_record_id" if property is not None and property.exposed.record_id else None
    return Comparison(operator, left, literal_value(literal, STRING, widen))


def _date_as_text(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    """A Date published as String: compared as a date where the text is one, which orders the same."""
    is_date = literal.kind in ("date", "datetimeoffset")
    if literal.kind == "string":
        is_date = bool(scope.guards.ask("converts:Edm.Date", literal))
    if is_date and (scope.lenient or literal.kind == "string") and scope.guards.ask("utc_midnight", literal):
        return Comparison(operator, _stored(left), literal_value(literal, DATE))
    check_kind(literal, STRING, described(left), scope)
    return Comparison(operator, left, literal_value(literal, STRING))


def _number(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    type = type_of(left)
    check_kind(literal, type, described(left), scope)
    if isinstance(left, FunctionCall) and literal.kind != "string":
        rewritten = _searched(operator, left, literal, scope) or _years(operator, left, literal, scope)
        if rewritten is not None:
            return rewritten
    number = scope.guards.ask("number", literal)
    if number is None:
        raise mismatch(described(left), type, literal)
    if number == "integer":
        return Comparison(operator, left, literal_value(literal, INT64 if type.whole else type))
    if number == "NaN":
        return Constant(operator == "ne")
    if type in (SINGLE, DOUBLE):
        return Comparison(operator, left, literal_value(literal, type))
    if number == "fraction":
        return (
            _fraction(operator, left, literal)
            if type.whole
            else Comparison(operator, left, literal_value(literal, type))
        )
    if number in ("large", "-large") and not type.whole:
        return Comparison(operator, left, literal_value(literal, DECIMAL))
    return _beyond(operator, left, above=not str(number).startswith("-"))


def _fraction(operator: Operator, left: Bound, literal: Literal) -> Bound:
    """A whole number against a literal that is none: never equal, and on the same side as the next whole number."""
    if operator in ("eq", "ne"):
        return Constant(operator == "ne")
    if operator in ("gt", "ge"):
        return Comparison("gt", left, literal_value(literal, INT64, "floor", DECIMAL))
    return Comparison("lt", left, literal_value(literal, INT64, "ceiling", DECIMAL))


def _beyond(operator: Operator, left: Bound, *, above: bool) -> Bound:
    """A literal above (or below) every value of the operand's type."""
    if operator in ("eq", "ne"):
        return Constant(operator == "ne")
    return _not_null(left) if (operator in ("lt", "le")) == above else Constant(False)


def _searched(operator: Operator, left: FunctionCall, literal: Literal, scope: Scope) -> Bound | None:
    """indexof(text,'part') against -1 or 0 is contains(text,'part'), which an index serves.

    indexof of null is null, and null ne -1 is true; in the salesforce profile, whose list views mean "contains" by it,
    it is false.
    """
    if left.name != "indexof" or not isinstance(left.arguments[1], Value):
        return None
    small = scope.guards.ask("small", literal)
    part = replace(left.arguments[1], transform="like_contains")
    found = replace(left, name="contains", arguments=(left.arguments[0], part), type=BOOLEAN)
    if (operator, small) in (("gt", -1), ("ge", 0)):
        return Truth(found, True)
    if (operator, small) in (("eq", -1), ("lt", 0), ("le", -1)):
        return Truth(found, False)
    if (operator, small) == ("ne", -1):
        return Truth(found, True) if scope.lenient else Truth(found, False, negated=True)
    return None


def _years(operator: Operator, left: FunctionCall, literal: Literal, scope: Scope) -> Bound | None:
    """year(x) against a year becomes a range of x, which an index serves."""
    if left.name != "year" or isinstance(left.arguments[0], Value) or not scope.guards.ask("plain_year", literal):
        return None
    return _period(operator, left.arguments[0], literal, "year", INT32)


def _period(operator: Operator, operand: Bound, literal: Literal, unit: str, read_as: PrimitiveType) -> Bound:
    operand = _stored(operand)
    type = type_of(operand)
    start = literal_value(literal, type, f"{unit}_start", read_as)
    end = literal_value(literal, type, f"{unit}_end", read_as)
    inside = Logic("and", (Comparison("ge", operand, start), Comparison("lt", operand, end)))
    if operator == "eq":
        return inside
    if operator == "ne":
        return Not(inside)
    return Comparison(operator, operand, start) if operator in ("lt", "ge") else _after(operator, operand, end)


def _after(operator: Operator, operand: Bound, end: Value) -> Bound:
    return Comparison("lt" if operator == "le" else "ge", operand, end)


def _stored(operand: Bound) -> Bound:
    """A published Date property as the date that its column holds."""
    if isinstance(operand, OfEntity):
        stored = _stored(operand.operand)
        return operand if stored is operand.operand else replace(operand, operand=stored)
    if isinstance(operand, PropertyValue) and operand.property.storage is DATE:
        return replace(operand, stored=True)
    return operand


def _guid(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    type = type_of(left)
    check_kind(literal, type, described(left), scope)
    if literal.kind == "guid" or scope.guards.ask("is_guid", literal):
        return Comparison(operator, left, literal_value(literal, type))
    if operator in ("eq", "ne"):
        return Constant(operator == "ne")
    return Comparison(operator, cast_to(left, STRING), literal_value(literal, STRING, "lower"))


def _date(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    moment = literal.kind == "datetimeoffset" or (literal.kind == "string" and bool(scope.guards.ask("timed", literal)))
    if not (scope.lenient and moment):
        check_kind(literal, DATE, described(left), scope)
    if moment and not scope.guards.ask("utc_midnight", literal):
        return _within_a_day(operator, _stored(left), literal)
    if isinstance(left, FunctionCall) and left.name == "date" and scope.guards.ask("plain_day", literal):
        return _period(operator, left.arguments[0], literal, "day", DATE)
    return Comparison(operator, _stored(left), literal_value(literal, DATE))


def _date_time_offset(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    if not (scope.lenient and literal.kind == "date"):
        check_kind(literal, DATE_TIME_OFFSET, described(left), scope)
    stored = _stored(left)
    if stored is not left and scope.guards.ask("utc_midnight", literal):
        return Comparison(operator, stored, literal_value(literal, DATE))
    if stored is not left:
        return _within_a_day(operator, stored, literal)
    return Comparison(operator, left, literal_value(literal, DATE_TIME_OFFSET))


def _within_a_day(operator: Operator, date: Bound, literal: Literal) -> Bound:
    """A date, which is the start of its day in UTC, against a point in time: never equal to one within a day."""
    day = literal_value(literal, DATE)
    if operator in ("eq", "ne"):
        return Constant(operator == "ne")
    return Comparison("gt" if operator in ("gt", "ge") else "le", date, day)


def _enum(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    type = type_of(left)
    check_kind(literal, type, described(left), scope)
    value = literal_value(literal, type)
    if operator in ("eq", "ne") or not isinstance(type, EnumType):
        return Comparison(operator, left, value)
    scope.guards.ask("text", literal)
    limit = type.members[database_text(value)]
    chosen = [name for name, number in type.members.items() if _ORDER[operator](number, limit)]
    return Membership(left, tuple(Value(type, "string", name) for name in chosen))


def _no_literal(operator: Operator, left: Bound, literal: Literal, scope: Scope) -> Bound:
    raise mismatch(described(left), type_of(left), literal)


_ORDER: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}

_LITERAL_RULES: dict[str, Callable[[Operator, Bound, Literal, Scope], Bound]] = {
    "boolean": _boolean,
    "number": _number,
    "string": _string,
    "guid": _guid,
    "date": _date,
    "datetimeoffset": _date_time_offset,
    "timeofday": _plain,
    "duration": _plain,
    "binary": _plain,
    "enum": _enum,
    "null": _no_literal,
}


# --- or --------------------------------------------------------------------------------------------------------------


def disjunction(operands: Iterable[Bound]) -> Bound:
    """operands joined by or; equalities of one expression with literals of one type become one Membership.

    A thousand `Id eq ...` terms so become one array parameter.
    """
    kept: list[Bound] = []
    places: dict[object, int] = {}
    values: dict[int, list[Value]] = {}
    nulls: dict[int, Comparison] = {}
    for operand in operands:
        key = _equality(operand)
        if key is None:
            if operand != Constant(False):
                kept.append(operand)
            continue
        assert isinstance(operand, Comparison)
        place = places.setdefault(key, len(kept))
        if place == len(kept):
            kept.append(operand)
        if isinstance(operand.right, Value):
            values.setdefault(place, []).append(operand.right)
        else:
            nulls[place] = operand
    for place in places.values():
        kept[place] = _membership(kept[place], values.get(place, []), nulls.get(place))
    if len(kept) < 2:
        return kept[0] if kept else Constant(False)
    return Logic("or", tuple(kept))


def _equality(operand: Bound) -> object | None:
    """What equalities must have in common to be one membership; None for anything else."""
    if not isinstance(operand, Comparison) or operand.operator != "eq":
        return None
    if isinstance(operand.right, Value):
        return operand.left, operand.right.type.name
    if isinstance(operand.right, Null) and type_of(operand.left) is operand.right.type:
        return operand.left, operand.right.type.name
    return None


def _membership(first: Bound, values: list[Value], null: Comparison | None) -> Bound:
    assert isinstance(first, Comparison)
    if len(values) + (null is not None) < 2:
        return first
    return Membership(first.left, tuple(values), null is not None, null_as_blank=null.null_as_blank if null else False)
