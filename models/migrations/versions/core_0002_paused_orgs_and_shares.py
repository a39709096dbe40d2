"""Paused orgs, shares of an org's calls, and the indexes by which each org's work is found apart from the others'."""

from __future__ import annotations

from alembic import op

revision = "core_0002"
down_revision = "core_0001"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE gateway.org_pause (
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    paused_until TIMESTAMP WITH TIME ZONE NOT NULL,
    since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    pauses INTEGER DEFAULT 1 NOT NULL,
    reason VARCHAR(255) COLLATE "C",
    probe_by VARCHAR(120) COLLATE "C",
    CONSTRAINT pk_org_pause PRIMARY KEY (org_id)
);
CREATE TABLE gateway.org_share (
    org_id VARCHAR(18) COLLATE "C" NOT NULL,
    worker VARCHAR(120) COLLATE "C" NOT NULL,
    calls INTEGER DEFAULT 0 NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_org_share PRIMARY KEY (org_id, worker)
);
CREATE INDEX ix_job_item_waiting ON gateway.job_item (org_id, next_at, job_id, sequence) WHERE status = 'queued';
CREATE INDEX ix_job_cancelling ON gateway.job (org_id, id)
    WHERE cancel_requested_at IS NOT NULL AND (status = 'queued' OR status = 'running');
DROP INDEX gateway.ix_job_item_queued;
"""

DOWN = """
CREATE INDEX ix_job_item_queued ON gateway.job_item (next_at, job_id, sequence) WHERE status = 'queued';
DROP INDEX gateway.ix_job_cancelling, gateway.ix_job_item_waiting;
DROP TABLE gateway.org_share, gateway.org_pause;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP, execution_options={"no_parameters": True})


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN, execution_options={"no_parameters": True})
