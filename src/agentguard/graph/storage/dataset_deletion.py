"""Deletion of a dataset with all its graph versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agentguard.accounts.principal import Permission, Principal
from agentguard.audit.recording import AuditTrail, named
from agentguard.audit.store import AuditStores
from agentguard.coordination.dispatching import Dispatcher
from agentguard.graph.errors import NoGraphError
from agentguard.graph.storage.publishing import PROJECTION
from agentguard.graph.storage.retention import GraphRetentionStores, VersionRetention
from agentguard.graph.storage.store import LIVE
from agentguard.kernel.errors import ConflictError
from agentguard.unit_of_work import UnitOfWork


class LiveDatasetError(ConflictError):
    """The dataset `live` cannot be deleted."""

    code = "live-dataset"

    def __init__(self) -> None:
        super().__init__(
            f"Dataset {LIVE!r} cannot be deleted: a server computes it again from the stored spans."
            " Delete old spans and graphs with `agentguard purge --before`."
        )


class DatasetCitedError(ConflictError):
    """Stored results refer to versions of a dataset."""

    code = "dataset-cited"

    def __init__(self, name: str, cited: int) -> None:
        super().__init__(
            f"Dataset {name!r} was not deleted: stored results cite {cited:,} of its versions."
            " Repeat with --include-cited (in the API: include_cited=true) to delete them, too."
        )


class DeletionStores(GraphRetentionStores, AuditStores, Protocol):
    """What a deletion needs."""


@dataclass(frozen=True, slots=True)
class DatasetService:
    """Deletes datasets."""

    unit_of_work: UnitOfWork[DeletionStores]
    versions: VersionRetention
    outbox: Dispatcher
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def delete(self, actor: Principal, name: str, *, include_cited: bool = False) -> int:
        """Delete the dataset; return the number of its graph versions.

        Raises PermissionDeniedError, LiveDatasetError, NoGraphError where there is no such dataset,
        and DatasetCitedError unless `include_cited`.
        """
        actor.require(Permission.OPERATE)
        if name == LIVE:
            raise LiveDatasetError

        async def work(stores: DeletionStores) -> tuple[str, ...]:
            ids = [v.item.id for v in await stores.graphs.records() if v.dataset == name]
            if not ids:
                raise NoGraphError.of(name)
            cited = await stores.citations.cited() & set(ids)
            if cited and not include_cited:
                raise DatasetCitedError(name, len(cited))
            deleted = await self.versions.delete(stores, ids)
            facts = {"graph_versions": named(deleted), "cited": named(sorted(cited))}
            await self.trail.record(
                stores.audit, actor, "dataset.deleted", object_id=name, payload=facts
            )
            return deleted

        ids = await self.unit_of_work.run(work)
        await self.versions.deleted(ids)
        if self.versions.projected:
            await self.outbox.drain(PROJECTION)
        return len(ids)
