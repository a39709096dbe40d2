"""Arithmetic in SQL: the operators whose SQL depends on the types of both sides.

In: SQL of the operands and their primitive types. Out: SQL. Standard: URL Conventions, "Arithmetic Operators".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    Numeric,
    case,
    cast,
    func,
    literal_column,
)
from sqlalchemy.types import TypeEngine

from odata.edm.types import DECIMAL, DOUBLE, PrimitiveType
from odata.functions import DAY, Sql, days_of, number, whole_quotient
from odata.mapping import sql_type
from odata.plan.bound import Arithmetic

NAN: Sql = literal_column("'NaN'")


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
