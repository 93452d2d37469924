"""Small traces of shapes that users report, each with the facts that must hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agentguard.graph.model import Component, Dependency, Graph
from agentguard.ingest.sources import read_paths
from agentguard.scan.pipeline import Scan, scan
from tests.discovery.recordings import dialects

FOLDER = Path(__file__).parents[1] / "data" / "shapes"
SHAPES = sorted(path.parent.name for path in FOLDER.glob("*/expected.json"))
_NUMBERS = ("invocations", "errors", "self_calls", "input_tokens", "output_tokens", "calls")

Expected = Mapping[str, Any]


def scanned(name: str) -> Scan:
    return scan(read_paths(sorted(FOLDER.joinpath(name).glob("input*"))), dialects())


def is_(component: Component, kind: str, name: str) -> bool:
    named = component.kind == kind and component.name.casefold() == name.casefold()
    return named or component.id == f"{kind}:{name}".casefold()


def named(graph: Graph, wanted: str) -> set[str]:
    kind, _, name = wanted.partition(":")
    return {c.id for c in graph.components if is_(c, kind, name)}


def edges(graph: Graph, wanted: Expected) -> list[Dependency]:
    sources, targets = named(graph, wanted["source"]), named(graph, wanted["target"])
    return [
        d
        for d in graph.dependencies
        if d.source in sources and d.target in targets and wanted.get("type", d.type) == d.type
    ]


def wrong_components(found: Scan, wanted: list[Expected]) -> Iterator[str]:
    for want in wanted:
        same = [c for c in found.graph.components if is_(c, want["kind"], want["name"])]
        keys = [key for key in (*_NUMBERS, "server") if key in want]
        if not same:
            yield f"{want['kind']}:{want['name']} is missing"
        for component in same:
            got = {key: getattr(component, key) for key in keys}
            if got != {key: want[key] for key in keys}:
                yield f"{component.id}: {got}"


def wrong_dependencies(found: Scan, wanted: list[Expected]) -> Iterator[str]:
    for want in wanted:
        same = edges(found.graph, want)
        got = {key: sum(getattr(d, key) for d in same) for key in _NUMBERS if key in want}
        if not same or got != {key: want[key] for key in got}:
            yield f"{want['source']} -> {want['target']}: {got if same else 'missing'}"


def present(found: Scan, unwanted: list[Expected]) -> Iterator[str]:
    for want in unwanted:
        name = f"{want.get('kind')}:{want.get('name')}"
        if named(found.graph, name) if "kind" in want else edges(found.graph, want):
            yield f"{want} is there"


def wrong_counts(found: Scan, wanted: Mapping[str, int]) -> Iterator[str]:
    for kind, number in wanted.items():
        same = [c.id for c in found.graph.components if c.kind == kind]
        if len(same) != number:
            yield f"{kind}: {same}"


def wrong_tokens(found: Scan, wanted: Mapping[str, int]) -> Iterator[str]:
    for side, number in wanted.items():
        got = sum(getattr(c, f"{side}_tokens") for c in found.graph.components)
        if got != number:
            yield f"{side} tokens: {got}"


def wrong_workflows(found: Scan, wanted: list[Expected]) -> Iterator[str]:
    by_name = {w.name.casefold(): w for w in found.graph.workflows}
    for want in wanted:
        workflow = by_name.get(want["name"].casefold())
        got = {key: getattr(workflow, key, None) for key in ("runs", "failed") if key in want}
        if workflow is None or got != {key: want[key] for key in got}:
            yield f"workflow {want['name']}: {got}"


def wrong_coverage(found: Scan, wanted: Expected) -> Iterator[str]:
    for key, value in wanted.items():
        if getattr(found.graph.coverage, key) != value:
            yield f"{key}: {getattr(found.graph.coverage, key)}"


def too_few_refusals(found: Scan, least: int) -> Iterator[str]:
    if sum(found.graph.coverage.refused.values()) < least:
        yield f"refused: {found.graph.coverage.refused}"


def wrong_everywhere(found: Scan, choices: list[Expected]) -> Iterator[str]:
    outcomes = [wrong(found, choice) for choice in choices]
    if all(outcomes):
        yield f"none of: {outcomes}"


_CHECKS: Mapping[str, Callable[[Scan, Any], Iterator[str]]] = {
    "components": wrong_components,
    "dependencies": wrong_dependencies,
    "absent": present,
    "count": wrong_counts,
    "tokens_total": wrong_tokens,
    "workflows": wrong_workflows,
    "coverage": wrong_coverage,
    "refused_at_least": too_few_refusals,
    "any_of": wrong_everywhere,
}


def wrong(found: Scan, expected: Expected) -> list[str]:
    return [fault for key, value in expected.items() for fault in _CHECKS[key](found, value)]


@pytest.mark.parametrize("name", SHAPES)
def test_a_reported_shape_gives_its_graph(name: str) -> None:
    expected = json.loads(FOLDER.joinpath(name, "expected.json").read_text())
    expected.pop("exit_code", None)

    assert wrong(scanned(name), expected) == []
