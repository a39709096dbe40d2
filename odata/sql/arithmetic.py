"""Casts and arithmetic in SQL: the operators whose SQL depends on the types of both sides.

In: SQL of the operands and their primitive types. Out: SQL. Standard: URL Conventions, "Arithmetic Operators", "cast".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Double,
    Integer,
    Numeric,
    Text,
    Time,
    case,
    cast,
    false,
    func,
    literal_column,
    true,
)
from sqlalchemy.types import TypeEngine

from odata.edm.types import DATE, DATE_TIME_OFFSET, DECIMAL, DOUBLE, STRING, PrimitiveType
from odata.functions import DAY, Sql, days_of, number, text, whole_quotient
from odata.mapping import sql_type
from odata.plan.bound import Arithmetic

NAN: Sql = literal_column("'NaN'")

# --- casts -----------------------------------------------------------------------------------------------------------

_WHOLE_FORM = text("^ *[+-]?[0-9]{1,18} *$")
_NUMBER_FORM = text("^ *[+-]?[0-9]{1,100}([.][0-9]{1,100})? *$")
_GUID_FORM = text("^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$")


def cast_value(operand: Sql, source: PrimitiveType, target: PrimitiveType) -> Sql:
    """A value as another type; null where it does not fit."""
    if target is STRING:
        return _as_text(operand, source)
    if source.family == "string":
        return _from_text(operand, target)
    if source is DATE and target is DATE_TIME_OFFSET:
        return func.timezone(literal_column("'UTC'"), cast(operand, DateTime()), type_=DateTime(timezone=True))
    if source is DATE_TIME_OFFSET:
        utc = func.timezone(literal_column("'UTC'"), operand, type_=DateTime())
        return cast(utc, Date() if target is DATE else Time())
    if target.whole:
        whole = func.trunc(cast(operand, Numeric), type_=Numeric())
        return case((_within(whole, target), cast(whole, sql_type(target))), else_=None)
    return cast(operand, sql_type(target))


def _as_text(operand: Sql, source: PrimitiveType) -> Sql:
    if source is DATE_TIME_OFFSET:
        utc = func.timezone(literal_column("'UTC'"), operand, type_=DateTime())
        moment = func.to_char(utc, text('YYYY-MM-DD"T"HH24:MI:SS.US'), type_=Text())
        return func.regexp_replace(moment, text("[.]?0*$"), text(""), type_=Text()).concat(text("Z"))
    if source is DATE:
        return func.to_char(operand, text("YYYY-MM-DD"), type_=Text())
    return cast(operand, Text())


def _from_text(operand: Sql, target: PrimitiveType) -> Sql:
    if target.family == "boolean":
        return case((operand == text("true"), true()), (operand == text("false"), false()), else_=None)
    form = _GUID_FORM if target.family == "guid" else _WHOLE_FORM if target.whole else _NUMBER_FORM
    fits = operand.op("~", is_comparison=True)(form)
    if not target.whole:
        return case((fits, cast(operand, sql_type(target))), else_=None)
    whole = case((fits, cast(operand, BigInteger)), else_=None)
    return case((_within(whole, target), cast(whole, sql_type(target))), else_=None)


def _within(whole: Sql, type: PrimitiveType) -> Sql:
    return whole.between(literal_column(f"{type.minimum}", Numeric()), literal_column(f"{type.maximum}", Numeric()))


# --- arithmetic ------------------------------------------------------------------------------------------------------


def promoted(operand: Sql, type: PrimitiveType, node: Arithmetic) -> Sql:
    """Whole numbers reckon in 64 bits, so that two small ones do not overflow."""
    if node.type is DOUBLE:
        return operand if type is DOUBLE else cast(operand, Double())
    if node.type is DECIMAL:
        return operand if type is DECIMAL else cast(operand, Numeric())
    return operand if isinstance(operand.type, BigInteger) else cast(operand, BigInteger())


def _div(left: Sql, right: Sql) -> Sql:
    """Whole numbers truncate; zero is an error, but for floating point."""
    if isinstance(left.type, BigInteger):
        return whole_quotient(left, right)
    if isinstance(left.type, Double):
        return _quotient(left, right)
    return left.op("/", precedence=8, return_type=Numeric())(right)


def _quotient(left: Sql, right: Sql) -> Sql:
    """Division that gives INF, -INF or NaN for a divisor of zero."""
    type: TypeEngine[Any] = Double() if isinstance(left.type, Double) else Numeric()
    quotient = left.op("/", precedence=8, return_type=type)(right)
    special = case(
        (left > number(0), cast(literal_column("'Infinity'"), type)),
        (left < number(0), cast(literal_column("'-Infinity'"), type)),
        else_=cast(NAN, type),
    )
    return case((right != number(0), quotient), (right == number(0), special), else_=None)


def _mod(left: Sql, right: Sql) -> Sql:
    """The dividend's sign; PostgreSQL has it for exact numbers only."""
    if isinstance(left.type, Double):
        return cast(func.mod(cast(left, Numeric()), cast(right, Numeric())), Double())
    return func.mod(left, right, type_=left.type)


NUMERIC: dict[str, Callable[[Sql, Sql], Sql]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": _div,
    "divby": _quotient,
    "mod": _mod,
}


def temporal(node: Arithmetic, left: Sql, right: Sql, types: tuple[PrimitiveType, PrimitiveType]) -> Sql:
    """Dates, points in time and durations."""
    sign = "+" if node.operator == "add" else "-"
    type = sql_type(node.type)
    if node.operator in ("mul", "div", "divby"):
        duration, number = (left, right) if types[0].family == "duration" else (right, left)
        operator = "*" if node.operator == "mul" else "/"
        return duration.op(operator, precedence=8, return_type=type)(cast(number, Double()))
    if types[0].family == "date" and types[1].family == "date":
        return left.op("-", precedence=7, return_type=Integer())(right).op("*", precedence=8, return_type=type)(DAY)
    if types[0].family == "date":
        return left.op(sign, precedence=7, return_type=type)(days_of(right))
    return left.op(sign, precedence=7, return_type=type)(right)
