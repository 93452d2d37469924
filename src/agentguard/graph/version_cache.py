"""What graph stores do alike.

Keep runs before the row that owns them, and the versions used last at hand.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agentguard.graph.runs import Runs
from agentguard.graph.store import GraphVersion, RunStore

_RECENT = 8


@dataclass(slots=True)
class Commit:
    """Of what will own a version's runs: a row, a node."""

    begun: bool = False
    """Whether it may have. From then on an error does not mean that the owner is not there."""


@asynccontextmanager
async def runs_first(store: RunStore, version_id: str, runs: Runs) -> AsyncIterator[Commit]:
    """Keep the runs while the row is written in the body.

    Delete them again if that fails before its commit.

    Where it fails later they stay: the row may be there and own them, and if it is not, `sweep`
    finds them.
    """
    await store.put(version_id, runs)
    commit = Commit()
    try:
        yield commit
    except BaseException:
        if not commit.begun:
            await store.delete([version_id])
        raise


@dataclass(slots=True)
class RecentVersions:
    """The versions used last, whole.

    One never changes, so what is found here is right for as long as it is kept.
    """

    _versions: OrderedDict[str, GraphVersion] = field(default_factory=OrderedDict)

    def get(self, version_id: str) -> GraphVersion | None:
        return self._versions.get(version_id)

    def ids(self) -> tuple[str, ...]:
        return tuple(self._versions)

    def add(self, version: GraphVersion) -> None:
        self._versions[version.id] = version
        while len(self._versions) > _RECENT:
            self._versions.popitem(last=False)

    def forget(self, version_ids: Iterable[str]) -> None:
        for version_id in version_ids:
            self._versions.pop(version_id, None)
