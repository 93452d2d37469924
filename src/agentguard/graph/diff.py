"""What changed from one graph to another: components, dependencies, workflows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from agentguard.graph.model import Component, Dependency, Graph, Workflow
from agentguard.graph.significance import (
    Comparison,
    Verdict,
    compare_error_shares,
    compare_p95,
)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """One thing that is on both sides, and how its measures compare."""

    before: T
    after: T
    measures: tuple[Comparison, ...]
    """Only those that changed, or only those that are undecided."""


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """How the things of one kind differ, each list in order of their keys."""

    new: tuple[T, ...]
    gone: tuple[T, ...]
    changed: tuple[Pair[T], ...]
    undecided: tuple[Pair[T], ...]
    """Measures that differ on too few observations; they are no changes."""

    @property
    def none(self) -> bool:
        """Whether nothing is new, gone or changed."""
        return not (self.new or self.gone or self.changed)


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """How two graphs differ. A pure function of both, and mirrored when they change places."""

    components: Changes[Component]
    """By id."""
    dependencies: Changes[Dependency]
    """By source, target and type."""
    workflows: Changes[Workflow]
    """By id."""

    @property
    def none(self) -> bool:
        """Whether nothing is new, gone or changed."""
        return self.components.none and self.dependencies.none and self.workflows.none


def diff(before: Graph, after: Graph) -> GraphDiff:
    """Compare two graphs. Linear in their sizes, times the logarithm."""
    return GraphDiff(
        components=_changes(
            before.components, after.components, lambda c: c.id, _component_measures
        ),
        dependencies=_changes(
            before.dependencies,
            after.dependencies,
            lambda d: (d.source, d.target, d.type.value),
            _dependency_measures,
        ),
        workflows=_changes(before.workflows, after.workflows, lambda w: w.id, _workflow_measures),
    )


def _component_measures(a: Component, b: Component) -> tuple[Comparison, ...]:
    return (
        compare_error_shares((a.errors, a.invocations), (b.errors, b.invocations)),
        compare_p95(a.latency, b.latency),
    )


def _dependency_measures(a: Dependency, b: Dependency) -> tuple[Comparison, ...]:
    return (
        compare_error_shares((a.errors, a.calls), (b.errors, b.calls)),
        compare_p95(a.latency, b.latency),
    )


def _workflow_measures(a: Workflow, b: Workflow) -> tuple[Comparison, ...]:
    return (compare_error_shares((a.failed, a.runs), (b.failed, b.runs)),)


def _changes(
    before: Iterable[T],
    after: Iterable[T],
    key: Callable[[T], K],
    measures: Callable[[T, T], tuple[Comparison, ...]],
) -> Changes[T]:
    a, b = _by_key(before, key), _by_key(after, key)
    both = {each: measures(a[each], b[each]) for each in a if each in b}
    return Changes(
        new=tuple(item for each, item in b.items() if each not in a),
        gone=tuple(item for each, item in a.items() if each not in b),
        changed=_pairs(a, b, both, Verdict.CHANGED),
        undecided=_pairs(a, b, both, Verdict.UNDECIDED),
    )


def _by_key(items: Iterable[T], key: Callable[[T], K]) -> dict[K, T]:
    return {key(item): item for item in sorted(items, key=lambda item: str(key(item)))}


def _pairs(
    a: Mapping[K, T],
    b: Mapping[K, T],
    both: Mapping[K, tuple[Comparison, ...]],
    verdict: Verdict,
) -> tuple[Pair[T], ...]:
    found = (
        (each, tuple(c for c in compared if c.verdict is verdict))
        for each, compared in both.items()
    )
    return tuple(Pair(a[each], b[each], measures) for each, measures in found if measures)
