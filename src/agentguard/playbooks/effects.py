"""What a second run of a workflow would do twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from agentguard.graph.model import Workflow
from agentguard.playbooks.facts import NAMED, Facts
from agentguard.simulation.wording import first, joined


@dataclass(frozen=True, slots=True)
class Effects:
    """The side effects of one workflow, as declared."""

    workflow: Workflow
    declared: tuple[tuple[str, str], ...]
    """(effect, id of what has it); the workflow's own id where it is declared for the workflow."""
    known: bool
    """Whether the workflow's own effects are declared; if not, it may have more."""


def effects_of(known: Facts) -> tuple[Effects, ...]:
    """Return the side effects of the workflows that may lose runs."""
    called = _called(known)
    return tuple(_of_workflow(known, w, called) for w in known.workflows)


def effects_below(known: Facts, component_id: str) -> tuple[str, ...]:
    """Return the declared effects of a component and of what it depends on."""
    reached = [c for c in _reachable(known, component_id) if c in known.entries]
    return tuple(dict.fromkeys(e for c in reached for e in known.entries[c].effects or ()))


def _of_workflow(known: Facts, w: Workflow, called: dict[str, list[str]]) -> Effects:
    own = known.entries.get(w.id)
    declared = None if own is None else own.effects
    parts = called.get(w.id) or _reachable(known, w.entry)
    found = [(e, c) for c in parts if c in known.entries for e in known.entries[c].effects or ()]
    of_parts = {effect for effect, _ in found}
    found += [(effect, w.id) for effect in declared or () if effect not in of_parts]
    return Effects(w, tuple(found), declared is not None)


def _called(known: Facts) -> dict[str, list[str]]:
    """Return workflow → the components that its recorded runs called; empty without runs."""
    if known.runs is None or not known.runs.calls.num_rows:
        return {}
    of_run = known.runs.runs.column("workflow").cast(pa.string())
    calls = known.runs.calls
    columns = (of_run.take(calls.column("run")), calls.column("target").cast(pa.string()))
    pairs = pa.table(columns, names=["workflow", "target"]).group_by(["workflow", "target"])
    found: dict[str, list[str]] = defaultdict(list)
    for row in sorted(pairs.aggregate([]).to_pylist(), key=lambda row: str(row["target"])):
        found[row["workflow"]].append(row["target"])
    return found


def _reachable(known: Facts, start: str) -> list[str]:
    below: dict[str, list[str]] = defaultdict(list)
    for d in known.graph.dependencies:
        below[d.source].append(d.target)
    seen = {start: None}
    wave = [start]
    while wave:
        wave = list(dict.fromkeys(c for s in wave for c in below.get(s, ()) if c not in seen))
        seen |= dict.fromkeys(wave)
    return list(seen)


def twice(known: Facts, found: tuple[Effects, ...]) -> Iterator[str]:
    """Yield what running again would do twice, and what to check before."""
    for each in found:
        if each.declared:
            yield (
                f"A second run of {each.workflow.name} repeats {_named(known, each)}: rerun only"
                " runs whose trace shows that this did not happen."
            )
    unsure = [each.workflow.name for each in found if not each.known and not each.declared]
    if unsure:
        names = first(unsure, NAMED, "workflow")
        yield (
            f"Before a second run of {names}, check in the failed trace what was paid, sent or"
            " written already."
        )
    without = [each.workflow.name for each in found if each.known and not each.declared]
    if without:
        have = "has" if len(without) == 1 else "have"
        yield f"{first(without, NAMED, 'workflow')} {have} no side effects, as declared."


def _named(known: Facts, each: Effects) -> str:
    by_effect: dict[str, list[str]] = defaultdict(list)
    for effect, where in each.declared:
        by_effect[effect] += [] if where == each.workflow.id else [known.name(where)]
    parts = [
        f"{effect} ({first(names, NAMED, 'component')})" if names else effect
        for effect, names in by_effect.items()
    ]
    return joined(parts)
