"""Opportunities as pricing takes them, read from the org with the rights of whoever asks.

In: record ids. Out: OpportunityToPrice, keyed by id; an id that is missing there does not exist or is not to be seen.
Fields that an org may lack (several currencies, DiscountOverride__c, the region field) are asked for only where
describe shows them, so their absence is no error: the defaults of pricing hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from applink import soql
from applink.org import Org, Record
from applink.soql import Children
from models.pricing import LineToPrice, OpportunityToPrice

DEFAULT_REGION_FIELD: Final = "Account.BillingCountry"
IDS_A_QUERY: Final = 200
"""A query is one URL of at most 16,384 bytes."""

CURRENCY: Final = "CurrencyIsoCode"
OVERRIDE: Final = "DiscountOverride__c"
_FIELDS: Final = ("Id", "Name", "CloseDate", "AccountId", "Account.Name", "OwnerId", "Pricebook2Id")
_OPTIONAL: Final = (CURRENCY, OVERRIDE)
_LINE_FIELDS: Final = (
    "Id", "Quantity", "UnitPrice", "PricebookEntryId", "PricebookEntry.Pricebook2Id", "PricebookEntry.IsActive",
    "Product2Id", "Product2.Name", "Product2.ProductCode",
)  # fmt: skip
_SORT: Final = "SortOrder"
_OPTIONAL_OF_LINE: Final = ("ListPrice", "Description", _SORT)
_LINES: Final = "OpportunityLineItems"


def read(
    org: Org, ids: Sequence[str], *, deadline: float, region_field: str = DEFAULT_REGION_FIELD
) -> dict[str, OpportunityToPrice]:
    """Opportunities with their lines, 200 a query, lines in the order of the org. Raises: errors of the port."""
    optional = present(org, "Opportunity", (*_OPTIONAL, region_field), deadline=deadline)
    lines = _LINE_FIELDS + present(org, "OpportunityLineItem", _OPTIONAL_OF_LINE, deadline=deadline)
    fields = tuple(dict.fromkeys(_FIELDS + optional))
    return {
        record["Id"]: _opportunity(record, region_field)
        for some in _in_parts(ids)
        for record in org.query(
            soql.select(fields, "Opportunity", in_={"Id": some}, children=(Children(_LINES, lines),)), deadline=deadline
        )
    }


def check_visible(org: Org, ids: Sequence[str], *, deadline: float) -> dict[str, str]:
    """Names, by id, of those opportunities that the user of `org` sees."""
    return {
        record["Id"]: str(record["Name"])
        for some in _in_parts(ids)
        for record in org.query(soql.select(("Id", "Name"), "Opportunity", in_={"Id": some}), deadline=deadline)
    }


def present(org: Org, type_name: str, paths: Sequence[str], *, deadline: float) -> tuple[str, ...]:
    """Those of some fields that describe shows."""
    return tuple(path for path in paths if has_field(org, type_name, path, deadline=deadline))


def has_field(org: Org, type_name: str, path: str, *, deadline: float) -> bool:
    """Whether the user may read a field, by describe: "CurrencyIsoCode", "Account.Region__c", "Territory__r.Code__c".

    Of a path through a lookup whose target describe does not tell by name, only the lookup is checked.
    """
    described = org.describe(type_name, deadline=deadline)
    if described is None:
        return False
    relation, _, rest = path.partition(".")
    if not rest:
        return relation in described.fields
    lookup = f"{relation[:-3]}__c" if relation.endswith("__r") else f"{relation}Id"
    if lookup not in described.fields:
        return False
    target = None if relation.endswith("__r") else org.describe(relation, deadline=deadline)
    return target is None or has_field(org, relation, rest, deadline=deadline)


def value(record: Record, path: str) -> Any:
    """The value at a dotted path; null where a lookup on the way is null."""
    found: Any = record
    for name in path.split("."):
        if found is None:
            return None
        found = found.get(name)
    return found


def number(value: Any) -> Decimal | None:
    """A number as the org writes it, whole or not."""
    return None if value is None else Decimal(value)


def day(text: str | None) -> date | None:
    """A date, or the day of a time, as the org writes it."""
    return date.fromisoformat(text[:10]) if text else None


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    unique = tuple(dict.fromkeys(ids))
    for start in range(0, len(unique), IDS_A_QUERY):
        yield unique[start : start + IDS_A_QUERY]


def _opportunity(record: Record, region_field: str) -> OpportunityToPrice:
    lines: Sequence[Record] = record.get(_LINES) or ()
    region = value(record, region_field)
    return OpportunityToPrice(
        id=record["Id"],
        name=str(record["Name"]),
        close_date=date.fromisoformat(record["CloseDate"]),
        pricebook_id=record["Pricebook2Id"],
        lines=tuple(_line(line) for line in sorted(lines, key=_place)),
        account_id=record["AccountId"],
        account_name=value(record, "Account.Name"),
        owner_id=record["OwnerId"],
        currency=record.get(CURRENCY),
        region_source=None if region is None else str(region),
        discount_override=number(record.get(OVERRIDE)),
    )


def _place(line: Mapping[str, Any]) -> tuple[bool, Decimal, str]:
    """Lines as somebody has sorted them, then those that nobody has."""
    order = line.get(_SORT)
    return order is None, number(order) or Decimal(0), line["Id"]


def _line(record: Record) -> LineToPrice:
    return LineToPrice(
        line_item_id=record["Id"],
        name=str(value(record, "Product2.Name") or value(record, "Product2.ProductCode") or record["Id"]),
        quantity=number(record["Quantity"]),
        unit_price=number(record["UnitPrice"]),
        list_price=number(record.get("ListPrice")),
        pricebook_entry_id=record["PricebookEntryId"],
        pricebook_id=value(record, "PricebookEntry.Pricebook2Id"),
        entry_is_active=value(record, "PricebookEntry.IsActive") is not False,
        product_id=record["Product2Id"],
        product_code=value(record, "Product2.ProductCode"),
        description=record.get("Description"),
    )
