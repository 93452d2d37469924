"""Graphs at the level of agents or of the services in which they run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, TypeVar

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.level import Level
from agentguard.graph.model import Component, Dependency, Fallback, Graph, Hosting, Workflow

T = TypeVar("T", Fallback, Workflow)

_EVIDENCE = 6
"""Spans behind a merged dependency."""
_SUMS = (
    "calls",
    "errors",
    "absorbed",
    "propagated",
    "waited_calls",
    "passed_control_calls",
    "retries",
    "source_runs",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "inferred",
)
_HISTOGRAMS = ("latency", "client_latency", "queue_delay")


def at_level(graph: Graph, level: Level) -> Graph:
    """Return the graph with one component for a service and the agents in it.

    Of agents, what only repeats the dependencies of services is left out. Of services, the
    dependencies of what they host become theirs, unless the same two services have one of their
    own. The rest of the graph stays whole.
    """
    return _of_agents(graph) if level is Level.AGENT else _of_services(graph)


def stand_ins(graph: Graph, level: Level) -> dict[str, str]:
    """Return, by id, the component that stands for another one at this level.

    For agents: the only agent of a service stands for the service. For services: the host in which
    a component ran most often stands for it.
    """
    if level is Level.SERVICE:
        return {component: hosts[0] for component, hosts in hosts_of(graph).items()}
    agents = {host: sorted(found) for host, found in agents_of(graph).items()}
    return {host: found[0] for host, found in agents.items() if len(found) == 1}


def hosts_of(graph: Graph) -> dict[str, list[str]]:
    """Return the hosts of each hosted component, the one in which it ran most often first."""
    found = defaultdict[str, list[str]](list)
    for hosting in sorted(graph.runs_in, key=lambda h: (h.component, -h.runs, h.host)):
        found[hosting.component].append(hosting.host)
    return found


def dependencies_at(graph: Graph, level: Level) -> list[tuple[str, str, Dependency]]:
    """Return the dependencies between what stands for their ends: source, target, dependency.

    What a service and its agents or tools do among themselves is left out, and of agents what only
    repeats the dependencies of services.
    """
    names = stand_ins(graph, level)
    hosts = hosts_of(graph) if level is Level.SERVICE else {}
    shown = graph if level is Level.SERVICE else _of_agents(graph)
    moved = [(names.get(d.source, d.source), d) for d in shown.dependencies]
    return [
        (source, names.get(d.target, d.target), d)
        for source, d in moved
        if source != names.get(d.target, d.target) and source not in hosts.get(d.target, ())
    ]


def agents_of(graph: Graph) -> dict[str, set[str]]:
    """Return the agents that run in each service, by the service's id."""
    agents = {c.id for c in graph.components if c.kind is ComponentKind.AGENT}
    found = defaultdict[str, set[str]](set)
    for hosting in graph.runs_in:
        if hosting.component in agents and hosting.host_kind is ComponentKind.SERVICE:
            found[hosting.host].add(hosting.component)
    return found


def repeating(
    pairs: Collection[tuple[str, str]], agents: Mapping[str, Collection[str]]
) -> set[tuple[str, str]]:
    """Return the pairs (caller, callee) of services that a pair of the agents in them repeats.

    `agents`: the agents of each service that they stand for. A service and an agent in it repeat
    nothing but the agent.
    """
    known, found = set(pairs), set()
    for source, target in known:
        if source in agents or target in agents:
            ends = agents.get(source, (source,)), agents.get(target, (target,))
            if any(s == t or (s, t) in known for s, t in product(*ends)):
                found.add((source, target))
    return found


def _of_agents(graph: Graph) -> Graph:
    services = {c.id for c in graph.components if c.kind is ComponentKind.SERVICE}
    agents = {host: found for host, found in agents_of(graph).items() if host in services}
    repeated = repeating({(d.source, d.target) for d in graph.dependencies}, agents)
    return replace(
        graph,
        components=tuple(c for c in graph.components if c.id not in agents),
        dependencies=tuple(d for d in graph.dependencies if (d.source, d.target) not in repeated),
    )


def _of_services(graph: Graph) -> Graph:
    hosts = stand_ins(graph, Level.SERVICE)
    kept = tuple(c for c in graph.components if c.id not in hosts)
    known = {c.id for c in kept}
    further = {h.host: h for h in graph.runs_in if h.host not in known}
    components = (*kept, *(_host_component(h) for h in further.values()))
    moved = [_moved(f, hosts, ("owner", "primary", "secondary")) for f in graph.fallbacks]
    return replace(
        graph,
        components=tuple(sorted(components, key=lambda c: c.id)),
        dependencies=_merged(dependencies_at(graph, Level.SERVICE)),
        fallbacks=tuple(f for f in moved if f.primary != f.secondary),
        workflows=tuple(_moved(w, hosts, ("root_component", "entry")) for w in graph.workflows),
    )


def _moved(item: T, hosts: Mapping[str, str], ends: Sequence[str]) -> T:
    """Return the item with hosts for the components that these members name."""
    changes = {end: hosts.get(getattr(item, end), getattr(item, end)) for end in ends}
    return replace(item, **changes)


def _host_component(hosting: Hosting) -> Component:
    """Return a service without calls of its own as a component."""
    return Component(
        hosting.host,
        hosting.host_kind,
        hosting.host_name,
        hosting.basis,
        hosting.evidence,
        environment=hosting.environment,
        services=(hosting.host_name,) if hosting.host_kind is ComponentKind.SERVICE else (),
    )


def _merged(moved: Iterable[tuple[str, str, Dependency]]) -> tuple[Dependency, ...]:
    """Return one dependency of each type between two services.

    Their own ones, unless they have none.
    """
    own = defaultdict[tuple[str, str], list[Dependency]](list)
    others = defaultdict[tuple[str, str, str], list[Dependency]](list)
    for source, target, d in moved:
        if (source, target) == (d.source, d.target):
            own[source, target].append(d)
        else:
            others[source, target, d.type].append(d)
    found = [d for every in own.values() for d in every]
    found += [
        _sum(source, target, every)
        for (source, target, _), every in others.items()
        if (source, target) not in own
    ]
    return tuple(sorted(found, key=lambda d: (d.source, d.target, d.type)))


def _sum(source: str, target: str, every: list[Dependency]) -> Dependency:
    """Return one dependency with the counts of all."""
    most = max(every, key=lambda d: (d.calls, d.source, d.target))
    costs = [d.cost_usd for d in every if d.cost_usd is not None]
    changes: dict[str, Any] = {
        "source": source,
        "target": target,
        "evidence": tuple(e for d in every for e in d.evidence)[:_EVIDENCE],
        "cost_usd": sum(costs) if costs else None,
        "first_seen": min((d.first_seen for d in every if d.first_seen), default=0),
        "last_seen": max(d.last_seen for d in every),
    }
    changes |= {name: sum(getattr(d, name) for d in every) for name in _SUMS}
    changes |= {name: _histogram(getattr(d, name) for d in every) for name in _HISTOGRAMS}
    return replace(most, **changes)


def _histogram(parts: Iterable[tuple[tuple[int, int], ...]]) -> tuple[tuple[int, int], ...]:
    total: Counter[int] = Counter()
    for part in parts:
        total.update(dict(part))
    return tuple(sorted(total.items()))
