"""The port of stored anchors."""

from __future__ import annotations

from typing import Protocol

from agentguard.audit.anchoring import Anchor
from agentguard.audit.store import AuditLog


class AnchorStore(Protocol):
    """Anchors by the size of their checkpoint.

    Every method runs in the caller's transaction: what it changes is durable once that commits.
    """

    async def add(self, anchor: Anchor) -> None:
        """Store the anchor of a checkpoint that has none; raise ValueError if it has one."""

    async def replace(self, anchor: Anchor) -> bool:
        """Store a changed anchor, with the next version.

        Return False, and change nothing, if the stored version is not `anchor.version`.
        """

    async def open(self) -> Anchor | None:
        """Return the anchor that is not final yet; there is one at most."""

    async def newest(self, limit: int) -> tuple[Anchor, ...]:
        """Return the anchors of the largest checkpoints, newest first."""

    async def last_finalised(self, below: int | None = None) -> Anchor | None:
        """Return the finalised anchor of the largest checkpoint, or of the largest below a size."""

    async def covering(self, index: int) -> Anchor | None:
        """Return the finalised anchor of the smallest checkpoint that holds this entry."""

    async def of_transaction(self, tx_hash: str) -> Anchor | None:
        """Return the anchor whose receipt names this transaction (0x and lower-case hex)."""

    async def settled(self) -> tuple[Anchor, ...]:
        """Return all anchors with a final receipt, the oldest first: what anchors have cost."""


class AnchorStores(Protocol):
    """What anchoring needs."""

    @property
    def audit(self) -> AuditLog: ...

    @property
    def anchors(self) -> AnchorStore: ...
