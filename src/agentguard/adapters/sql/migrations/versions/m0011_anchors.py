"""Anchors of checkpoints, and the audit log's entries in audit_logs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
_BATCH_ROWS = 500


def upgrade() -> None:
    op.create_table(
        "audit_anchors",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("chain_id", sa.BigInteger),
        sa.Column("tx_hash", sa.String),
        sa.Column("attempts", _JSON, nullable=False),
        sa.Column("receipt", _JSON),
        sa.Column("problem", _JSON),
        sa.Column("told", _JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.Integer, nullable=False),
    )
    for column in ("state", "tx_hash"):
        op.create_index(f"ix_audit_anchors_{column}", "audit_anchors", [column])
    op.add_column("audit_logs", sa.Column("log_index", sa.BigInteger))
    op.create_index("ix_audit_logs_log_index", "audit_logs", ["log_index"])
    _project_entries()


def downgrade() -> None:
    op.execute("DELETE FROM audit_logs WHERE log_index IS NOT NULL")
    op.drop_index("ix_audit_logs_log_index", "audit_logs")
    op.drop_column("audit_logs", "log_index")
    op.drop_table("audit_anchors")


def _project_entries() -> None:
    """Enter what is in the log already, as sequencing does from now on."""
    connection = op.get_bind()
    for rows in _sequenced(connection):
        connection.execute(sa.insert(_LOGS), [_projected(row) for row in rows])


def _sequenced(connection: sa.Connection) -> Iterator[list[sa.RowMapping]]:
    first = 0
    index = _ENTRIES.c.log_index
    while True:
        wanted = sa.select(_ENTRIES).where(index >= first).order_by(index).limit(_BATCH_ROWS)
        rows = list(connection.execute(wanted).mappings())
        if not rows:
            return
        yield rows
        first = rows[-1]["log_index"] + 1


def _projected(row: sa.RowMapping) -> dict[str, Any]:
    leaf = bytes(row["leaf"])
    told = _storable(json.loads(leaf))
    return {
        "id": uuid.uuid5(_NAMESPACE, sha256(b"\0" + leaf).hexdigest()),
        "log_type": row["action"],
        "evidence": {
            "index": row["log_index"],
            "time": told["time"],
            "actor": told["actor"],
            "action": told["action"],
            "object": told["object"],
            "graph_version": told["graph_version"],
            "trace_ids": told["evidence"],
        },
        "created_at": row["time"],
        "log_index": row["log_index"],
    }


def _storable(value: Any) -> Any:
    """Return JSON without NUL, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {name: _storable(each) for name, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value


_NAMESPACE = uuid.UUID("6f1b5c0e-6f0c-5b1e-9a57-1d5d3f2c7a10")

_ENTRIES = sa.table(
    "audit_entries",
    sa.column("log_index", sa.BigInteger),
    sa.column("time", sa.DateTime(timezone=True)),
    sa.column("action", sa.String),
    sa.column("leaf", sa.LargeBinary),
)

_LOGS = sa.table(
    "audit_logs",
    sa.column("id", sa.Uuid),
    sa.column("log_type", sa.String),
    sa.column("evidence", _JSON),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("log_index", sa.BigInteger),
)
