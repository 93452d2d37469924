"""Usage and deletion of kept data, on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from agentguard.accounts.principal import Permission, Principal
from agentguard.kernel.clock import timestamp
from agentguard.retention.housekeeping import HousekeepingStores, KeptData
from agentguard.retention.policy import Usage

S = TypeVar("S", bound=HousekeepingStores)


@dataclass(frozen=True, slots=True)
class RetentionService(Generic[S]):
    """Reports and purges kept data of every kind."""

    kept: KeptData[S]

    async def usage(self) -> Mapping[str, Usage]:
        """Return what each kind occupies; raises UnavailableError, OSError."""
        return await self.kept.usage()

    async def expire(self, now: int) -> Mapping[str, int]:
        """Delete what exceeds the limits, where no server does; harmless beside one.

        Returns the number of items per kind; raises UnavailableError, OSError.
        """
        return await self.kept.expire(now)

    async def purge(
        self, actor: Principal, before: int, *, include_cited: bool = False
    ) -> Mapping[str, int]:
        """Delete all data made before this time (ns); return the number of items per kind.

        What is in use stays: unfinished jobs with their uploads, and cited graph versions unless
        `include_cited`. The rows are deleted in one transaction, the files after it; if those
        fail, repeating deletes them. Raises PermissionDeniedError, UnavailableError, OSError.
        """
        actor.require(Permission.OPERATE)

        async def work(stores: S) -> dict[str, tuple[str, ...]]:
            gone = {
                rows.kind: await rows.purge(stores, before, include_cited=include_cited)
                for rows in self.kept.rows
            }
            facts = {"before": timestamp(before), "include_cited": include_cited} | {
                kind: len(ids) for kind, ids in gone.items()
            }
            await self.kept.trail.record(stores.audit, actor, "data.purged", payload=facts)
            return gone

        ids = await self.kept.unit_of_work.run(work)
        for rows in self.kept.rows:
            await rows.deleted(ids[rows.kind])
        deleted = {kind: len(gone) for kind, gone in ids.items()}
        return deleted | {each.kind: await each.purge(before) for each in self.kept.files}
