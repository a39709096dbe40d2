"""Bound expressions become SQL, index-friendly where they decide rows, exact in three-valued logic where they are negated or values.

In: nodes of `plan.bound`, Sources and a Binder. Out: SQLAlchemy expressions. Knows no URL, no profile.
`predicate`: unknown may count as false, as in WHERE. `value`: null is null. Standard: URL Conventions, "Logical Operators".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never
from typing import cast as typed

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Integer,
    Numeric,
    Text,
    Time,
    and_,
    any_,
    case,
    cast,
    collate,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from odata.edm.types import DATE, DATE_TIME_OFFSET, DECIMAL, DOUBLE, INT64, SINGLE, STRING, PrimitiveType
from odata.functions import BINARY_COLLATION, CASE_COLLATION, DAY, FUNCTIONS, days_of, folded, number, overload, text, whole_quotient
from odata.mapping import sql_type
from odata.plan.bound import (
    Arithmetic,
    Bound,
    Comparison,
    Conditional,
    Constant,
    CountValue,
    FunctionCall,
    Logic,
    Membership,
    NavigationIsNull,
    Negation,
    Not,
    Null,
    PropertyValue,
    Quantified,
    SearchMatch,
    Truth,
    Value,
    nullable,
    type_of,
)
from odata.sql.binds import Binder
from odata.sql.sources import Sources

Sql = ColumnElement[Any]

_OPERATORS = {"eq": "__eq__", "ne": "__ne__", "gt": "__gt__", "ge": "__ge__", "lt": "__lt__", "le": "__le__"}
_NAN: Sql = literal_column("'NaN'")
_BLANK = text("")


def predicate(bound: Bound, sources: Sources, binder: Binder) -> ColumnElement[bool]:
    """A condition for WHERE, where unknown counts as false."""
    return _Writer(sources, binder).loose(bound)


def value(bound: Bound, sources: Sources, binder: Binder) -> Sql:
    """The value of an expression, null where the standard says null."""
    return _Writer(sources, binder).exact(bound)


class _Writer:
    """Writes expressions of one SELECT. loose: null may stand for false. exact: the value itself."""

    def __init__(self, sources: Sources, binder: Binder) -> None:
        self.sources = sources
        self.binder = binder

    def loose(self, node: Bound) -> Sql:
        match node:
            case Logic():
                return self._logic(node, [self.loose(operand) for operand in node.operands])
            case Not():
                return not_(self.exact(node.operand))
            case Truth():
                return self._truth(node, exact=False)
            case Comparison():
                return self._comparison(node, exact=False)
            case Membership():
                return self._membership(node)
            case Null():
                return false()
            case SearchMatch():
                return self._search(node)
            case _:
                return self.exact(node)

    def exact(self, node: Bound) -> Sql:
        match node:
            case Value():
                return self.binder(node)
            case Null():
                return cast(literal_column("NULL"), sql_type(node.type))
            case Constant():
                return true() if node.value else false()
            case PropertyValue():
                return self._property(node)
            case FunctionCall():
                return self._call(node)
            case Conditional():
                return case(*((self.loose(condition), self.exact(result)) for condition, result in node.branches), else_=None)
            case Logic():
                return self._logic(node, [self.exact(operand) for operand in node.operands])
            case Not():
                return not_(self.exact(node.operand))
            case Truth():
                return self._truth(node, exact=True)
            case Comparison():
                return self._comparison(node, exact=True)
            case Membership():
                found = self._membership(node)
                return func.coalesce(found, false(), type_=Boolean()) if nullable(node.operand) else found
            case Negation():
                operand = self.exact(node.operand)
                return typed(Sql, -(cast(operand, BigInteger()) if node.type is INT64 else operand))
            case Arithmetic():
                return self._arithmetic(node)
            case Quantified():
                return self._quantified(node)
            case CountValue():
                return self._count(node)
            case NavigationIsNull():
                return self._navigation_is_null(node)
            case SearchMatch():
                return func.coalesce(self._search(node), false(), type_=Boolean())
            case _:
                assert_never(node)

    # --- values ---

    def _property(self, node: PropertyValue) -> Sql:
        """The column; a published Date as what it is published as."""
        column = self.sources.column(node.variable, node.property)
        if node.stored or node.property.type is node.property.storage:
            return column
        return _cast(column, node.property.storage, node.property.type)

    def _logic(self, node: Logic, operands: list[Sql]) -> Sql:
        return and_(true(), *operands) if node.operator == "and" else or_(false(), *operands)

    def _call(self, node: FunctionCall) -> Sql:
        if node.name == "cast":
            return _cast(self.exact(node.arguments[0]), type_of(node.arguments[0]), node.type)
        if node.name == "has":
            return self.exact(node.arguments[0]) == self.exact(node.arguments[1])
        pattern = node.arguments[1] if len(node.arguments) == 2 else None
        if isinstance(pattern, Value) and (pattern.transform or "").startswith("like_"):
            return self._like(self.exact(node.arguments[0]), self.binder(pattern), node)
        arguments = [self.exact(argument) for argument in node.arguments]
        if node.ignore_case:
            arguments = [folded(argument) for argument in arguments]
        chosen = overload(node.name, tuple(type_of(argument) for argument in node.arguments)) or FUNCTIONS[node.name][0]
        return chosen.sql(*arguments)

    def _like(self, operand: Sql, pattern: Sql, node: FunctionCall) -> Sql:
        """LIKE under the collation that the trigram indexes have, whatever the column's own."""
        operand = collate(operand if node.indexable else operand.concat(_BLANK), CASE_COLLATION)
        return operand.ilike(pattern) if node.ignore_case else operand.like(pattern)

    def _arithmetic(self, node: Arithmetic) -> Sql:
        left, right = self.exact(node.left), self.exact(node.right)
        types = type_of(node.left), type_of(node.right)
        if types[0].family == "number" and types[1].family == "number":
            left, right = _promoted(left, types[0], node), _promoted(right, types[1], node)
            return _NUMERIC[node.operator](left, right)
        return _temporal(node, left, right, types)

    # --- conditions ---

    def _truth(self, node: Truth, *, exact: bool) -> Sql:
        """operand eq true and its kin; a null operand equals neither."""
        if not exact and node.value != node.negated:
            if node.value:
                return self.loose(node.operand)
        if not exact and not node.negated:
            return not_(self.exact(node.operand))
        operand = self.exact(node.operand)
        if not nullable(node.operand):
            return operand if node.value != node.negated else not_(operand)
        wanted = true() if node.value else false()
        if not exact and node.negated:
            return or_(not_(operand) if node.value else operand, operand.is_(None))
        return operand.is_not(wanted) if node.negated else operand.is_(wanted)

    def _comparison(self, node: Comparison, *, exact: bool) -> Sql:
        if isinstance(node.right, Null):
            return self._null_test(node, exact=exact)
        left, right = self.exact(node.left), self.exact(node.right)
        if node.operator in ("gt", "ge", "lt", "le"):
            return self._order(node, left, right, exact=exact)
        may_be_null = nullable(node.left), nullable(node.right)
        equal = left == right
        if _may_be_nan(node.left) and _may_be_nan(node.right):
            equal = and_(equal, left != _NAN)
        if all(may_be_null):
            equal = or_(func.coalesce(equal, false(), type_=Boolean()) if exact or node.operator == "ne" else equal,
                        and_(left.is_(None), right.is_(None)))  # fmt: skip
        elif any(may_be_null) and (exact or node.operator == "ne"):
            equal = func.coalesce(equal, false(), type_=Boolean())
        if node.operator == "eq":
            return equal
        if any(may_be_null) and not (_may_be_nan(node.left) and _may_be_nan(node.right)):
            return left.is_distinct_from(right)
        return not_(equal)

    def _null_test(self, node: Comparison, *, exact: bool) -> Sql:
        operand = self.exact(node.left)
        if node.operator == "eq":
            return or_(operand.is_(None), operand == _BLANK) if node.null_as_blank else operand.is_(None)
        if not node.null_as_blank:
            return operand.is_not(None)
        return func.coalesce(operand != _BLANK, false(), type_=Boolean()) if exact else operand != _BLANK

    def _order(self, node: Comparison, left: Sql, right: Sql, *, exact: bool) -> Sql:
        if type_of(node.left).family == "string":
            left, right = self._ordered(node.left, left), self._ordered(node.right, right)
        result: Sql = getattr(left, _OPERATORS[node.operator])(right)
        greater, side = (node.left, left) if node.operator in ("gt", "ge") else (node.right, right)
        if _may_be_nan(greater):
            result = and_(result, side != _NAN)
        if exact and (nullable(node.left) or nullable(node.right)):
            return func.coalesce(result, false(), type_=Boolean())
        return result

    def _ordered(self, node: Bound, operand: Sql) -> Sql:
        """Texts compare by one collation: the columns' own, or the one that the mapping names."""
        if isinstance(node, PropertyValue) and node.property.type is node.property.storage:
            collation = getattr(self.sources.mapping, "collation", None)
            return collate(operand, collation) if collation else operand
        return operand if isinstance(node, Value) else collate(operand, BINARY_COLLATION)

    def _membership(self, node: Membership) -> Sql:
        operand = self.exact(node.operand)
        parts: list[Sql] = [operand == any_(self.binder.array(node.values))] if node.values else []
        parts += [operand == self.exact(other) for other in node.others]
        if node.with_null:
            parts.append(operand.is_(None))
            if node.null_as_blank:
                parts.append(operand == _BLANK)
        return or_(false(), *parts)

    def _quantified(self, node: Quantified) -> Sql:
        inner = self.sources.inner(node.variable)
        conditions = [inner.predicate, inner.link(node.source, node.navigation, inner.root)]
        if node.predicate is not None:
            writer = _Writer(inner, self.binder)
            if node.name == "any":
                conditions.append(writer.loose(node.predicate))
            else:
                conditions.append(writer.exact(node.predicate).is_not(true()))
        source = inner.from_clause
        found = exists(select(literal_column("1")).select_from(source).where(*conditions).correlate_except(source))
        return found if node.name == "any" else not_(found)

    def _count(self, node: CountValue) -> Sql:
        inner = self.sources.inner(node.variable)
        conditions = [inner.predicate, inner.link(node.source, node.navigation, inner.root)]
        if node.predicate is not None:
            conditions.append(_Writer(inner, self.binder).loose(node.predicate))
        source = inner.from_clause
        counted = select(func.count()).select_from(source).where(*conditions).correlate_except(source)
        return counted.scalar_subquery()

    def _navigation_is_null(self, node: NavigationIsNull) -> Sql:
        """Nothing was joined: the key of the other side is null."""
        target = node.source.follow(node.navigation)
        key = self.sources.column(target, target.set.key[0])
        return key.is_not(None) if node.negated else key.is_(None)

    def _search(self, node: SearchMatch) -> Sql:
        pattern = self.binder(node.value)
        columns: list[Sql] = [self.sources.column(node.variable, property) for property in node.properties]
        if not node.indexable:
            columns = [column.concat(_BLANK) for column in columns]
        return or_(false(), *(collate(column, CASE_COLLATION).ilike(pattern) for column in columns))


def _may_be_nan(node: Bound) -> bool:
    """NaN equals and exceeds everything in PostgreSQL, nothing in OData; only floating point and divby by zero make one."""
    if isinstance(node, Value):
        return False
    type = type_of(node)
    return type in (SINGLE, DOUBLE) or type is DECIMAL and isinstance(node, Arithmetic)


# --- casts -----------------------------------------------------------------------------------------------------------

_WHOLE_FORM = text("^ *[+-]?[0-9]{1,18} *$")
_NUMBER_FORM = text("^ *[+-]?[0-9]{1,100}([.][0-9]{1,100})? *$")
_GUID_FORM = text("^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$")


def _cast(operand: Sql, source: PrimitiveType, target: PrimitiveType) -> Sql:
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


def _promoted(operand: Sql, type: PrimitiveType, node: Arithmetic) -> Sql:
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
    return _quotient(left, right) if isinstance(left.type, Double) else left.op("/", precedence=8, return_type=Numeric())(right)


def _quotient(left: Sql, right: Sql) -> Sql:
    """Division that gives INF, -INF or NaN for a divisor of zero."""
    type: TypeEngine[Any] = Double() if isinstance(left.type, Double) else Numeric()
    quotient = left.op("/", precedence=8, return_type=type)(right)
    special = case(
        (left > number(0), cast(literal_column("'Infinity'"), type)),
        (left < number(0), cast(literal_column("'-Infinity'"), type)),
        else_=cast(_NAN, type),
    )
    return case((right != number(0), quotient), (right == number(0), special), else_=None)


def _mod(left: Sql, right: Sql) -> Sql:
    """The dividend's sign; PostgreSQL has it for exact numbers only."""
    if isinstance(left.type, Double):
        return cast(func.mod(cast(left, Numeric()), cast(right, Numeric())), Double())
    return func.mod(left, right, type_=left.type)


_NUMERIC: dict[str, Callable[[Sql, Sql], Sql]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": _div,
    "divby": _quotient,
    "mod": _mod,
}


def _temporal(node: Arithmetic, left: Sql, right: Sql, types: tuple[PrimitiveType, PrimitiveType]) -> Sql:
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
