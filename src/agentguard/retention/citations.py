"""The port to citations: which graph versions stored results refer to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

JOB = "job"
"""The kind of a citation by a job's result."""
SIMULATION = "simulation"
"""The kind of a citation by a stored simulation."""
INCIDENT = "incident"
"""The kind of a citation by an incident."""


class Citations(Protocol):
    """References to graph versions, which are kept as long as what cites them.

    Every method runs in the caller's transaction.
    """

    async def cite(self, graph_version: str, kind: str, cited_by: str) -> bool:
        """Record that something cites a graph version; repeating it changes nothing.

        Return False, and record nothing, if the version is not stored.
        """

    async def cited(self) -> frozenset[str]:
        """Return the ids of all cited versions."""

    async def withdraw(self, kind: str, cited_by: Collection[str]) -> None:
        """Delete the citations by these things, which are deleted in the same transaction."""

    async def forget(self, graph_versions: Collection[str]) -> None:
        """Delete the citations of these versions, which are deleted in the same transaction."""
