"""Usage and deletion of kept data, on request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
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
        `include_cited`. The rows are deleted in one transaction, which enters the numbers of rows
        and files, and the files after it; if those fail, repeating deletes them. Raises
        PermissionDeniedError, UnavailableError, OSError; nothing is deleted where files are in use.
        """
        actor.require(Permission.OPERATE)
        async with AsyncExitStack() as held:
            files = [
                (each, await held.enter_async_context(each.purging(before)))
                for each in self.kept.files
            ]
            numbers = {each.kind: len(selected) for each, selected in files}
            ids = await self._purge_rows(actor, before, numbers, include_cited=include_cited)
            for rows in self.kept.rows:
                await rows.deleted(ids[rows.kind])
            for each, selected in files:
                await each.delete(selected)
        left = {each.kind: await each.purge(before) for each in self.kept.leftovers}
        return {kind: len(gone) for kind, gone in ids.items()} | numbers | left

    async def _purge_rows(
        self, actor: Principal, before: int, files: Mapping[str, int], *, include_cited: bool
    ) -> dict[str, tuple[str, ...]]:
        """Delete the rows, and enter their numbers with those of the files; return the ids."""

        async def work(stores: S) -> dict[str, tuple[str, ...]]:
            gone = {
                rows.kind: await rows.purge(stores, before, include_cited=include_cited)
                for rows in self.kept.rows
            }
            numbers = {**{kind: len(ids) for kind, ids in gone.items()}, **files}
            facts = {"before": timestamp(before), "include_cited": include_cited, **numbers}
            await self.kept.trail.record(stores.audit, actor, "data.purged", payload=facts)
            return gone

        return await self.kept.unit_of_work.run(work)
