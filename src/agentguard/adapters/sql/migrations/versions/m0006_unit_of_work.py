"""The outbox, who submitted a job, and standard names in tables and graph documents."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

from agentguard.graph.storage.former_names import antiquated, modernised

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_VERSIONS = sa.table("graph_versions", sa.column("sequence"), sa.column("graph", sa.LargeBinary))


def upgrade() -> None:
    _rename("sightings", "component_history")
    op.add_column("jobs", sa.Column("submitted_by", sa.String))
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_topic_key", "outbox", ["topic", "key"])
    _rewrite(modernised)


def downgrade() -> None:
    _rewrite(antiquated)
    op.drop_table("outbox")
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("submitted_by")
    _rename("component_history", "sightings")


def _rename(old: str, new: str) -> None:
    op.drop_index(f"ix_{old}_last_seen", old)
    op.rename_table(old, new)
    op.create_index(f"ix_{new}_last_seen", new, ["last_seen"])


def _rewrite(change: Callable[[bytes], bytes]) -> None:
    """Rewrite every stored graph, one at a time: some are large."""
    connection = op.get_bind()
    sequence, graph = _VERSIONS.c.sequence, _VERSIONS.c.graph
    for number in connection.execute(sa.select(sequence).order_by(sequence)).scalars().all():
        here = sequence == number
        document = connection.execute(sa.select(graph).where(here)).scalar_one()
        connection.execute(sa.update(_VERSIONS).where(here).values(graph=change(bytes(document))))
