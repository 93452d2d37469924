"""All findings in one pass over a graph and its recorded runs."""

from __future__ import annotations

from agentguard.analysis.model import Analysis
from agentguard.catalog.matching import Matches
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs


def analyze(graph: Graph, runs: Runs | None, *, matches: Matches | None = None, seed: int = 0) -> Analysis:
    """Return the findings; without matches (or without a catalogue in them) the exposure factor is left out and said so.

    CPU-bound: seconds for some hundred components and 50,000 runs.
    """
    raise NotImplementedError
