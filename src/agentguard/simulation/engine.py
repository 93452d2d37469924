"""One way in to all methods of simulation."""

from __future__ import annotations

from collections.abc import Sequence

from agentguard.catalog.model import Catalog
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.model import Method, SimulationResult, Thresholds


def simulate(
    graph: Graph,
    runs: Runs | None,
    failed: Sequence[str],
    *,
    method: Method | None = None,
    seed: int = 0,
    thresholds: Thresholds = Thresholds(),
    catalog: Catalog | None = None,
    graph_version: str | None = None,
) -> SimulationResult:
    """Return what fails when these components (exact ids, see graph.resolve) are out at once.

    Without a method: replay where there are recorded runs, else structural. The structural worst case stands beside a replay.
    Raises UnknownComponentError for an id that the graph does not have, InvalidInputError for none at all and for a replay
    without runs. CPU-bound: seconds for a million calls.
    """
    raise NotImplementedError
