"""The fence: a statement in which a table of the exposure stands without its org predicate does not compile.

In: a finished SELECT. Out: nothing, or FenceError, which is a defect of ours. Each alias of a table, wherever it
stands, needs its predicate among the conditions that must hold for every row of a SELECT: the top of a WHERE, or of a
join's ON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, Table
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, BooleanClauseList, ClauseElement, ColumnElement
from sqlalchemy.sql.operators import and_, eq
from sqlalchemy.sql.selectable import Alias, FromClause, Join

from odata.mapping import ORG, Mapping
from odata.sql.context import Query


class FenceError(RuntimeError):
    """A reference to a table without its org predicate."""


def require_org_predicates(statement: Query, mapping: Mapping) -> None:
    """Raise FenceError when any table reference lacks its predicate."""
    tables: list[Alias] = []
    conditions: list[ClauseElement] = []
    for element in _elements(statement):
        if isinstance(element, Alias):
            tables.append(element)
        elif isinstance(element, Select):
            conditions += _conjuncts(element.whereclause)
            _refuse_bare_tables(element)
        elif isinstance(element, Join):
            conditions += _conjuncts(element.onclause)
    for table in tables:
        entity_set = mapping.entity_set_of(table)
        if entity_set is None:
            continue
        exposed = entity_set.exposed
        if not any(_limits(condition, table, exposed.org_column, exposed.fixed_org) for condition in conditions):
            raise FenceError(f"a reference to {entity_set.name} without its org predicate")


def _refuse_bare_tables(statement: Select[Any]) -> None:
    for source in statement.get_final_froms():
        for part in _parts(source):
            if isinstance(part, Table):
                raise FenceError(f"the table {part.name} is read without an alias")


def _limits(condition: ClauseElement, table: FromClause, org_column: str | None, fixed_org: str | None) -> bool:
    """Whether a condition is the org predicate of this table: its org column, or fixed org, equals the caller's."""
    if not isinstance(condition, BinaryExpression) or condition.operator is not eq or condition.right is not ORG:
        return False
    left = condition.left
    if org_column is not None:
        return left is table.c[org_column]
    return isinstance(left, BindParameter) and left.value == fixed_org


def _conjuncts(condition: ColumnElement[Any] | None) -> Iterator[ClauseElement]:
    """The parts of a condition that all must hold."""
    if isinstance(condition, BooleanClauseList) and condition.operator is and_:
        for part in condition.clauses:
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


def _parts(source: FromClause) -> Iterator[FromClause]:
    """A FROM with its joins, inside out."""
    if isinstance(source, Join):
        yield from _parts(source.left)
        yield from _parts(source.right)
    yield source


def _elements(statement: ClauseElement) -> Iterator[ClauseElement]:
    """Every element of a statement once; parts that several columns share are not walked again."""
    seen: set[int] = set()
    waiting: list[ClauseElement] = [statement]
    while waiting:
        element = waiting.pop()
        if id(element) not in seen:
            seen.add(id(element))
            yield element
            waiting.extend(element.get_children())
