"""What incidents need beside the columns that other programs may use."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ADDED = ("version", "state", "owner", "merged", "changed_at", "document")


def upgrade() -> None:
    with op.batch_alter_table("incidents") as batch:
        batch.add_column(sa.Column("version", sa.Integer))
        batch.add_column(sa.Column("state", sa.String))
        batch.add_column(sa.Column("owner", sa.String))
        batch.add_column(sa.Column("merged", sa.Boolean))
        batch.add_column(sa.Column("changed_at", _TIME))
        batch.add_column(sa.Column("document", sa.LargeBinary))
    op.create_index("ix_incidents_owner", "incidents", ["owner"])
    op.create_index("ix_incidents_state_created_at", "incidents", ["state", "created_at"])
    _create_events()
    op.create_table(
        "incident_subjects",
        sa.Column("incident", sa.Uuid, sa.ForeignKey("incidents.id"), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("incident", "kind", "subject"),
    )
    op.create_index("ix_incident_subjects_kind_subject", "incident_subjects", ["kind", "subject"])


def _create_events() -> None:
    op.create_table(
        "incident_events",
        sa.Column("incident", sa.Uuid, sa.ForeignKey("incidents.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("time", _TIME, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("actor_kind", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("details", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("incident", "number"),
    )


def downgrade() -> None:
    op.drop_table("incident_subjects")
    op.drop_table("incident_events")
    op.drop_index("ix_incidents_state_created_at", "incidents")
    op.drop_index("ix_incidents_owner", "incidents")
    with op.batch_alter_table("incidents") as batch:
        for column in _ADDED:
            batch.drop_column(column)
