"""The workflows of a graph: their runs, failures and entry points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agentguard.compute.arrays import factorize_rows
from agentguard.discovery.kinds import ComponentKind, Stop
from agentguard.discovery.partial import I64, Mask, Partial
from agentguard.graph.assembly.counts import Counts
from agentguard.graph.assembly.evidence import evidence
from agentguard.graph.assembly.resumption import resumed_runs
from agentguard.graph.assembly.trace_linking import LinkedCalls
from agentguard.graph.model import Workflow


def workflows(partial: Partial, found: LinkedCalls) -> tuple[Workflow, ...]:
    """Return the workflows of the linked calls, by id."""
    columns = _columns(partial, found)
    every = [
        Workflow(who.id, who.name, **{name: values[code] for name, values in columns.items()})
        for code, who in enumerate(partial.workflows)
        if columns["runs"][code]
    ]
    return tuple(sorted(every, key=lambda workflow: workflow.id))


def _columns(
    partial: Partial, found: LinkedCalls
) -> Mapping[str, Mapping[int, Any] | Sequence[Any]]:
    """Return the members of each workflow, by the workflow's code."""
    rows = np.flatnonzero(found.calls.entry >= 0)
    size, codes = len(partial.workflows), found.calls.entry[rows].astype(np.int64)
    return {
        **_counts(found, resumed_runs(partial), Counts(rows, codes, size)),
        "evidence": evidence(found.calls, partial.labels, rows, codes, size),
        "root_component": _component_ids(found, codes, found.component[rows]),
        "entry": _component_ids(found, codes, _first_components(found, rows)),
        "root": defaultdict(str, _root_names(partial, found, rows, codes)),
    }


def _counts(found: LinkedCalls, resumed: Mask, sums: Counts) -> dict[str, list[int]]:
    calls, lost = found.calls, found.lost
    return {
        "runs": sums.add(),
        "failed": sums.add(lost),
        "stopped_by_guardrail": sums.add((calls.stop == Stop.GUARDRAIL) & ~lost),
        "waiting_for_person": sums.add((calls.stop == Stop.PERSON) & ~lost & ~resumed),
        "first_seen": sums.lowest(calls.start),
        "last_seen": sums.highest(calls.start + np.maximum(calls.duration, 0)),
        "nested": sums.add(calls.source >= 0),
    }


def _component_ids(found: LinkedCalls, codes: I64, components: I64) -> dict[int, str]:
    """Return the id of the most frequent component by workflow."""
    ids = [identity.id for identity in found.identities]
    most = _most_frequent(codes, components, ids)
    return {code: ids[component] for code, component in most.items()}


def _root_names(partial: Partial, found: LinkedCalls, rows: I64, codes: I64) -> dict[int, str]:
    """Return the most frequent name of the root span by workflow."""
    names, root = partial.roots, found.calls.root[rows].astype(np.int64)
    most = _most_frequent(codes[root >= 0], root[root >= 0], names)
    return {code: names[name] for code, name in most.items()}


def _first_components(found: LinkedCalls, entries: I64) -> I64:
    """Return, for each entry row, the first component of its run that does work.

    Services and workflows are skipped, except nested workflows; fallback: the entry's own. A
    service counts itself unless it starts an agent or a workflow.
    """
    workflow, service = (
        _of_kind(found, kind) for kind in (ComponentKind.WORKFLOW, ComponentKind.SERVICE)
    )
    own, started = found.component[entries], _first_started(found, ~(workflow | service))[entries]
    called = (_of_kind(found, ComponentKind.AGENT) | workflow)[started]
    return np.where(workflow[own] | (service[own] & called), started, own)


def _first_started(found: LinkedCalls, real: Mask) -> I64:
    """Return, for each row, the first of these components in the run that it starts, or its own."""
    calls = found.calls
    nested = (calls.entry >= 0) & (calls.source >= 0)
    rows = np.flatnonzero((real[found.component] | nested) & (found.within >= 0))
    rows = found.least_deep(rows)
    rows = rows[np.lexsort((calls.span[rows], calls.client_start[rows], found.within[rows]))]
    runs, first = np.unique(found.within[rows], return_index=True)
    started = np.arange(len(calls))
    started[runs] = rows[first]
    return found.component[started]


def _of_kind(found: LinkedCalls, kind: ComponentKind) -> Mask:
    return np.array([identity.kind is kind for identity in found.identities], np.bool_)


def _most_frequent(groups: I64, values: I64, names: Sequence[str]) -> dict[int, int]:
    """Return each group's most frequent value; ties go to the name that sorts first."""
    pairs, first = factorize_rows(groups, values)
    best: dict[int, tuple[int, str, int]] = {}
    columns = (groups[first], values[first], np.bincount(pairs))
    for group, value, count in zip(*(column.tolist() for column in columns), strict=True):
        vote = (-count, names[value], value)
        best[group] = min(best.get(group, vote), vote)
    return {group: value for group, (_, _, value) in best.items()}
