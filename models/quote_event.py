"""Quote events: the audit of quotes. Rows are added, never changed; a trigger refuses an UPDATE."""

from __future__ import annotations

from typing import Final

from models.base import listing, long_text, one_of, own_table, properties, record_id, reference, string
from odata.exposure import ExposedNavigation, ExposedSet, OrderItem

THROUGH: Final = ("operation", "job", "reconcile", "odata")

quote_event = own_table(
    "quote_event",
    # No foreign key: what happened stays on record when the quote is gone.
    reference("quote_id", doc="The quote it happened to; empty when only the org knows it."),
    string("name", 255, nullable=False, searchable=True, doc="What happened, in a few words."),
    string("action", 40, nullable=False, doc="created, repriced, changed, revised, deleted and so on."),
    record_id("by_user_id", doc="The user who did it."),
    string("through", 40, nullable=False, doc="By which way: operation, job, reconcile or odata."),
    string("request_id", 120, doc="Id of the request, as it stands in the logs of both sides."),
    long_text("changes", 32_000, doc="The fields before and after, as JSON text."),
    one_of("through", *THROUGH),
    key_doc="The gateway's own id of the event.",
)

_c = quote_event.c
listing("ix_quote_event_quote", _c.org_id, _c.quote_id, _c.created_at, _c.id)
listing("ix_quote_event_created", _c.org_id, _c.created_at, _c.id)

QUOTE_EVENTS = ExposedSet(
    name="QuoteEvents",
    type_name="QuoteEvent",
    table="quote_event",
    schema=quote_event.schema,
    key=("Id",),
    properties=properties(quote_event),
    navigation=(
        ExposedNavigation(name="Quote", target="Quotes", on=(("QuoteId", "Id"),), partner="Events",
                          description="The quote it happened to."),
    ),
    org_column="org_id",
    deleted_column="deleted_at",
    version_column="row_version",
    name_property="Name",
    default_order=(OrderItem(property="CreatedAt", descending=True),),
    description="What happened to quotes, newest first; never changed afterwards.",
)  # fmt: skip
