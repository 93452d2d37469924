"""Usage of the outbox; its entries are deleted once they are handled."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.coordination.outbox import OutboxStores
from agentguard.retention.policy import Usage


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """A RetainedRows that is shown and never deletes: every entry is still to be handled."""

    kind: str = "outbox"

    async def usage(self, stores: OutboxStores) -> Usage:
        found = await stores.outbox.backlog()
        return Usage(found.count, found.bytes, found.oldest)

    async def expire(self, stores: OutboxStores, now: int) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    async def purge(
        self,
        stores: OutboxStores,  # noqa: ARG002
        before: int,  # noqa: ARG002
        *,
        include_cited: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        return ()

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Do nothing: the outbox has no files."""
