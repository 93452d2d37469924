"""Jobs for many processes.

Who holds one, from when on it may be taken up, when it is delivered again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNFINISHED = "state IN ('queued', 'running')"


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("fence", sa.Integer))
        jobs.add_column(sa.Column("due_at", sa.BigInteger))
        jobs.add_column(sa.Column("deliver_at", sa.BigInteger))
    # What was running ran in a process that has ended: it is due at once, as what waited is.
    op.execute("UPDATE jobs SET fence = attempts, due_at = created_at")
    # no input
    op.execute(f"UPDATE jobs SET deliver_at = created_at WHERE {_UNFINISHED}")
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("fence", nullable=False, existing_type=sa.Integer)
        jobs.alter_column("due_at", nullable=False, existing_type=sa.BigInteger)


def downgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("deliver_at")
        jobs.drop_column("due_at")
        jobs.drop_column("fence")
