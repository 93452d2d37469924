"""Drafts: graphs that one writer stages beside the one that is shown."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.graph.storage.store import GraphVersion

ONE_WRITER = "MERGE (lock:AgentGuardLock {name: 'writer'}) SET lock:AgentGuardLock"
"""Let no other transaction show, take over or retire a draft before this one ends."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One writer's attempt to show a version."""

    version: GraphVersion
    writer: str
    """Unique: what another writer staged of the same version is not this one's."""
    staged_at: int
    """ns."""
