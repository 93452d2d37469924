"""Handovers of the audit log's key, payloads by age, and the kind of a job's submitter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PAYLOADS = "ix_audit_entries_payload_time"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("submitted_by_kind", sa.String))
    op.create_table(
        "audit_handovers",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(
        _PAYLOADS,
        "audit_entries",
        ["time"],
        postgresql_where=sa.text("payload IS NOT NULL"),
        sqlite_where=sa.text("payload IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(_PAYLOADS, "audit_entries")
    op.drop_table("audit_handovers")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("submitted_by_kind")
