"""How many runs each workflow has: the denominator of every share of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.model import WorkflowRuns


def workflow_runs(graph: Graph, runs: Runs | None) -> Mapping[str, WorkflowRuns]:
    """Return the recorded runs of every workflow of the graph, see SHARE_OF.

    Without recorded runs, the graph's counts: starts inside another workflow's runs are left out.
    How many of these failed is not known, so `failed` is then an upper bound.
    """
    if runs is None or not runs.runs.num_rows:
        return {w.id: _counted(w.runs - w.nested, w.failed) for w in graph.workflows}
    seen, failed = _count(runs.runs), _count(runs.runs.filter(runs.runs.column("failed")))
    return {w.id: WorkflowRuns(seen[w.id], failed[w.id]) for w in graph.workflows}


def _counted(seen: int, failed: int) -> WorkflowRuns:
    return WorkflowRuns(seen, min(failed, seen))


def _count(runs: pa.Table) -> Counter[str]:
    counts = runs.column("workflow").combine_chunks().value_counts().to_pylist()
    return Counter({row["values"]: row["counts"] for row in counts})
