"""Requirements of components, derived from observed dependencies and fallbacks.

A requirement is a group of callees of which one is enough: a callee and its caller's fallbacks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from agentguard.graph.model import Dependency, Fallback, Graph, Workflow
from agentguard.graph.significance import wilson
from agentguard.simulation.usage_shares import UsageShares

REQUIRED_SHARE = 0.5
"""A callee used by at least half of its caller's runs is required: most runs fail without it, which
is also the threshold of a single point of failure. The loss of any other callee degrades the
caller.
"""

ABSORBED_SHARE = 0.5
"""A callee is optional if most of its failures were absorbed: the lower bound of the 95 % interval
must reach this, so four absorbed failures of four suffice and one does not. Failures followed by a
retry or fallback do not count: both hide the effect of an outage.
"""

RESCUED_SHARE = 0.5
"""A fallback counts as redundancy if at least this share of its attempts succeeded, or if it is
declared and was never tried.
"""

Survives = Mapping[tuple[str, str], bool]
"""(caller, callee) → whether the caller is declared to survive the callee's failure."""
NOTHING_DECLARED: Survives = MappingProxyType({})


class Need(StrEnum):
    """Whether the owner needs a group."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Requirement:
    """The owner needs one of the members."""

    owner: str
    """Component id; a workflow's id for what must not fail after a handoff or message."""
    members: tuple[str, ...]
    """Component ids, first choice first."""
    need: Need
    returns: bool
    """Whether the owner waits for the answer. If not (asynchronous), only workflows need it."""


def component_requirements(
    graph: Graph, use: UsageShares | None, declared: Survives = NOTHING_DECLARED
) -> tuple[Requirement, ...]:
    """Return the requirements of all components, including asynchronous ones, ordered by ids.

    With recorded runs, a looping caller counts once per run; without, the graph's counts per
    invocation are used. A callee that its caller only used as a fallback is not a requirement of
    its own.
    """
    return tuple(sorted(unordered_requirements(graph, use, declared), key=_order))


def unordered_requirements(
    graph: Graph, use: UsageShares | None, declared: Survives = NOTHING_DECLARED
) -> set[Requirement]:
    """Return the requirements of all components, as component_requirements does."""
    invocations = {c.id: c.invocations for c in graph.components}
    fallbacks = _Fallbacks(graph.fallbacks)
    found = (
        _requirement(
            d,
            _share_used(d, invocations.get(d.source, 0), fallbacks, use),
            fallbacks,
            declared=declared.get((d.source, d.target)),
        )
        for d in graph.dependencies
    )
    return {r for r in found if r is not None}


def workflow_requirements(
    graph: Graph,
    components: Sequence[Requirement],
    use: UsageShares | None,
    declared: Survives = NOTHING_DECLARED,
) -> Iterator[Requirement]:
    """Yield what each workflow needs: its root component, and its handoffs and messages.

    If several workflows share a root component (a gateway), each needs only the callees of its own
    runs; without recorded runs, only its entry. Without recorded runs, handoffs and messages of
    other components than shared ones are left out: see simulation.relays.
    """
    shared, fallbacks = shared_entries(graph), _Fallbacks(graph.fallbacks)
    entries = _SharedEntries(graph, use, fallbacks, declared)
    handed_over = _handed_over(components, use)
    for w in graph.workflows:
        yield Requirement(w.id, (w.root_component,), Need.REQUIRED, returns=True)
        if w.root_component in shared:
            own = (r for r in entries.callees(w) if r.returns or use is None)
            yield from (replace(r, owner=w.id, returns=True) for r in own)
        yield from handed_over.get(w.id, ())


def _handed_over(
    components: Iterable[Requirement], use: UsageShares | None
) -> dict[str, list[Requirement]]:
    """Return the handoffs and messages by workflow; those in half of its runs are required."""
    found: dict[str, list[Requirement]] = defaultdict(list)
    shares = _by_callee(use)
    for r in components:
        for workflow, share in () if r.returns else shares.get(r.members[0], ()):
            need = Need.REQUIRED if share >= REQUIRED_SHARE else Need.OPTIONAL
            found[workflow].append(Requirement(workflow, r.members, need, returns=True))
    return found


def _by_callee(use: UsageShares | None) -> dict[str, list[tuple[str, float]]]:
    """Return the workflows with handoffs or messages to each callee, with their shares."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for (workflow, callee), share in (use.by_workflow if use is not None else {}).items():
        found[callee].append((workflow, share))
    return found


def shared_entries(graph: Graph) -> frozenset[str]:
    """Return the components that are the root of several workflows."""
    starts = Counter(w.root_component for w in graph.workflows)
    return frozenset(entry for entry, count in starts.items() if count > 1)


class _SharedEntries:
    """What workflows need of the callees of a root component that they share."""

    def __init__(
        self, graph: Graph, use: UsageShares | None, fallbacks: _Fallbacks, declared: Survives
    ) -> None:
        self._use, self._fallbacks, self._declared = use, fallbacks, declared
        self._invocations = {c.id: c.invocations for c in graph.components}
        self._by_source: dict[str, list[Dependency]] = defaultdict(list)
        for d in graph.dependencies:
            self._by_source[d.source].append(d)
        self._used: dict[str, list[str]] = defaultdict(list)
        """Workflow → callees of its root component in recorded runs."""
        for workflow, callee in use.by_root_component if use is not None else ():
            self._used[workflow].append(callee)
        self._by_target: dict[str, dict[str, list[Dependency]]] = {}

    def callees(self, w: Workflow) -> list[Requirement]:
        """Return what this workflow needs; takes time for its own callees alone."""
        invocations = self._invocations.get(w.root_component, 0)
        found = set()
        for d in self._possible(w):
            of_all = _share_used(d, invocations, self._fallbacks, None)
            share = _share_of_entry(d, w, of_all, self._use)
            said = self._declared.get((d.source, d.target))
            found |= {
                None if share == 0 else _requirement(d, share, self._fallbacks, declared=said)
            }
        return sorted((r for r in found if r is not None), key=_order)

    def _possible(self, w: Workflow) -> Sequence[Dependency]:
        """Return the dependencies whose share of the workflow's runs may not be zero."""
        if self._use is not None:
            targets = self._targets(w.root_component)
            return [d for callee in self._used[w.id] for d in targets.get(callee, ())]
        if w.entry == w.root_component:
            return self._by_source[w.root_component]
        return self._targets(w.root_component).get(w.entry, [])

    def _targets(self, source: str) -> dict[str, list[Dependency]]:
        if source not in self._by_target:
            by_target: dict[str, list[Dependency]] = defaultdict(list)
            for d in self._by_source[source]:
                by_target[d.target].append(d)
            self._by_target[source] = by_target
        return self._by_target[source]


def _share_of_entry(
    d: Dependency, w: Workflow, of_all: float | None, use: UsageShares | None
) -> float | None:
    """Return the share of this workflow's runs in which its root component calls the callee.

    `of_all` is the share over all workflows.
    """
    if use is not None:
        return use.by_root_component.get((w.id, d.target), 0.0)
    return of_all if w.entry == w.root_component else float(d.target == w.entry)


def _requirement(
    d: Dependency, share: float | None, fallbacks: _Fallbacks, *, declared: bool | None
) -> Requirement | None:
    """Return the requirement behind a dependency used by this share of the owner's runs.

    None for the share: unknown, so possibly all. `declared`: whether the owner is declared to
    survive the callee's failure.
    """
    if fallbacks.times_used(d.source, d.target) and _own_calls(d, fallbacks) <= 0:
        return None
    members = (d.target, *fallbacks.fallbacks_of(d.source, d.target))
    rarely = share is not None and share < REQUIRED_SHARE
    survives = d.type.returns and _mostly_absorbed(d, fallbacks) if declared is None else declared
    optional = rarely or survives
    return Requirement(
        d.source, members, Need.OPTIONAL if optional else Need.REQUIRED, d.type.returns
    )


def _own_calls(d: Dependency, fallbacks: _Fallbacks) -> int:
    """Return the number of calls that are neither fallbacks nor retries."""
    return d.calls - d.retries - fallbacks.times_used(d.source, d.target)


def _share_used(
    d: Dependency, invocations: int, fallbacks: _Fallbacks, use: UsageShares | None
) -> float | None:
    """Return the share of the caller's runs that use the callee other than as a fallback.

    None if runs were not counted.
    """
    recorded = use.by_caller.get((d.source, d.target)) if use is not None else None
    if recorded is not None or not invocations or not d.source_runs:
        return recorded
    return min(_own_calls(d, fallbacks), d.source_runs) / invocations


def _mostly_absorbed(d: Dependency, fallbacks: _Fallbacks) -> bool:
    """Return whether failures without retry or fallback were mostly absorbed.

    All failures with a retry or fallback are assumed to be among the absorbed ones.
    """
    absorbed = max(0, d.absorbed - d.retries - fallbacks.times_replaced(d.source, d.target))
    return wilson(absorbed, absorbed + d.propagated)[0] >= ABSORBED_SHARE


def _order(requirement: Requirement) -> tuple[str, tuple[str, ...], str, bool]:
    return requirement.owner, requirement.members, requirement.need.value, requirement.returns


class _Fallbacks:
    """The fallbacks by owner."""

    def __init__(self, fallbacks: Iterable[Fallback]) -> None:
        self._fallbacks_of: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._tried: dict[tuple[str, str], int] = defaultdict(int)
        self._left: dict[tuple[str, str], int] = defaultdict(int)
        for f in sorted(fallbacks, key=lambda f: (f.owner, f.primary, -f.rescued, f.secondary)):
            self._tried[f.owner, f.secondary] += f.count
            self._left[f.owner, f.primary] += f.count
            if not f.count or f.rescued / f.count >= RESCUED_SHARE:
                self._fallbacks_of[f.owner, f.primary].append(f.secondary)

    def times_used(self, owner: str, secondary: str) -> int:
        """Return how often the owner called it as a fallback."""
        return self._tried.get((owner, secondary), 0)

    def times_replaced(self, owner: str, primary: str) -> int:
        """Return how often the owner replaced it by a fallback."""
        return self._left.get((owner, primary), 0)

    def fallbacks_of(self, owner: str, primary: str) -> tuple[str, ...]:
        """Return the fallbacks of this callee, and their fallbacks, nearest first."""
        if (owner, primary) not in self._fallbacks_of:
            return ()
        found: dict[str, None] = {}
        level = [primary]
        while level:
            level = [
                s
                for p in level
                for s in self._fallbacks_of.get((owner, p), ())
                if s != primary and s not in found
            ]
            found |= dict.fromkeys(level)
        return tuple(found)
