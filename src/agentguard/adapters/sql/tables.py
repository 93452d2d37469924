"""The tables as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

graph_versions = Table(
    "graph_versions",
    metadata,
    # The order of writing; the ids' order could be disturbed by a clock set back.
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("dataset", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("components", Integer, nullable=False),
    Column("dependencies", Integer, nullable=False),
    Column("graph", LargeBinary, nullable=False),  # canonical JSON
    Index("ix_graph_versions_dataset_sequence", "dataset", "sequence"),
    sqlite_autoincrement=True,
)

sightings = Table(
    "sightings",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("environment", String),
    Column("spellings", LargeBinary, nullable=False),  # JSON
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False, index=True),
)

days_seen = Table("days_seen", metadata, Column("day", Integer, primary_key=True, autoincrement=False))

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("request", LargeBinary, nullable=False),  # JSON
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("deliver_at", BigInteger),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("result", LargeBinary),  # JSON
    Column("error_code", String),
    Column("error_message", String),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
)
