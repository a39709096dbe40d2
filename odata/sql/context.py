"""Context: what every level of one statement shares while it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Integer, Select, literal_column
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import FromClause, Subquery

from odata.mapping import Mapping as Tables
from odata.plan.bound import Variable
from odata.plan.limits import Limits
from odata.plan.plans import Expansion, OrderKey, Selection
from odata.sql.parameters import StatementBinds
from odata.sql.rendition import Rendition
from odata.sql.sources import Sources

Column: TypeAlias = ColumnElement[Any]
Columns: TypeAlias = Mapping[str, Column] | ReadOnlyColumnCollection[str, Any]
Query: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """One expansion of a page's rows.

    lateral: to be joined to the page. json: the value where it can be a member of a row; else texts, the members as
    text. rows: how many rows it adds to one object.
    """

    name: str
    lateral: FromClause
    rows: Column
    json: Column | None = None
    texts: tuple[Column, ...] = ()


class Expand(Protocol):
    """The sub-select of one expansion over the rows of a page; `bytes_at_most` bounds its text."""

    def __call__(
        self, context: Context, rows: Subquery, expansion: Expansion, selection: Selection, bytes_at_most: int
    ) -> Expanded: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOf:
    """A page to be read: which rows, in which order, how many at most. outer: tables of enclosing SELECTs it needs."""

    selection: Selection
    conditions: tuple[ColumnElement[bool], ...]
    sources: Sources
    order: tuple[OrderKey, ...] = ()
    limit: int | None = None
    offset: int = 0
    outer: tuple[FromClause, ...] = ()


@dataclass(frozen=True, slots=True)
class It:
    """$it inside expansions: its variable, and the page's row that stands for it."""

    variable: Variable
    rows: Subquery


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every level of one statement shares. it: of expansions that ask something of $it."""

    mapping: Tables
    rendition: Rendition
    binds: StatementBinds
    limits: Limits
    names: Iterator[int]
    expand: Expand
    it: It | None = None

    def sources(self, variable: Variable) -> Sources:
        """Fresh sources for a SELECT over a variable."""
        given = {} if self.it is None else {self.it.variable: self.it.rows}
        return Sources(self.mapping, variable, names=self.names, given=given)

    def enclosing(self, rows: Subquery) -> tuple[Subquery, ...]:
        """What an expansion of `rows` may refer to."""
        return (rows,) if self.it is None or self.it.rows is rows else (rows, self.it.rows)

    def name(self, prefix: str) -> str:
        """A fresh alias."""
        return f"{prefix}{next(self.names)}"


def number(value: int) -> ColumnElement[int]:
    """A whole number of the plan as a constant of the statement."""
    return literal_column(str(int(value)), Integer)
