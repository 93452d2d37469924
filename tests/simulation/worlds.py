"""Small worlds written as text, for tests: what depends on what, and what ran."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Basis, Component, Dependency, Evidence, Fallback, Graph, Workflow
from agentguard.graph.runs import CALL_SCHEMA, RUN_SCHEMA, Runs

BASIS = Basis("test", "test", 1.0)
SECOND = 1_000_000_000


def evidence(*names: str) -> tuple[Evidence, ...]:
    return (Evidence("-".join(names), "s", SECOND),)


def component(name: str, kind: ComponentKind = ComponentKind.AGENT, **more) -> Component:
    return Component(name, kind, name, BASIS, evidence(name), **{"invocations": 10} | more)


def needs(
    source: str, target: str, type_: DependencyType = DependencyType.DELEGATES, **more
) -> Dependency:
    counts = {"calls": 10, "source_runs": 10} | more
    return Dependency(source, target, type_, BASIS, evidence(source, target), **counts)


def fallback(
    owner: str, primary: str, secondary: str, count: int = 1, rescued: int = 1
) -> Fallback:
    return Fallback(owner, primary, secondary, count, rescued, evidence(owner, primary, secondary))


def workflow(
    name: str, entry: str, runs: int = 10, failed: int = 0, seconds: int = 3600
) -> Workflow:
    return Workflow(
        name, name, entry, entry, runs, failed, SECOND, (1 + seconds) * SECOND, evidence(name)
    )


def world(
    *dependencies: Dependency,
    fallbacks: Iterable[Fallback] = (),
    workflows: Iterable[Workflow] = (),
    components: Iterable[Component] = (),
) -> Graph:
    """A graph whose components are agents where nothing else is said."""
    given, fallbacks = {c.id: c for c in components}, tuple(fallbacks)
    names = (
        {d.source for d in dependencies}
        | {d.target for d in dependencies}
        | {f.secondary for f in fallbacks}
        | given.keys()
    )
    return Graph(
        components=tuple(given.get(n) or component(n) for n in sorted(names)),
        dependencies=tuple(sorted(dependencies, key=lambda d: (d.source, d.target))),
        fallbacks=fallbacks,
        workflows=tuple(workflows),
    )


@dataclass(frozen=True)
class Call:
    """One call with the calls made below it.

    `rescues` says that it stands in for the call before it.
    """

    target: str
    below: tuple[Call, ...] = ()
    failed: bool = False
    type: DependencyType = DependencyType.DELEGATES
    rescues: bool = False
    input_tokens: int | None = None


def call(target: str, *below: Call, **more) -> Call:
    return Call(target, below, **more)


def record(runs: Sequence[tuple[str, Call]]) -> Runs:
    """Runs of (workflow, entry call).

    A run has failed where its entry has, or where a call after a handoff or message has.
    """
    run_rows: list[dict] = []
    call_rows: list[dict] = []
    for number, (name, entry) in enumerate(runs):
        rows: list[dict] = []
        _append(rows, entry, number, -1, None)
        base = len(call_rows)
        for row in rows:
            row["parent"] += base if row["parent"] >= 0 else 0
            row["rescued_by"] += base if row["rescued_by"] >= 0 else 0
            row["span_id"] = f"{base + row['at']:016x}"
            del row["at"]
        failed = entry.failed or any(_ends_run(row) for row in rows)
        call_rows += rows
        run_rows.append(
            {
                "run_id": f"{number:032x}",
                "workflow": name,
                "failed": failed,
                "start": number * SECOND,
                "duration": 1,
            }
        )
    return Runs(
        pa.Table.from_pylist(run_rows, RUN_SCHEMA), pa.Table.from_pylist(call_rows, CALL_SCHEMA)
    )


def _ends_run(row: dict) -> bool:
    return row["failed"] and row["type"] in ("handoff", "messaging") and row["rescued_by"] < 0


def _append(rows: list[dict], made: Call, run: int, parent: int, source: str | None) -> None:
    at = len(rows)
    rows.append(
        {
            "at": at,
            "run": run,
            "parent": parent,
            "source": source,
            "target": made.target,
            "type": None if source is None else made.type.value,
            "failed": made.failed,
            "rescued_by": -1,
            "start": run * SECOND + at,
            "duration": 1,
            "trace_id": f"{run:032x}",
            "input_tokens": made.input_tokens,
        }
    )
    before = -1
    for child in made.below:
        place = len(rows)
        _append(rows, child, run, at, made.target)
        if child.rescues:
            rows[before]["rescued_by"] = place
        before = place
