"""Plan: what a URL means against the model, limits applied. Made by `make.py`, read by `sql` and `payload`.

Holds no SQL and no HTTP. Everything a statement needs is here, names bound and typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from odata.edm.model import EntitySet, NavigationProperty, Property
from odata.plan.bound import Bound, Null, Place, Value, Variable, has_moment
from odata.plan.values import Guard

Kind: TypeAlias = OneOf["collection", "entity", "property", "value", "count"]


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of a total order. nullable: nulls stand first ascending, last descending."""

    expression: Bound
    descending: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class PathStep:
    """One entity or collection on the way of the resource path.

    variable: the entities of this step. key: (property, value) pairs of its key predicate, or (); Null for a value that
    no entity has. navigation: how it was reached from the step before, None for the first.
    """

    variable: Variable
    key: tuple[tuple[Property, Value | Null], ...] = ()
    navigation: NavigationProperty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is shown of an entity.

    properties: in order of declaration. expansions: in order of declaration. listed: $select as written, None without
    one (for the context URL). references: only entity references ($ref). carried: what expansions ask of $it.
    """

    variable: Variable
    properties: tuple[Property, ...]
    expansions: tuple[Expansion, ...] = ()
    listed: tuple[str, ...] | None = None
    references: bool = False
    carried: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """One expanded navigation property.

    mode: "entities", "references" (/$ref) or "count" (/$count). rows: nested page size. top, skip: as asked. place:
    (part, start, end) of the nested options in the URL's parts, None without options; a nested next link repeats them.
    levels_left: for $levels, what the nested next link says; None without $levels.
    """

    navigation: NavigationProperty
    variable: Variable
    selection: Selection
    filter: Bound | None = None
    order: tuple[OrderKey, ...] = ()
    top: int | None = None
    skip: int = 0
    rows: int = 0
    count: bool = False
    mode: OneOf["entities", "references", "count"] = "entities"
    place: Place | None = None
    recursive: bool = False

    @property
    def name(self) -> str:
        return self.navigation.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """A read of one resource.

    steps: the resource path; the last one is what is read. filter: $filter and $search joined. order: total, () for
    single entities. top, skip: as asked. rows: the page size. paged: more rows than the page may follow, so a next link
    is possible. count: $count=true. of_property: for kinds "property" and "value". single: a lone navigation that may
    lead nowhere (204). after: for a page behind a skip token, which of its values are null, those of `order` first;
    None on page 1. guards: what planning concluded from literals; another URL of the same shape may use the plan only
    if they hold.
    """

    kind: Kind
    steps: tuple[PathStep, ...]
    selection: Selection
    filter: Bound | None = None
    order: tuple[OrderKey, ...] = ()
    top: int | None = None
    skip: int = 0
    rows: int = 0
    paged: bool = False
    count: bool = False
    of_property: Property | None = None
    after: tuple[bool, ...] | None = None
    guards: tuple[Guard, ...] = ()

    @property
    def variable(self) -> Variable:
        return self.steps[-1].variable

    @property
    def set(self) -> EntitySet:
        return self.steps[-1].variable.set

    @property
    def of_a_moment(self) -> bool:
        """The order depends on the time of page 1, which the skip token carries behind the order keys."""
        return any(has_moment(key.expression) for key in self.order)

    @property
    def single(self) -> bool:
        """The last step is one entity, not a collection."""
        last = self.steps[-1]
        return bool(last.key) or (last.navigation is not None and not last.navigation.collection)
