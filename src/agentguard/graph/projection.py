"""The port to a projection of one graph, which people query, and what keeps it current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentguard.coordination.outbox import OutboxEntry
from agentguard.graph.errors import NoGraphError
from agentguard.graph.selection import default_version
from agentguard.graph.storage.store import GraphVersion
from agentguard.graph.storage.versions import Graphs


class GraphProjection(Protocol):
    """Shows one graph version at a time; every method raises UnavailableError."""

    async def shown(self) -> str | None:
        """Return the id of the version that is shown, or None."""

    async def project(self, version: GraphVersion) -> None:
        """Show this version in place of the one shown; readers meet one graph, whole.

        Repeating it changes nothing. Several processes may project at one time: the last switch
        counts.
        """

    async def clear(self) -> None:
        """Show no graph."""

    async def refresh(self, version: GraphVersion) -> None:
        """Update what is said of this version beyond its graph, if it is shown.

        Also deletes what writers that died left behind.
        """

    async def ping(self) -> None:
        """Run a query; raise UnavailableError if that fails."""


@dataclass(frozen=True, slots=True)
class Projector:
    """Keeps the projection equal to the newest version of `live`, else to the one last written."""

    graphs: Graphs
    projection: GraphProjection

    async def handle(self, _entry: OutboxEntry) -> None:
        """Show the version that is due (a Handler of PROJECTION)."""
        await self.catch_up()

    async def catch_up(self) -> GraphVersion | None:
        """Show the version that is due and return it; None if there is none.

        Looks again after each switch: a slower process may have shown an older version meanwhile.
        """
        while True:
            version = await self._newest()
            if await self.projection.shown() == (None if version is None else version.id):
                return version
            if version is None:
                await self.projection.clear()
            else:
                await self.projection.project(version)

    async def start(self) -> None:
        """Catch up as a server starts, whose settings may differ from those of the last one."""
        version = await self.catch_up()
        if version is not None:
            await self.projection.refresh(version)

    async def _newest(self) -> GraphVersion | None:
        try:
            return await default_version(self.graphs)
        except NoGraphError:
            return None
