"""Weights: how often functions and operators name an operand is what their SQL says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, literal_column

from odata.edm.types import PRIMITIVE_TYPES, PrimitiveType
from odata.functions import FUNCTIONS, Function
from odata.mapping import sql_type
from odata.plan.weight import COPIES
from odata.sql.casts import cast_value
from tests.filtering import DIALECT

OVERLOADS = [entry for entries in FUNCTIONS.values() for entry in entries]


def named(make: Callable[..., Any], types: tuple[PrimitiveType, ...], index: int) -> int:
    """How often the SQL names one of the arguments."""
    arguments: list[Any] = [literal_column("other", sql_type(type)) for type in types]
    arguments[index] = func.the_operand(type_=sql_type(types[index]))
    return str(make(*arguments).compile(dialect=DIALECT)).count("the_operand()")


@pytest.mark.parametrize("entry", OVERLOADS, ids=lambda entry: entry.signature)
def test_functions(entry: Function) -> None:
    for index in range(len(entry.parameters)):
        copies = COPIES.get(entry.name, ())
        most = copies[index] if index < len(copies) else 1
        assert named(entry.sql, entry.parameters, index) <= most, (entry.signature, index)


def test_every_number_is_reached() -> None:
    for name, copies in COPIES.items():
        if name != "cast":
            found = [
                max(named(entry.sql, entry.parameters, at) for entry in FUNCTIONS[name] if at < len(entry.parameters))
                for at in range(len(copies))
            ]
            assert found == list(copies), name


def test_casts() -> None:
    types = list(PRIMITIVE_TYPES.values())
    found = [_named_by_cast(source, target) for source in types for target in types]
    assert max(found) == COPIES["cast"][0]


def _named_by_cast(source: PrimitiveType, target: PrimitiveType) -> int:
    try:
        return named(lambda operand: cast_value(operand, source, target), (source,), 0)
    except (KeyError, AssertionError):  # a pair that the standard has no rule for
        return 0
