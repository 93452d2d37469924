"""Which graph the projection shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from agentguard.adapters.files.runs import FileRunStore
from agentguard.adapters.sql.database import open_database
from agentguard.graph.storage.store import LIVE, GraphVersion
from tests.conformance.graph_stores import stored
from tests.conformance.graphs import RUNS, SteppingClock, version

pytestmark = pytest.mark.anyio


@dataclass
class Shown:
    """A GraphProjection that people would query."""

    version: GraphVersion | None = None

    async def shown(self) -> str | None:
        return None if self.version is None else self.version.id

    async def project(self, version: GraphVersion) -> None:
        self.version = version

    async def clear(self) -> None:
        self.version = None

    async def refresh(self, version: GraphVersion) -> None:
        return

    async def ping(self) -> None:
        return


async def test_an_ad_hoc_scan_leaves_the_projection_of_live_alone(tmp_path: Path):
    clock, shown = SteppingClock(), Shown()
    async with open_database(tmp_path) as database:
        store = stored(database, FileRunStore(tmp_path / "runs", clock), clock, projection=shown)
        await store.put(first := version("scan", clock), RUNS)
        assert shown.version == first
        await store.put(live := version(LIVE, clock), RUNS)
        await store.put(version("scan", clock), RUNS)

        assert shown.version == live
