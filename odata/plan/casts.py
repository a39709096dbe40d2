"""cast and isof: which pairs of types can be cast, and what is known before the database is asked.

In: a bound operand, or a literal as written, and the name of a type. Out: a FunctionCall "cast", the operand itself,
Null, Comparison or Constant. May refuse with BadRequest (400) or Unsupported (501). A literal is cast by the same SQL
as a stored text, so the two agree. Standard: URL Conventions, "cast" and "isof".
"""

from __future__ import annotations

from odata.edm.types import PRIMITIVE_TYPES, Family, PrimitiveType
from odata.errors import BadRequest, Unsupported
from odata.plan.bound import Bound, Comparison, Constant, FunctionCall, Null, Value, type_of
from odata.plan.literals import natural
from odata.plan.scope import Scope, nearest
from odata.url.nodes import Literal, TypeName

_FAMILIES: tuple[Family, ...] = (
    "boolean", "number", "guid", "date", "datetimeoffset", "timeofday", "duration", "binary", "enum",
)  # fmt: skip

CASTABLE: frozenset[tuple[Family, Family]] = frozenset(
    [
        *((family, "string") for family in _FAMILIES),
        *(("string", family) for family in _FAMILIES),
        ("number", "number"),
        ("number", "enum"),
        ("enum", "number"),
        ("date", "datetimeoffset"),
        ("datetimeoffset", "date"),
        ("datetimeoffset", "timeofday"),
    ]
)
"""(from, to); between numbers and enumeration types, whole numbers only."""


def cast(operand: Bound | Literal, type_name: TypeName, scope: Scope) -> Bound:
    """cast(x, Edm.Type); null where no rule of the standard leads from the one type to the other."""
    type = _named(type_name, scope)
    bound = natural(operand, scope) if isinstance(operand, Literal) else operand
    source = type_of(bound)
    if isinstance(bound, Null):
        return Null(type)
    if source is type:
        return bound
    return FunctionCall("cast", (bound,), type) if castable(source, type) else Null(type)


def castable(source: PrimitiveType, target: PrimitiveType) -> bool:
    """Whether values of one type may become values of another."""
    pair = source.family, target.family
    whole = {"number", "enum"} != set(pair) or (source.whole or target.whole)
    return whole and pair in CASTABLE


def isof(operand: Bound | Literal, type_name: TypeName, scope: Scope) -> Bound:
    """isof(x, Edm.Type): whether x is not null and of the type."""
    type = _named(type_name, scope)
    bound = natural(operand, scope) if isinstance(operand, Literal) else operand
    if type_of(bound) is not type or isinstance(bound, Null):
        return Constant(False)
    return Constant(True) if isinstance(bound, Value) else Comparison("ne", bound, Null(type))


def _named(type_name: TypeName, scope: Scope) -> PrimitiveType:
    """The primitive or enumeration type of a name; Edm may be left out."""
    name = type_name.name if "." in type_name.name else f"Edm.{type_name.name}"
    found = PRIMITIVE_TYPES.get(name) or scope.model.enums.get(name)
    if found is not None:
        return found
    if name.startswith("Edm.") or any(name == entry.type_name for entry in scope.model.sets.values()):
        raise Unsupported(
            f"cast and isof serve primitive types and enumerations, not {type_name.name} (offset {type_name.position})."
        )
    known = (*PRIMITIVE_TYPES, *scope.model.enums)
    raise BadRequest(f"No type '{type_name.name}' (offset {type_name.position}){nearest(type_name.name, known)}")
