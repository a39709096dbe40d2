"""Bound expressions become SQL: index-friendly where they decide rows, exact where they are negated or values.

In: nodes of `plan.bound`, Sources and a Binder. Out: SQLAlchemy expressions. Knows no URL, no profile.
`predicate`: unknown may count as false, as in WHERE. `value`: null is null. Standard: URL Conventions, "Logical
Operators".
"""

from __future__ import annotations

from typing import Any, assert_never
from typing import cast as typed

from sqlalchemy import (
    BigInteger,
    Boolean,
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
from sqlalchemy.sql.elements import ColumnElement, False_, Grouping

from odata.edm.model import EnumType, NavigationProperty
from odata.edm.types import DOUBLE, DURATION, INT64, SINGLE
from odata.functions import (
    BINARY_COLLATION,
    CASE_COLLATION,
    FUNCTIONS,
    folded,
    joined,
    overload,
    text,
)
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
    Moment,
    NavigationIsNull,
    Negation,
    Not,
    Null,
    OfEntity,
    PropertyValue,
    Quantified,
    SearchMatch,
    Truth,
    Value,
    Variable,
    nullable,
    type_of,
)
from odata.sql.arithmetic import NAN, NUMERIC, promoted, temporal
from odata.sql.binds import Binder
from odata.sql.casts import cast_value
from odata.sql.sources import Sources

Sql = ColumnElement[Any]

_OPERATORS = {"eq": "__eq__", "ne": "__ne__", "gt": "__gt__", "ge": "__ge__", "lt": "__lt__", "le": "__le__"}
_BLANK = text("")


def predicate(bound: Bound, sources: Sources, binder: Binder) -> ColumnElement[bool]:
    """A condition for WHERE, where unknown counts as false."""
    return _unfolded(_Writer(sources, binder).loose(bound))


def value(bound: Bound, sources: Sources, binder: Binder) -> Sql:
    """The value of an expression, null where the standard says null."""
    return _Writer(sources, binder).exact(bound)


def order_key(bound: Bound, sources: Sources, binder: Binder) -> Sql:
    """The value by which rows are ordered, as gt and lt have it: texts by one collation, members by their values."""
    return _Writer(sources, binder).order_key(bound)


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
                return case(
                    *((self.loose(condition), self.exact(result)) for condition, result in node.branches), else_=None
                )
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
                return self._negation(node)
            case Arithmetic():
                return self._arithmetic(node)
            case Quantified():
                return self._quantified(node)
            case CountValue():
                return self._count(node)
            case NavigationIsNull():
                return self._navigation_is_null(node)
            case Moment():
                return self.binder.moment()
            case OfEntity():
                return self._of_entity(node)
            case SearchMatch():
                return func.coalesce(self._search(node), false(), type_=Boolean())
            case _:
                assert_never(node)

    def _negation(self, node: Negation) -> Sql:
        operand = self.operand(node.operand)
        if node.type is DURATION:  # SQLAlchemy knows no minus before an interval, and no factor behind it
            return operand.op("*")(literal_column("-1"))
        return typed(Sql, -(cast(operand, BigInteger()) if node.type is INT64 else operand))

    def order_key(self, node: Bound) -> Sql:
        written, type = self.operand(node), type_of(node)
        if isinstance(type, EnumType):
            return _member_value(written, type)
        return self._ordered(node, written) if type.family == "string" else written

    def operand(self, node: Bound) -> Sql:
        """The value of an operand, in parentheses where an operator could bind to a part of it."""
        written = self.exact(node)
        return written if isinstance(node, Value | PropertyValue | CountValue) else Grouping(written)

    # --- values ---

    def _property(self, node: PropertyValue) -> Sql:
        """The column; a published Date as what it is published as."""
        column = self.sources.column(node.variable, node.property)
        if node.stored or node.property.type is node.property.storage:
            return column
        return cast_value(column, node.property.storage, node.property.type)

    def _logic(self, node: Logic, operands: list[Sql]) -> Sql:
        return and_(true(), *operands) if node.operator == "and" else or_(false(), *operands)

    def _call(self, node: FunctionCall) -> Sql:
        if node.name == "cast":
            return cast_value(self.operand(node.arguments[0]), type_of(node.arguments[0]), node.type)
        if node.name == "has":
            return self.operand(node.arguments[0]) == self.operand(node.arguments[1])
        pattern = node.arguments[1] if len(node.arguments) == 2 else None
        if isinstance(pattern, Value) and (pattern.transform or "").startswith("like_"):
            return self._like(node.arguments[0], self.binder(pattern), node)
        arguments = [self.operand(argument) for argument in node.arguments]
        if node.ignore_case:
            arguments = [folded(argument) for argument in arguments]
        chosen = overload(node.name, tuple(type_of(argument) for argument in node.arguments)) or FUNCTIONS[node.name][0]
        return chosen.sql(*arguments)

    def _like(self, searched: Bound, pattern: Sql, node: FunctionCall) -> Sql:
        """LIKE in the form that an index serves, where one does (docs/decisions/patterns.md).

        A beginning becomes a range of an index in the order of "C", of the folded text or of the text. Other patterns
        are for trigram indexes.
        """
        operand, beginning = self.operand(searched), node.name == "startswith"
        exposed = searched.property.exposed if isinstance(searched, PropertyValue) else None
        if beginning and node.foldable and exposed is not None and exposed.folded_index:
            found = folded(operand).like(folded(pattern))
            return (
                found
                if node.ignore_case
                else and_(found, _row_by_row(operand, collate(operand, BINARY_COLLATION).like(pattern)))
            )
        if beginning and not node.ignore_case:
            return collate(operand, CASE_COLLATION if node.indexable else BINARY_COLLATION).like(pattern)
        by_joined = exposed is not None and exposed.joined_index and node.foldable
        return _anywhere(operand, pattern, node.indexable, by_joined=by_joined, ignore_case=node.ignore_case)

    def _arithmetic(self, node: Arithmetic) -> Sql:
        left, right = self.operand(node.left), self.operand(node.right)
        types = type_of(node.left), type_of(node.right)
        if types[0].family == "number" and types[1].family == "number":
            left, right = promoted(left, types[0], node), promoted(right, types[1], node)
            return NUMERIC[node.operator](left, right)
        return temporal(node, left, right, types)

    # --- conditions ---

    def _truth(self, node: Truth, *, exact: bool) -> Sql:
        """operand eq true and its kin; a null operand equals neither."""
        if not exact and node.value and not node.negated:
            return self.loose(node.operand)
        if not exact and not node.negated:
            return not_(self.exact(node.operand))
        operand = self.operand(node.operand)
        if not nullable(node.operand):
            return operand if node.value != node.negated else not_(operand)
        wanted = true() if node.value else false()
        if not exact and node.negated:
            return or_(not_(operand) if node.value else operand, operand.is_(None))
        return operand.is_not(wanted) if node.negated else operand.is_(wanted)

    def _comparison(self, node: Comparison, *, exact: bool) -> Sql:
        if isinstance(node.right, Null):
            return self._null_test(node, exact=exact)
        left, right = self.operand(node.left), self.operand(node.right)
        if node.operator in ("gt", "ge", "lt", "le"):
            return self._order(node, left, right, exact=exact)
        may_be_null = nullable(node.left), nullable(node.right)
        equal = left == right
        if _may_be_nan(node.left) and _may_be_nan(node.right):
            equal = and_(equal, left != NAN)
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
        operand = self.operand(node.left)
        if node.operator == "eq":
            return or_(operand.is_(None), operand == _BLANK) if node.null_as_blank else operand.is_(None)
        if not node.null_as_blank:
            return operand.is_not(None)
        return func.coalesce(operand != _BLANK, false(), type_=Boolean()) if exact else operand != _BLANK

    def _order(self, node: Comparison, left: Sql, right: Sql, *, exact: bool) -> Sql:
        if type_of(node.left).family in ("string", "enum"):
            left, right = self.order_key(node.left), self.order_key(node.right)
        result: Sql = getattr(left, _OPERATORS[node.operator])(right)
        greater, side = (node.left, left) if node.operator in ("gt", "ge") else (node.right, right)
        if _may_be_nan(greater):
            result = and_(result, side != NAN)
        if exact and (nullable(node.left) or nullable(node.right)):
            return func.coalesce(result, false(), type_=Boolean())
        return result

    def _ordered(self, node: Bound, operand: Sql) -> Sql:
        """Texts compare by one collation: the columns' own, or the one that the mapping names."""
        collation = self.sources.mapping.collation
        if isinstance(node, Value) or (collation is None and _is_column(node)):
            return operand
        return collate(operand, collation or BINARY_COLLATION)

    def _membership(self, node: Membership) -> Sql:
        operand = self.operand(node.operand)
        parts: list[Sql] = [_in_array(operand, self.binder.array(node.values))] if node.values else []
        parts += [operand == self.operand(other) for other in node.others]
        if node.with_null:
            parts.append(operand.is_(None))
            if node.null_as_blank:
                parts.append(operand == _BLANK)
        return or_(false(), *parts)

    def _quantified(self, node: Quantified) -> Sql:
        inner = self.sources.inner(node.variable)
        conditions = _of_collection(inner, node.source, node.navigation)
        if node.predicate is not None:
            writer = _Writer(inner, self.binder)
            if node.name == "any":
                conditions.append(_unfolded(writer.loose(node.predicate)))
            else:
                conditions.append(writer.operand(node.predicate).is_not(true()))
        source = inner.from_clause
        found = exists(select(literal_column("1")).select_from(source).where(*conditions).correlate_except(source))
        return found if node.name == "any" else not_(found)

    def _count(self, node: CountValue) -> Sql:
        inner = self.sources.inner(node.variable)
        conditions = _of_collection(inner, node.source, node.navigation)
        if node.predicate is not None:
            conditions.append(predicate(node.predicate, inner, self.binder))
        source = inner.from_clause
        counted = select(func.count()).select_from(source).where(*conditions).correlate_except(source)
        return counted.scalar_subquery()

    def _navigation_is_null(self, node: NavigationIsNull) -> Sql:
        """Nothing was joined: the key of the other side is null."""
        target = node.source.follow(node.navigation)
        key = self.sources.column(target, target.set.key[0])
        return key.is_not(None) if node.negated else key.is_(None)

    def _of_entity(self, node: OfEntity) -> Sql:
        """A sub-select of one value, which PostgreSQL computes once unless it reads the row."""
        inner = self.sources.inner(node.variable)
        value = _Writer(inner, self.binder).exact(node.operand)
        conditions = _of_collection(inner, node.variable.source, node.variable.navigation)
        conditions += inner.keyed(node.variable, node.variable.key, self.binder)
        source = inner.from_clause
        found = select(value).select_from(source).where(*conditions).correlate_except(source).scalar_subquery()
        absent = _absent(node.operand)
        return found if absent is None else func.coalesce(found, absent)

    def _search(self, node: SearchMatch) -> Sql:
        pattern = self.binder(node.value)
        matches = (
            _anywhere(
                self.sources.column(node.variable, property),
                pattern,
                node.indexable,
                by_joined=property.exposed.joined_index,
                ignore_case=True,
            )
            for property in node.properties
        )
        return or_(false(), *matches)


def _of_collection(
    inner: Sources, source: Variable | None, navigation: NavigationProperty | None
) -> list[ColumnElement[bool]]:
    """The rows of the own org: those behind a navigation property, or all where there is none."""
    if source is None or navigation is None:
        return [inner.predicate]
    return [inner.predicate, inner.link(source, navigation, inner.root)]


def _absent(operand: Bound) -> Sql | None:
    """What begins at an entity that is not there: an empty collection, nothing behind a navigation property; None for
    null."""
    match operand:
        case Quantified():
            return false() if operand.name == "any" else true()
        case CountValue():
            return literal_column("0", BigInteger())
        case NavigationIsNull():
            return false() if operand.negated else true()
        case OfEntity():
            return _absent(operand.operand)
        case _:
            return None


def _unfolded(condition: Sql) -> Sql:
    """`and_` with false() is false() alone, the org predicate beside it gone; this false stays one of many."""
    return literal_column("false", Boolean()) if isinstance(condition, False_) else condition


def _member_value(member: Sql, type: EnumType) -> Sql:
    """The declared value of an enumeration member; a text that is no member stands before all of them."""
    before_all = min(type.members.values(), default=0) - 1
    known = [(member == text(name), literal_column(str(value), BigInteger())) for name, value in type.members.items()]
    return case(*known, (member.is_not(None), literal_column(str(before_all), BigInteger())), else_=None)


def _is_column(node: Bound) -> bool:
    return isinstance(node, PropertyValue) and (node.stored or node.property.type is node.property.storage)


def _anywhere(operand: Sql, pattern: Sql, indexable: bool, *, by_joined: bool, ignore_case: bool) -> Sql:
    """A pattern anywhere in a text, by the index of joined texts, by one of the texts as they are, or by none."""
    cased = collate(operand, CASE_COLLATION)
    match = cased.ilike(pattern) if ignore_case else cased.like(pattern)
    if not indexable:
        return _row_by_row(operand, match)
    if by_joined:
        return and_(joined(operand).like(joined(pattern)), _row_by_row(operand, match))
    return match


def _row_by_row(operand: Sql, match: Sql) -> Sql:
    """The same answer in a form that no index serves, and of which PostgreSQL expects that half of the rows pass.

    So it walks in the order that is asked for, and is soon done: what it knows of short patterns is guessed, by bytes,
    and a guess of few rows makes it sort the whole table.
    """
    return case((operand.is_not(None), match), else_=None)


def _in_array(operand: Sql, array: Sql) -> Sql:
    """An operator without a negation of its own: NOT (x = ANY(...)) is not x <> ANY(...)."""
    return operand.op("=", is_comparison=True, return_type=Boolean())(any_(array))


def _may_be_nan(node: Bound) -> bool:
    """NaN equals itself and exceeds all in PostgreSQL, not in OData; floating point and divby make it."""
    if isinstance(node, Value):
        return False
    return type_of(node) in (SINGLE, DOUBLE) or _divides_by(node)


def _divides_by(node: Bound) -> bool:
    if isinstance(node, FunctionCall):
        return any(_divides_by(argument) for argument in node.arguments)
    if isinstance(node, Arithmetic):
        return node.operator == "divby" or _divides_by(node.left) or _divides_by(node.right)
    return isinstance(node, Negation) and _divides_by(node.operand)
