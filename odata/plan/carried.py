"""What expansions at any depth ask of $it, the entity whose resource path was read: properties that its page carries
beside those that are shown.

In: the Expansions of a request. Out: Properties of $it, never none where an option names it: planning may fold away
every use, and the next link still says by its key which entity was meant. Standard: URL Conventions, "$it".
"""

from __future__ import annotations

from collections.abc import Iterator

from odata.edm.model import Property
from odata.plan.bound import (
    Bound,
    CountValue,
    NavigationIsNull,
    PropertyValue,
    Quantified,
    Variable,
    parts_of,
)
from odata.plan.plans import Expansion


def carried(it: Variable, expansions: tuple[Expansion, ...]) -> tuple[Property, ...]:
    """The key of `it`, and its properties that conditions and orders of expansions read, or that lead on from it."""
    asked = (
        property
        for expression in _expressions(expansions)
        for part in parts_of(expression)
        for property in _asked(it, part)
    )
    return tuple(dict.fromkeys((*it.set.key, *asked)))


def _expressions(expansions: tuple[Expansion, ...]) -> Iterator[Bound]:
    for expansion in expansions:
        if expansion.filter is not None:
            yield expansion.filter
        yield from (key.expression for key in expansion.order)
        yield from _expressions(expansion.selection.expansions)


def _asked(it: Variable, part: Bound) -> Iterator[Property]:
    """What one node reads of `it`: a property, or the properties by which navigation leaves it."""
    match part:
        case PropertyValue():
            variable = part.variable
            if variable == it:
                yield part.property
        case Quantified() | CountValue() | NavigationIsNull():
            if part.source is None or part.navigation is None:
                return
            variable = part.source
            if variable == it:
                yield from (own for own, _ in part.navigation.on)
        case _:
            return
    while variable.source is not None and variable.navigation is not None:
        if variable.source == it:
            yield from (own for own, _ in variable.navigation.on)
        variable = variable.source
