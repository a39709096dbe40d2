"""Bound expressions: names resolved, types known, profile decisions taken. Made by `bind.py`, read by
`sql/expressions.py`.

Nodes compare and hash; Variable and model objects by identity. What the caller's profile changes (case, blanks)
stands in the nodes, so the SQL stage knows no profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal as OneOf
from typing import TypeAlias, get_args

from odata.edm.model import EntitySet, NavigationProperty, Property
from odata.edm.types import BOOLEAN, DATE_TIME_OFFSET, INT64, PrimitiveType
from odata.url.nodes import Span

Place: TypeAlias = tuple[int, int, int]
"""Where a text stands: part, start and end in `Parts.texts`."""


def place_of(span: Span) -> Place:
    """A span as the key of tables."""
    return span.part, span.start, span.end


@dataclass(frozen=True, slots=True)
class Variable:
    """A range variable: one entity of a set.

    number tells variables apart. source and navigation are set when it is reached from another variable over a
    single-valued navigation property (the SQL stage joins it once); Variables with equal source and navigation are
    equal. key: (property, value) pairs of the one entity that $root/Set(key), or a collection-valued navigation
    property with a key, names; () for all others.
    """

    number: int
    set: EntitySet
    source: Variable | None = None
    navigation: NavigationProperty | None = None
    key: tuple[tuple[Property, Value | Null], ...] = ()

    def follow(self, navigation: NavigationProperty, key: tuple[tuple[Property, Value | Null], ...] = ()) -> Variable:
        """The entity behind a single-valued navigation property, or the one of a collection that has the key."""
        return Variable(self.number, navigation.target, self, navigation, key)


@dataclass(frozen=True, slots=True)
class Value:
    """A literal converted to the type it meets.

    type: what the bind parameter is in SQL. text: as written in the URL (for strings: the value). kind: the lexical
    kind. place: (part, start, end) in the URL's parts, or None for a value that no later URL of the same shape may
    change. transform: name of a further step on the converted text, an entry of `values.TRANSFORMS`. read_as: the type
    whose `convert` reads the text where it is not `type` (2020 in year(x) eq 2020 becomes a date).
    `values.database_text` does all of it.
    """

    type: PrimitiveType
    kind: str
    text: str
    place: Place | None = None
    transform: str | None = None
    read_as: PrimitiveType | None = None


@dataclass(frozen=True, slots=True)
class Null:
    """null where a value of this type is meant."""

    type: PrimitiveType


@dataclass(frozen=True, slots=True)
class PropertyValue:
    """A property of a variable, as published; or as its column holds it when `stored` (see Property.storage)."""

    variable: Variable
    property: Property
    stored: bool = False


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A canonical function, or "cast" to `type`, "has".

    ignore_case: where the profile asks for it. indexable: False for a pattern too short for a trigram index, which
    would then be read whole. foldable: False for a pattern whose lower case may be another within a text, where case
    counts. A literal pattern is a Value with one of the transforms "like_...".
    """

    name: str
    arguments: tuple[Bound, ...]
    type: PrimitiveType
    ignore_case: bool = False
    indexable: bool = True
    foldable: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """eq ne gt ge lt le. null_as_blank: '' counts as null (Salesforce profile, strings compared with null)."""

    operator: OneOf["eq", "ne", "gt", "ge", "lt", "le"]
    left: Bound
    right: Bound
    null_as_blank: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """true or false, known before the database is asked."""

    value: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """operand eq value, or operand ne value when negated, for a boolean operand: never null itself."""

    operand: Bound
    value: bool
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Conditional:
    """case(condition:value,...): the value of the first condition that is true, else null."""

    branches: tuple[tuple[Bound, Bound], ...]
    type: PrimitiveType


@dataclass(frozen=True, slots=True)
class Logic:
    """and, or over two or more conditions."""

    operator: OneOf["and", "or"]
    operands: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """not of a condition."""

    operand: Bound


@dataclass(frozen=True, slots=True)
class Negation:
    """Minus before a number or duration."""

    operand: Bound
    type: PrimitiveType


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two operands and the type of what they give."""

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
    """source/navigation/any(variable: predicate); predicate None for any() without argument.

    source, navigation: both None for $root/Set/any, which is of all entities of the set.
    """

    name: OneOf["any", "all"]
    source: Variable | None
    navigation: NavigationProperty | None
    variable: Variable
    predicate: Bound | None


@dataclass(frozen=True, slots=True)
class CountValue:
    """source/navigation/$count($filter=...;$search=...); both None for $root/Set/$count."""

    source: Variable | None
    navigation: NavigationProperty | None
    variable: Variable
    predicate: Bound | None = None


@dataclass(frozen=True, slots=True)
class NavigationIsNull:
    """Nav eq null (or ne null when negated) for a single-valued navigation property."""

    source: Variable
    navigation: NavigationProperty
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """now() in the order of a collection: the time of page 1, on the pages behind it too."""


@dataclass(frozen=True, slots=True)
class OfEntity:
    """operand, which begins at the entity that `variable.key` names: of a set, whatever row is read, or of the
    collection that `variable.navigation` leads to; without that entity, what it is behind a navigation property that
    leads nowhere."""

    variable: Variable
    operand: Bound


@dataclass(frozen=True, slots=True)
class SearchMatch:
    """One word or phrase of $search found in any searchable string property of variable, ignoring case; never null.

    indexable: as in FunctionCall.
    """

    variable: Variable
    properties: tuple[Property, ...]
    value: Value
    indexable: bool = True


Bound: TypeAlias = (
    Value | Null | PropertyValue | FunctionCall | Constant | Truth | Conditional | Comparison | Logic | Not | Negation
    | Arithmetic | Membership | Quantified | CountValue | NavigationIsNull | Moment | OfEntity | SearchMatch
)  # fmt: skip


def type_of(bound: Bound) -> PrimitiveType:
    """The primitive type of an expression's values."""
    match bound:
        case PropertyValue():
            return bound.property.storage if bound.stored else bound.property.type
        case Value() | Null() | FunctionCall() | Conditional() | Negation() | Arithmetic():
            return bound.type
        case CountValue():
            return INT64
        case Moment():
            return DATE_TIME_OFFSET
        case OfEntity():
            return type_of(bound.operand)
        case _:
            return BOOLEAN


def parts_of(bound: Bound) -> Iterator[Bound]:
    """An expression and all that it is made of."""
    yield bound
    for part in operands_of(bound):
        yield from parts_of(part)


def operands_of(bound: Bound) -> Iterator[Bound]:
    """The expressions that an expression itself is made of."""
    for field in fields(bound):
        for part in _flattened(getattr(bound, field.name)):
            if isinstance(part, get_args(Bound)):
                yield part


def has_moment(bound: Bound) -> bool:
    """Whether an order key depends on the time of page 1."""
    return any(isinstance(part, Moment) for part in parts_of(bound))


def _flattened(value: object) -> Iterator[object]:
    if not isinstance(value, tuple):
        yield value
        return
    for item in value:
        yield from _flattened(item)


def nullable(bound: Bound) -> bool:
    """Whether an expression may be null; a property reached over a navigation property always may."""
    match bound:
        case PropertyValue():
            return bound.property.nullable or bound.variable.source is not None
        case Null() | Conditional():
            return True
        case OfEntity():
            return isinstance(bound.operand, PropertyValue) or nullable(bound.operand)
        case FunctionCall():
            return bound.name == "cast" or any(nullable(argument) for argument in bound.arguments)
        case Logic():
            return any(nullable(operand) for operand in bound.operands)
        case Not() | Negation():
            return nullable(bound.operand)
        case Arithmetic():
            return nullable(bound.left) or nullable(bound.right)
        case _:
            return False
