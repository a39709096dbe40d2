"""Quote lines: one product of a quote."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Integer, Numeric, UniqueConstraint

from models.base import listing, long_text, money, own_table, percent, properties, record_id, reference, string
from odata.exposure import ExposedNavigation, ExposedSet, OrderItem

DESCRIPTION_LENGTH = 32_000
"""Longest Long Text Area of Salesforce."""

quote_line = own_table(
    "quote_line",
    reference("quote_id", nullable=False, doc="The quote this line belongs to."),
    Column("line_number", Integer, nullable=False, doc="Position in the quote, from 1."),
    string("name", 255, nullable=False, searchable=True, doc="Name of the product."),
    string("product_code", 50, searchable=True, doc="Code of the product."),
    record_id("product_id", doc="The product."),
    record_id("opportunity_line_item_id", doc="The opportunity's product that this line was made from."),
    record_id("pricebook_entry_id", doc="The price book entry of the product."),
    record_id("salesforce_id", doc="The QuoteLineItem record in the org; empty until it is there."),
    long_text("description", DESCRIPTION_LENGTH, doc="Remarks on this line."),
    Column("quantity", Numeric(12, 2), doc="How many are quoted."),
    money("unit_price", doc="Price of one after discount."),
    money("list_price", doc="Price of one before discount."),
    percent("discount_percent", doc="Discount on the list price, in percent."),
    money("total_price", doc="Quantity times unit price."),
    ForeignKeyConstraint(["org_id", "quote_id"], ["gateway.quote.org_id", "gateway.quote.id"], ondelete="CASCADE"),
    UniqueConstraint("org_id", "salesforce_id"),
    key_doc="The gateway's own id of the line.",
)

_c = quote_line.c
listing("ix_quote_line_quote", _c.org_id, _c.quote_id, _c.line_number, _c.id)
listing("ix_quote_line_product", _c.org_id, _c.product_id, _c.created_at, _c.id)
listing("ix_quote_line_created", _c.org_id, _c.created_at, _c.id)
listing("ix_quote_line_name", _c.org_id, _c.name, _c.id)

QUOTE_LINES = ExposedSet(
    name="QuoteLines",
    type_name="QuoteLine",
    table="quote_line",
    schema=quote_line.schema,
    key=("Id",),
    properties=properties(quote_line),
    navigation=(
        ExposedNavigation(name="Quote", target="Quotes", on=(("QuoteId", "Id"),), partner="Lines", nullable=False,
                          description="The quote this line belongs to."),
    ),
    org_column="org_id",
    deleted_column="deleted_at",
    version_column="row_version",
    name_property="Name",
    # Within one quote this is the order by number; over all lines it is served by the same index.
    default_order=(OrderItem(property="QuoteId"), OrderItem(property="LineNumber")),
    description="The products of quotes, one line each.",
)  # fmt: skip
