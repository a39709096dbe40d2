"""A naive evaluator of filters over rows in memory: the standard's words in the plainest Python, nothing rewritten.

In: expression nodes as parsed (names as written) and rows by entity set. Out: True, False or None (unknown). It shares
no code with `plan` and `sql`. Unserved on purpose: what the generator never makes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any
from uuid import UUID

from odata.edm.model import EntitySet, Model, NavigationProperty
from odata.url.nodes import (
    Binary,
    Call,
    Case,
    CountOf,
    Expression,
    Lambda,
    ListExpression,
    Literal,
    Logical,
    ParameterAlias,
    Path,
    TypeName,
    Unary,
)  # fmt: skip
from tests.differential.casts import cast

WHITE_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and c not in "\x1c\x1d\x1e\x1f")
Row = dict[str, Any]


class Arithmetic(Exception):
    """Division by zero or overflow: the answer is an error, or none if nobody looks."""


@dataclass(frozen=True)
class Member:
    """A member of an enumeration; compares by its number."""

    number: int


@dataclass(frozen=True)
class Evaluator:
    """lenient: the salesforce profile."""

    model: Model
    rows: dict[str, list[Row]]
    lenient: bool

    def passes(self, expression: Expression, entity_set: str, row: Row, it: Row | None = None) -> bool:
        """Whether a row passes a filter; unknown does not. it: the entity of the same set that $it is, if another."""
        here = (self.model.sets[entity_set], row)
        with localcontext(Context(prec=200)):
            return self.value(expression, {"": here, "$it": (here[0], row if it is None else it)}) is True

    def value(self, node: Expression, scope: dict[str, tuple[EntitySet, Row]]) -> Any:
        match node:
            case Literal():
                return literal(node)
            case Path():
                return self.path(node, scope)
            case Logical():
                values = [self.value(operand, scope) for operand in node.operands]
                decisive = node.operator == "or"
                return decisive if decisive in values else None if None in values else not decisive
            case Unary(operator="not"):
                operand = self.value(node.operand, scope)
                return None if operand is None else not operand
            case Unary():
                operand = self.value(node.operand, scope)
                return None if operand is None else -operand
            case Case():
                for condition, result in node.branches:
                    if self.value(condition, scope) is True:
                        return self.value(result, scope)
                return None
            case Binary():
                return self.binary(node, scope)
            case Call():
                return self.call(node, scope)
            case ParameterAlias():
                return None
        raise NotImplementedError(node)

    # --- operators ---

    def binary(self, node: Binary, scope: dict[str, tuple[EntitySet, Row]]) -> Any:
        if node.operator == "in":
            assert isinstance(node.right, ListExpression)
            left = self.value(node.left, scope)
            return any(self.equal(left, self.value(item, scope), item) for item in node.right.items)
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        if node.operator in ("eq", "ne"):
            if self.found_nothing(node, left, right):
                return False
            equal = self.equal(left, right, node.right) or self.equal(right, left, node.left)
            return equal if node.operator == "eq" else not equal
        if node.operator in ("gt", "ge", "lt", "le"):
            if left is None or right is None:
                return False
            left, right = fitted(left, right)
            return ORDER[node.operator](left, right)
        if left is None or right is None:
            return None
        if node.operator == "has":
            left, right = fitted(left, right)
            return left == right
        return arithmetic(node.operator, left, right)

    def equal(self, left: Any, right: Any, right_node: Expression) -> bool:
        if left is None or right is None:
            blank = self.lenient and isinstance(right_node, Literal) and right_node.kind == "null" and left == ""
            return (left is None and right is None) or blank
        left, right = fitted(left, right)
        return bool(left == right)

    def found_nothing(self, node: Binary, left: Any, right: Any) -> bool:
        """indexof(null,'x') ne -1 means "contains" to Salesforce."""
        if not self.lenient or node.operator != "ne":
            return False
        for side, value, other in ((node.left, left, right), (node.right, right, left)):
            if isinstance(side, Call) and side.name == "indexof" and isinstance(side.arguments[1], Literal):
                return value is None and other == -1
        return False

    # --- functions ---

    def call(self, node: Call, scope: dict[str, tuple[EntitySet, Row]]) -> Any:
        if isinstance(node.arguments[-1], TypeName):
            value = self.value(node.arguments[0], scope)
            name = node.arguments[-1].name.rpartition(".")[2]
            return None if value is None else cast(value, name, Member, lambda one: getattr(one, "number", None))
        values = [self.value(argument, scope) for argument in node.arguments]
        if any(value is None for value in values):
            return None
        if self.lenient and node.name in ("contains", "startswith", "endswith", "indexof"):
            values = [lower(str(value)) for value in values]
        return FUNCTIONS[node.name](*values)

    # --- paths ---

    def path(self, node: Path, scope: dict[str, tuple[EntitySet, Row]]) -> Any:
        steps = [step.name for step in node.steps]
        entity_set, row = scope[""]
        if steps[0] == "$this":
            steps.pop(0)
        elif steps[0] in scope:
            entity_set, row = scope[steps.pop(0)]
        current: Row | None = row
        for index, name in enumerate(steps):
            if name in entity_set.properties:
                if current is None:
                    return None
                return stored(current[name], entity_set, name)
            navigation = entity_set.navigation[name]
            targets = [] if current is None else related(current, navigation, self.rows)
            entity_set = navigation.target
            if navigation.collection:
                assert index == len(steps) - 1
                return self.collection(node, entity_set, targets, scope)
            current = targets[0] if targets else None
        return current

    def collection(
        self, node: Path, entity_set: EntitySet, targets: list[Row], scope: dict[str, tuple[EntitySet, Row]]
    ) -> Any:
        if isinstance(node.tail, CountOf):
            if node.tail.options is None or node.tail.options.filter is None:
                return len(targets)
            condition = node.tail.options.filter
            return sum(self.value(condition, {**scope, "": (entity_set, row)}) is True for row in targets)
        assert isinstance(node.tail, Lambda)
        if node.tail.predicate is None or node.tail.variable is None:
            return bool(targets)
        answers = [
            self.value(node.tail.predicate, {**scope, node.tail.variable: (entity_set, row)}) is True for row in targets
        ]
        return any(answers) if node.tail.name == "any" else all(answers)


def related(row: Row, navigation: NavigationProperty, rows: dict[str, list[Row]]) -> list[Row]:
    return [
        other
        for other in rows[navigation.target.name]
        if all(row[own.name] is not None and row[own.name] == other[its.name] for own, its in navigation.on)
    ]


# --- values ---


def stored(value: Any, entity_set: EntitySet, name: str) -> Any:
    members = getattr(entity_set.properties[name].type, "members", None)
    return Member(members[value]) if members and value is not None else value


def literal(node: Literal) -> Any:
    return LITERALS[node.kind](node.text)


def number(text: str) -> Any:
    if text in ("INF", "-INF", "NaN"):
        return float(text.replace("INF", "inf"))
    decimal = Decimal(text)
    return int(decimal) if decimal == decimal.to_integral_value() else decimal


def duration(text: str) -> timedelta:
    sign = -1 if text.startswith("-") else 1
    day, _, clock = text.lstrip("-")[1:].partition("T")
    parts = {"D": 0.0, "H": 0.0, "M": 0.0, "S": 0.0}
    digits = ""
    for character in day + clock:
        if character in parts:
            parts[character], digits = float(digits), ""
        else:
            digits += character
    return sign * timedelta(days=parts["D"], hours=parts["H"], minutes=parts["M"], seconds=parts["S"])


LITERALS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "boolean": lambda text: text == "true",
    "string": lambda text: text,
    "enum": lambda text: text,
    "integer": number,
    "decimal": number,
    "double": number,
    "guid": UUID,
    "date": date.fromisoformat,
    "datetimeoffset": datetime.fromisoformat,
    "timeofday": time.fromisoformat,
    "duration": duration,
}


def fitted(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides in one Python type."""
    if isinstance(left, str) and not isinstance(right, str):
        right, left = fitted(right, left)
        return left, right
    if isinstance(right, str):
        right = FROM_TEXT[type(left)](right)
    if isinstance(left, Member) and isinstance(right, Member):
        return left.number, right.number
    if isinstance(left, datetime) != isinstance(right, datetime) and isinstance(left, date) and isinstance(right, date):
        return moment(left), moment(right)
    if isinstance(left, float) or isinstance(right, float):
        return as_float(left), as_float(right)
    return left, right


def moment(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)


def as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Arithmetic from None


FROM_TEXT: dict[type, Callable[[str], Any]] = {
    str: str,
    int: number,
    float: number,
    Decimal: number,
    bool: lambda text: text == "true",
    UUID: lambda text: UUID(text) if len(text) == 36 else text,
    Member: lambda text: Member(("Red", "Green", "Blue").index(text)),
    date: lambda text: datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text),
    datetime: lambda text: datetime.fromisoformat(text) if "T" in text else moment(date.fromisoformat(text)),
    time: time.fromisoformat,
    timedelta: duration,
}

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}


def arithmetic(operator: str, left: Any, right: Any) -> Any:
    if isinstance(left, date) and not isinstance(left, datetime):
        if isinstance(right, timedelta):
            days = math.trunc(right / timedelta(days=1))
            return shifted(left, timedelta(days=days if operator == "add" else -days))
        return left - right
    if isinstance(right, timedelta) and isinstance(left, datetime):
        return shifted(left, right if operator == "add" else -right)
    if isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        if isinstance(left, float) or isinstance(right, float):
            left, right = as_float(left), as_float(right)
        return NUMERIC[operator](left, right)
    return left - right if operator == "sub" else left + right


def shifted(value: Any, by: timedelta) -> Any:
    try:
        return value + by
    except OverflowError:
        raise Arithmetic from None


def product(left: Any, right: Any) -> Any:
    result = left * right
    if isinstance(result, float) and math.isinf(result) and not (math.isinf(left) or math.isinf(right)):
        raise Arithmetic
    return result


def quotient(left: Any, right: Any) -> Any:
    if right == 0:
        if isinstance(left, float):
            return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left)
        raise Arithmetic
    if isinstance(left, int) and isinstance(right, int):
        return int(Decimal(left) / Decimal(right))
    return left / right


def quotient_by(left: Any, right: Any) -> Any:
    if right == 0:
        return math.nan if left == 0 else math.inf if left > 0 else -math.inf
    return left / right if isinstance(left, float) else Decimal(left) / Decimal(right)


def remainder(left: Any, right: Any) -> Any:
    if right == 0 or isinstance(left, float):
        raise Arithmetic
    return left - right * int(Decimal(left) / Decimal(right))


NUMERIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": product,
    "div": quotient,
    "divby": quotient_by,
    "mod": remainder,
}


# --- functions ---


def lower(text: str) -> str:
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def upper(text: str) -> str:
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in text)


def substring(text: str, start: Any, length: Any = None) -> str:
    start = max(len(text) + start, 0) if start < 0 else start
    return text[start:] if length is None else text[start : start + length]


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isnan(value) or math.isinf(value) else math.trunc(value + math.copysign(0.5, value)) * 1.0
    return Decimal(value).to_integral_value(ROUND_HALF_UP)


def floored(value: Any, rounding: str, function: Callable[[float], float]) -> Any:
    if isinstance(value, float):
        return value if math.isnan(value) or math.isinf(value) else float(function(value))
    return Decimal(value).to_integral_value(rounding)


def in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "indexof": lambda text, part: text.find(part),
    "concat": lambda left, right: left + right,
    "length": len,
    "substring": substring,
    "tolower": lower,
    "toupper": upper,
    "trim": lambda text: text.strip(WHITE_SPACE),
    "round": rounded,
    "floor": lambda value: floored(value, ROUND_FLOOR, math.floor),
    "ceiling": lambda value: floored(value, ROUND_CEILING, math.ceil),
    "year": lambda value: in_utc(value).year,
    "month": lambda value: in_utc(value).month,
    "day": lambda value: in_utc(value).day,
    "hour": lambda value: in_utc(value).hour,
    "minute": lambda value: in_utc(value).minute,
    "second": lambda value: in_utc(value).second,
    "fractionalseconds": lambda value: Decimal(in_utc(value).microsecond) / 1_000_000,
    "date": lambda value: in_utc(value).date(),
    "time": lambda value: in_utc(value).time(),
    "totalseconds": lambda value: Decimal(value // timedelta(microseconds=1)) / 1_000_000,
    "totaloffsetminutes": lambda value: 0,
}
