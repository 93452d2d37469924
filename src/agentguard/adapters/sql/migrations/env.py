"""Runs the migrations over the connection that `agentguard.adapters.sql.database` hands over."""

from __future__ import annotations

from alembic import context

from agentguard.adapters.sql.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can; Alembic assumes that its driver cannot
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
