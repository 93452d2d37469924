"""A year of use stays within the settings: driven clock, real SQLite, real files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from agentguard.adapters.files.processes import FileProcesses
from agentguard.adapters.files.spans import FileSpanStore, open_span_store
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.coordination.turns import Turn
from agentguard.graph.selection import GraphSelection
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.incidents.service import Report
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_DAY, NS_PER_HOUR, NS_PER_SECOND
from agentguard.retention.housekeeping import HOUSEKEEPING, Housekeeping
from agentguard.retention.policy import Usage
from agentguard.settings import Settings
from agentguard.simulation.service import KIND as SIMULATION
from agentguard.simulation.service import Failure
from agentguard.simulation.severities import Severity
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, version
from tests.traces.spans import batch, protobuf

pytestmark = pytest.mark.anyio

LIMITS: dict[str, Any] = {
    "retention_hours": 240,
    "retention_spans_bytes": 40_000,
    "versions_kept": 3,
    "versions_days": 20,
    "datasets_kept": 6,
    "datasets_days": 15,
    "jobs_kept": 8,
    "jobs_days": 12,
    "simulations_kept": 5,
    "simulations_days": 20,
    "incidents_kept": 4,
    "incidents_days": 30,
}
CITED = LIMITS["jobs_kept"] + LIMITS["simulations_kept"] + LIMITS["incidents_kept"]
"""Most versions kept beyond the other limits: one per kept job, simulation and incident."""
VERSIONS = LIMITS["versions_kept"] * (1 + LIMITS["datasets_kept"]) + CITED
"""`live` and the datasets of scans, each with its versions."""
DAYS, MONTH, STEP = 365, 30, 5


@dataclass
class Clock:
    now: int = 20_000 * NS_PER_DAY

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


@dataclass
class Use:
    """An installation in use."""

    app: App
    spans: FileSpanStore
    clock: Clock
    cited: list[tuple[int, str]] = field(default_factory=list)
    """When each simulation ended, and the version that it cites."""

    async def step(self, number: int) -> None:
        await self.spans.append(batch(protobuf(range(20 * number + 1, 20 * number + 21))))
        await self.spans.compact()
        await self.scan(LIVE)
        scanned = await self.scan("daily")
        await self.scan(f"ad-hoc-{number}")
        if number % 2 == 0:
            await self.simulate(scanned)
            await self.store_simulation(scanned)
            await self.resolve_incident()
        self.clock.now += (STEP - 1) * NS_PER_DAY

    async def scan(self, dataset: str) -> GraphVersion:
        stored = version(dataset, self.clock)
        await self.app.scans.publisher.publish(TESTER, stored, RUNS)
        return stored

    async def simulate(self, scanned: GraphVersion) -> None:
        jobs = self.app.jobs
        job = await jobs.submit(TESTER, SIMULATION, {"component": "a"})
        now = self.clock()
        running = await jobs.store.claim(job.id, now=now, until=now + NS_PER_SECOND)
        assert running is not None
        done = running.succeed({"graph_version": scanned.id}, self.clock())
        assert await jobs.store.release(done)
        self.cited.append((self.clock.now, scanned.id))

    async def store_simulation(self, scanned: GraphVersion) -> None:
        failure = Failure(("agent:b",), selection=GraphSelection(version=scanned.id))
        resolved = await self.app.simulations.resolve(TESTER, failure)
        document = await self.app.simulations.simulate(TESTER, resolved)
        await self.app.stored_simulations.keep(TESTER, failure, resolved.selected, document)

    async def resolve_incident(self) -> None:
        incidents = self.app.incidents
        told = Report("b fails", Severity.HIGH, ["agent:b"], dataset="daily")
        reported = await incidents.report(TESTER, told)
        await incidents.move(TESTER, reported.id, State.RESOLVED)

    async def kept_citations(self) -> list[str]:
        """Return the versions that the kept jobs cite, having read them and their runs."""
        ended = self.clock.now - LIMITS["jobs_days"] * NS_PER_DAY
        kept = [id_ for at, id_ in self.cited if at >= ended][-LIMITS["jobs_kept"] :]
        for version_id in kept:
            await self.app.graphs.get(version_id)
            await self.app.graphs.runs(version_id)
        return kept


BOUNDS: dict[str, Callable[[Usage], bool]] = {
    "graph_versions": lambda u: u.count <= VERSIONS,
    "runs": lambda u: u.count <= VERSIONS,
    "jobs": lambda u: u.count <= LIMITS["jobs_kept"],
    "simulations": lambda u: 1 <= u.count <= LIMITS["simulations_kept"],
    "incidents": lambda u: 1 <= u.count <= LIMITS["incidents_kept"],
    "notifications": lambda u: u.count == 0,
    "spans": lambda u: u.bytes <= LIMITS["retention_spans_bytes"] and u.count <= 4,
    "receive_log": lambda u: u.count == 0,
    "bodies": lambda u: u.bytes <= LIMITS["retention_spans_bytes"] and u.count <= 4,
    "quarantine": lambda u: u.count == 0,
    "uploads": lambda u: u.count == 0,
    "component_history": lambda u: u.count <= 2,
    "outbox": lambda u: u.count == 0,
}


async def test_a_year_of_use_stays_bounded_and_cited_versions_stay_readable(tmp_path: Path):
    clock = Clock()
    settings = Settings(data_dir=tmp_path, **LIMITS)
    async with (
        open_app(settings, clock=clock) as app,
        open_span_store(tmp_path, _decode, clock, keep_bodies=True) as spans,
    ):
        use = Use(app, spans, clock)
        turn = Turn(HOUSEKEEPING, app.retention.kept.unit_of_work, FileProcesses(tmp_path, "0"))
        housekeeping = Housekeeping(app.retention.kept, clock, turn)
        for day in range(0, DAYS, STEP):
            await use.step(day)
            assert await housekeeping.run_once()
            clock.now += NS_PER_DAY  # until the step of the clock is believed
            assert await housekeeping.run_once()
            if day % MONTH == MONTH - STEP:
                found = housekeeping.usage
                assert {k for k, u in found.items() if not BOUNDS[k](u)} == set()
                assert found.keys() == BOUNDS.keys()
                assert (found["spans"].oldest or 0) >= clock.now - 241 * NS_PER_HOUR
                assert len(await use.kept_citations()) >= 1
        datasets = {each.name: each.versions for each in await app.graphs.datasets()}

    assert len(datasets) <= LIMITS["datasets_kept"] + 1
    assert datasets.keys() > {LIVE, "daily"}
    assert datasets[LIVE] == LIMITS["versions_kept"]


async def _decode(_deliveries: object) -> pa.Table:
    raise AssertionError("no process died, so nothing is read from the log")
