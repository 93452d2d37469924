"""The history of sightings.

One node per component or workflow, one per day on which anything was seen.
"""

from __future__ import annotations

from neo4j import Record

from agentguard.adapters.neo4j.database import Transaction, rows
from agentguard.adapters.neo4j.moments import moment, nanoseconds
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.history import KEPT_DAYS, NS_PER_DAY, History, ComponentHistory

_AT_ONCE = 1_000
_WIDEN = f"""
UNWIND $rows AS row
MERGE (s:ComponentHistory {{id: row[0]}})
SET s.kind = row[1], s.name = row[2], s.environment = row[3], s.spellings = row[4],
  s.first_seen = CASE WHEN s.first_seen < {moment("row[5]")} THEN s.first_seen ELSE {moment("row[5]")} END,
  s.last_seen = CASE WHEN s.last_seen > {moment("row[6]")} THEN s.last_seen ELSE {moment("row[6]")} END"""
_ADD_DAYS = "UNWIND $days AS day MERGE (:DaySeen {day: day})"
_FORGET = f"MATCH (s:ComponentHistory) WHERE s.last_seen < {moment('$before')} DELETE s"
_FORGET_DAYS = "MATCH (d:DaySeen) WHERE d.day < $before DELETE d"
_SIGHTINGS = f"""
MATCH (s:ComponentHistory)
RETURN s.id, s.kind, s.name, s.environment, s.spellings, {nanoseconds("s.first_seen")}, {nanoseconds("s.last_seen")}
ORDER BY s.id"""
_DAYS = "MATCH (d:DaySeen) RETURN d.day AS day ORDER BY day"


async def add_history(transaction: Transaction, seen: History, now: int) -> None:
    """Widen what is known by what was seen, and forget what was last seen more than a year ago."""
    for start in range(0, len(seen.components), _AT_ONCE):
        await rows(
            transaction,
            _WIDEN,
            rows=[_values(s) for s in seen.components[start : start + _AT_ONCE]],
        )
    await rows(transaction, _ADD_DAYS, days=list(seen.days))
    oldest = now // NS_PER_DAY - KEPT_DAYS
    await rows(transaction, _FORGET, before=oldest * NS_PER_DAY)
    await rows(transaction, _FORGET_DAYS, before=oldest)


async def read_history(transaction: Transaction) -> History:
    sightings = await rows(transaction, _SIGHTINGS)
    days = await rows(transaction, _DAYS)
    return History(tuple(map(_sighting, sightings)), tuple(row["day"] for row in days))


def _values(s: ComponentHistory) -> list[object]:
    return [s.id, s.kind.value, s.name, s.environment, list(s.spellings), s.first_seen, s.last_seen]


def _sighting(row: Record) -> ComponentHistory:
    id_, kind, name, environment, spellings, first_seen, last_seen = row.values()
    return ComponentHistory(
        id_, ComponentKind(kind), name, environment, tuple(spellings), first_seen, last_seen
    )
