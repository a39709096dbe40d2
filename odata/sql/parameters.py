"""Parameters of a statement: where the value of each placeholder comes from.

Beside literals of the URL a statement takes the caller's org, the values of a skip token and the texts of nested next
links.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import DateTime, Text, cast
from sqlalchemy.sql.elements import ColumnElement

from odata.mapping import ORG
from odata.plan.bound import Place, Value
from odata.sql.binds import Binds, untyped


@dataclass(frozen=True, slots=True)
class Org:
    """The caller's org."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that is the same for every caller: the org of a set that belongs to one org."""

    text: str


@dataclass(frozen=True, slots=True)
class After:
    """A value of the skip token."""

    index: int


@dataclass(frozen=True, slots=True)
class Link:
    """The nested options that a nested next link repeats; place is where they stand in the URL's parts.

    other_bytes: of the rest of the link, at most. it_bytes: of the URL of an entity, at most, that stands for each $it,
    which is IT_MARK_ENCODED; None where no option names $it.
    """

    place: Place | None
    other_bytes: int
    it_bytes: int | None


Parameter: TypeAlias = Org | Fixed | After | Link | Value | tuple[Value, ...]


def literals_of(parameters: Iterable[Parameter]) -> Iterator[Value]:
    """The literals of the URL among parameters, items of lists included."""
    for parameter in parameters:
        if isinstance(parameter, Value):
            yield parameter
        elif isinstance(parameter, tuple):
            yield from parameter


class StatementBinds(Binds):
    """Binds of a whole statement. moment_at: which value of the skip token is the time of page 1; None on page 1."""

    def __init__(self, moment_at: int | None = None) -> None:
        super().__init__()
        self._moment_at = moment_at
        self._others: dict[str, Parameter] = {ORG.key: Org()}

    def after(self, index: int, key: ColumnElement[Any]) -> ColumnElement[Any]:
        """The placeholder of a skip token's value, typed like the order key it is compared with."""
        self._others[f"after_{index}"] = After(index)
        return cast(untyped(f"after_{index}"), key.type)

    def moment(self) -> ColumnElement[Any]:
        if self._moment_at is None:
            return super().moment()
        self._others["moment"] = After(self._moment_at)
        return cast(untyped("moment"), DateTime(timezone=True))

    def link(self, link: Link) -> ColumnElement[Any]:
        """The placeholder of the options that a nested next link repeats."""
        name = next((name for name, other in self._others.items() if other == link), f"link_{len(self._others)}")
        self._others[name] = link
        return cast(untyped(name), Text)

    def parameter(self, name: str, own: str | None) -> Parameter:
        """Where the value of a placeholder comes from; own: the value that it brought along."""
        if own is not None:
            return Fixed(own)
        return self._others.get(name) or self.values[name]
