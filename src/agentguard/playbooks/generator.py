"""Playbooks from facts alone."""

from __future__ import annotations

from agentguard.catalog.matching import Matches
from agentguard.graph.model import Graph
from agentguard.playbooks.model import Playbook
from agentguard.simulation.model import SimulationResult


def generate(graph: Graph, result: SimulationResult, *, matches: Matches | None = None) -> Playbook:
    """Return the playbook for the simulated failure: contain, activate backups, recover. Deterministic; owners come from matches."""
    raise NotImplementedError
