"""Messages about incidents, and what became of them at each receiver."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "notifications",
        sa.Column("message", sa.String, nullable=False),
        sa.Column("receiver", sa.String, nullable=False),
        sa.Column("incident", sa.String, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("reason", sa.String),
        sa.PrimaryKeyConstraint("message", "receiver"),
    )
    op.create_index("ix_notifications_created_at", "notifications", ["created_at"])
    op.create_index("ix_notifications_receiver_incident", "notifications", ["receiver", "incident"])
    op.create_index("ix_notifications_state_ended_at", "notifications", ["state", "ended_at"])


def downgrade() -> None:
    op.drop_table("notifications")
