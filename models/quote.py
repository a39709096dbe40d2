"""Quotes: one row a quote, in the gateway and, once synced, in the org."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint

from models.base import (
    count,
    date,
    listing,
    moment,
    money,
    one_of,
    own_table,
    percent,
    properties,
    record_id,
    reference,
    string,
)  # fmt: skip
from odata.exposure import ExposedNavigation, ExposedSet, OrderItem

SYNC_STATUSES: Final = ("pending", "synced", "changed_in_org", "deleted_in_org", "failed")

quote = own_table(
    "quote",
    string("quote_number", 30, searchable=True, doc="The number the org gave the quote; empty until the org has it."),
    string("name", 255, nullable=False, searchable=True, doc="What the quote is called, as the org shows it."),
    record_id("opportunity_id", nullable=False, doc="The opportunity this quote belongs to."),
    string("opportunity_name", 120, searchable=True, doc="Name of the opportunity when the quote was made."),
    record_id("account_id", doc="The account of the opportunity."),
    string("account_name", 255, searchable=True, doc="Name of the account when the quote was made."),
    record_id("owner_id", doc="The user who owns the quote."),
    record_id("pricebook_id", doc="The price book the prices come from."),
    record_id("salesforce_id", doc="The Quote record in the org; empty until it is there."),
    record_id("created_by_id", doc="The user who had the quote made."),
    record_id("last_modified_by_id", doc="The user who last changed the quote."),
    string("status", 40, nullable=False, default="Draft", doc="Where the quote stands, in the org's own words."),
    string("region", 40, doc="Sales region that decided the discount."),
    string("currency_iso_code", 3, doc="Currency of every amount of the quote, such as EUR."),
    percent("discount_percent", doc="Discount on the list prices, in percent."),
    money("subtotal", doc="Sum of the lines before discount."),
    money("total_price", doc="Sum of the lines after discount."),
    money("tax", doc="Tax."),
    money("shipping_handling", doc="Shipping and handling."),
    money("grand_total", doc="What the customer pays: total price, tax, shipping and handling."),
    date("expiration_date", doc="Last day on which the quote holds."),
    count("line_count", doc="How many lines the quote has."),
    string("pricing_note", 255, doc="Which pricing rule applied, in words."),
    count("revision", default=1, doc="1 for the first quote of its kind, one more for each revision."),
    reference("revised_from_id", doc="The quote that this one revises."),
    string("sync_status", 40, nullable=False, default="pending",
           doc="Whether the org has the quote: pending, synced, changed_in_org, deleted_in_org or failed."),
    moment("synced_at", doc="When the quote was last known to be the same in the org."),
    reference("job_id", doc="The job that made the quote; empty when it was made at once."),
    one_of("sync_status", *SYNC_STATUSES),
    CheckConstraint("currency_iso_code ~ '^[A-Z]{3}$'", name="currency_iso_code"),
    UniqueConstraint("org_id", "quote_number"),
    UniqueConstraint("org_id", "salesforce_id"),
    ForeignKeyConstraint(["org_id", "revised_from_id"], ["gateway.quote.org_id", "gateway.quote.id"]),
    key_doc="The gateway's own id of the quote.",
)  # fmt: skip

_c = quote.c
# Related lists and list views, newest first; the key ends each, so that an order is total.
listing("ix_quote_created", _c.org_id, _c.created_at, _c.id)
listing("ix_quote_updated", _c.org_id, _c.updated_at, _c.id)
listing("ix_quote_opportunity", _c.org_id, _c.opportunity_id, _c.created_at, _c.id)
listing("ix_quote_account", _c.org_id, _c.account_id, _c.created_at, _c.id)
listing("ix_quote_owner", _c.org_id, _c.owner_id, _c.created_at, _c.id)
listing("ix_quote_job", _c.org_id, _c.job_id, _c.created_at, _c.id, where=_c.job_id.is_not(None))
Index("ix_quote_revised_from", _c.org_id, _c.revised_from_id, postgresql_where=_c.revised_from_id.is_not(None))
listing("ix_quote_status", _c.org_id, _c.status, _c.created_at, _c.id)
listing("ix_quote_name", _c.org_id, _c.name, _c.id)
# Nulls sort first ascending (URL Conventions, "System Query Option $orderby").
listing("ix_quote_number", _c.org_id, _c.quote_number.nulls_first(), _c.id)
listing("ix_quote_account_name", _c.org_id, _c.account_name.nulls_first(), _c.id)
listing("ix_quote_grand_total", _c.org_id, _c.grand_total.nulls_first(), _c.id)
listing("ix_quote_expiration", _c.org_id, _c.expiration_date.nulls_first(), _c.id)

QUOTES = ExposedSet(
    name="Quotes",
    type_name="Quote",
    table="quote",
    schema=quote.schema,
    key=("Id",),
    properties=properties(quote),
    navigation=(
        ExposedNavigation(name="Lines", target="QuoteLines", on=(("Id", "QuoteId"),), collection=True, partner="Quote",
                          description="The lines of the quote."),
        ExposedNavigation(name="Job", target="Jobs", on=(("JobId", "Id"),), partner="Quotes",
                          description="The job that made the quote."),
        ExposedNavigation(name="Events", target="QuoteEvents", on=(("Id", "QuoteId"),), collection=True,
                          partner="Quote", description="What happened to the quote."),
        ExposedNavigation(name="RevisedFrom", target="Quotes", on=(("RevisedFromId", "Id"),),
                          description="The quote that this one revises."),
    ),
    org_column="org_id",
    deleted_column="deleted_at",
    version_column="row_version",
    name_property="QuoteNumber",
    default_order=(OrderItem(property="CreatedAt", descending=True),),
    description="Quotes made from opportunities.",
)  # fmt: skip
