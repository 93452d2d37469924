"""Graph documents of schema revisions before 0006, whose members had other names.

Migrations and imports rely on this module: it describes the past, so it does not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from agentguard.kernel.stable_json import stable_json

_MEMBERS: Mapping[str, Mapping[str, str]] = {
    "components": {"answered": "response_models"},
    "dependencies": {"waited": "client_latency", "delay": "queue_delay"},
    "fallbacks": {"recourse": "fallback_mode"},
    "workflows": {"entry": "root_component", "first": "entry"},
}
"""List in the graph → former name → name since 0006."""
_COVERAGE: Mapping[str, str] = {
    "circles": "parent_cycles",
    "folded": "cardinality_limited",
    "nameless": "unnamed_model_calls",
}
_RULES: Mapping[str, str] = {"folded-names": "cardinality-limit"}


def modernised(document: bytes) -> bytes:
    """Return the graph's JSON with the names since 0006; a document that has them is unchanged."""
    graph = orjson.loads(document)
    if not _is_former(graph):
        return document
    return stable_json(_renamed(graph, _MEMBERS, _COVERAGE, _RULES))


def antiquated(document: bytes) -> bytes:
    """Return the graph's JSON with the former names."""
    graph = orjson.loads(document)
    if _is_former(graph):
        return document
    members = {part: _inverse(names) for part, names in _MEMBERS.items()}
    return stable_json(_renamed(graph, members, _inverse(_COVERAGE), _inverse(_RULES)))


def _is_former(graph: Mapping[str, Any]) -> bool:
    """Return whether any member has a name that only former documents use."""
    if not _COVERAGE.keys().isdisjoint(graph.get("coverage", {})):
        return True
    return any(
        not (names.keys() - set(names.values())).isdisjoint(item)
        for part, names in _MEMBERS.items()
        for item in graph.get(part, ())[:1]
    )


def _renamed(
    graph: dict[str, Any],
    members: Mapping[str, Mapping[str, str]],
    coverage: Mapping[str, str],
    rules: Mapping[str, str],
) -> dict[str, Any]:
    parts = {
        part: [_with_rule(_with_names(item, names), rules) for item in graph.get(part, ())]
        for part, names in members.items()
    }
    return {**graph, **parts, "coverage": _with_names(graph.get("coverage", {}), coverage)}


def _with_names(item: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in item.items()}


def _with_rule(item: dict[str, Any], rules: Mapping[str, str]) -> dict[str, Any]:
    basis = item.get("basis")
    if basis is None or basis["rule"] not in rules:
        return item
    return {**item, "basis": {**basis, "rule": rules[basis["rule"]]}}


def _inverse(names: Mapping[str, str]) -> dict[str, str]:
    return {new: former for former, new in names.items()}
