"""When components were seen, and on which days anything was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sightings",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("environment", sa.String),
        sa.Column("spellings", sa.LargeBinary, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_sightings_last_seen", "sightings", ["last_seen"])
    op.create_table(
        "days_seen", sa.Column("day", sa.Integer, primary_key=True, autoincrement=False)
    )


def downgrade() -> None:
    op.drop_table("days_seen")
    op.drop_table("sightings")
