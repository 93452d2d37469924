"""Stored simulations, the components that fail in them, and the catalogs that they used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "simulation_catalogs",
        sa.Column("sha256", sa.String, primary_key=True),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "simulations",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("agentguard_version", sa.String, nullable=False),
        sa.Column("dataset", sa.String, nullable=False),
        sa.Column("graph_version", sa.String, nullable=False),
        sa.Column("catalog", sa.String, sa.ForeignKey("simulation_catalogs.sha256")),
        sa.Column("inputs", sa.LargeBinary, nullable=False),
        sa.Column("summary", sa.LargeBinary, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_simulations_created_at_id", "simulations", ["created_at", "id"])
    op.create_index("ix_simulations_catalog", "simulations", ["catalog"])
    op.create_table(
        "simulated_components",
        sa.Column("simulation", sa.String, sa.ForeignKey("simulations.id"), nullable=False),
        sa.Column("component", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("simulation", "component"),
    )
    op.create_index("ix_simulated_components_component", "simulated_components", ["component"])


def downgrade() -> None:
    op.drop_table("simulated_components")
    op.drop_table("simulations")
    op.drop_table("simulation_catalogs")
