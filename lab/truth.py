"""What an outage really did: the same requests with and without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from demo.system import System
from lab.observation import Ending, Observation
from lab.outages import Outage, OutageKind


@dataclass(frozen=True, slots=True)
class Lost:
    """The runs of one workflow."""

    seen: int
    lost: int
    """Those that succeed without the outage, and fail with it."""

    @property
    def share(self) -> float:
        return self.lost / self.seen


@dataclass(frozen=True, slots=True)
class Truth:
    """What one outage did."""

    workflows: Mapping[str, Lost]
    hit: frozenset[str]
    """References of the agents and services that failed more often, without what was out."""


def truth_of(system: System, outage: Outage, before: Observation, during: Observation) -> Truth:
    """Return what differs between two observations of the same requests."""
    seen = Counter(workflow for workflow, _ in before.endings)
    lost = Counter(
        key[0]
        for key, ending in before.endings.items()
        if ending is Ending.SUCCEEDED and during.endings[key] is not Ending.SUCCEEDED
    )
    hit = set(_hit(before, during)) - _out(system, outage)
    return Truth(
        {workflow: Lost(seen[workflow], lost[workflow]) for workflow in seen}, frozenset(hit)
    )


def _hit(before: Observation, during: Observation) -> Iterator[str]:
    for reference, failed in during.failures.items():
        if failed > before.failures.get(reference, 0):
            yield reference


def _out(system: System, outage: Outage) -> set[str]:
    if outage.kind is not OutageKind.SERVICE:
        return {outage.reference}
    hosted = (agent for agent, home in system.homes.items() if home == outage.name)
    return {outage.reference, *(f"agent:{agent}" for agent in hosted)}
