"""Hidden tables of the worker about whole orgs: which are paused, and who holds how many of an org's calls.

Neither is a tenant's data: they are written by the worker alone, across orgs, and have no fence.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, Table, text

from models.base import NOW, metadata, moment, record_id, string

# An org that takes no more requests. The row stays until the org has answered a first question after the pause.
org_pause = Table(
    "org_pause",
    metadata,
    record_id("org_id", nullable=False),
    moment("paused_until", nullable=False),
    moment("since", nullable=False, default=NOW),
    Column("pauses", Integer, nullable=False, server_default=text("1")),
    string("reason", 255),
    # The worker that asks whether the pause can end; for others the org stays paused meanwhile.
    string("probe_by", 120),
    PrimaryKeyConstraint("org_id"),
)

# How many of an org's concurrent calls a worker process may have under way; the sum is kept at ORG_CONCURRENCY.
org_share = Table(
    "org_share",
    metadata,
    record_id("org_id", nullable=False),
    string("worker", 120, nullable=False),
    Column("calls", Integer, nullable=False, server_default=text("0")),
    moment("lease_until", nullable=False),
    PrimaryKeyConstraint("org_id", "worker"),
)
