"""Calls: canonical functions and arithmetic with their overloads chosen.

In: operands that are bound, or literals still as written. Out: FunctionCall, Arithmetic, Negation. May refuse with
TypeMismatch, InvalidLiteral (400) or Unsupported (501). Standard: URL Conventions, "Canonical Functions", "Arithmetic
Operators".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal as OneOf
from typing import TypeAlias

from odata.edm.types import (
    DATE,
    DATE_TIME_OFFSET,
    DECIMAL,
    DOUBLE,
    DURATION,
    GUID,
    INT32,
    INT64,
    SINGLE,
    STRING,
    PrimitiveType,
)
from odata.errors import InvalidLiteral, TypeMismatch, Unsupported
from odata.functions import FUNCTIONS, UNSUPPORTED, Function, fits, overload
from odata.plan.bound import (
    Arithmetic,
    Bound,
    FunctionCall,
    Moment,
    Negation,
    Null,
    PropertyValue,
    Value,
    type_of,
)
from odata.plan.compare import cast_to
from odata.plan.literals import KINDS, indexable, literal_value, natural, shown
from odata.plan.scope import Scope
from odata.url.nodes import Call, Literal

ArithmeticOperator: TypeAlias = OneOf["add", "sub", "mul", "div", "divby", "mod"]

PATTERNS = {"contains": "like_contains", "startswith": "like_startswith", "endswith": "like_endswith", "indexof": None}
UTC_PARTS = frozenset({"year", "month", "day", "hour", "minute", "date", "time"})


def call(node: Call, arguments: tuple[Bound | Literal, ...], scope: Scope) -> Bound:
    """A canonical function with its overload.

    Raises: TypeMismatch (400) naming what would fit.
    """
    chosen = _overload(node, arguments, scope)
    bound = tuple(map(_argument, arguments, chosen.parameters, [scope] * len(arguments)))
    _check_zone(node, arguments, scope)
    if node.name == "now" and scope.ordering:
        return Moment()
    returns = chosen.returns or (type_of(bound[0]) if bound else STRING)
    if any(isinstance(argument, Null) for argument in bound):
        return Null(returns)
    if node.name == "totaloffsetminutes" and isinstance(arguments[0], Literal):
        return literal_value(arguments[0], INT32, "offset_minutes", DATE_TIME_OFFSET)
    if node.name == "substring" and len(bound) == 3 and isinstance(bound[2], Value):
        bound = (*bound[:2], replace(bound[2], transform="not_negative"))
        literal_value(arguments[2], INT32, "not_negative")  # type: ignore[arg-type]
    if node.name in PATTERNS:
        return _search(node.name, bound, arguments[1], returns, scope)
    return FunctionCall(node.name, bound, returns)


def check_served(node: Call) -> None:
    """Refuse functions that are not served (501) before their arguments are looked at; `url` refuses unknown names."""
    if node.name in UNSUPPORTED:
        raise Unsupported(f"The function {node.name} is not served: {UNSUPPORTED[node.name]}.", target=node.name)


def _search(
    name: str, bound: tuple[Bound, ...], pattern: Bound | Literal, returns: PrimitiveType, scope: Scope
) -> FunctionCall:
    """contains and its kin: a literal pattern is for LIKE, which a trigram index serves unless the pattern is short."""
    if not isinstance(pattern, Literal) or not isinstance(bound[1], Value):
        return FunctionCall(name, bound, returns, scope.lenient)
    searched = [bound[0].property] if isinstance(bound[0], PropertyValue) else []
    foldable = scope.lenient or bool(scope.guards.ask("folds_alone", pattern))
    value = replace(bound[1], transform=PATTERNS[name])
    served = indexable(name, pattern, searched, scope)
    return FunctionCall(name, (bound[0], value), returns, scope.lenient, served, foldable)


def _overload(node: Call, arguments: tuple[Bound | Literal, ...], scope: Scope) -> Function:
    types = tuple(_argument_type(argument, scope) for argument in arguments)
    exact = overload(node.name, types)
    if exact is not None:
        return exact
    for entry in FUNCTIONS[node.name]:
        if len(entry.parameters) == len(arguments) and all(
            _may_stand(argument, parameter, scope)
            for argument, parameter in zip(arguments, entry.parameters, strict=True)
        ):
            return entry
    wanted = " or ".join(entry.signature.partition(" ")[0] for entry in FUNCTIONS[node.name])
    read = ", ".join(type.name for type in types) or "no argument"
    raise TypeMismatch(f"{node.name} (offset {node.position}) was given {read}; it takes {wanted}.")


def _argument_type(argument: Bound | Literal, scope: Scope) -> PrimitiveType:
    return type_of(natural(argument, scope) if isinstance(argument, Literal) else argument)


def _may_stand(argument: Bound | Literal, parameter: PrimitiveType, scope: Scope) -> bool:
    if isinstance(argument, Null):
        return True
    if isinstance(argument, Literal):
        return argument.kind == "null" or (argument.kind in KINDS[parameter.family] and parameter.family != "enum")
    type = type_of(argument)
    return fits(type, parameter) or (scope.lenient and type is GUID and parameter is STRING)


def _argument(argument: Bound | Literal, parameter: PrimitiveType, scope: Scope) -> Bound:
    if isinstance(argument, Literal):
        if argument.kind == "null":
            return Null(parameter)
        return literal_value(argument, parameter) if parameter in (INT32, DURATION) else natural(argument, scope)
    if isinstance(argument, Null):
        return Null(parameter)
    return cast_to(argument, STRING) if parameter is STRING and type_of(argument) is GUID else argument


def _check_zone(node: Call, arguments: tuple[Bound | Literal, ...], scope: Scope) -> None:
    """Parts of a literal are those of its own offset; stored values are in UTC, so other literals must fail."""
    if node.name not in UTC_PARTS or not isinstance(arguments[0], Literal) or arguments[0].kind != "datetimeoffset":
        return
    if not scope.guards.ask("in_utc", arguments[0]):
        raise InvalidLiteral(
            f"{node.name} (offset {node.position}) takes a literal in UTC, written with Z, not {shown(arguments[0])}."
        )


# --- arithmetic ------------------------------------------------------------------------------------------------------


def arithmetic(
    operator: ArithmeticOperator, left: Bound | Literal, right: Bound | Literal, scope: Scope, position: int
) -> Bound:
    """left operator right, numbers, dates and durations; null with null."""
    left, right = _operand(left, right, scope), _operand(right, left, scope)
    types = type_of(left), type_of(right)
    if isinstance(left, Null) or isinstance(right, Null):
        return Null(types[0] if isinstance(right, Null) else types[1])
    type = _result(operator, *types)
    if type is None:
        raise TypeMismatch(f"'{operator}' (offset {position}) does not take {types[0].name} and {types[1].name}.")
    return Arithmetic(operator, left, right, type)


def _operand(operand: Bound | Literal, other: Bound | Literal, scope: Scope) -> Bound:
    """A literal by its own form; a quoted duration is one where dates and times are reckoned."""
    if not isinstance(operand, Literal):
        return operand
    reckoned = not isinstance(other, Literal) and type_of(other).family in ("date", "datetimeoffset", "duration")
    if operand.kind == "string" and reckoned:
        return literal_value(operand, DURATION)
    return natural(operand, scope)


def _result(operator: str, left: PrimitiveType, right: PrimitiveType) -> PrimitiveType | None:
    if left.family == "number" and right.family == "number":
        if DOUBLE in (left, right) or SINGLE in (left, right):
            return DOUBLE
        return INT64 if left.whole and right.whole and operator != "divby" else DECIMAL
    return _TEMPORAL.get((operator, left.family, right.family))


_TEMPORAL: dict[tuple[str, str, str], PrimitiveType] = {
    ("add", "datetimeoffset", "duration"): DATE_TIME_OFFSET,
    ("sub", "datetimeoffset", "duration"): DATE_TIME_OFFSET,
    ("sub", "datetimeoffset", "datetimeoffset"): DURATION,
    ("add", "date", "duration"): DATE,
    ("sub", "date", "duration"): DATE,
    ("sub", "date", "date"): DURATION,
    ("add", "duration", "duration"): DURATION,
    ("sub", "duration", "duration"): DURATION,
    ("add", "duration", "datetimeoffset"): DATE_TIME_OFFSET,
    ("mul", "duration", "number"): DURATION,
    ("mul", "number", "duration"): DURATION,
    ("div", "duration", "number"): DURATION,
    ("divby", "duration", "number"): DURATION,
}


def negation(operand: Bound | Literal, scope: Scope, position: int) -> Bound:
    """-x of a number or a duration."""
    bound = natural(operand, scope) if isinstance(operand, Literal) else operand
    type = type_of(bound)
    if isinstance(bound, Null):
        return bound
    if type.family not in ("number", "duration"):
        raise TypeMismatch(f"'-' (offset {position}) does not take {type.name}.")
    return Negation(bound, INT64 if type.whole else type)
