"""A graph's links as cascades.

Failures spread from callees to callers, wrong answers with the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import numpy as np

from agentguard.simulation.call_rows import text_hashes
from agentguard.simulation.cascade import Cascade, Faults
from agentguard.simulation.faults import ComponentFaults, Fault
from agentguard.simulation.modes import FailureMode
from agentguard.simulation.network import Network, Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

Key = tuple[str, str, bool]
"""Source, target, returns: a pair."""


@dataclass(frozen=True, slots=True)
class Group:
    """An owner and what it needs: one member, or else the next."""

    owner: int
    members: tuple[int, ...]
    helps: tuple[float, ...]
    """By member: how likely it helps if it works."""
    pair: Pair | None
    use: float


def failure_groups(network: Network) -> list[Group]:
    """Return the groups along which failures spread."""
    return [
        Group(
            link.owner,
            (link.target, *(node for node, _ in link.fallbacks)),
            (1.0, *(chance for _, chance in link.fallbacks)),
            link.pair,
            link.use,
        )
        for link in network.links
    ]


def data_groups(network: Network) -> list[Group]:
    """Return the groups along which wrong answers spread.

    An answer goes from the callee to the caller; with a handoff or message it goes on to the
    callee, in the share of the callee's runs that these start.
    """
    up = [Group(link.owner, (link.target,), (1.0,), link.pair, link.use) for link in network.links]
    on = [Group(f.target, (f.source,), (1.0,), f.pair, f.started) for f in network.flows]
    return up + on


def cascade_of(
    network: Network, groups: Sequence[Group], survives: Mapping[Key, NDArray[np.float64]]
) -> Cascade:
    """Return the cascade; `survives` holds, by pair and world, how likely the owner survives.

    A pair without entry is never survived.
    """
    members = [(group, node) for group in groups for node in group.members]
    counts = [0, *(len(group.members) for group in groups)]
    return Cascade(
        size=network.size,
        owner=np.array([group.owner for group in groups], dtype=np.int64),
        start=np.cumsum(counts, dtype=np.int64),
        member=np.array([node for _, node in members], dtype=np.int64),
        chance=_chances(groups, survives),
        key=text_hashes([_text(network, group) for group in groups]),
        unhelpful=1.0 - np.array([h for group in groups for h in group.helps], dtype=np.float64),
        member_key=text_hashes(
            ["\x1f".join((_text(network, g), network.label(node))) for g, node in members]
        ),
    )


def _chances(
    groups: Sequence[Group], survives: Mapping[Key, NDArray[np.float64]]
) -> NDArray[np.float64]:
    worlds = max((len(chance) for chance in survives.values()), default=1)
    found = np.empty((len(groups), worlds))
    for row, group in enumerate(groups):
        known = None if group.pair is None else survives.get(key_of(group.pair))
        found[row] = group.use * (1.0 if known is None else 1.0 - known)
    return found


def key_of(pair: Pair) -> Key:
    """Return what identifies a pair in every graph."""
    return pair.source, pair.target, pair.returns


def _text(network: Network, group: Group) -> str:
    """Return what a group is drawn for: its pair, whoever owns it."""
    if group.pair is None:
        return network.label(group.owner)
    return "\x1f".join((group.pair.source, group.pair.target, str(group.pair.returns)))


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a caller repeats a failed call, and how likely each time succeeds."""

    chance: float
    times: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What fails how, and what is known of it."""

    faults: ComponentFaults
    slow: Mapping[tuple[str, str], float]
    """(caller, callee) → share of the caller's runs that time out."""
    retries: Mapping[Key, Retries]
    """Where the caller retries."""


def faults_of(
    network: Network, groups: Sequence[Group], known: Knowledge, kinds: frozenset[FailureMode]
) -> Faults:
    """Return the faults of these kinds, as members that are lost to their groups."""
    found = [
        (place, chance)
        for place, (group, node) in enumerate((g, m) for g in groups for m in g.members)
        if (chance := _chance(network.label(node), group.pair, known, kinds)) > 0
    ]
    none = np.zeros(0, dtype=np.int64)
    return Faults(
        node=none,
        chance=np.zeros(0),
        key=none.astype(np.uint64),
        member=np.array([place for place, _ in found], dtype=np.int64),
        member_chance=np.array([chance for _, chance in found], dtype=np.float64),
    )


def _chance(
    component: str, pair: Pair | None, known: Knowledge, kinds: frozenset[FailureMode]
) -> float:
    """Return how likely a call to this component fails (or ends wrong) in a run that makes any."""
    timeout = 0.0
    if pair is not None and FailureMode.LATENCY in kinds:
        timeout = known.slow.get((pair.source, component), 0.0)
    faults = (f for f in known.faults.get(component, ()) if f.mode.kind in kinds)
    faulty = min(1.0, sum(fault_chance(f, pair, known.retries) for f in faults))
    return 1 - (1 - timeout) * (1 - faulty)


def fault_chance(fault: Fault, pair: Pair | None, retries: Mapping[Key, Retries]) -> float:
    """Return how likely at least one call of a run that makes any fails by the fault itself.

    The calls of a run fail independently. A retry helps as often as was seen, but not more often
    than the rate leaves calls working: if all fail, none.
    """
    calls = 1.0 if pair is None else pair.calls_per_run
    amount = (fault.mode.amount or 0.0) * fault.share
    match fault.mode.kind:
        case FailureMode.OUTAGE:
            return fault.share
        case FailureMode.ERRORS:
            retry = None if pair is None else retries.get(key_of(pair))
            left = 1.0 if retry is None else (1 - min(retry.chance, 1 - amount)) ** retry.times
            return 1 - math.pow(1 - amount * left, calls)
        case FailureMode.WRONG_OUTPUT:
            return 1 - math.pow(1 - amount, calls)
        case FailureMode.LATENCY:
            return 0.0
        case _:
            assert_never(fault.mode.kind)


def causes(groups: Sequence[Group], start: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (node, cause) of everything the failures of `start` can reach, nearest first."""
    by_member: dict[int, list[int]] = {}
    for group in groups:
        for member in group.members[:1]:
            by_member.setdefault(member, []).append(group.owner)
    seen, level = set(start), sorted(set(start))
    while level:
        fresh: list[int] = []
        for node in level:
            for owner in by_member.get(node, ()):
                if owner not in seen:
                    seen.add(owner)
                    fresh.append(owner)
                    yield owner, node
        level = fresh
