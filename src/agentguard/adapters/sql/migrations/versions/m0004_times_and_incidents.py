"""Times as TIMESTAMPTZ, and the tables of incidents."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIMES = {
    "graph_versions": ("created_at",),
    "sightings": ("first_seen", "last_seen"),
    "jobs": ("created_at", "started_at", "finished_at", "due_at", "deliver_at"),
}
_DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")
_OPTIONAL = ("started_at", "finished_at", "deliver_at")


def upgrade() -> None:
    for column in ("id", "name", "environment"):  # from here on these are written with escapes
        # names of our own
        op.execute(f"UPDATE sightings SET {column} = replace({column}, '\\', '\\005c')")
    for table, columns in _TIMES.items():
        for column in columns:
            _convert(table, column, sa.DateTime(timezone=True), _TO_TIME)
    _recreate_index()
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=_random_id()),
        sa.Column("agent_id", sa.String, nullable=False),
        sa.Column("incident_type", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("blast_radius_score", sa.Float),
        sa.Column("impacted_agents", _DOCUMENT),
        sa.Column("playbook", _DOCUMENT),
        sa.Column("audit_trail", _DOCUMENT),
        sa.Column("blockchain_proof", _DOCUMENT),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=_transaction_time(),
        ),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
    )
    op.create_index("idx_incidents_agent", "incidents", ["agent_id"])
    op.create_index("idx_incidents_created", "incidents", ["created_at"])
    op.create_table(
        "playbooks",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=_random_id()),
        sa.Column(
            "incident_id",
            sa.Uuid,
            sa.ForeignKey("incidents.id", name="fk_playbooks_incident_id_incidents"),
            nullable=False,
        ),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("steps", _DOCUMENT, nullable=False),
        sa.Column("effectiveness_score", sa.Float),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=_transaction_time(),
        ),
    )
    op.create_index("ix_playbooks_incident_id", "playbooks", ["incident_id"])
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.Uuid, primary_key=True, server_default=_random_id()),
        sa.Column(
            "incident_id",
            sa.Uuid,
            sa.ForeignKey("incidents.id", name="fk_audit_logs_incident_id_incidents"),
        ),
        sa.Column("log_type", sa.String, nullable=False),
        sa.Column("evidence", _DOCUMENT),
        sa.Column("blockchain_tx_hash", sa.String),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=_transaction_time(),
        ),
    )
    op.create_index("idx_audit_logs_incident", "audit_logs", ["incident_id"])


def downgrade() -> None:
    for column in ("id", "name", "environment"):
        # names of our own
        op.execute(f"UPDATE sightings SET {column} = replace({column}, '\\005c', '\\')")
    for table in ("audit_logs", "playbooks", "incidents"):
        op.drop_table(table)
    for table, columns in _TIMES.items():
        for column in columns:
            _convert(table, column, sa.BigInteger(), _TO_NS)
    _recreate_index()


def _random_id() -> sa.TextClause:
    variant = "substr('89ab', 1 + (abs(random()) % 4), 1)"
    sqlite = (
        f"(lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || {variant} ||"
        " substr(hex(randomblob(2)), 2) || hex(randomblob(6))))"
    )
    return _sql(postgresql="gen_random_uuid()", sqlite=sqlite)


def _transaction_time() -> sa.TextClause:
    return _sql(postgresql="now()", sqlite="(strftime('%Y-%m-%d %H:%M:%f000', 'now'))")


def _sql(**by_dialect: str) -> sa.TextClause:
    return sa.text(by_dialect[op.get_bind().dialect.name].replace(":", "\\:"))


_TO_TIME = {
    "postgresql": "to_timestamp(0) + ({0} / 1000) * interval '1 microsecond'",
    "sqlite": "datetime({0} / 1000000000, 'unixepoch') || printf('.%06d', {0} / 1000 % 1000000)",
}
_TO_NS = {
    "postgresql": "(extract(epoch from {0}) * 1000000)::bigint * 1000",
    "sqlite": (
        "(CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER) * 1000000 + CAST(substr({0} ||"
        " '.000000', 21, 6) AS INTEGER)) * 1000"
    ),
}


def _convert(
    table: str, column: str, kind: sa.types.TypeEngine[Any], expressions: dict[str, str]
) -> None:
    """Give the column another type, its values by the dialect's expression.

    The database's own casts would spoil them.
    """
    dialect = op.get_bind().dialect.name
    expression = expressions[dialect].format(column)
    if dialect == "postgresql":
        op.alter_column(table, column, type_=kind, postgresql_using=expression)
        return
    with op.batch_alter_table(table) as batch:
        batch.add_column(sa.Column(f"new_{column}", kind))
    op.execute(f"UPDATE {table} SET new_{column} = {expression}")
    with op.batch_alter_table(table, recreate="always", table_kwargs=_KEPT.get(table, {})) as batch:
        if (table, column) == ("sightings", "last_seen"):
            batch.drop_index("ix_sightings_last_seen")
        batch.drop_column(column)
        batch.alter_column(f"new_{column}", new_column_name=column, nullable=column in _OPTIONAL)


_KEPT = {"graph_versions": {"sqlite_autoincrement": True}}
"""What a table that is written anew must be told again: SQLite does not say it of itself."""


def _recreate_index() -> None:
    if op.get_bind().dialect.name == "sqlite":  # it went with the old column
        op.create_index("ix_sightings_last_seen", "sightings", ["last_seen"])
