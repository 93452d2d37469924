"""The port of detection, and what it detects: failing dependencies and shadow agents."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from agentguard.accounts.principal import Principal
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Dependency, Graph
from agentguard.graph.significance import wilson
from agentguard.incidents.model import Affected, DetectedCondition, Incident
from agentguard.simulation.severities import Severity
from agentguard.simulation.wording import first, percent

ERROR_SHARE = "error_share"
SHADOW_AGENT = "shadow_agent"
"""Kinds of incidents that these conditions open."""
_MOST_NAMED = 3
"""Callers in a title."""


class Conditions(Protocol):
    """The port through which detection opens incidents."""

    async def detected(self, actor: Principal, condition: DetectedCondition) -> Incident:
        """Return the incident of the condition; durable on return.

        While an active incident has the condition, it is that one: what more is affected is added
        to it, and nothing changes if that is known. Otherwise a new one is opened.
        """

    async def cleared(
        self, actor: Principal, key: str, facts: Mapping[str, Any]
    ) -> Incident | None:
        """Note in the active incident of a condition that it no longer holds; durable on return.

        The state stays, and the second time nothing changes. Returns None, and changes nothing,
        where no active incident has it.
        """

    async def holding(self) -> frozenset[str]:
        """Return the keys of the conditions of active incidents that have not ended."""


class ConditionRule(Protocol):
    """When a condition begins and when it ends."""

    @property
    def prefix(self) -> str:
        """What the keys of its conditions begin with."""

    def begun(self, graph: Graph) -> Iterable[DetectedCondition]:
        """Return what holds in this graph."""

    def ended(self, graph: Graph, key: str) -> Mapping[str, Any] | None:
        """Return what was measured if the condition has ended; None while it may still hold."""


@dataclass(frozen=True, slots=True)
class ErrorShareRule:
    """A component is failing once the calls of one of its callers fail too often.

    It has ended once every caller's share of failed calls is certainly below the threshold: the
    upper end of its 95 % Wilson interval. In between nothing changes, so that a share near the
    threshold does not begin and end again and again.
    """

    share: float
    """Failed calls of all calls of one caller, 0 to 1."""
    calls: int
    """Minimum number of calls of that caller; with fewer, no condition begins."""
    prefix: ClassVar[str] = "error-share:"

    def begun(self, graph: Graph) -> Iterable[DetectedCondition]:
        known = {each.id: each for each in graph.components}
        for target, edges in _by_target(graph.dependencies).items():
            failing = [edge for edge in edges if self._fails(edge)]
            if failing and target in known:
                yield self._condition(graph, known, target, failing)

    def ended(self, graph: Graph, key: str) -> Mapping[str, Any] | None:
        target = key.removeprefix(self.prefix)
        edges = _by_target(d for d in graph.dependencies if d.target == target).get(target, [])
        if any(edge.errors and self._may_fail(edge) for edge in edges):
            return None
        return _counts(edges)

    def _fails(self, edge: _Calls) -> bool:
        return edge.calls >= self.calls and edge.errors >= self.share * edge.calls

    def _may_fail(self, edge: _Calls) -> bool:
        return wilson(edge.errors, edge.calls)[1] >= self.share

    def _condition(
        self,
        graph: Graph,
        known: Mapping[str, Component],
        target: str,
        failing: Collection[_Calls],
    ) -> DetectedCondition:
        counts = _counts(failing)
        share = percent(counts["errors"] / counts["calls"])
        callers = [known[edge.source] for edge in failing if edge.source in known]
        by = first([each.name for each in callers], _MOST_NAMED, "caller")
        return DetectedCondition(
            key=f"{self.prefix}{target}",
            kind=ERROR_SHARE,
            title=f"{share} % of the calls of {known[target].name} by {by} fail",
            severity=Severity.MEDIUM,
            components=tuple(_affected(each) for each in (known[target], *callers)),
            workflows=_started_by(graph, {each.id for each in callers}),
            facts=counts,
        )


@dataclass(frozen=True, slots=True)
class ShadowAgentRule:
    """An agent was seen that the catalog does not declare."""

    shadows: Mapping[str, str]
    """Id of each shadow agent of the graph → the reason."""
    prefix: ClassVar[str] = "shadow-agent:"

    def begun(self, graph: Graph) -> Iterable[DetectedCondition]:
        for each in graph.components:
            if each.id in self.shadows:
                yield DetectedCondition(
                    key=f"{self.prefix}{each.id}",
                    kind=SHADOW_AGENT,
                    title=f"Shadow agent {each.name} appeared",
                    severity=Severity.LOW,
                    components=(_affected(each),),
                    facts={"reason": self.shadows[each.id]},
                )

    def ended(self, graph: Graph, key: str) -> Mapping[str, Any] | None:
        agent = key.removeprefix(self.prefix)
        if agent in self.shadows:
            return None
        return {"declared": graph.component(agent) is not None}


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls of one caller, of whatever type and by whatever way."""

    source: str
    target: str
    calls: int
    errors: int


def _by_target(dependencies: Iterable[Dependency]) -> dict[str, list[_Calls]]:
    summed: dict[tuple[str, str], tuple[int, int]] = {}
    for each in dependencies:
        calls, errors = summed.get((each.source, each.target), (0, 0))
        summed[each.source, each.target] = (calls + each.calls, errors + each.errors)
    found: dict[str, list[_Calls]] = {}
    for (source, target), (calls, errors) in summed.items():
        found.setdefault(target, []).append(_Calls(source, target, calls, errors))
    return found


def _counts(edges: Iterable[_Calls]) -> dict[str, int]:
    every = list(edges)
    return {"calls": sum(e.calls for e in every), "errors": sum(e.errors for e in every)}


def _affected(component: Component) -> Affected:
    return Affected(component.id, component.name, component.kind.value)


def _started_by(graph: Graph, components: Collection[str]) -> tuple[Affected, ...]:
    """Return the workflows whose runs start in one of these components."""
    return tuple(
        Affected(each.id, each.name, ComponentKind.WORKFLOW.value)
        for each in graph.workflows
        if {each.root_component, each.entry} & set(components)
    )
