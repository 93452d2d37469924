"""Failures that only harm together, and alternatives that fail together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from agentguard.analysis.cut_sets import MOST_STEPS, CutSets, minimal_cut_sets
from agentguard.analysis.fault_tree import FaultTree, fault_tree
from agentguard.analysis.model import (
    Combinations,
    CutSet,
    FalseRedundancy,
    SharedFate,
    WorkflowCutSets,
)
from agentguard.graph.model import Graph
from agentguard.simulation.fate_groups import FateGroup, FateKind, family_of, fate_groups
from agentguard.simulation.merging import merged
from agentguard.simulation.outages import Model, Outage
from agentguard.simulation.single_failures import failing_nodes
from agentguard.simulation.structural import Structure

MOST_COMPONENTS = 2_000
"""Components of a graph up to which cut sets are searched."""

_ALL_STEPS = 10 * MOST_STEPS
"""Of the searches of all workflows together."""

_SIMULATED = 100
"""Cut sets whose loss is simulated, and as many shared fates."""


def combinations(graph: Graph, s: Structure, model: Model | None) -> Combinations:
    """Return cut sets, shared fates and false redundancy.

    The model gives the runs lost; None without recorded runs. Above MOST_COMPONENTS, only shared
    fates are listed.
    """
    fates = tuple(map(_fate, fate_groups(graph)))
    if len(graph.components) > MOST_COMPONENTS:
        return Combinations(
            (), bounded=True, shared_fates=_costs(fates, model), false_redundancies=()
        )
    groups = fate_groups(graph, least=1)
    tree = fault_tree(graph, s, groups)
    cuts = tuple(_cut_sets(graph, tree))
    members = {g.component or g.label: (g.component,) if g.component else g.members for g in groups}
    return Combinations(
        _simulated(cuts, members, model),
        any(cut.bounded for cut in cuts),
        _costs(fates, model),
        tuple(sorted(_false_redundancies(graph, tree), key=lambda f: (f.owner, f.members))),
    )


def _cut_sets(graph: Graph, tree: FaultTree) -> Iterator[WorkflowCutSets]:
    """Yield the cut sets of two or more for each workflow that has some."""
    names, left = {w.id: w.name for w in graph.workflows}, _ALL_STEPS
    fails = failing_nodes(merged(tree.needs), tree.events)
    for workflow, node in tree.workflows:
        steps = min(MOST_STEPS, left)
        alone = {event for event, down in zip(tree.events, fails[:, node], strict=True) if down}
        found = (
            minimal_cut_sets(tree.needs, node, tree.events, steps=steps, singles=alone)
            if steps
            else _CUT_OFF
        )
        left = max(0, left - found.steps)
        several = [CutSet(_sorted(tree.named(cut)), None) for cut in found.sets if len(cut) > 1]
        if several or found.bounded:
            yield WorkflowCutSets(workflow, names[workflow], tuple(several), found.bounded)


_CUT_OFF = CutSets((), bounded=True, steps=0)


def _sorted(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(labels))


def _simulated(
    cuts: Sequence[WorkflowCutSets], members: Mapping[str, tuple[str, ...]], model: Model | None
) -> tuple[WorkflowCutSets, ...]:
    """Return the cut sets with the runs lost of the smallest ones, most runs lost first."""
    if model is None:
        return tuple(cuts)
    smallest = sorted(
        {cut.members for each in cuts for cut in each.sets}, key=lambda m: (len(m), m)
    )[:_SIMULATED]
    outages = [_together(cut, members) for cut in smallest]
    able = [(cut, outage) for cut, outage in zip(smallest, outages, strict=True) if outage]
    found = model.lost([Outage(outage) for _, outage in able])
    lost = {cut: of for (cut, _), of in zip(able, found, strict=True)}
    return tuple(
        replace(each, sets=tuple(sorted(_with_losses(each, lost), key=_by_loss))) for each in cuts
    )


def _together(cut: Iterable[str], members: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the components that fail when all of these components and groups do."""
    return tuple(sorted({c for label in cut for c in members.get(label, (label,))}))


def _with_losses(
    each: WorkflowCutSets, lost: Mapping[tuple[str, ...], Mapping[str, float]]
) -> Iterator[CutSet]:
    for cut in each.sets:
        of = lost.get(cut.members)
        yield replace(cut, runs_lost=None if of is None else of.get(each.workflow, 0.0))


def _by_loss(cut: CutSet) -> tuple[float, int, tuple[str, ...]]:
    return -(cut.runs_lost or 0.0), len(cut.members), cut.members


def _fate(group: FateGroup) -> SharedFate:
    return SharedFate(
        group.label, group.kind, group.name, group.members, group.partly, None, group.component
    )


def _costs(fates: Sequence[SharedFate], model: Model | None) -> tuple[SharedFate, ...]:
    """Return the shared fates with what each costs, the worst first.

    A family of models is only a name, so its failure is not simulated.
    """
    if model is None:
        return tuple(fates)
    known = model.structure.index.keys()
    failing = [(f, _failing(f, known)) for f in fates]
    able = [(f, failed) for f, failed in failing if failed][:_SIMULATED]
    found = model.lost([Outage(failed) for _, failed in able])
    lost = {f.label: of for (f, _), of in zip(able, found, strict=True)}
    costed = (replace(f, runs_lost=lost.get(f.label)) for f in fates)
    return tuple(sorted(costed, key=lambda f: (-sum((f.runs_lost or {}).values()), f.label)))


def _failing(f: SharedFate, known: Iterable[str]) -> tuple[str, ...]:
    """Return what fails with the group; of a datastore or queue, itself."""
    if f.kind is FateKind.FAMILY:
        return ()
    if f.component is not None:
        return (f.component,)
    return tuple(m for m in f.members if m in known)


def _false_redundancies(graph: Graph, tree: FaultTree) -> Iterator[FalseRedundancy]:
    """Yield the alternatives that one event brings down, and those of one family of models.

    What takes down the owner itself, such as the process that it shares with its tools, is no
    matter of redundancy.
    """
    families = {c.id: family_of(c) for c in graph.components}
    for redundancy in tree.redundancies:
        found = minimal_cut_sets(tree.needs, redundancy.node, tree.events, order=1)
        own = tree.held_by.get(redundancy.owner, frozenset()) | {redundancy.owner}
        shared = sorted({tree.labels[event] for (event,) in found.sets} - own)
        family = {families.get(m) for m in redundancy.members}
        same = family.pop() if len(family) == 1 else None
        if shared or same:
            yield FalseRedundancy(redundancy.owner, redundancy.members, tuple(shared), same)
