"""Bound expressions: names resolved, types known, profile decisions taken. Made by `bind.py`, read by `sql/expressions.py`.

Nodes compare and hash; Variable and model objects by identity. What the caller's profile changes (case, blanks) stands in the
nodes, so the SQL stage knows no profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from odata.edm.model import EntitySet, NavigationProperty, Property
from odata.edm.types import PrimitiveType


@dataclass(frozen=True, slots=True)
class Variable:
    """A range variable: one entity of a set.

    number tells variables apart. source and navigation are set when it is reached from another variable over a
    single-valued navigation property (the SQL stage joins it once); Variables with equal source and navigation are equal.
    """

    number: int
    set: EntitySet
    source: Variable | None = None
    navigation: NavigationProperty | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A literal converted to the type it meets.

    text: as written in the URL (for strings: the value). kind: the lexical kind. place: (part, start, end) in the URL's parts, or None for
    a value that no later URL of the same shape may change. as_type: the type whose `convert(kind, text)` gives the database's text form.
    transform: name of a further step on the converted text, an entry of bind.TRANSFORMS ("like_contains", "lower", "widen_record_id" ...).
    """

    type: PrimitiveType
    kind: str
    text: str
    place: tuple[int, int, int] | None = None
    transform: str | None = None


@dataclass(frozen=True, slots=True)
class Null:
    type: PrimitiveType


@dataclass(frozen=True, slots=True)
class PropertyValue:
    variable: Variable
    property: Property


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A canonical function with its overload chosen: name, and ignore_case where the profile asks for it."""

    name: str
    arguments: tuple[Bound, ...]
    type: PrimitiveType
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """eq ne gt ge lt le. null_as_blank: '' counts as null (Salesforce profile, strings compared with null)."""

    operator: OneOf["eq", "ne", "gt", "ge", "lt", "le"]
    left: Bound
    right: Bound
    null_as_blank: bool = False


@dataclass(frozen=True, slots=True)
class Logic:
    operator: OneOf["and", "or"]
    operands: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Bound


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Bound
    type: PrimitiveType


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: OneOf["add", "sub", "mul", "div", "divby", "mod"]
    left: Bound
    right: Bound
    type: PrimitiveType


@dataclass(frozen=True, slots=True)
class Membership:
    """operand in (values). values are literals of one type, bound as one array; with_null: null is in the list.
    others: operands that are no literals."""

    operand: Bound
    values: tuple[Value, ...]
    with_null: bool = False
    others: tuple[Bound, ...] = ()
    null_as_blank: bool = False


@dataclass(frozen=True, slots=True)
class Quantified:
    """source/navigation/any(variable: predicate); predicate None for any() without argument."""

    name: OneOf["any", "all"]
    source: Variable
    navigation: NavigationProperty
    variable: Variable
    predicate: Bound | None


@dataclass(frozen=True, slots=True)
class CountValue:
    """source/navigation/$count($filter=...;$search=...)."""

    source: Variable
    navigation: NavigationProperty
    variable: Variable
    predicate: Bound | None = None


@dataclass(frozen=True, slots=True)
class NavigationIsNull:
    """Nav eq null (or ne null when negated) for a single-valued navigation property."""

    source: Variable
    navigation: NavigationProperty
    negated: bool = False


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """One word or phrase of $search found in any searchable string property of variable, ignoring case."""

    variable: Variable
    properties: tuple[Property, ...]
    value: Value


Bound: TypeAlias = (
    Value | Null | PropertyValue | FunctionCall | Comparison | Logic | Not | Negation | Arithmetic | Membership
    | Quantified | CountValue | NavigationIsNull | SearchMatch
)  # fmt: skip
