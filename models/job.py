"""Jobs: background work that a caller started, its progress, and the callback that reports its end.

The hidden columns are the outbox of the callback: whoever delivers it holds a lease, and `lease_no` fences late ones.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from models.base import (
    count,
    listing,
    long_text,
    moment,
    one_of,
    own_table,
    percent,
    properties,
    record_id,
    string,
)  # fmt: skip
from odata.exposure import ExposedNavigation, ExposedSet, OrderItem

JOB_STATUSES: Final = ("queued", "running", "completed", "completed_with_errors", "failed", "cancelled")
CALLBACK_STATUSES: Final = ("none", "due", "delivered", "expired", "event_published")
MESSAGE_LENGTH: Final = 4_000

job = own_table(
    "job",
    string("name", 80, nullable=False, searchable=True, doc="Number, type, size, such as J-000123 createQuotes 200."),
    string("type", 40, nullable=False, doc="Which operation was asked for."),
    string("status", 40, nullable=False, default="queued",
           doc="queued, running, completed, completed_with_errors, failed or cancelled."),
    record_id("requested_by", doc="The user who asked for the work."),
    string("request_id", 120, doc="Id of the request that started the job, as it stands in the logs of both sides."),
    count("opportunity_count", doc="How many opportunities the job works on."),
    count("quote_count", doc="How many quotes it has made so far."),
    count("error_count", doc="How many opportunities failed so far."),
    count("api_calls", doc="How many calls to the org it has made so far."),
    percent("progress", nullable=False, default="0", doc="Finished opportunities in percent; 100 only at the end."),
    long_text("message", MESSAGE_LENGTH, doc="What happened, in words."),
    string("callback_status", 40, nullable=False, default="none",
           doc="Whether the caller was told of the end: none, due, delivered, expired or event_published."),
    string("callback_error", 255, doc="Why the callback could not be delivered, in words."),
    moment("started_at", doc="When the work began."),
    moment("finished_at", doc="When the work ended."),
    # Hidden: the request, told apart from a repeated one, and what the worker needs to run it. Never a token.
    string("idem_key", 255, nullable=False),
    string("request_hash", 64, nullable=False),
    Column("arguments", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    string("authorization_name", 120),
    moment("cancel_requested_at"),
    # Hidden: the callback and the lease of whoever delivers it.
    string("callback_url", 2048),
    moment("callback_deadline"),
    Column("lease_no", BigInteger, nullable=False, server_default=text("0")),
    string("locked_by", 120),
    moment("lease_until"),
    moment("next_at"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    one_of("status", *JOB_STATUSES),
    one_of("callback_status", *CALLBACK_STATUSES),
    CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
    UniqueConstraint("org_id", "idem_key"),
    key_doc="The gateway's own id of the job.",
)  # fmt: skip

_c = job.c
listing("ix_job_created", _c.org_id, _c.created_at, _c.id)
listing("ix_job_status", _c.org_id, _c.status, _c.created_at, _c.id)
listing("ix_job_requested_by", _c.org_id, _c.requested_by, _c.created_at, _c.id)
listing("ix_job_name", _c.org_id, _c.name, _c.id)
# The queue looks across orgs, over the few rows that are open: sweep of running jobs, callbacks that are due.
Index("ix_job_open", _c.status, _c.id, postgresql_where=(_c.status == "queued") | (_c.status == "running"))
Index(
    "ix_job_cancelling",
    _c.org_id,
    _c.id,
    postgresql_where=_c.cancel_requested_at.is_not(None) & ((_c.status == "queued") | (_c.status == "running")),
)
Index("ix_job_callback_due", _c.next_at, _c.id, postgresql_where=_c.callback_status == "due")

JOBS = ExposedSet(
    name="Jobs",
    type_name="Job",
    table="job",
    schema=job.schema,
    key=("Id",),
    properties=properties(job),
    navigation=(
        ExposedNavigation(name="Quotes", target="Quotes", on=(("Id", "JobId"),), collection=True, partner="Job",
                          description="The quotes the job has made."),
        ExposedNavigation(name="Items", target="JobItems", on=(("Id", "JobId"),), collection=True, partner="Job",
                          description="The opportunities the job works on."),
    ),
    org_column="org_id",
    deleted_column="deleted_at",
    version_column="row_version",
    name_property="Name",
    default_order=(OrderItem(property="CreatedAt", descending=True),),
    description="Background work and its progress.",
)  # fmt: skip
