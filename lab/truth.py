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
    lost = Counter(
        key[0]
        for key in judged
        if before.endings[key] is Ending.SUCCEEDED and during.endings[key] is not Ending.SUCCEEDED
    )
    hit = set(_hit(before, during)) - _at_fault(system, injection)
    return Truth(
        {workflow: Lost(seen[workflow], lost[workflow]) for workflow in seen}, frozenset(hit)
    )


def _hit(before: Observation, during: Observation) -> Iterator[str]:
    for reference, failed in during.failures.items():
        if failed > before.failures.get(reference, 0):
            yield reference


def _at_fault(system: System, injection: Injection) -> set[str]:
    if injection.kind is not Kind.SERVICE:
        return {injection.reference}
    hosted = (agent for agent, home in system.homes.items() if home == injection.name)
    return {injection.reference, *(f"agent:{agent}" for agent in hosted)}
