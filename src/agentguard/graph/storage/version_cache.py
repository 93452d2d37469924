"""The graph versions used last, in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from agentguard.graph.storage.store import GraphVersion

_RECENT = 8


@dataclass(slots=True)
class RecentVersions:
    """The versions used last; they never change, so a cached one is right while it is kept."""

    _versions: OrderedDict[str, GraphVersion] = field(default_factory=OrderedDict)

    def get(self, version_id: str) -> GraphVersion | None:
        return self._versions.get(version_id)

    def add(self, version: GraphVersion) -> None:
        self._versions[version.id] = version
        self._versions.move_to_end(version.id)
        while len(self._versions) > _RECENT:
            self._versions.popitem(last=False)

    def forget(self, version_ids: Iterable[str]) -> None:
        for version_id in version_ids:
            self._versions.pop(version_id, None)
