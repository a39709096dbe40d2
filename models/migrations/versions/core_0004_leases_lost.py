"""Leases of items that ended with their worker, counted apart from tries."""

from __future__ import annotations

from alembic import op

revision = "core_0004"
down_revision = "core_0003"
branch_labels = None
depends_on = None

UP = "ALTER TABLE gateway.job_item ADD COLUMN leases_lost INTEGER DEFAULT 0 NOT NULL"
DOWN = "ALTER TABLE gateway.job_item DROP COLUMN leases_lost"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
