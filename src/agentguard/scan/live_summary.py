"""One audit entry an hour about the live graph, whose refreshes are too many for one each."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentguard.accounts.principal import system_principal
from agentguard.audit.recording import AuditTrail
from agentguard.audit.store import AuditStores
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.kernel.clock import NS_PER_HOUR, Clock, timestamp
from agentguard.unit_of_work import UnitOfWork


@dataclass(slots=True)
class LiveSummary:
    """Counts the refreshes of this process since the last entry."""

    unit_of_work: UnitOfWork[AuditStores]
    clock: Clock
    trail: AuditTrail = field(default_factory=AuditTrail)
    _refreshes: int = field(default=0, init=False)
    _since: int = field(default=0, init=False)
    _newest: GraphVersion | None = field(default=None, init=False)

    def count(self, version: GraphVersion) -> None:
        """Count a refresh that gave a new version."""
        if not self._refreshes:
            self._since = self.clock()
        self._refreshes += 1
        self._newest = version

    @property
    def due(self) -> bool:
        """Whether the oldest refresh without an entry is an hour old."""
        return self._refreshes > 0 and not 0 <= self.clock() - self._since < NS_PER_HOUR

    async def enter(self) -> bool:
        """Leave an entry about all refreshes since the last one; return whether there were any.

        The newest version must be stored before. Raises UnavailableError; then nothing is lost.
        """
        newest, number = self._newest, self._refreshes
        if newest is None:
            return False
        facts = {
            "refreshes": number,
            "spans": newest.graph.coverage.spans,
            "since": timestamp(self._since),
            "until": timestamp(self.clock()),
        }

        async def work(stores: AuditStores) -> None:
            await self.trail.record(
                stores.audit,
                system_principal("live"),
                "live.summarised",
                object_id=LIVE,
                graph_version=newest.id,
                payload=facts,
            )

        await self.unit_of_work.run(work)
        self._refreshes, self._newest = self._refreshes - number, None
        return True
