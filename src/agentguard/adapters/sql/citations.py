"""Citations of graph versions in the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.adapters.sql.batches import batches
from agentguard.adapters.sql.tables import graph_citations, graph_versions
from agentguard.adapters.sql.upserts import insert_into


@dataclass(frozen=True, slots=True)
class SqlCitations:
    """Citations over one transaction."""

    connection: AsyncConnection

    async def cite(self, graph_version: str, kind: str, cited_by: str) -> bool:
        stored = select(graph_versions.c.id).where(graph_versions.c.id == graph_version)
        if (await self.connection.execute(stored)).first() is None:
            return False
        row = {"graph_version": graph_version, "cited_by_kind": kind, "cited_by_id": cited_by}
        new = insert_into(self.connection, graph_citations).values(row)
        await self.connection.execute(new.on_conflict_do_nothing())
        return True

    async def cited(self) -> frozenset[str]:
        wanted = select(graph_citations.c.graph_version).distinct()
        return frozenset((await self.connection.execute(wanted)).scalars())

    async def withdraw(self, kind: str, cited_by: Collection[str]) -> None:
        table = graph_citations.c
        for batch in batches(cited_by):
            mine = delete(graph_citations).where(
                table.cited_by_kind == kind, table.cited_by_id.in_(batch)
            )
            await self.connection.execute(mine)

    async def forget(self, graph_versions: Collection[str]) -> None:
        for batch in batches(graph_versions):
            theirs = delete(graph_citations).where(graph_citations.c.graph_version.in_(batch))
            await self.connection.execute(theirs)
