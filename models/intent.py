"""Intents: what the gateway is about to do in an org, committed before the org is called, so no quote is made twice.

Hidden from OData. A sweep settles an intent whose outcome is unknown by reading the org back.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from models.base import moment, one_of, own_table, record_id, reference, string

INTENT_STATUSES: Final = ("open", "settled", "failed")

intent = own_table(
    "intent",
    # The value of Gateway_Key__c: the same for every attempt at the same quote.
    string("gateway_key", 80, nullable=False),
    string("operation", 40, nullable=False),
    record_id("opportunity_id", nullable=False),
    reference("job_id"),
    reference("job_item_id"),
    # The request, told apart from a repeated one, and its first answer.
    string("idem_key", 255),
    string("request_hash", 64),
    record_id("requested_by"),
    string("request_id", 120),
    Column("arguments", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("answer", JSONB),
    string("status", 40, nullable=False, default="open"),
    reference("quote_id"),
    record_id("salesforce_id"),
    string("error_code", 80),
    string("error_message", 1000),
    moment("called_at"),
    moment("settled_at"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("lease_no", BigInteger, nullable=False, server_default=text("0")),
    string("locked_by", 120),
    moment("lease_until"),
    moment("next_at"),
    one_of("status", *INTENT_STATUSES),
    UniqueConstraint("org_id", "gateway_key"),
    UniqueConstraint("org_id", "operation", "idem_key"),
)

_c = intent.c
# The sweep looks across orgs, over the few that are open.
Index("ix_intent_open", _c.created_at, _c.id, postgresql_where=_c.status == "open")
Index("ix_intent_opportunity", _c.org_id, _c.opportunity_id, _c.created_at)
Index("ix_intent_job", _c.org_id, _c.job_id, postgresql_where=_c.job_id.is_not(None))
