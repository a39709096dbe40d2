"""Job items: one opportunity of a job. The rows are the queue: a worker claims them, `lease_no` fences late ones."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, UniqueConstraint, text

from models.base import NOW, count, listing, moment, one_of, own_table, properties, record_id, reference, string
from odata.exposure import ExposedNavigation, ExposedSet, OrderItem

ITEM_STATUSES: Final = ("queued", "running", "succeeded", "failed", "cancelled")

job_item = own_table(
    "job_item",
    reference("job_id", nullable=False, doc="The job this belongs to."),
    Column("sequence", Integer, nullable=False, doc="Position in the job, from 1."),
    string("name", 255, nullable=False, searchable=True, doc="Name of the opportunity."),
    record_id("opportunity_id", nullable=False, doc="The opportunity."),
    reference("quote_id", doc="The quote that was made."),
    string("status", 40, nullable=False, default="queued", doc="queued, running, succeeded, failed or cancelled."),
    count("attempts", doc="How often it was tried."),
    string("error_code", 80, doc="Short name of what went wrong."),
    string("error_message", 1000, doc="What went wrong, in words."),
    moment("started_at"),
    moment("finished_at"),
    # Hidden: the lease. It ends by the clock of the database.
    Column("lease_no", BigInteger, nullable=False, server_default=text("0")),
    string("locked_by", 120),
    moment("lease_until"),
    moment("next_at", nullable=False, default=NOW),
    # Hidden: leases that ended with their worker; they are no tries.
    Column("leases_lost", Integer, nullable=False, server_default=text("0")),
    one_of("status", *ITEM_STATUSES),
    ForeignKeyConstraint(["org_id", "job_id"], ["gateway.job.org_id", "gateway.job.id"], ondelete="CASCADE"),
    UniqueConstraint("org_id", "job_id", "sequence"),
    key_doc="The gateway's own id of the item.",
)

_c = job_item.c
listing("ix_job_item_created", _c.org_id, _c.created_at, _c.id)
listing("ix_job_item_opportunity", _c.org_id, _c.opportunity_id, _c.created_at, _c.id)
Index("ix_job_item_quote", _c.org_id, _c.quote_id, postgresql_where=_c.quote_id.is_not(None))
listing("ix_job_item_status", _c.org_id, _c.status, _c.created_at, _c.id)
# The claim takes from each org apart from the others; leases that have ended are looked for across orgs.
Index("ix_job_item_waiting", _c.org_id, _c.next_at, _c.job_id, _c.sequence, postgresql_where=_c.status == "queued")
Index("ix_job_item_leased", _c.lease_until, _c.job_id, _c.sequence, postgresql_where=_c.status == "running")

JOB_ITEMS = ExposedSet(
    name="JobItems",
    type_name="JobItem",
    table="job_item",
    schema=job_item.schema,
    key=("Id",),
    properties=properties(job_item),
    navigation=(
        ExposedNavigation(name="Job", target="Jobs", on=(("JobId", "Id"),), partner="Items", nullable=False,
                          description="The job this belongs to."),
        ExposedNavigation(name="Quote", target="Quotes", on=(("QuoteId", "Id"),),
                          description="The quote that was made."),
    ),
    org_column="org_id",
    deleted_column="deleted_at",
    version_column="row_version",
    name_property="Name",
    default_order=(OrderItem(property="JobId"), OrderItem(property="Sequence")),
    description="The opportunities of jobs, one item each.",
)  # fmt: skip
