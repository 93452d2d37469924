"""Recorded fallbacks: which caller has another callee for which one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Fallback, Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOSTS = (ComponentKind.SERVICE, ComponentKind.MCP_SERVER)


@dataclass(frozen=True, slots=True)
class Secondary:
    """One fallback of a pair."""

    owner: str
    primary: str
    secondary: str
    number: int
    """Of the secondary."""
    tried: int
    """0: the catalog declares it, and it was never seen to take over."""
    rescued: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """The (owner, primary) pairs with fallbacks, ordered by component numbers."""

    keys: NDArray[np.int64]
    size: int
    secondaries: tuple[tuple[Secondary, ...], ...]
    """By pair."""

    def of(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the pair of each (source, target), or -1."""
        if not len(self.keys):
            return np.full(len(target), -1, dtype=np.int64)
        wanted = source * self.size + target
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((self.keys[place] == wanted) & (source >= 0), place, -1)


def pairs_of(graph: Graph, components: tuple[str, ...]) -> Pairs:
    """Return the fallbacks that were tried or are declared.

    One server replaces another one only for the tools that it offers too.
    """
    number = {text: i for i, text in enumerate(components)}
    found: dict[int, list[Secondary]] = defaultdict(list)
    for f in sorted(_offered(graph), key=lambda f: (f.owner, f.primary, f.secondary)):
        if {f.owner, f.primary, f.secondary} <= number.keys():
            key = number[f.owner] * len(components) + number[f.primary]
            found[key].append(
                Secondary(f.owner, f.primary, f.secondary, number[f.secondary], f.count, f.rescued)
            )
    keys = sorted(found)
    return Pairs(
        np.array(keys, dtype=np.int64), len(components), tuple(tuple(found[key]) for key in keys)
    )


def first_choices(target: NDArray[np.int64], rescued_by: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return False for calls that replace a failed call to another callee.

    Their caller has already used its fallback.
    """
    replaces = np.full(len(target), -1, dtype=np.int64)
    rescued = np.flatnonzero(rescued_by >= 0)
    replaces[rescued_by[rescued]] = rescued
    fresh = np.ones(len(target), dtype=np.bool_)
    rows, before = np.flatnonzero(replaces >= 0), replaces[replaces >= 0]
    while len(rows):
        same = target[before] == target[rows]
        fresh[rows[~same]] = False
        rows, before = rows[same], replaces[before[same]]
        rows, before = rows[before >= 0], before[before >= 0]
    return fresh


def _offered(graph: Graph) -> Iterator[Fallback]:
    """Yield all fallbacks; one between servers once for each tool or agent on both."""
    kinds = {c.id: c.kind for c in graph.components}
    guests = _guests(graph)
    known = {(f.owner, f.primary, f.secondary) for f in graph.fallbacks}
    for f in graph.fallbacks:
        ours, theirs = guests.get(f.primary, {}), guests.get(f.secondary, {})
        hosts = kinds.get(f.primary) in _HOSTS and (ours or theirs)
        shared = sorted(ours.keys() & theirs.keys()) if hosts else []
        if not hosts or shared:
            yield f
        pairs = ((ours[name], theirs[name]) for name in shared)
        yield from (
            replace(f, primary=primary, secondary=secondary)
            for primary, secondary in pairs
            if (f.owner, primary, secondary) not in known
        )


def _guests(graph: Graph) -> dict[str, dict[str, str]]:
    """Return what each host runs: its name in lower case → its id."""
    names = {c.id: c.name.casefold() for c in graph.components}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for hosting in graph.runs_in:
        found[hosting.host][names.get(hosting.component, hosting.component)] = hosting.component
    return found
