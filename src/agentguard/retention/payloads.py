"""Retention of what entries of the audit log tell beside their leaves."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.audit.accounting import KEPT_ACTIONS
from agentguard.audit.store import PAYLOADS, AuditStores
from agentguard.kernel.clock import NS_PER_DAY
from agentguard.retention.policy import Usage

_MOST = 10_000
"""Payloads that are removed per transaction."""


@dataclass(frozen=True, slots=True)
class PayloadRetention:
    """RetainedRows of payloads with their salts. Leaves and hashes stay: entries never go."""

    age: int
    """ns."""

    @property
    def kind(self) -> str:
        return PAYLOADS

    async def usage(self, stores: AuditStores) -> Usage:
        stored = await stores.audit.payloads()
        return Usage(stored.number, stored.bytes, stored.oldest)

    async def expire(self, stores: AuditStores, now: int) -> tuple[str, ...]:
        """Remove what is older than the limit; return the indexes of the entries.

        Whole days go at a time: the removal is an entry, which keeps its payload, as do those about
        anchors and keys: `fsck` compares the log with what they tell.
        """
        before = (now - self.age) // NS_PER_DAY * NS_PER_DAY
        removed = await stores.audit.remove_payloads(before, most=_MOST, kept=KEPT_ACTIONS)
        return tuple(map(str, removed))

    async def purge(
        self,
        stores: AuditStores,  # noqa: ARG002
        before: int,  # noqa: ARG002
        *,
        include_cited: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Remove nothing: what the log tells of older data outlives it."""
        return ()

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Do nothing: payloads have no files."""
