"""Fields that the org calculates when a record is read: sums of a quote, prices of a line, names through a lookup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from simulator.store import Row, Store

Computed = Callable[[Store, Row], Any]
_CENT: Final = Decimal("0.01")


def value_of(store: Store, type_name: str, row: Row, field: str) -> Any:
    """The value of one field of a record, calculated where it has to be."""
    compute = COMPUTED.get((type_name, field))
    return row.get(field) if compute is None else compute(store, row)


def decimal(value: Any) -> Decimal:
    """A number of a record as it is written; null is zero."""
    return Decimal(str(value or 0))


def _money(value: Decimal) -> float:
    return float(value.quantize(_CENT, rounding=ROUND_HALF_UP))


def _line_subtotal(store: Store, line: Row) -> float:
    return _money(decimal(line.get("Quantity")) * decimal(line.get("UnitPrice")))


def _line_total(store: Store, line: Row) -> float:
    gross = decimal(line.get("Quantity")) * decimal(line.get("UnitPrice"))
    return _money(gross * (100 - decimal(line.get("Discount"))) / 100)


def _sum_of_lines(line_value: Computed) -> Computed:
    def total(store: Store, quote: Row) -> float:
        lines = store.find("QuoteLineItem", "QuoteId", quote["Id"])
        return float(sum((decimal(line_value(store, line)) for line in lines), Decimal(0)))

    return total


_subtotal: Final = _sum_of_lines(_line_subtotal)
_total: Final = _sum_of_lines(_line_total)


def _grand_total(store: Store, quote: Row) -> float:
    return float(decimal(_total(store, quote)) + decimal(quote.get("Tax")) + decimal(quote.get("ShippingHandling")))


def _discount(store: Store, quote: Row) -> float | None:
    gross = decimal(_subtotal(store, quote))
    return _money((gross - decimal(_total(store, quote))) / gross * 100) if gross else None


def _amount(store: Store, opportunity: Row) -> Any:
    lines = store.find("OpportunityLineItem", "OpportunityId", opportunity["Id"])
    return float(sum(decimal(_line_total(store, line)) for line in lines)) if lines else opportunity.get("Amount")


def _through(*hops: tuple[str, str], field: str) -> Computed:
    """Follow lookups, each (field, object), and take a field there."""

    def follow(store: Store, row: Row) -> Any:
        at: Row | None = row
        for lookup, target in hops:
            at = store.get(target, at.get(lookup)) if at is not None else None
        return None if at is None else at.get(field)

    return follow


def _line_name(store: Store, line: Row) -> str:
    opportunity = store.get("Opportunity", line["OpportunityId"]) or {}
    return f"{opportunity.get('Name')} {_product_name(store, line)}"


def _address(store: Store, account: Row) -> dict[str, Any]:
    return {
        "city": account.get("BillingCity"),
        "country": account.get("BillingCountry"),
        "geocodeAccuracy": None,
        "latitude": None,
        "longitude": None,
        "postalCode": account.get("BillingPostalCode"),
        "state": None,
        "street": account.get("BillingStreet"),
    }


_ENTRY: Final = ("PricebookEntryId", "PricebookEntry")
_PRODUCT: Final = ("Product2Id", "Product2")
_product_name: Final = _through(_ENTRY, _PRODUCT, field="Name")
_OF_LINE: Final[Mapping[str, Computed]] = {
    "Product2Id": _through(_ENTRY, field="Product2Id"),
    "ListPrice": _through(_ENTRY, field="UnitPrice"),
    "Subtotal": _line_subtotal,
    "TotalPrice": _line_total,
}

COMPUTED: Final[Mapping[tuple[str, str], Computed]] = {
    ("Account", "BillingAddress"): _address,
    ("PricebookEntry", "Name"): _through(_PRODUCT, field="Name"),
    ("PricebookEntry", "ProductCode"): _through(_PRODUCT, field="ProductCode"),
    ("Opportunity", "Amount"): _amount,
    ("Opportunity", "IsClosed"): lambda store, row: str(row.get("StageName")).startswith("Closed"),
    ("Opportunity", "IsWon"): lambda store, row: row.get("StageName") == "Closed Won",
    ("Opportunity", "HasOpportunityLineItem"): lambda store, row: bool(
        store.find("OpportunityLineItem", "OpportunityId", row["Id"])
    ),
    ("OpportunityLineItem", "Name"): _line_name,
    ("OpportunityLineItem", "ProductCode"): _through(_ENTRY, _PRODUCT, field="ProductCode"),
    ("Quote", "AccountId"): _through(("OpportunityId", "Opportunity"), field="AccountId"),
    ("Quote", "LineItemCount"): lambda store, row: len(store.find("QuoteLineItem", "QuoteId", row["Id"])),
    ("Quote", "Subtotal"): _subtotal,
    ("Quote", "TotalPrice"): _total,
    ("Quote", "Discount"): _discount,
    ("Quote", "GrandTotal"): _grand_total,
    **{
        (name, field): compute
        for name in ("OpportunityLineItem", "QuoteLineItem")
        for field, compute in _OF_LINE.items()
    },
}
"""(object, field) -> how to calculate it."""
