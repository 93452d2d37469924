"""What a fault really did: the same requests with and without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from demo.system import System
from lab.injections import Injection, Kind
from lab.observation import Asked, Ending, Observation


@dataclass(frozen=True, slots=True)
class Lost:
    """The runs of one workflow."""

    seen: int
    succeeded: int
    """Those that succeed without the fault."""
    lost: int
    """Those that succeed without the fault, and fail (or end wrong) with it."""

    @property
    def share(self) -> float:
        return self.lost / self.seen


@dataclass(frozen=True, slots=True)
class Truth:
    """What one fault did."""

    workflows: Mapping[str, Lost]
    hit: frozenset[str]
    """References of the agents and services that failed, or ended wrong, more often; without what
    had the fault and what it hosts.
    """


def truth_of(
    system: System,
    injection: Injection,
    judged: Sequence[Asked],
    before: Observation,
    during: Observation,
) -> Truth:
    """Return what differs between two observations of the same requests, on those to judge by."""
    seen = Counter(workflow for workflow, _ in judged)
    working = [asked for asked in judged if before.endings[asked] is Ending.SUCCEEDED]
    succeeded = Counter(workflow for workflow, _ in working)
    lost = Counter(a[0] for a in working if during.endings[a] is not Ending.SUCCEEDED)
    hit = set(_hit(before, during)) - _at_fault(system, injection)
    counted = {name: Lost(seen[name], succeeded[name], lost[name]) for name in seen}
    return Truth(counted, frozenset(hit))


def _hit(before: Observation, during: Observation) -> Iterator[str]:
    for reference, failed in during.failures.items():
        if failed > before.failures.get(reference, 0):
            yield reference


def _at_fault(system: System, injection: Injection) -> set[str]:
    if injection.kind is not Kind.SERVICE:
        return {injection.reference}
    hosted = (agent for agent, home in system.homes.items() if home == injection.name)
    return {injection.reference, *(f"agent:{agent}" for agent in hosted)}
