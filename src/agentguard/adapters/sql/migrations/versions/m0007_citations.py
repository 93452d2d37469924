"""Which graph versions stored results refer to, with those of the jobs so far."""

from __future__ import annotations

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_JOBS = sa.table(
    "jobs",
    sa.column("id", sa.String),
    sa.column("kind", sa.String),
    sa.column("result", sa.LargeBinary),
)
_VERSIONS = sa.table("graph_versions", sa.column("id", sa.String))


def upgrade() -> None:
    citations = op.create_table(
        "graph_citations",
        sa.Column("graph_version", sa.String, sa.ForeignKey("graph_versions.id"), nullable=False),
        sa.Column("cited_by_kind", sa.String, nullable=False),
        sa.Column("cited_by_id", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("graph_version", "cited_by_kind", "cited_by_id"),
    )
    op.create_index(
        "ix_graph_citations_cited_by_kind_cited_by_id",
        "graph_citations",
        ["cited_by_kind", "cited_by_id"],
    )
    _cite(citations)


def downgrade() -> None:
    op.drop_table("graph_citations")


def _cite(citations: sa.Table) -> None:
    """Record the citations by the results of finished simulations and playbooks."""
    connection = op.get_bind()
    known = set(connection.execute(sa.select(_VERSIONS.c.id)).scalars())
    wanted = sa.select(_JOBS.c.id, _JOBS.c.result).where(
        _JOBS.c.kind.in_(("simulation", "playbook")), _JOBS.c.result.is_not(None)
    )
    for job_id, result in connection.execute(wanted).all():
        version = orjson.loads(bytes(result)).get("graph_version")
        if version in known:
            row = {"graph_version": version, "cited_by_kind": "job", "cited_by_id": job_id}
            connection.execute(citations.insert().values(row))
