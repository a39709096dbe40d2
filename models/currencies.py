"""Amounts of money: the decimals of a currency, and rounding. Decimal only."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

_BY_DECIMALS: Final = {
    0: ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
        "XPF"),
    3: ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"),
    4: ("CLF", "UYW"),
}  # fmt: skip

CURRENCY_DECIMALS: Final = {code: decimals for decimals, codes in _BY_DECIMALS.items() for code in codes}
"""Decimals of a currency (ISO 4217); every other one has 2."""

STORED_DECIMALS: Final = 2
"""Decimals of an amount in the gateway's columns and in the price fields of a quote line in the org."""

ARITHMETIC: Final = Context(prec=60, rounding=ROUND_HALF_UP)
"""Amount (18 digits) times quantity (12) times percentage (5) is exact within its digits."""


def amount_decimals(currency: str) -> int:
    """Decimals that amounts are rounded to: those of the currency, and never more than can be stored."""
    return min(CURRENCY_DECIMALS.get(currency, 2), STORED_DECIMALS)


def coarser_than_usual(currency: str) -> bool:
    """Whether amounts are rounded to fewer decimals than the currency has."""
    return CURRENCY_DECIMALS.get(currency, 2) > STORED_DECIMALS


def half_up(number: Decimal, decimals: int) -> Decimal:
    """Round to a number of decimals; a half goes up, away from zero: 0.125 is 0.13."""
    return number.quantize(Decimal(1).scaleb(-decimals, ARITHMETIC), ROUND_HALF_UP, ARITHMETIC)
