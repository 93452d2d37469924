"""The tables as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Uuid,
    text,
)

from agentguard.adapters.sql.columns import (
    Document,
    ForeignText,
    Moment,
    Name,
    random_id,
    transaction_time,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)

graph_versions = Table(
    "graph_versions",
    metadata,
    # The order of writing; the order of ids would change with a clock set back.
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", Name, nullable=False, unique=True),
    Column("dataset", Name, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("components", Integer, nullable=False),
    Column("dependencies", Integer, nullable=False),
    Column("graph", LargeBinary, nullable=False),  # stable JSON
    Index("ix_graph_versions_dataset_sequence", "dataset", "sequence"),
    sqlite_autoincrement=True,
)

graph_citations = Table(
    "graph_citations",
    metadata,
    Column("graph_version", ForeignKey("graph_versions.id"), primary_key=True),
    Column("cited_by_kind", Name, primary_key=True),
    Column("cited_by_id", Name, primary_key=True),
    Index("ix_graph_citations_cited_by_kind_cited_by_id", "cited_by_kind", "cited_by_id"),
)
"""Graph versions that stored results refer to; they are kept as long as those."""

component_history = Table(
    "component_history",
    metadata,
    Column("id", ForeignText, primary_key=True),
    Column("kind", String, nullable=False),
    Column("name", ForeignText, nullable=False),
    Column("environment", ForeignText),
    Column("spellings", LargeBinary, nullable=False),  # JSON
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False, index=True),
)

days_seen = Table(
    "days_seen", metadata, Column("day", Integer, primary_key=True, autoincrement=False)
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Name, primary_key=True),
    Column("kind", Name, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("request", LargeBinary, nullable=False),  # JSON
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("deliver_at", Moment),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("result", LargeBinary),  # JSON
    Column("error_code", String),
    Column("error_message", String),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("submitted_by", ForeignText),  # a principal's id; NULL for jobs of older versions
    Column("submitted_by_kind", Name),  # NULL for jobs of older versions
)

simulation_catalogs = Table(
    "simulation_catalogs",
    metadata,
    Column("sha256", Name, primary_key=True),
    Column("document", LargeBinary, nullable=False),  # stable JSON
)
"""The catalogs that stored simulations used; deleted with the last of these."""

simulations = Table(
    "simulations",
    metadata,
    # The beginning of the document's SHA-256.
    Column("id", Name, primary_key=True),
    Column("created_at", Moment, nullable=False),
    Column("created_by", ForeignText, nullable=False),  # a principal's id
    Column("agentguard_version", Name, nullable=False),
    Column("dataset", Name, nullable=False),
    Column("graph_version", Name, nullable=False),  # may have expired
    Column("catalog", ForeignKey("simulation_catalogs.sha256"), index=True),
    Column("inputs", LargeBinary, nullable=False),  # JSON
    Column("summary", LargeBinary, nullable=False),  # JSON
    Column("document", LargeBinary, nullable=False),  # JSON
    Index("ix_simulations_created_at_id", "created_at", "id"),
)

simulated_components = Table(
    "simulated_components",
    metadata,
    Column("simulation", ForeignKey("simulations.id"), primary_key=True),
    Column("component", ForeignText, primary_key=True, index=True),
)
"""The components that fail in stored simulations."""

incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=random_id()),
    Column("agent_id", String, nullable=False),
    Column("incident_type", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("blast_radius_score", Float),
    Column("impacted_agents", Document),
    Column("playbook", Document),
    Column("audit_trail", Document),
    Column("blockchain_proof", Document),
    Column("created_at", Moment, nullable=False, server_default=transaction_time()),
    Column("resolved_at", Moment),
    # What follows is NULL in rows that other programs inserted.
    Column("version", Integer),
    Column("state", Name),
    Column("owner", ForeignText, index=True),
    Column("merged", Boolean),
    Column("changed_at", Moment),
    Column("document", LargeBinary),  # JSON, without the playbook
    Index("idx_incidents_agent", "agent_id"),
    Index("idx_incidents_created", "created_at"),
    Index("ix_incidents_state_created_at", "state", "created_at"),
)

incident_events = Table(
    "incident_events",
    metadata,
    Column("incident", ForeignKey("incidents.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("time", Moment, nullable=False),
    Column("actor", ForeignText, nullable=False),  # a principal's id
    Column("actor_kind", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("details", LargeBinary, nullable=False),  # JSON
)
"""The timelines of incidents."""

incident_subjects = Table(
    "incident_subjects",
    metadata,
    Column("incident", ForeignKey("incidents.id"), primary_key=True),
    Column("kind", Name, primary_key=True),
    Column("subject", ForeignText, primary_key=True),
    Index("ix_incident_subjects_kind_subject", "kind", "subject"),
)
"""What lists of incidents are filtered by: components, workflows and conditions."""

playbooks = Table(
    "playbooks",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=random_id()),
    Column("incident_id", ForeignKey("incidents.id"), nullable=False, index=True),
    Column("title", String, nullable=False),
    Column("steps", Document, nullable=False),
    Column("effectiveness_score", Float),
    Column("created_at", Moment, nullable=False, server_default=transaction_time()),
)

audit_logs = Table(
    "audit_logs",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=random_id()),
    Column("incident_id", ForeignKey("incidents.id")),
    Column("log_type", String, nullable=False),
    Column("evidence", Document),
    Column("blockchain_tx_hash", String),
    Column("created_at", Moment, nullable=False, server_default=transaction_time()),
    Column("log_index", BigInteger, index=True),
    Index("idx_audit_logs_incident", "incident_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Name, primary_key=True),
    Column("name", ForeignText, nullable=False),
    Column("scopes", String, nullable=False),  # permissions, separated by commas
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the secret
    Column("former_hash", LargeBinary),
    Column("former_until", Moment),
    Column("created_at", Moment, nullable=False),
    Column("created_by", ForeignText, nullable=False),  # a principal's id
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("rotated_at", Moment),
    Column("last_used_at", Moment),
    Index("ix_api_keys_created_at_id", "created_at", "id"),
)

users = Table(
    "users",
    metadata,
    Column("id", Name, primary_key=True),
    Column("name", ForeignText, nullable=False),
    Column("name_key", ForeignText, nullable=False, unique=True),  # the name, without case
    Column("role", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", ForeignText, nullable=False),  # a principal's id
    Column("generation", Integer, nullable=False),
    Column("password_hash", String),  # argon2id; NULL: the user signs in elsewhere
    Column("issuer", ForeignText),
    Column("subject", ForeignText),
    Column("signed_in_at", Moment),
    Index("ix_users_issuer_subject", "issuer", "subject", unique=True),
    Index("ix_users_created_at_id", "created_at", "id"),
)

user_sessions = Table(
    "user_sessions",
    metadata,
    Column("hash", Name, primary_key=True),  # SHA-256 of the session's token
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("generation", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("source", Name, primary_key=True),  # a hash of an account's name, or an address
    Column("failed", Integer, nullable=False),
    Column("last_at", Moment, nullable=False, index=True),
)

set_up_links = Table(
    "set_up_links",
    metadata,
    Column("hash", Name, primary_key=True),  # SHA-256 of the link's token
    Column("made_at", Moment, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", Moment, nullable=False),
    Column("done_at", Moment),
)

expiry_clock = Table(
    "expiry_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("trusted", Moment, nullable=False),
    Column("ahead_since", Moment),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("topic", Name, nullable=False),
    Column("key", ForeignText, nullable=False),
    Column("payload", LargeBinary, nullable=False),  # JSON
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_until", Moment),
    Index("ix_outbox_topic_key", "topic", "key"),
    sqlite_autoincrement=True,
)

notifications = Table(
    "notifications",
    metadata,
    Column("message", Name, primary_key=True),
    Column("receiver", Name, primary_key=True),
    Column("incident", Name, nullable=False),  # its id; the notification may outlive it
    Column("created_at", Moment, nullable=False, index=True),  # of the incident's change
    Column("payload", LargeBinary, nullable=False),  # JSON
    Column("state", Name, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("reason", ForeignText),
    Index("ix_notifications_receiver_incident", "receiver", "incident"),
    Index("ix_notifications_state_ended_at", "state", "ended_at"),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    # The order of appending, with gaps; `log_index` is the place in the log.
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("log_index", BigInteger, unique=True),
    Column("time", Moment, nullable=False, index=True),
    Column("actor", ForeignText, nullable=False, index=True),
    Column("action", Name, nullable=False, index=True),
    Column("object", ForeignText, index=True),
    Column("leaf", LargeBinary, nullable=False),  # canonical JSON
    Column("payload", LargeBinary),  # canonical JSON; NULL: removed, with the salt
    Column("salt", LargeBinary),
    Index(
        "ix_audit_entries_unsequenced",
        "id",
        postgresql_where=text("log_index IS NULL"),
        sqlite_where=text("log_index IS NULL"),
    ),
    Index(
        "ix_audit_entries_payload_time",
        "time",
        postgresql_where=text("payload IS NOT NULL"),
        sqlite_where=text("payload IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

audit_tiles = Table(
    "audit_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),  # a signed note
    Column("time", Moment, nullable=False),
)

audit_handovers = Table(
    "audit_handovers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # in order, from 0
    Column("note", LargeBinary, nullable=False),  # signed by the old and the new key
    Column("time", Moment, nullable=False),
)

audit_anchors = Table(
    "audit_anchors",
    metadata,
    # Of the checkpoint: one has one anchor at most.
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),  # a signed note
    Column("state", Name, nullable=False, index=True),
    Column("chain_id", BigInteger),
    Column("tx_hash", Name, index=True),
    Column("attempts", Document, nullable=False),
    Column("receipt", Document),
    Column("problem", Document),
    Column("told", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("looked_at", Moment),
    Column("version", Integer, nullable=False),
)
