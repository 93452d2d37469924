"""The history of sightings.

One row per component or workflow, one per day on which anything was seen.
"""

from __future__ import annotations

import orjson
from sqlalchemy import Executable, RowMapping, case, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.columns import escaped
from agentguard.adapters.sql.tables import days_seen, sightings
from agentguard.adapters.sql.upserts import insert_into
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.history import KEPT_DAYS, NS_PER_DAY, History, ComponentHistory

_LONGEST_ID = 2_600
"""Bytes as stored. PostgreSQL's B-tree takes rows of 2,704 (BTMaxItemSize with pages of 8 KiB), 16
of them its own.
"""


async def add_history(connection: AsyncConnection, seen: History, now: int) -> None:
    """Widen what is known by what was seen, and forget what was last seen more than a year ago.

    The caller commits.

    What has an id too long for an index is left out: a graph with it is worth more than its
    history.
    """
    indexable = [_values(s) for s in seen.components if len(escaped(s.id).encode()) <= _LONGEST_ID]
    if indexable:
        await connection.execute(widen(connection), indexable)
    if seen.days:
        await connection.execute(
            insert_into(connection, days_seen).on_conflict_do_nothing(),
            [{"day": day} for day in seen.days],
        )
    oldest = now // NS_PER_DAY - KEPT_DAYS
    await connection.execute(delete(sightings).where(sightings.c.last_seen < oldest * NS_PER_DAY))
    await connection.execute(delete(days_seen).where(days_seen.c.day < oldest))


async def read_history(connection: AsyncConnection) -> History:
    rows = (await connection.execute(select(sightings))).mappings().all()
    days = (
        (await connection.execute(select(days_seen.c.day).order_by(days_seen.c.day)))
        .scalars()
        .all()
    )
    # Sorted here: a database's order of text depends on its collation.
    return History(tuple(sorted(map(_sighting, rows), key=lambda s: s.id)), tuple(days))


def widen(connection: AsyncConnection) -> Executable:
    """Return what puts sightings in; one that is known already becomes as wide as both together."""
    new = insert_into(connection, sightings)
    known, seen = sightings.c, new.excluded
    return new.on_conflict_do_update(
        index_elements=[known.id],
        set_={
            "name": seen.name,
            "spellings": seen.spellings,
            "first_seen": case(
                (known.first_seen < seen.first_seen, known.first_seen), else_=seen.first_seen
            ),
            "last_seen": case(
                (known.last_seen > seen.last_seen, known.last_seen), else_=seen.last_seen
            ),
        },
    )


def _values(s: ComponentHistory) -> dict[str, object]:
    return {
        "id": s.id,
        "kind": s.kind.value,
        "name": s.name,
        "environment": s.environment,
        "spellings": orjson.dumps(s.spellings),
        "first_seen": s.first_seen,
        "last_seen": s.last_seen,
    }


def _sighting(row: RowMapping) -> ComponentHistory:
    return ComponentHistory(
        row["id"],
        ComponentKind(row["kind"]),
        row["name"],
        row["environment"],
        tuple(orjson.loads(row["spellings"])),
        row["first_seen"],
        row["last_seen"],
    )
