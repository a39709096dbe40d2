"""$orderby, and the total order that every collection gets.

In: items as written. Out: OrderKeys that end with the key, so no two entities are equal. Standard: URL Conventions,
"System Query Option $orderby".
"""

from __future__ import annotations

from collections.abc import Iterator

from odata.edm.model import Property
from odata.errors import InvalidOption, LimitExceeded, about
from odata.plan.bind import bind
from odata.plan.bound import (
    Bound,
    CountValue,
    FunctionCall,
    NavigationIsNull,
    OfEntity,
    PropertyValue,
    Quantified,
    Variable,
    nullable,
    parts_of,
    type_of,
)
from odata.plan.plans import OrderKey
from odata.plan.scope import Scope
from odata.plan.weight import require_light
from odata.url.nodes import OrderByItem

UNSORTABLE_TYPES = frozenset({"Edm.Binary"})


def total_order(items: tuple[OrderByItem, ...] | None, variable: Variable, scope: Scope) -> tuple[OrderKey, ...]:
    """Keys of the client's order, or of the set's default order, then the key properties that are missing.

    The appended key runs in the direction of the last item, so one index serves an order and its reverse.
    Raises: LimitExceeded, InvalidOption (400) for what cannot be sorted.
    """
    if items and len(items) > scope.limits.orderby_items:
        raise LimitExceeded(
            f"$orderby has {len(items)} items; the limit is {scope.limits.orderby_items}.", target="$orderby"
        )
    keys = _asked(items, scope) if items else _default(variable)
    seen = {key.expression for key in keys}
    keys = [key for index, key in enumerate(keys) if key.expression not in {k.expression for k in keys[:index]}]
    descending = keys[-1].descending if keys else False
    for property in variable.set.key:
        expression = PropertyValue(variable, property)
        if expression not in seen:
            keys.append(OrderKey(expression, descending, False))
    return tuple(_until_unique(keys, variable))


def _asked(items: tuple[OrderByItem, ...], scope: Scope) -> list[OrderKey]:
    keys = []
    for item in items:
        with about("$orderby"):
            expression = require_light(bind(item.expression, scope), scope.limits)
        _check_sortable(expression)
        if not _reads(expression, scope.implicit):
            continue  # the same for every row
        keys.append(OrderKey(expression, item.descending, nullable(expression)))
    return keys


def _default(variable: Variable) -> list[OrderKey]:
    keys = []
    for item in variable.set.exposed.default_order:
        property = variable.set.properties[item.property]
        keys.append(OrderKey(PropertyValue(variable, property), item.descending, property.nullable))
    return keys


def _check_sortable(expression: Bound) -> None:
    long = _unsortable(expression)
    if long is not None:
        raise InvalidOption(
            f"'{long.name}' cannot be sorted by: it is declared NonSortable (longer than 1,024 characters).",
            target="$orderby",
        )
    if type_of(expression).name in UNSORTABLE_TYPES:
        raise InvalidOption(f"Values of {type_of(expression).name} have no order.", target="$orderby")


def _reads(expression: Bound, variable: Variable) -> bool:
    """Whether any part of an expression begins at a variable."""
    return any(begin == variable for part in parts_of(expression) for begin in _begin(part))


def _begin(part: Bound) -> Iterator[Variable]:
    match part:
        case PropertyValue():
            variable = part.variable
        case Quantified() | CountValue() | NavigationIsNull():
            if part.source is None:
                return
            variable = part.source
        case _:
            return
    while variable.source is not None:
        variable = variable.source
    yield variable


def _unsortable(expression: Bound) -> Property | None:
    """The NonSortable property whose text would become the order key, as itself or through functions of text."""
    if isinstance(expression, PropertyValue):
        return None if expression.property.sortable else expression.property
    if isinstance(expression, OfEntity):
        return _unsortable(expression.operand)
    if isinstance(expression, FunctionCall) and type_of(expression).name == "Edm.String":
        return next((found for one in expression.arguments if (found := _unsortable(one)) is not None), None)
    return None


def _until_unique(keys: list[OrderKey], variable: Variable) -> list[OrderKey]:
    """Keys behind the point where the whole entity key has been seen decide nothing and are dropped."""
    missing = set(variable.set.key)
    for index, key in enumerate(keys):
        if isinstance(key.expression, PropertyValue) and key.expression.variable is variable:
            missing.discard(key.expression.property)
        if not missing:
            return keys[: index + 1]
    return keys
