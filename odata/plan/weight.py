"""Weight: how many nodes the SQL of an expression holds, each counted as often as it is written there.

In: a bound expression. Out: the same, or LimitExceeded (400). Some functions and operators name an operand several
times; nested, that multiplies: `substring` names its position nine times, so five of them within each other would be
five megabytes of SQL. Knows how often (a test measures it), not the SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from odata.errors import LimitExceeded
from odata.plan.bound import Arithmetic, Bound, FunctionCall, Membership, operands_of
from odata.plan.limits import Limits

COPIES: Final[dict[str, tuple[int, ...]]] = {
    "cast": (4,),
    "endswith": (1, 2),
    "fractionalseconds": (2,),
    "round": (2,),
    "startswith": (1, 2),
    "substring": (2, 9, 3),
}
"""How often a function's SQL names each of its arguments, at most; once where nothing is said."""
QUOTIENT_COPIES: Final = 4
MEMBER_COPIES: Final = 2


def require_light(bound: Bound, limits: Limits) -> Bound:
    """The expression itself. Raises: LimitExceeded (400) naming limit and value."""
    weight = _weight(bound)
    if weight > limits.expression_copies:
        raise LimitExceeded(
            f"The expression comes to {weight} nodes of SQL; the limit is {limits.expression_copies}. Functions and "
            "divisions within each other name their operands several times."
        )
    return bound


def _weight(bound: Bound) -> int:
    return 1 + sum(copies * _weight(operand) for operand, copies in _operands(bound))


def _operands(bound: Bound) -> Iterator[tuple[Bound, int]]:
    """Each with how often it is named."""
    match bound:
        case FunctionCall():
            copies = COPIES.get(bound.name, ())
            for index, argument in enumerate(bound.arguments):
                yield argument, copies[index] if index < len(copies) else 1
        case Membership():
            yield from ((operand, MEMBER_COPIES) for operand in (bound.operand, *bound.others))
        case Arithmetic(operator="div" | "divby"):
            yield from ((operand, QUOTIENT_COPIES) for operand in (bound.left, bound.right))
        case _:
            yield from ((operand, 1) for operand in operands_of(bound))
