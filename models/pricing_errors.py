"""Why an opportunity cannot be priced as it stands. Somebody has to change it, so trying again does not help.

PricingError 422   code = class name; line_number and line_item_id where one line is at fault
|__ NoLines  NoPriceBook  LineOutsidePriceBook  InactivePriceBookEntry  InvalidQuantity  InvalidPrice
|__ InvalidDiscount  InvalidCurrency  AmountTooLarge
"""

from __future__ import annotations

from typing import ClassVar


class PricingError(Exception):
    """An opportunity that cannot be priced as it stands; somebody has to change it, so trying again does not help."""

    status: ClassVar[int] = 422

    def __init__(self, message: str, *, line_number: int | None = None, line_item_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line_number = line_number
        self.line_item_id = line_item_id

    @property
    def code(self) -> str:
        """The name of the class, such as NoLines."""
        return type(self).__name__


class NoLines(PricingError):
    """The opportunity has no products."""


class NoPriceBook(PricingError):
    """The opportunity has no price book."""


class LineOutsidePriceBook(PricingError):
    """A line has no price book entry, or one of another price book than the opportunity's."""


class InactivePriceBookEntry(PricingError):
    """The price book entry of a line is inactive, and the org takes none for a new quote."""


class InvalidQuantity(PricingError):
    """A quantity is missing, negative, finer than two decimals or beyond 9,999,999,999.99."""


class InvalidPrice(PricingError):
    """A sales price is missing or negative."""


class InvalidDiscount(PricingError):
    """A discount is below 0 or above 100 percent."""


class InvalidCurrency(PricingError):
    """A currency is not three capital letters."""


class AmountTooLarge(PricingError):
    """A price, the total of a line or a sum is beyond 9,999,999,999,999,999.99."""
