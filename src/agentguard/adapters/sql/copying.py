"""Copies a SQLite file into PostgreSQL, in one transaction; may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Executable, Integer, Table, and_, func, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.errors import DatabaseNotEmptyError
from agentguard.adapters.sql.history import widen
from agentguard.adapters.sql.tables import (
    audit_anchors,
    audit_entries,
    audit_logs,
    audit_tiles,
    component_history,
    expiry_clock,
    graph_versions,
    incidents,
    jobs,
    leases,
    metadata,
    outbox,
    playbooks,
)
from agentguard.adapters.sql.upserts import Upsert, insert_into

_BATCH_ROWS = 100
_OF_PROCESSES = (expiry_clock, leases, outbox)
_TABLES = [table for table in metadata.sorted_tables if table not in _OF_PROCESSES]
"""All but what running processes leave for each other."""

_LAST_SET = {
    jobs: "finished_at",
    incidents: "resolved_at",
    playbooks: "effectiveness_score",
    audit_logs: "blockchain_tx_hash",
    audit_entries: "log_index",
}
"""The column that is set last: a row that has it is newer than the same row of the source."""

Tell = Callable[[str, int], None]
"""Called with a table's name and the number of rows just copied."""


async def count_rows(database: Database) -> dict[str, int]:
    """Return the number of rows of each table."""
    async with database.reading() as connection:
        return {
            t.name: (await connection.execute(select(func.count()).select_from(t))).scalar_one()
            for t in _TABLES
        }


async def copy(source: Database, target: Database, tell: Tell) -> dict[str, int]:
    """Copy every row of the source into the target; return the number of rows by table.

    All or nothing. Repeating it adds what the source got since. Where both have a row, the source's
    wins unless the target's is newer: a job that ran on there, an incident resolved there. The
    history of a component spans both. Raises DatabaseNotEmptyError where the target has graph
    versions of its own.
    """
    async with source.reading() as reading:

        async def work(writing: AsyncConnection) -> dict[str, int]:
            await _refuse_strangers(reading, writing, target.place)
            copied = {
                table.name: await _copy_table(table, reading, writing, tell) for table in _TABLES
            }
            await _advance_sequences(writing)
            return copied

        return await target.write(work)


async def _refuse_strangers(source: AsyncConnection, target: AsyncConnection, place: str) -> None:
    """Refuse versions that the source never had: the order of writing could not be kept.

    Likewise another audit log: its entries would be replaced.
    """
    columns = (graph_versions.c.sequence, graph_versions.c.id)
    known = {row.sequence: row.id for row in await source.execute(select(*columns))}
    newest = max(known, default=0)
    for row in await target.execute(select(*columns)):
        if row.sequence > newest or known.get(row.sequence, row.id) != row.id:
            raise DatabaseNotEmptyError(place)
    if await _holds_other_entries(source, target):
        raise DatabaseNotEmptyError(place)


async def _holds_other_entries(source: AsyncConnection, target: AsyncConnection) -> bool:
    """Return whether both have an entry of the audit log in the same row, but not the same one."""
    entries = select(audit_entries.c.id, audit_entries.c.leaf)
    async with target.stream(entries) as rows:
        async for batch in rows.partitions(_BATCH_ROWS):
            leaves = {row.id: row.leaf for row in batch}
            same = entries.where(audit_entries.c.id.in_(leaves))
            if any(leaves[row.id] != row.leaf for row in await source.execute(same)):
                return True
    return False


async def _copy_table(
    table: Table, source: AsyncConnection, target: AsyncConnection, tell: Tell
) -> int:
    total = 0
    async with source.stream(select(table).order_by(*table.primary_key)) as rows:
        async for batch in rows.mappings().partitions(_BATCH_ROWS):
            await _put(table, [dict(row) for row in batch], target)
            total += len(batch)
            tell(table.name, len(batch))
    return total


async def _put(table: Table, rows: Sequence[dict[str, Any]], target: AsyncConnection) -> None:
    await target.execute(
        widen(target) if table is component_history else _upsert(table, target), rows
    )


def _upsert(table: Table, target: AsyncConnection) -> Executable:
    keys = [column.name for column in table.primary_key]
    new = insert_into(target, table)
    others = {
        column.name: new.excluded[column.name]
        for column in table.columns
        if column.name not in keys
    }
    if not others:
        return new.on_conflict_do_nothing()
    return new.on_conflict_do_update(
        index_elements=keys, set_=others, where=and_(true(), *_behind(table, new))
    )


def _behind(table: Table, new: Upsert) -> list[ColumnElement[bool]]:
    """Return the conditions under which the target's row is no newer than the source's."""
    behind: list[ColumnElement[bool]] = []
    if table in _LAST_SET:
        behind.append(table.columns[_LAST_SET[table]].is_(None))
    if table is audit_tiles:
        behind.append(func.length(table.c.hashes) <= func.length(new.excluded.hashes))
    if table is audit_anchors:
        behind.append(audit_anchors.c.version <= new.excluded.version)
    if table is incidents:
        newer = func.coalesce(incidents.c.version, 0) <= func.coalesce(new.excluded.version, 0)
        behind.append(newer)
    if table is jobs:
        behind.append(jobs.c.fence <= new.excluded.fence)
    return behind


async def _advance_sequences(target: AsyncConnection) -> None:
    """Let PostgreSQL's sequences continue after the copied numbers."""
    for table in _TABLES:
        for column in table.primary_key:
            if (
                isinstance(column.type, Integer)
                and column.autoincrement is True
                and target.dialect.name == "postgresql"
            ):
                place = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
                highest = (  # constant names
                    f"(SELECT coalesce(max({column.name}), 0) + 1 FROM {table.name})"  # noqa: S608
                )
                await target.execute(text(f"SELECT setval({place}, {highest}, false)"))
