"""Sources: which table alias stands for which range variable inside one SELECT, with the joins that single-valued
navigation needs.

In: Variables of a plan. Out: a FROM clause whose every table carries the org predicate. Knows no URL and no HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from sqlalchemy import Boolean, and_, literal_column
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Alias, FromClause

from odata.edm.model import NavigationProperty, Property
from odata.mapping import Mapping as Tables
from odata.plan.bound import Null, Value, Variable
from odata.sql.binds import Binder


class Sources:
    """Aliases of one SELECT over a root variable; `outer` is the enclosing SELECT's, for correlated sub-selects.

    names: numbers for aliases, shared by all SELECTs of one statement. given: variables whose rows an enclosing
    SELECT has read already, with all columns that are asked of them.
    """

    def __init__(
        self,
        mapping: Tables,
        variable: Variable,
        outer: Sources | None = None,
        names: Iterator[int] | None = None,
        given: Mapping[Variable, FromClause] | None = None,
    ) -> None:
        self.mapping = mapping
        self.outer = outer
        self._given = given or {}
        self._names: Iterator[int] = outer._names if outer else names or count()
        self._root = self._alias(variable)
        self._aliases: dict[Variable, Alias] = {variable: self._root}
        self._from: FromClause = self._root
        self.predicate = mapping.predicate(self._root, variable.set)

    def inner(self, variable: Variable) -> Sources:
        """Sources of a sub-select over another root variable that may refer to this SELECT's tables."""
        return Sources(self.mapping, variable, self)

    @property
    def from_clause(self) -> FromClause:
        """FROM with all joins that `column` has asked for so far; take it last."""
        return self._from

    @property
    def root(self) -> Alias:
        return self._root

    def column(self, variable: Variable, property: Property) -> ColumnElement[Any]:
        """The column of a variable's property, joining the variable's table where it is not in FROM yet."""
        return self.mapping.column(self.alias(variable), property)

    def alias(self, variable: Variable) -> FromClause:
        """The alias for a variable of this SELECT or of an enclosing one."""
        found = self._lookup(variable)
        if found is not None:
            return found
        assert variable.source is not None and variable.navigation is not None, "variable of no enclosing select"
        owner = self._owner(variable.source)
        return owner._join(variable, variable.source, variable.navigation)

    def link(self, source: Variable, navigation: NavigationProperty, target: FromClause) -> ColumnElement[bool]:
        """The condition that relates a row of `source` to rows of the navigation's target alias."""
        here = self.alias(source)
        return and_(
            *(self.mapping.column(target, there) == self.mapping.column(here, own) for own, there in navigation.on)
        )

    def keyed(
        self, variable: Variable, key: tuple[tuple[Property, Value | Null], ...], binder: Binder
    ) -> list[ColumnElement[bool]]:
        """The conditions of a key predicate; no entity has a Null."""
        return [
            literal_column("false", Boolean())
            if isinstance(value, Null)
            else self.column(variable, property) == binder(value)
            for property, value in key
        ]

    def _alias(self, variable: Variable) -> Alias:
        return self.mapping.alias(variable.set, f"t{next(self._names)}")

    def _lookup(self, variable: Variable) -> FromClause | None:
        level: Sources | None = self
        while level is not None:
            if variable in level._aliases:
                return level._aliases[variable]
            if variable in level._given:
                return level._given[variable]
            level = level.outer
        return None

    def _owner(self, variable: Variable) -> Sources:
        """The SELECT in whose FROM a variable stands, the outermost for one that is given; joining happens there, so
        one join serves all uses."""
        self.alias(variable)
        level: Sources = self
        while variable not in level._aliases and level.outer is not None:
            level = level.outer
        return level

    def _join(self, variable: Variable, source: Variable, navigation: NavigationProperty) -> Alias:
        alias = self._alias(variable)
        condition = self.link(source, navigation, alias) & self.mapping.predicate(alias, variable.set)
        self._from = self._from.outerjoin(alias, condition)
        self._aliases[variable] = alias
        return alias
