"""Literals meet types: which bind value a literal becomes where a type is expected, or by its own form.

May refuse with InvalidLiteral or TypeMismatch (400), naming the literal and what would fit.
"""

from __future__ import annotations

from collections.abc import Sequence

from odata.edm.model import Property
from odata.edm.types import (
    BINARY,
    DATE,
    DATE_TIME_OFFSET,
    DECIMAL,
    DOUBLE,
    DURATION,
    GUID,
    INT64,
    NULL,
    STRING,
    TIME_OF_DAY,
    PrimitiveType,
)
from odata.errors import BadRequest, TypeMismatch, Unsupported
from odata.plan.bound import Bound, Constant, FunctionCall, Null, OfEntity, PropertyValue, Value, place_of, type_of
from odata.plan.scope import Scope, nearest
from odata.plan.values import database_text
from odata.url.nodes import Expression, Literal

NATURAL_TYPES: dict[str, PrimitiveType] = {
    "string": STRING,
    "decimal": DECIMAL,
    "double": DOUBLE,
    "guid": GUID,
    "date": DATE,
    "datetimeoffset": DATE_TIME_OFFSET,
    "timeofday": TIME_OF_DAY,
    "duration": DURATION,
    "binary": BINARY,
}

# Kinds of literal that denote values of a family; strings stand for all others in the salesforce profile.
KINDS: dict[str, tuple[str, ...]] = {
    "boolean": ("boolean",),
    "number": ("integer", "decimal", "double"),
    "string": ("string",),
    "guid": ("guid",),
    "date": ("date",),
    "datetimeoffset": ("datetimeoffset",),
    "timeofday": ("timeofday",),
    "duration": ("duration", "string"),
    "binary": ("binary",),
    "enum": ("enum", "string"),
    "null": (),
}


def literal_value(
    literal: Literal, type: PrimitiveType, transform: str | None = None, read_as: PrimitiveType | None = None
) -> Value:
    """The bind value of a literal, checked against the type's value space."""
    value = Value(type, literal.kind, literal.text, place_of(literal.span), transform, read_as)
    database_text(value)
    return value


_PART = ("short_part", "short_joined_part")
_SHORT = {
    "contains": _PART, "indexof": _PART,
    "startswith": ("short_beginning", "short_beginning"), "endswith": ("short_ending", "short_joined_ending"),
}  # fmt: skip
"""Function -> the class of patterns that hold too few trigrams: of texts as they are, of joined ones."""


def indexable(function: str, pattern: Literal, searched: Sequence[Property], scope: Scope) -> bool:
    """Whether a pattern holds enough trigrams for the index of each property that is searched."""
    classes = {_SHORT[function][item.exposed.joined_index] for item in searched} or {_SHORT[function][False]}
    return not any(scope.guards.ask(name, pattern) for name in sorted(classes))


def natural(literal: Literal, scope: Scope) -> Bound:
    """A literal by its own form, where nothing says what is expected."""
    kind = literal.kind
    if kind == "null":
        return Null(NULL)
    if kind == "boolean":
        return Constant(scope.guards.ask("boolean", literal) == "true")
    if kind == "integer":
        fits = scope.guards.ask("number", literal) == "integer"
        return literal_value(literal, INT64 if fits else DECIMAL)
    if kind == "enum":
        return literal_value(literal, _enum_type(literal, scope))
    if kind in ("geography", "geometry"):
        raise Unsupported(f"{kind} literals are not served (offset {literal.span.start}).", target="$filter")
    return literal_value(literal, NATURAL_TYPES[kind])


def _enum_type(literal: Literal, scope: Scope) -> PrimitiveType:
    name = literal.type_name or ""
    found = scope.model.enums.get(name)
    if found is None:
        raise TypeMismatch(
            f"No enumeration type '{name}' (offset {literal.span.start}){nearest(name, scope.model.enums)}"
        )
    return found


def check_kind(literal: Literal, type: PrimitiveType, what: str, scope: Scope) -> None:
    """Refuse a literal of a kind that never denotes a type.

    Raises: TypeMismatch with offset and the kinds that would fit.
    """
    kinds = KINDS[type.family]
    if literal.kind in kinds or (literal.kind == "string" and scope.lenient):
        if literal.kind == "enum" and literal.type_name != type.name:
            raise mismatch(what, type, literal)
        return
    raise mismatch(what, type, literal)


def mismatch(what: str, type: PrimitiveType, literal: Literal) -> TypeMismatch:
    """The error for a literal of a kind that `type` does not compare with; what: name of the other operand."""
    hint = {
        "guid": "; a Guid stands without quotes",
        "number": "; a number stands without quotes",
        "string": "; a text stands in single quotes",
    }.get(type.family, "")
    return TypeMismatch(
        f"{what} is {type.name} and does not compare with the {literal.kind} literal {shown(literal)} "
        f"(offset {literal.span.start}){hint}."
    )


def shown(literal: Literal) -> str:
    """A literal in a message."""
    text = literal.text if len(literal.text) <= 40 else literal.text[:37] + "..."
    return f"'{text}'" if literal.kind == "string" else text


def described(bound: Bound) -> str:
    """An expression in a message."""
    if isinstance(bound, OfEntity):
        return described(bound.operand)
    if isinstance(bound, PropertyValue):
        return f"'{bound.property.name}'"
    if isinstance(bound, FunctionCall):
        return f"{bound.name}(...)"
    return f"an expression of {type_of(bound).name}"


def key_value(expression: Expression, property: Property, scope: Scope) -> Value | Null:
    """The value of a key predicate for a key property; Null for one that no entity has.

    Quoted Guids and numbers are taken in the salesforce profile; record ids of 15 characters are widened.
    Raises: BadRequest for anything but a literal, TypeMismatch, InvalidLiteral.
    """
    literal = scope.resolve(expression)
    if not isinstance(literal, Literal) or literal.kind == "null":
        raise BadRequest(
            f"The key property {property.name} takes a literal of {property.type.name}.", target=property.name
        )
    if property.storage is DATE:
        return _date_key(literal, property, scope)
    check_kind(literal, property.storage, f"'{property.name}'", scope)
    return literal_value(literal, property.storage, "widen_record_id" if property.exposed.record_id else None)


def _date_key(literal: Literal, property: Property, scope: Scope) -> Value | Null:
    """A date in every form that a filter takes; a point in time within a day is no key of an entity."""
    if not (scope.lenient and literal.kind in ("date", "datetimeoffset", "string")):
        check_kind(literal, property.type, f"'{property.name}'", scope)
    value = literal_value(literal, DATE)
    return value if scope.guards.ask("utc_midnight", literal) else Null(DATE)
