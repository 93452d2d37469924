"""Users, their sessions, failed sign-ins and set-up links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_users()
    _create_sessions()
    _create_sign_ins()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("name_key", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("password_hash", sa.String),
        sa.Column("issuer", sa.String),
        sa.Column("subject", sa.String),
        sa.Column("signed_in_at", _TIME),
        sa.UniqueConstraint("name_key", name="uq_users_name_key"),
    )
    op.create_index("ix_users_issuer_subject", "users", ["issuer", "subject"], unique=True)
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"])


def _create_sessions() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
    )
    op.create_index("ix_user_sessions_user_id", "user_sessions", ["user_id"])


def _create_sign_ins() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
    )
    op.create_index("ix_sign_in_attempts_last_at", "sign_in_attempts", ["last_at"])
    op.create_table(
        "set_up_links",
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("made_at", _TIME, nullable=False),
    )


def downgrade() -> None:
    for table in ("set_up_links", "sign_in_attempts", "user_sessions", "users"):
        op.drop_table(table)
