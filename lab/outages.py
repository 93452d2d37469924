"""Outages that can be put into a running system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from demo.faults import Fault, agent_point
from demo.system import System


class OutageKind(StrEnum):
    """What is out."""

    TOOL = "tool"
    MODEL = "model"
    AGENT = "agent"
    SERVICE = "service"
    DATASTORE = "datastore"


@dataclass(frozen=True, slots=True)
class Outage:
    """A complete outage of one part of a system, for as long as the system runs."""

    kind: OutageKind
    name: str

    @property
    def reference(self) -> str:
        """Kind and name, as in the truth."""
        return f"{self.kind.value}:{self.name}"

    @property
    def wanted(self) -> str:
        """How a user names it to `agentguard simulate`: a service by what shares its fate."""
        return self.reference if self.kind is OutageKind.SERVICE else self.name

    def faults(self, system: System) -> tuple[Fault, ...]:
        """Return the faults that make every attempt fail."""
        return tuple(Fault(point, 1.0, message="out") for point in self._points(system))

    @property
    def down(self) -> frozenset[str]:
        """The service or database that is not there."""
        gone = self.kind in (OutageKind.SERVICE, OutageKind.DATASTORE)
        return frozenset({self.name} if gone else ())

    def _points(self, system: System) -> Sequence[str]:
        match self.kind:
            case OutageKind.TOOL:
                return [self.name]
            case OutageKind.AGENT:
                return [agent_point(self.name)]
            case OutageKind.MODEL:
                users = [a.name for a in system.agents.values() if self.name in a.models]
                return [f"{agent}/{self.name}" for agent in users]
            case OutageKind.SERVICE | OutageKind.DATASTORE:
                return []


def outages_of(system: System) -> Iterator[Outage]:
    """Yield every outage of one part, the services that users call left out."""
    agents = system.agents.values()
    yield from (Outage(OutageKind.TOOL, name) for agent in agents for name in agent.tools)
    models = dict.fromkeys(model for agent in agents for model in agent.models)
    yield from (Outage(OutageKind.MODEL, name) for name in models)
    yield from (Outage(OutageKind.AGENT, agent.name) for agent in agents)
    inner = (service for service in system.services if not service.entries)
    yield from (Outage(OutageKind.SERVICE, service.name) for service in inner)
    yield Outage(OutageKind.DATASTORE, system.database)


def with_outage(system: System, outage: Outage) -> System:
    """Return the system with the outage's faults before its own, so that they strike first."""
    return replace(system, faults=(*outage.faults(system), *system.faults))


def quietened(system: System, factor: float) -> System:
    """Return the system with its own faults struck less often by this factor."""
    faults = tuple(replace(fault, share=fault.share * factor) for fault in system.faults)
    return replace(system, faults=faults)
