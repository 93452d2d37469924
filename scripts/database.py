"""The page about the database: every table with its columns, and what is promised about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from agentguard.adapters.sql.tables import metadata
from scripts.markdown import code
from scripts.markdown import table as markdown_table

HEAD = """# Database

AgentGuard creates and updates its tables itself ([deploy.md](deploy.md)), in SQLite
(`agentguard.db` in the data directory) or in PostgreSQL. Spans, runs and uploads are files in the
data directory, not tables.

## What is promised

**Stable.** The tables `incidents`, `playbooks` and `audit_logs` with the columns and indexes
listed below. Later versions may add columns to these tables, but keep the names, types and
meaning of the listed ones, so that other programs can query them. Ids and creation times have
defaults, so that rows can be inserted with any SQL client. AgentGuard writes to `incidents`
([incidents.md](incidents.md)), to `playbooks`: a row for each playbook that was linked to an
incident, and to `audit_logs`: a row for each entry of the [audit log](audit.md), once it is
sequenced. The row is for queries and proves nothing; `agentguard
audit export` does. AgentGuard neither shows nor changes incidents that other programs inserted.

**Internal.** All other tables. They may change in any version, and other programs should not use
them; use the API ([api.md](api.md)) or the command line ([cli.md](cli.md)) instead. They are
listed here for operators who inspect a database. Alembic keeps the schema's revision in one more
table, `alembic_version`.

Types are those of PostgreSQL. In SQLite, UUID is 32 hexadecimal digits, TIMESTAMPTZ is UTC text
with microseconds, JSONB is JSON text and BYTEA is BLOB.
"""

PROMISED: Mapping[str, Mapping[str, str]] = {
    "incidents": {
        "id": "Random UUID.",
        "agent_id": "Id of the component that failed; without one, of the first affected workflow.",
        "incident_type": "Kind of the incident: `simulated`, `reported`, or that of a condition.",
        "severity": "`CRITICAL`, `HIGH`, `MEDIUM` or `LOW`.",
        "blast_radius_score": "Blast radius of the failure, from 0 to 10, as simulated.",
        "impacted_agents": "The affected agents: their ids.",
        "playbook": "The playbook as it was written for the incident.",
        "audit_trail": "What was done about the incident: `state`, `at` (ns since 1970) and `by`.",
        "blockchain_proof": "The newest final anchor that covers an audit entry of the incident.",
        "created_at": "When the incident was opened.",
        "resolved_at": "When it was resolved or merged; NULL while it is open.",
    },
    "playbooks": {
        "id": "Random UUID.",
        "incident_id": "The incident.",
        "title": "Title.",
        "steps": "Its steps, in order.",
        "effectiveness_score": "Share of judged steps that helped, 0 to 1; NULL if none is judged.",
        "created_at": "When it was linked to the incident.",
    },
    "audit_logs": {
        "id": "UUID; of an entry of the audit log, derived from its hash.",
        "incident_id": "The incident, if the entry belongs to one.",
        "log_type": "Kind of the entry: its action.",
        "evidence": "What the entry records, without its payload; NUL is shown as U+FFFD.",
        "blockchain_tx_hash": "Transaction that anchors the entry; NULL until it is final.",
        "created_at": "When it was written.",
        "log_index": "Index in the audit log; NULL for rows that other programs inserted.",
    },
}
"""Tables that other programs may use; their columns stay."""

INTERNAL: Mapping[str, str] = {
    "graph_versions": "Versions of the dependency graph, by dataset.",
    "graph_citations": "Graph versions that stored results refer to, kept as long as those.",
    "component_history": "When each component was first and last seen, and under which spellings.",
    "days_seen": "Days (since 1970-01-01) on which spans were seen at all.",
    "jobs": "Jobs, their progress and their results.",
    "simulations": "Stored simulations, with their inputs and results.",
    "simulation_catalogs": "The catalogs that stored simulations used, for repeating them.",
    "incident_events": "The timelines of incidents.",
    "incident_subjects": "The components, workflows and conditions by which incidents are found.",
    "simulated_components": "The components that fail in stored simulations.",
    "expiry_clock": "What expiry knows of the clock, so that a wrong one deletes nothing.",
    "leases": "Which process currently does work that only one has to do.",
    "audit_entries": "Entries of the audit log, and their places in it once sequenced.",
    "audit_tiles": "The hashes of the audit log's Merkle tree, 256 in a tile.",
    "audit_anchors": "Anchors of checkpoints on a chain, with every transaction signed for them.",
    "audit_checkpoints": "The signed checkpoints of the audit log.",
    "audit_handovers": "The handover notes between keys of the audit log.",
    "api_keys": "API keys: hashes of their secrets, scopes, and when each was last used.",
    "users": "Users: their roles and the argon2id hashes of their passwords.",
    "user_sessions": "Sessions of signed-in users: hashes of their tokens.",
    "sign_in_attempts": "Sign-ins that failed lately, counted by account and by address.",
    "set_up_links": "Hashes of one-time links for the first administrator.",
    "notifications": "Messages about incidents, and what became of each at its receiver.",
    "outbox": "Effects that follow a committed transaction: notices, messages, job deliveries.",
}


def database_page() -> str:
    """Return the page; raise KeyError for a table without a description."""
    tables = metadata.tables.values()
    promised = [table for table in tables if table.name in PROMISED]
    internal = [table for table in tables if table.name not in PROMISED]
    return "\n".join(
        [
            HEAD,
            "## Stable tables",
            "",
            *(line for table in promised for line in _promised(table)),
            "## Internal tables",
            "",
            *(line for table in internal for line in _internal(table)),
        ]
    )


def _promised(table: Table) -> Iterator[str]:
    meanings = PROMISED[table.name]
    rows = [(*_described(c), meanings.get(c.name, "*Internal.*")) for c in table.columns]
    yield from (f"### {table.name}", "")
    yield from markdown_table(("column", "type", "constraints", "meaning"), rows)
    yield ""
    indexes = [code(index.name) for index in table.indexes if str(index.name).startswith("idx_")]
    if indexes:
        yield from (f"Stable indexes: {', '.join(sorted(indexes))}.", "")


def _internal(table: Table) -> Iterator[str]:
    yield from (f"### {table.name}", "", INTERNAL[table.name], "")
    yield from markdown_table(
        ("column", "type", "constraints"), [_described(c) for c in table.columns]
    )
    yield ""


def _described(column: Column[object]) -> tuple[str, str, str]:
    return code(column.name), _type(column), _constraints(column)


def _type(column: Column[object]) -> str:
    name = column.type.compile(dialect=postgresql.dialect())
    return "TIMESTAMPTZ" if name == "TIMESTAMP WITH TIME ZONE" else name


def _constraints(column: Column[object]) -> str:
    named = [
        ("primary key", column.primary_key),
        ("not NULL", not column.nullable and not column.primary_key),
        ("unique", bool(column.unique)),
        ("has a default", column.server_default is not None),
    ]
    references = [f"references `{key.target_fullname}`" for key in column.foreign_keys]
    return ", ".join([name for name, holds in named if holds] + references)
