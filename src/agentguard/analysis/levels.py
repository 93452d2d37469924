"""Findings at the level of agents or of the services in which they run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from agentguard.analysis.model import Spof, SpofWorkflow
from agentguard.graph.hosting import agents_of, at_level, hosts_of
from agentguard.graph.level import Level
from agentguard.graph.model import Graph


def spofs_at(graph: Graph, found: Iterable[Spof], level: Level) -> tuple[Spof, ...]:
    """Return the single points of failure of this level, in their order.

    Agents instead of the services in which they run, and services with the workflows that none of
    their agents is a single point of failure for; or services, with the workflows of all that runs
    in them alone.
    """
    if level is Level.SERVICE:
        return tuple(_of_services(graph, found))
    return tuple(_of_agents(graph, tuple(found)))


def _of_agents(graph: Graph, found: Sequence[Spof]) -> Iterator[Spof]:
    agents = agents_of(graph)
    hosted = {agent for inside in agents.values() for agent in inside}
    workflows = {
        spof.component: {w.workflow for w in spof.workflows}
        for spof in found
        if spof.component in hosted
    }
    for spof in found:
        inside = agents.get(spof.component, ())
        told = set[str]().union(*(workflows.get(agent, ()) for agent in inside))
        own = tuple(w for w in spof.workflows if w.workflow not in told) if told else spof.workflows
        if own:
            yield spof if own is spof.workflows else replace(spof, workflows=own)


def _of_services(graph: Graph, found: Iterable[Spof]) -> Iterator[Spof]:
    hosts = hosts_of(graph)
    services = {c.id: c for c in at_level(graph, Level.SERVICE).components}
    parts = defaultdict[str, list[Spof]](list)
    for spof in found:
        own = hosts.get(spof.component, [spof.component])
        if len(own) == 1:
            parts[own[0]].append(spof)
    for component, every in parts.items():
        c = services[component]
        evidence = next((s.evidence for s in every if s.component == component), every[0].evidence)
        yield Spof(component, c.name, c.kind, _workflows(every), evidence)


def _workflows(parts: Iterable[Spof]) -> tuple[SpofWorkflow, ...]:
    """Return each workflow of the parts once, with the part that loses most of its runs."""
    worst: dict[str, SpofWorkflow] = {}
    for w in (w for part in parts for w in part.workflows):
        known = worst.get(w.workflow)
        if known is None or (w.runs_lost or 0) > (known.runs_lost or 0):
            worst[w.workflow] = w
    return tuple(sorted(worst.values(), key=lambda w: (-(w.runs_lost or 0), w.workflow)))
