"""What expiry knows of the clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "expiry_clock",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("trusted", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ahead_since", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_table("expiry_clock")
