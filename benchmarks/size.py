"""Measure large graphs: blast radii of all nodes, analysis, and graph algorithms (`make bench`).

- Blast radii of a graph of the shape of Debian's packages (and of the packages in apt's lists,
  where there are any) against one worklist per node in plain Python, which must agree.
- Analysis of 20,000 components and 100,000 dependencies without runs. With another checkout as
  argument (`python -m benchmarks.size OTHER`), the same there.
- Strongly connected components, PageRank and dominators against python-igraph, if it is installed
  (`pip install igraph`; GPL, so it is no dependency). Both start from a list of edges.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from agentguard.analysis.centrality import pagerank
from agentguard.compute.digraphs import condensation, immediate_dominators
from agentguard.simulation.fixpoint import requirements
from agentguard.simulation.merging import merged
from agentguard.simulation.single_failures import single_failures
from benchmarks import packages
from benchmarks.baseline.radii import radii
from benchmarks.process import measure

NODES, SEED = 63_666, 1
_ANALYSIS = """
import json, resource, time
from agentguard.analysis.analyze import analyze
from benchmarks.graphs import made_up
graph = made_up(20_000, 100_000, 1)
before = time.process_time()
analyze(graph, None)
print(json.dumps([time.process_time() - before,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main() -> int:
    groups = packages.generated(SEED)
    same = compare_radii("generated", NODES, groups)
    real = packages.installed()
    if real is not None:
        same &= compare_radii("apt's lists", *real)
    compare_algorithms(NODES, [(owner, m) for owner, members in groups for m in members])
    here, *others = map(analysis, [Path.cwd(), *map(Path, sys.argv[1:])])
    print(f"analysis of 20,000 components: {here[0]:.1f} CPU s, peak {here[1]:,.0f} MiB")
    for seconds, peak in others:
        ratio = seconds / here[0]
        print(f"  other checkout: {seconds:.1f} CPU s, peak {peak:,.0f} MiB; ratio {ratio:.1f}")
    return 0 if same else 1


def compare_radii(name: str, size: int, groups: packages.Groups) -> bool:
    needs, every = requirements(size, groups), range(size)
    together, seconds = timed(
        lambda: single_failures(merged(needs), every, counted=every, watched=range(0))
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain, baseline = timed(lambda: radii(needs), times=1)
    same = together.sizes.tolist() == plain
    print(
        f"blast radii, {name} ({size:,} nodes, {len(groups):,} groups): {seconds:.2f} CPU s, plain"
        f" Python {baseline:.2f}; ratio {baseline / seconds:.1f}; peak {peak:,.0f} MiB; equal:"
        f" {'yes' if same else 'NO'}",
        flush=True,
    )
    return same


def compare_algorithms(size: int, edges: list[tuple[int, int]]) -> None:
    try:
        igraph: Any = importlib.import_module("igraph")
    except ModuleNotFoundError:
        print("igraph is not installed: no comparison of graph algorithms")
        return
    root = size - 1
    pairs: dict[str, tuple[Callable[[], object], Callable[[Any], object]]] = {
        "components": (
            lambda: condensation(size, edges),
            lambda g: g.connected_components(mode="strong").membership,
        ),
        "PageRank": (lambda: pagerank(size, edges), lambda g: g.pagerank(damping=0.85)),
        "dominators": (
            lambda: immediate_dominators(size, edges, [root]),
            lambda g: g.dominator(root, mode="out"),
        ),
    }
    for name, (ours, theirs) in pairs.items():
        _, own = timed(ours)
        _, peer = timed(partial(_from_edges, igraph, theirs, (size, edges)))
        print(f"{name}: {own:.3f} CPU s, igraph {peer:.3f}; {own / peer:.1f} times", flush=True)


def _from_edges(
    igraph: Any, theirs: Callable[[Any], object], graph: tuple[int, list[tuple[int, int]]]
) -> object:
    size, edges = graph
    return theirs(igraph.Graph(n=size, edges=edges, directed=True))


def timed(work: Callable[[], Any], *, times: int = 3) -> tuple[Any, float]:
    """Return the answer, and the CPU seconds of the fastest time."""
    best = float("inf")
    answer = None
    for _ in range(times):
        began = time.process_time()
        answer = work()
        best = min(best, time.process_time() - began)
    return answer, best


def analysis(checkout: Path) -> tuple[float, float]:
    """Return the CPU seconds and peak MiB of an analysis by the code of a checkout."""
    path = os.pathsep.join((str(checkout / "src"), str(checkout)))
    cost = measure([sys.executable, "-c", _ANALYSIS], {"PYTHONPATH": path})
    seconds, peak = json.loads(cost.output)
    return seconds, peak


if __name__ == "__main__":
    sys.exit(main())
