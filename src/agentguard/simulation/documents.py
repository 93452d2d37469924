"""The JSON document of a simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentguard.simulation.model import SimulationResult


def simulation_document(result: SimulationResult, *, link: Callable[[str], str | None] | None = None) -> dict[str, Any]:
    """Return the document of `POST /api/simulate` and `agentguard simulate --format json`.

    `failed_agent`, `impacted_agents`, `impacted_count`, `blast_radius_score`, `impacted_workflows`, `impact_estimate` and more;
    `link` turns a trace id into a link to a trace viewer.
    """
    raise NotImplementedError
