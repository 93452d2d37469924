"""Joins the conditions that open incidents with the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agentguard.bootstrap.app import App
from agentguard.catalog.matching import match
from agentguard.graph.model import Graph
from agentguard.incidents.conditions import ConditionRule, ErrorShareRule, ShadowAgentRule
from agentguard.incidents.watching import ConditionWatch


def condition_watch(app: App) -> ConditionWatch | None:
    """Return the watch of the live graph; None if no condition is configured."""
    settings = app.settings
    share, calls = settings.incident_error_share, settings.incident_error_calls
    if share is None and not settings.incident_shadow_agents:
        return None

    async def rules(graph: Graph) -> Sequence[ConditionRule]:
        found: list[ConditionRule] = []
        if share is not None:
            found.append(ErrorShareRule(share, calls))
        if settings.incident_shadow_agents:
            matches = await asyncio.to_thread(match, graph, app.declared)
            found.append(ShadowAgentRule({m.component: m.reason for m in matches.shadow}))
        return found

    return ConditionWatch(app.incidents, rules, app.graphs.keep)
