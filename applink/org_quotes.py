"""Quotes as the org has them: read back by the key of an attempt or by id, with their lines.

In: records. Out: OrgQuote and OrgLine, amounts in Decimal as the org keeps them (it may keep more decimals than shown).
Numbers are half-up to the two decimals of the gateway's columns only where rows are made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from applink import soql
from applink.opportunities import CURRENCY, day, number, present, value
from applink.org import Org, Record
from applink.setup import GATEWAY_KEY
from applink.soql import Children

_FIELDS: Final = (
    "Id", GATEWAY_KEY, "QuoteNumber", "Name", "Status", "OpportunityId", "Pricebook2Id", "ExpirationDate", "TotalPrice",
    "GrandTotal", "CreatedDate", "CreatedById", "LastModifiedById",
)  # fmt: skip
_OPTIONAL: Final = (CURRENCY, "OwnerId", "AccountId", "Tax", "ShippingHandling")
_LINES: Final = "QuoteLineItems"
_LINE_FIELDS: Final = (
    "Id", GATEWAY_KEY, "LineNumber", "PricebookEntryId", "Product2Id", "Product2.Name", "Product2.ProductCode",
    "Quantity", "UnitPrice", "TotalPrice",
)  # fmt: skip
_OPTIONAL_OF_LINE: Final = ("OpportunityLineItemId", "ListPrice", "Description")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgLine:
    """A line of a quote in the org. key: None for one that the gateway did not make."""

    id: str
    key: str | None
    name: str
    quantity: Decimal
    unit_price: Decimal
    total_price: Decimal
    list_price: Decimal | None
    pricebook_entry_id: str | None
    product_id: str | None
    product_code: str | None
    opportunity_line_item_id: str | None
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgQuote:
    """A quote in the org. created: the day it was made, UTC. currency: None in an org of one."""

    id: str
    key: str | None
    number: str | None
    name: str
    status: str
    opportunity_id: str | None
    account_id: str | None
    owner_id: str | None
    pricebook_id: str | None
    currency: str | None
    expiration_date: date | None
    total_price: Decimal
    tax: Decimal | None
    shipping_handling: Decimal | None
    grand_total: Decimal
    created: date
    created_by_id: str
    last_modified_by_id: str
    lines: tuple[OrgLine, ...]


DRAFT: Final = "Draft"


def by_key(org: Org, key: str, *, deadline: float) -> OrgQuote | None:
    """The quote that an attempt has made; None when it is not there, or not to be seen."""
    return next(iter(_find(org, {GATEWAY_KEY: (key,)}, deadline=deadline)), None)


def by_id(org: Org, record_id: str, *, deadline: float) -> OrgQuote | None:
    """A quote of the org; None when it is not there, or not to be seen."""
    return by_ids(org, (record_id,), deadline=deadline).get(record_id)


def by_ids(org: Org, record_ids: Sequence[str], *, deadline: float) -> dict[str, OrgQuote]:
    """Those of up to 200 quotes that are there and to be seen."""
    if not record_ids:
        return {}
    return {found.id: found for found in _find(org, {"Id": record_ids}, deadline=deadline)}


def deleted(org: Org, record_ids: Sequence[str], *, deadline: float) -> frozenset[str]:
    """Those of up to 200 quotes that the org has in its recycle bin, where this user sees them: proof that they went.

    An org empties the bin after 15 days, or when it is told to; of a quote that is not there any more nothing is known.
    """
    query = soql.select(("Id",), "Quote", where={"IsDeleted": True}, in_={"Id": record_ids}, deleted=True)
    return frozenset(record["Id"] for record in org.query(query, deadline=deadline))


def _find(org: Org, among: Mapping[str, Sequence[str]], *, deadline: float) -> list[OrgQuote]:
    fields = _FIELDS + present(org, "Quote", _OPTIONAL, deadline=deadline)
    lines = _LINE_FIELDS + present(org, "QuoteLineItem", _OPTIONAL_OF_LINE, deadline=deadline)
    query = soql.select(fields, "Quote", in_=among, children=(Children(_LINES, lines),))
    return [_quote(record) for record in org.query(query, deadline=deadline)]


def _quote(record: Record) -> OrgQuote:
    lines: Sequence[Record] = record.get(_LINES) or ()
    made = day(record["CreatedDate"])
    assert made is not None
    return OrgQuote(
        id=record["Id"],
        key=record.get(GATEWAY_KEY),
        number=record.get("QuoteNumber"),
        name=str(record["Name"]),
        status=record.get("Status") or DRAFT,
        opportunity_id=record.get("OpportunityId"),
        account_id=record.get("AccountId"),
        owner_id=record.get("OwnerId"),
        pricebook_id=record.get("Pricebook2Id"),
        currency=record.get(CURRENCY),
        expiration_date=day(record.get("ExpirationDate")),
        total_price=_amount(record, "TotalPrice"),
        tax=number(record.get("Tax")),
        shipping_handling=number(record.get("ShippingHandling")),
        grand_total=_amount(record, "GrandTotal"),
        created=made,
        created_by_id=record["CreatedById"],
        last_modified_by_id=record["LastModifiedById"],
        lines=tuple(_line(line) for line in sorted(lines, key=lambda line: str(line.get("LineNumber")))),
    )


def _line(record: Record) -> OrgLine:
    return OrgLine(
        id=record["Id"],
        key=record.get(GATEWAY_KEY),
        name=str(value(record, "Product2.Name") or record.get("LineNumber") or record["Id"]),
        quantity=_amount(record, "Quantity"),
        unit_price=_amount(record, "UnitPrice"),
        total_price=_amount(record, "TotalPrice"),
        list_price=number(record.get("ListPrice")),
        pricebook_entry_id=record.get("PricebookEntryId"),
        product_id=record.get("Product2Id"),
        product_code=value(record, "Product2.ProductCode"),
        opportunity_line_item_id=record.get("OpportunityLineItemId"),
        description=record.get("Description"),
    )


def _amount(record: Record, name: str) -> Decimal:
    return number(record.get(name)) or Decimal(0)
