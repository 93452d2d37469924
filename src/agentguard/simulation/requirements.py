"""What a component needs to work, read off what was observed.

A requirement is a group of callees of which any one will do: a callee, and what its caller was seen
falling back on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from agentguard.graph.model import Dependency, Fallback, Graph, Workflow
from agentguard.graph.significance import wilson
from agentguard.simulation.usage_shares import Use

REQUIRED_SHARE = 0.5
"""A callee used by at least half of its caller's runs is required: without it most runs of the
caller fail, the same measure by which a single point of failure is called one. Used by fewer, its
loss degrades the caller.
"""

ABSORBED_SHARE = 0.5
"""Unless most failures of the callee were absorbed: the lower end of the 95 % interval must reach
this, so that four absorbed failures out of four are enough and one is not. Failures followed by a
retry or fallback do not count: both hide what an outage does.
"""

RESCUED_SHARE = 0.5
"""A fallback is redundancy only where it succeeded at least every second time it was tried."""


class Need(StrEnum):
    """How much an owner needs a group."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Requirement:
    """The owner needs one of the members."""

    owner: str
    """Component id; for what must not fail after a handoff or message, the workflow's id."""
    members: tuple[str, ...]
    """Component ids, first choice first."""
    need: Need
    returns: bool
    """Whether the owner waits for the answer. If not (asynchronous), only workflows need it."""


def component_requirements(graph: Graph, use: Use | None) -> tuple[Requirement, ...]:
    """Return the requirements of all components, asynchronous ones included, in an order that
    depends on ids alone.

    With recorded runs, a share of runs counts a looping caller once per run; without, the graph's
    counts per invocation must do. A callee that its caller only ever used as somebody's fallback is
    no requirement of its own.
    """
    invocations = {c.id: c.invocations for c in graph.components}
    backups = _Backups(graph.fallbacks)
    found = (
        _requirement(d, _share_used(d, invocations.get(d.source, 0), backups, use), backups)
        for d in graph.dependencies
    )
    return tuple(sorted({r for r in found if r is not None}, key=_order))


def workflow_requirements(
    graph: Graph, components: Sequence[Requirement], use: Use | None
) -> Iterator[Requirement]:
    """Yield what each workflow needs: its entry, and what runs after handoffs and messages.

    Where several workflows start in one component (a gateway), each needs of its callees only what
    its own runs use; where no run was recorded, its first component.
    """
    shared, backups = shared_entries(graph), _Backups(graph.fallbacks)
    by_owner: dict[str, list[Requirement]] = defaultdict(list)
    for requirement in components:
        by_owner[requirement.owner].append(requirement)
    for w in graph.workflows:
        yield Requirement(w.id, (w.root_component,), Need.REQUIRED, returns=True)
        own = (
            _own_callees(graph, w, use, backups)
            if w.root_component in shared
            else by_owner.get(w.root_component, [])
        )
        if w.root_component in shared:
            yield from (replace(r, owner=w.id, returns=True) for r in own if r.returns)
        yield from (
            _passed_on(w, components, use) if use is not None else _met_on_the_way(w, own, by_owner)
        )


def _passed_on(w: Workflow, components: Iterable[Requirement], use: Use) -> Iterator[Requirement]:
    """What the workflow's recorded runs handed over or sent a message to.

    Required if at least half of them did.
    """
    for r in components:
        share = 0.0 if r.returns else use.of_workflows.get((w.id, r.members[0]), 0.0)
        if share:
            yield Requirement(
                w.id,
                r.members,
                Need.REQUIRED if share >= REQUIRED_SHARE else Need.OPTIONAL,
                returns=True,
            )


def _met_on_the_way(
    w: Workflow, own: Iterable[Requirement], by_owner: Mapping[str, list[Requirement]]
) -> Iterator[Requirement]:
    """The asynchronous callees of all that the entry needs, directly or not.

    Optional where their caller may do without.
    """
    seen, waiting = {w.root_component}, list(own)
    while waiting:
        r = waiting.pop()
        if not r.returns:
            yield Requirement(w.id, r.members, r.need, returns=True)
        if r.need is Need.REQUIRED:
            fresh = [m for m in r.members if m not in seen]
            seen.update(fresh)
            waiting += [further for m in fresh for further in by_owner.get(m, ())]


def shared_entries(graph: Graph) -> frozenset[str]:
    """Return the components in which several workflows start."""
    starts = Counter(w.root_component for w in graph.workflows)
    return frozenset(entry for entry, count in starts.items() if count > 1)


def _own_callees(
    graph: Graph, w: Workflow, use: Use | None, backups: _Backups
) -> list[Requirement]:
    """Return what this workflow needs of its entry's callees."""
    invocations = sum(c.invocations for c in graph.components if c.id == w.root_component)
    found = set()
    for d in graph.dependencies:
        if d.source == w.root_component:
            share = _share_of_entry(d, w, _share_used(d, invocations, backups, None), use)
            found |= {None if share == 0 else _requirement(d, share, backups)}
    return sorted((r for r in found if r is not None), key=_order)


def _share_of_entry(
    d: Dependency, w: Workflow, of_all: float | None, use: Use | None
) -> float | None:
    """Return in which share of this workflow's runs its entry calls the callee.

    `of_all` is the share for all workflows.
    """
    if use is not None:
        return use.of_entries.get((w.id, d.target), 0.0)
    return of_all if w.entry == w.root_component else float(d.target == w.entry)


def _requirement(d: Dependency, share: float | None, backups: _Backups) -> Requirement | None:
    """Return the requirement behind a dependency that this share of the owner's runs uses (None.

    Not known, so all may).
    """
    if backups.times_tried(d.source, d.target) and _own_calls(d, backups) <= 0:
        return None
    members = (d.target, *backups.behind(d.source, d.target))
    rarely = share is not None and share < REQUIRED_SHARE
    optional = rarely or (d.type.returns and _mostly_absorbed(d, backups))
    return Requirement(
        d.source, members, Need.OPTIONAL if optional else Need.REQUIRED, d.type.returns
    )


def _own_calls(d: Dependency, backups: _Backups) -> int:
    """Calls made neither because another had failed nor to repeat one."""
    return d.calls - d.retries - backups.times_tried(d.source, d.target)


def _share_used(
    d: Dependency, invocations: int, backups: _Backups, use: Use | None
) -> float | None:
    """Return the share of the caller's runs that use it of their own accord, or None where runs
    were not counted.
    """
    recorded = use.of_callers.get((d.source, d.target)) if use is not None else None
    if recorded is not None or not invocations or not d.source_runs:
        return recorded
    return min(_own_calls(d, backups), d.source_runs) / invocations


def _mostly_absorbed(d: Dependency, backups: _Backups) -> bool:
    """Whether failures that nothing followed up were absorbed.

    Of those that were followed up, all are taken to be among the absorbed.
    """
    absorbed = max(0, d.absorbed - d.retries - backups.times_left(d.source, d.target))
    return wilson(absorbed, absorbed + d.propagated)[0] >= ABSORBED_SHARE


def _order(requirement: Requirement) -> tuple[str, tuple[str, ...], str, bool]:
    return requirement.owner, requirement.members, requirement.need.value, requirement.returns


class _Backups:
    """The fallbacks by owner."""

    def __init__(self, fallbacks: Iterable[Fallback]) -> None:
        self._behind: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._tried: dict[tuple[str, str], int] = defaultdict(int)
        self._left: dict[tuple[str, str], int] = defaultdict(int)
        for f in sorted(fallbacks, key=lambda f: (f.owner, f.primary, -f.rescued, f.secondary)):
            self._tried[f.owner, f.secondary] += f.count
            self._left[f.owner, f.primary] += f.count
            if f.count and f.rescued / f.count >= RESCUED_SHARE:
                self._behind[f.owner, f.primary].append(f.secondary)

    def times_tried(self, owner: str, secondary: str) -> int:
        """How often the owner called it because something else had failed."""
        return self._tried.get((owner, secondary), 0)

    def times_left(self, owner: str, primary: str) -> int:
        """How often the owner turned from it to something else."""
        return self._left.get((owner, primary), 0)

    def behind(self, owner: str, primary: str) -> tuple[str, ...]:
        """Return the backups of this callee, and theirs, nearest first."""
        found: dict[str, None] = {}
        level = [primary]
        while level:
            level = [
                s
                for p in level
                for s in self._behind.get((owner, p), ())
                if s != primary and s not in found
            ]
            found |= dict.fromkeys(level)
        return tuple(found)
