"""The newest graphs of `live`, in the memory of the process that computes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from agentguard.graph.runs import PackedRuns
from agentguard.graph.storage.store import GraphVersion

_MOST = 3
"""Kept for readers that found one and ask for more of it; each has its runs."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A version that is not stored yet, with its runs."""

    version: GraphVersion
    runs: PackedRuns


Store: TypeAlias = Callable[[str], Awaitable[None]]
"""Stores the version with this id, if it is not stored."""


class LiveDemand(Protocol):
    """Asks the process that computes the live graph to store it, for other processes."""

    async def ask(self) -> None:
        """Return once the newest graph is stored; after a second, or without a server, anyway."""

    async def pending(self) -> bool:
        """Return whether a process has asked since the last answer."""

    async def answer(self) -> None:
        """Tell the processes that asked: the newest graph is stored."""


@dataclass(slots=True)
class UnstoredVersions:
    """The versions of `live` that this process has computed and not stored, oldest first."""

    demand: LiveDemand | None = None
    """How to ask another process; None: there is no other one."""
    store: Store | None = None
    """Set while this process computes the live graph."""
    as_of: int = 0
    """ns. The newest version has all spans compacted until then; 0: another process knows."""
    _kept: list[Computed] = field(default_factory=list)

    @property
    def newest(self) -> Computed | None:
        return self._kept[-1] if self._kept else None

    def get(self, version_id: str) -> Computed | None:
        return next((each for each in self._kept if each.version.id == version_id), None)

    def add(self, computed: Computed) -> None:
        """Keep the newest version, and those before it for a while."""
        self._kept = [*self._kept, computed][-_MOST:]
        self.as_of = computed.version.created_at

    def stored(self, version_id: str) -> None:
        """Forget a version that is now stored, and older ones: it is newer than they are."""
        ids = [each.version.id for each in self._kept]
        self._kept = self._kept[ids.index(version_id) + 1 :] if version_id in ids else self._kept

    def clear(self) -> None:
        """Forget all: another process computes the live graph."""
        self._kept, self.store, self.as_of = [], None, 0

    async def ask(self) -> None:
        """Have the process that computes the live graph store it, unless this one does."""
        if self.store is None and self.demand is not None:
            await self.demand.ask()

    async def keep(self, version_id: str) -> None:
        """Store the version if it is only in memory, because a result cites it."""
        if self.store is not None and self.get(version_id) is not None:
            await self.store(version_id)
