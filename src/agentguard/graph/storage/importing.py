"""Moves graph versions of a former store into the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agentguard.accounts.principal import Permission, Principal
from agentguard.audit.recording import AuditTrail, named
from agentguard.audit.store import AuditLog
from agentguard.graph.storage.history import History
from agentguard.graph.storage.store import ComponentHistories, GraphVersion, GraphVersions
from agentguard.kernel.stable_json import stable_json
from agentguard.unit_of_work import UnitOfWork


class FormerGraphs(Protocol):
    """A store that held graph versions before the database did; raises UnavailableError."""

    async def versions(self) -> tuple[GraphVersion, ...]:
        """Return all versions that can be read, in the order of writing."""

    async def history(self) -> History:
        """Return what was seen."""

    async def forget(self) -> None:
        """Delete versions and history; repeating it is harmless."""


class ImportStores(Protocol):
    """What an import needs."""

    @property
    def graphs(self) -> GraphVersions: ...

    @property
    def history(self) -> ComponentHistories: ...

    @property
    def audit(self) -> AuditLog: ...


@dataclass(frozen=True, slots=True)
class GraphImport:
    """Copies what is absent from the database, in one transaction, then deletes the original.

    Their runs must be in the run store already. Safe to repeat, also after a crash anywhere.
    """

    unit_of_work: UnitOfWork[ImportStores]
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def run(self, actor: Principal, former: FormerGraphs) -> int:
        """Import everything; return the number of versions that were new.

        Raises PermissionDeniedError.
        """
        actor.require(Permission.OPERATE)
        versions, seen = await former.versions(), await former.history()
        documents = await asyncio.to_thread(lambda: [stable_json(v.graph) for v in versions])

        async def work(stores: ImportStores) -> int:
            known = frozenset(await stores.graphs.ids())
            new = [
                pair for pair in zip(versions, documents, strict=True) if pair[0].id not in known
            ]
            await _add(stores, new)
            await stores.history.add(seen)
            if new:
                facts = {"graph_versions": named([version.id for version, _ in new])}
                await self.trail.record(stores.audit, actor, "graphs.imported", payload=facts)
            return len(new)

        added = await self.unit_of_work.run(work)
        await former.forget()
        return added


async def _add(stores: ImportStores, new: Sequence[tuple[GraphVersion, bytes]]) -> None:
    for version, document in new:
        await stores.graphs.add(version, document)
    if new:
        await stores.graphs.order_by_time()
