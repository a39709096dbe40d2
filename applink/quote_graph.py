"""A priced quote as the nodes of one composite graph: the quote, then its lines, all or nothing.

In: a PricedQuote and the key of the attempt. Out: Upserts on Gateway_Key__c; line n bears the key "<key>-<n>".
"""

from __future__ import annotations

from typing import Any, Final

from applink.errors import NotPriceable
from applink.org import Node, Reference, SObject, Upsert
from applink.setup import GATEWAY_KEY
from models.pricing import PricedLine, PricedQuote

MOST_LINES: Final = 499
"""A graph has at most 500 nodes, and the quote is one of them."""

QUOTE: Final = "quote"
"""The reference of the quote's node."""

CODE_TOO_MANY: Final = "TooManyLines"


def check_size(line_count: int) -> None:
    """Raises: NotPriceable TooManyLines for more lines than one graph holds."""
    if line_count > MOST_LINES:
        raise NotPriceable(
            f"The opportunity has {line_count} products; a quote is made in one piece, of at most {MOST_LINES}.",
            code=CODE_TOO_MANY,
        )


def line_key(key: str, number: int) -> str:
    """The external id of a line."""
    return f"{key}-{number}"


def of(priced: PricedQuote, key: str, line_object: SObject) -> tuple[Node, ...]:
    """The nodes of a new quote. Raises: NotPriceable TooManyLines."""
    check_size(priced.line_count)
    fields = {
        "Name": plain(priced.name),
        "OpportunityId": priced.opportunity_id,
        "Pricebook2Id": priced.pricebook_id,
        "ExpirationDate": priced.expiration_date.isoformat(),
    }
    head = Upsert(reference=QUOTE, type="Quote", key_field=GATEWAY_KEY, key=key, fields=fields)
    return (head, *(_line(line, key, line_object) for line in priced.lines))


def plain(text: str) -> str:
    """A text that no graph reads as a reference: "@{quote.id}" would be replaced by an id, and there is no escape."""
    return text.replace("@{", "@ {")


def _line(line: PricedLine, key: str, line_object: SObject) -> Upsert:
    fields: dict[str, Any] = {
        "QuoteId": Reference(QUOTE),
        "PricebookEntryId": line.pricebook_entry_id,
        "Quantity": line.quantity,
        "UnitPrice": line.unit_price,
    }
    optional = {"OpportunityLineItemId": line.opportunity_line_item_id, "Description": _description(line, line_object)}
    fields |= {name: value for name, value in optional.items() if value and name in line_object.fields}
    number = line.line_number
    return Upsert(
        reference=f"line{number}", type="QuoteLineItem", key_field=GATEWAY_KEY, key=line_key(key, number), fields=fields
    )


def _description(line: PricedLine, line_object: SObject) -> str | None:
    return line.description and plain(line.description)[: line_object.lengths.get("Description", 255)]
