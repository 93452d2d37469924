"""Incidents of ITBench (tests/data/README.md says where they come from), as graphs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agentguard.catalog.aliases import alias_problem
from agentguard.catalog.model import Catalog, Entry, EntryKind
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from tests.simulation.worlds import component, needs, world

_FOLDER = Path(__file__).parent.parent / "data" / "failures" / "itbench"
_ANY = ".*"


class MalformedIncidentError(Exception):
    """The incident contradicts itself."""


@dataclass(frozen=True)
class Incident:
    """What depends on what, where it began, and what it reached by way of the propagations."""

    id: str
    nodes: dict[str, tuple[str, ...]]
    """Id → regular expressions of its names."""
    depends_on: tuple[tuple[str, str], ...]
    roots: tuple[str, ...]
    propagations: tuple[tuple[str, str], ...]
    """(what failed, what failed with it)."""
    blast: frozenset[str]

    @property
    def graph(self) -> Graph:
        """Raises MalformedIncidentError."""
        self._check()
        parts = [component(node, ComponentKind.SERVICE) for node in self.nodes]
        edges = dict.fromkeys(self.depends_on)
        return world(*(needs(*edge) for edge in edges), components=parts)

    @property
    def catalog(self) -> Catalog:
        """Declares each node's names where the catalog accepts them as aliases."""
        return Catalog(
            tuple(
                Entry(EntryKind.COMPONENT, name=node, aliases=tuple(_aliases(names)))
                for node, names in self.nodes.items()
            )
        )

    def _check(self) -> None:
        for edge in (*self.depends_on, *self.propagations):
            unknown = sorted(set(edge) - set(self.nodes))
            if unknown:
                raise MalformedIncidentError(f"{self.id}: {unknown} are used, but not declared.")
        reached = set(self.roots)
        for _ in self.propagations:
            reached |= {target for source, target in self.propagations if source in reached}
        reached |= {source for source, target in self.propagations if target in self.roots}
        apart = sorted({source for source, _ in self.propagations} - reached)
        if apart:
            raise MalformedIncidentError(
                f"{self.id}: {apart} pass a failure on, but the root's failure does not reach them."
            )


@cache
def incidents() -> dict[str, Incident]:
    answers = {answer["case_id"]: answer for answer in _lines("answers.jsonl")}
    return {c["case_id"]: _incident(c, answers[c["case_id"]]) for c in _lines("cases.jsonl")}


def observed_name(pattern: str) -> str | None:
    """Return a name as Kubernetes would make it, which the pattern matches; None: not this way."""
    name = pattern.removesuffix(r"\b").removesuffix("$").replace(_ANY, "7f9c4d-x2x1z")
    return name if re.fullmatch(pattern, name) else None


def _aliases(patterns: tuple[str, ...]) -> Iterator[str]:
    for pattern in patterns:
        alias = pattern.removesuffix(r"\b").replace(_ANY, "*")
        if re.fullmatch(r"[\w*-]+", alias) and alias_problem(alias) is None:
            yield alias


def _incident(case: dict[str, Any], answer: dict[str, Any]) -> Incident:
    return Incident(
        case["case_id"],
        {node["id"]: tuple(node["name_patterns"] or ()) for node in case["nodes"]},
        tuple((edge["source"], edge["target"]) for edge in case["depends_on"]),
        tuple(answer["root_cause"]),
        tuple((step["source"], step["target"]) for step in answer["propagations"]),
        frozenset(answer["blast_of_root"]),
    )


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_FOLDER / name).read_text().splitlines()]
