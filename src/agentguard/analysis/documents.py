"""The JSON document of an analysis."""

from __future__ import annotations

from typing import Any

from agentguard.analysis.model import Analysis
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks


def analysis_document(analysis: Analysis, *, links: TraceLinks = NO_LINKS) -> dict[str, Any]:
    """Return `analysis` of `GET /api/graph` and the whole of `agentguard analyze --format json`.

    `spof_agents`, `circular_dependencies`, `risk_scores` (agents), `overall_risk`; `spof_components`, `circular_components`,
    `component_risk_scores` (other kinds); `spofs`, `cycles`, `risks`, `centrality` with all details.
    """
    raise NotImplementedError
