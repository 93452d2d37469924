"""From a command's options to the graph that it works on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentguard.bootstrap.opening import open_app
from agentguard.catalog.comparing import Comparison
from agentguard.catalog.matching import Matches
from agentguard.catalog.views import view
from agentguard.cli.choices import settings_with
from agentguard.cli.messages import answers_only
from agentguard.cli.tables.graph import names_by_id
from agentguard.graph.documents import View, origin_of, scan_document
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.runs import Runs
from agentguard.graph.store import GraphVersion
from agentguard.settings import Settings
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method, SimulationResult, Thresholds


@dataclass(frozen=True, slots=True)
class Opened:
    """A stored graph with all that commands ask of it."""

    thresholds: Thresholds
    version: GraphVersion
    runs: Runs
    matches: Matches
    view: View

    @property
    def graph(self) -> Graph:
        return self.version.graph

    def origin(self) -> dict[str, Any]:
        """Return the members that say which graph a document speaks of."""
        return origin_of(self.version)

    def names(self) -> dict[str, str]:
        """Return what to call each component and workflow."""
        return names_by_id(scan_document(self.graph, self.view))

    def simulation(self, wanted: list[str], method: Method | None, seed: int) -> SimulationResult:
        """Return what fails when the components with these ids or unique names are out."""
        return simulate(
            self.graph,
            self.runs,
            [resolve(self.graph, text).id for text in wanted],
            method=method,
            seed=seed,
            thresholds=self.thresholds,
            catalog=self.matches.catalog,
            graph_version=self.version.id,
        )


def opened(data_dir: Path | None, catalog: Sequence[Path] | None, dataset: str | None) -> Opened:
    """Return the newest graph of the dataset, or of the dataset last written.

    Raise NoGraphError where there is none.
    """
    with answers_only():
        return asyncio.run(_opened(settings_with(data_dir, catalog), dataset))


def compared(settings: Settings, dataset: str | None) -> tuple[GraphVersion, Comparison]:
    """Return the newest graph and how it stands to the catalogue.

    Raise NoGraphError where there is none.
    """
    with answers_only():
        return asyncio.run(_compared(settings, dataset))


async def _compared(settings: Settings, dataset: str | None) -> tuple[GraphVersion, Comparison]:
    async with open_app(settings) as app:
        version = await app.graphs.newest(dataset)
        return version, await app.compare(version.graph)


async def _opened(settings: Settings, dataset: str | None) -> Opened:
    async with open_app(settings) as app:
        version = await app.graphs.newest(dataset)
        runs = await app.graphs.runs(version.id)
    matches = app.matches(version.graph)
    return Opened(app.thresholds, version, runs, matches, view(matches, app.links))
