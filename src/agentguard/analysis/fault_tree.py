"""The requirements of a graph with what its components share: the basis of cut sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.simulation.fate_groups import CERTAIN, FateGroup, FateKind
from agentguard.simulation.fixpoint import Requirements, requirements
from agentguard.simulation.structural import Structure


@dataclass(frozen=True, slots=True)
class Redundancy:
    """Alternatives of which one is enough."""

    owner: str
    """Id of the component or workflow that needs one of them."""
    members: tuple[str, ...]
    """Component ids, first choice first."""
    node: int
    """Node of the fault tree that fails with the last member."""


@dataclass(frozen=True, slots=True)
class FaultTree:
    """Nodes of a structure, one event per component and shared-fate group, and redundancies.

    An event is a node without requirements: the outage itself. A component fails with its event,
    with its host's, and with the last of its providers.
    """

    needs: Requirements
    workflows: tuple[tuple[str, int], ...]
    events: tuple[int, ...]
    labels: tuple[str, ...]
    """Node → component id, label of the group, or id of the workflow."""
    redundancies: tuple[Redundancy, ...]
    held_by: Mapping[str, frozenset[str]]
    """Component → labels of what takes it down itself: its hosts, region, providers."""

    def named(self, events: Iterable[int]) -> tuple[str, ...]:
        """Return the labels of these events."""
        return tuple(self.labels[event] for event in events)


def fault_tree(graph: Graph, s: Structure, groups: Sequence[FateGroup]) -> FaultTree:
    """Return the fault tree; linear in requirements and group members.

    `groups` holds those of a single member too: what has two providers outlives one of them.
    """
    build = _Builder(graph, s)
    for group in groups:
        build.add(group)
    return build.tree()


class _Builder:
    def __init__(self, graph: Graph, s: Structure) -> None:
        self._s = s
        self._labels = [s.label(node) for node in range(s.needs.size)]
        self._pairs: list[tuple[int, Sequence[int]]] = list(
            zip(s.needs.owners, s.needs.members, strict=True)
        )
        self._events: dict[str, int] = {}
        for c in graph.components:
            if c.kind is not ComponentKind.WORKFLOW:
                self._hold(c.id, self._event(c.id))
        self._shared: dict[tuple[str, FateKind], set[int]] = {}

    def add(self, group: FateGroup) -> None:
        """Make the members of a group fail with the last of their groups of this kind.

        A group that is no component and has a single member is that member's own outage.
        """
        if group.kind not in CERTAIN or (
            group.component is None and len(group.members) == 1 == len(group.every)
        ):
            return
        event = self._event(group.component or group.label)
        for member in group.every:
            if member in self._s.index and member != group.component:
                self._shared.setdefault((member, group.kind), set()).add(event)

    def tree(self) -> FaultTree:
        """Return what was added."""
        for (member, _), events in self._shared.items():
            self._hold(member, *sorted(events))
        redundancies = tuple(self._redundancies())
        first = len(self._s.components)
        return FaultTree(
            requirements(len(self._labels), self._pairs),
            tuple((w, first + place) for place, w in enumerate(self._s.workflows)),
            tuple(sorted(self._events.values())),
            tuple(self._labels),
            redundancies,
            self._held_by(),
        )

    def _held_by(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for (member, _), events in self._shared.items():
            found.setdefault(member, set()).update(self._labels[event] for event in events)
        return {member: frozenset(labels) for member, labels in found.items()}

    def _event(self, label: str) -> int:
        if label not in self._events:
            self._events[label] = len(self._labels)
            self._labels.append(label)
        return self._events[label]

    def _hold(self, component: str, *events: int) -> None:
        """Make a component fail when the last of these events happens."""
        number = self._s.index[component]
        second = self._s.entry_node(number)
        self._pairs += [(node, events) for node in (number, second) if node is not None]

    def _redundancies(self) -> Iterator[Redundancy]:
        needed = zip(self._s.needs.owners, self._s.needs.members, strict=True)
        for owner, members in dict.fromkeys((*needed, *self._s.optional)):
            if len(members) > 1:
                node = len(self._labels)
                self._labels.append(f"redundancy of {self._s.label(owner)}")
                self._pairs.append((node, members))
                yield Redundancy(
                    self._s.label(owner), tuple(self._s.label(m) for m in members), node
                )
