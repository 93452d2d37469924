"""Faults that can be put into a running system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from demo.faults import Effect, Fault, agent_point
from demo.service import MODEL_SERVER
from demo.system import Service, System
from lab.observation import Disturbance

_STREAM = "injected"
"""What is injected strikes independently of the system's own faults."""
_MODEL_TIMEOUT_SECONDS = 15.0
"""Of agents in a system that something slow is put into."""


class Kind(StrEnum):
    """What has the fault."""

    TOOL = "tool"
    MODEL = "model"
    AGENT = "agent"
    SERVICE = "service"
    SERVER = "server"
    """Of tools, over the Model Context Protocol."""
    DATASTORE = "datastore"
    PROVIDER = "provider"
    """Of models."""


class Mode(StrEnum):
    """How it fails."""

    OUTAGE = "outage"
    """Nothing works: every attempt fails, a service or server refuses connections, a datastore's
    tables are missing.
    """
    ERRORS = "errors"
    """Every attempt of a share of the tasks fails."""
    FLAKY = "flaky"
    """A share of the attempts fails, each decided anew."""
    CRASH = "crash"
    """A process is killed after half of the requests; judged by the requests after that."""
    SLOW = "slow"
    """Every attempt takes some seconds longer."""
    WRONG = "wrong"
    """A share of the attempts succeeds with a wrong result."""


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault in one part of a system, for as long as the system runs."""

    kind: Kind
    name: str
    mode: Mode = Mode.OUTAGE
    amount: float = 1.0
    """A share; of something slow, seconds."""

    @property
    def reference(self) -> str:
        """Kind and name, as in the truth."""
        return f"{self.kind.value}:{self.name}"

    @property
    def label(self) -> str:
        """What is done to what."""
        match self.mode:
            case Mode.OUTAGE | Mode.CRASH:
                return f"{self.mode.value} of {self.reference}"
            case Mode.SLOW:
                return f"{self.reference} {self.amount:g} s slower"
            case Mode.ERRORS | Mode.FLAKY | Mode.WRONG:
                return f"{self.reference} {self.mode.value} {self.amount:.0%}"
            case _ as never:
                assert_never(never)

    @property
    def wanted(self) -> str:
        """How a user names it to `agentguard simulate`: a process by what shares its fate."""
        shared = (Kind.SERVICE, Kind.SERVER, Kind.PROVIDER)
        return self.reference if self.kind in shared else self.name

    def into(self, system: System) -> System:
        """Return the system with the faults before its own, so that they strike first."""
        faults = (*self.faults(system), *system.faults)
        if self.mode is not Mode.SLOW:
            return replace(system, faults=faults)
        return replace(system, faults=faults, model_timeout_seconds=_MODEL_TIMEOUT_SECONDS)

    def faults(self, system: System) -> tuple[Fault, ...]:
        """Return the faults inside the system's processes."""
        return tuple(self._fault(point) for point in self._points(system))

    def disturbance(self, requests: int) -> Disturbance:
        """Return what is done to the processes of a system that gets so many requests."""
        if self.mode is Mode.CRASH:
            return Disturbance(killed=self.name, killed_after=requests // 2)
        match self.kind:
            case Kind.SERVICE | Kind.SERVER | Kind.DATASTORE:
                return Disturbance(frozenset({self.name}))
            case Kind.PROVIDER:
                return Disturbance(frozenset({MODEL_SERVER}))
            case Kind.TOOL | Kind.MODEL | Kind.AGENT:
                return Disturbance()
            case _ as never:
                assert_never(never)

    def _fault(self, point: str) -> Fault:
        match self.mode:
            case Mode.OUTAGE | Mode.CRASH:
                return Fault(point, 1.0, message="out", stream=_STREAM)
            case Mode.ERRORS:
                return Fault(point, self.amount, message="failing", stream=_STREAM)
            case Mode.FLAKY:
                return Fault(point, self.amount, message="flaky", stream=_STREAM, each_attempt=True)
            case Mode.SLOW:
                return Fault(point, 1.0, effect=Effect.DELAY, seconds=self.amount, stream=_STREAM)
            case Mode.WRONG:
                return Fault(point, self.amount, effect=Effect.WRONG, stream=_STREAM)
            case _ as never:
                assert_never(never)

    def _points(self, system: System) -> Sequence[str]:
        match self.kind:
            case Kind.TOOL:
                return [self.name]
            case Kind.AGENT:
                return [agent_point(self.name)]
            case Kind.MODEL:
                users = [a.name for a in system.agents.values() if self.name in a.models]
                return [f"{agent}/{self.name}" for agent in users]
            case Kind.SERVICE | Kind.SERVER | Kind.DATASTORE | Kind.PROVIDER:
                return []
            case _ as never:
                assert_never(never)


def injections_of(system: System) -> Iterator[Injection]:
    """Yield every fault that can be put into a system, outages first; the services that users call
    are left out.
    """
    yield from (Injection(kind, name) for kind, name in _parts(system))
    yield from _others(system)


def _parts(system: System) -> Iterator[tuple[Kind, str]]:
    agents = system.agents.values()
    yield from ((Kind.TOOL, name) for agent in agents for name in agent.tools)
    models = dict.fromkeys(model for agent in agents for model in agent.models)
    yield from ((Kind.MODEL, name) for name in models)
    yield from ((Kind.AGENT, agent.name) for agent in agents)
    yield from ((_hosting(service), service.name) for service in _inner(system))
    yield Kind.DATASTORE, system.database
    yield Kind.PROVIDER, _PROVIDER


_PROVIDER = "openai"
_SHARES = (0.25, 0.5)
_DELAYS = {Kind.TOOL: 1.0, Kind.MODEL: 30.0, Kind.AGENT: 1.0}
"""Seconds: of a model above the timeout, of others below every timeout."""


def _others(system: System) -> Iterator[Injection]:
    calls = (Kind.TOOL, Kind.MODEL, Kind.AGENT)
    for number, (kind, name) in enumerate(p for p in _parts(system) if p[0] in calls):
        for mode in (Mode.ERRORS, Mode.FLAKY, Mode.WRONG):
            yield Injection(kind, name, mode, _SHARES[number % len(_SHARES)])
        yield Injection(kind, name, Mode.SLOW, _DELAYS[kind])
    for service in _inner(system):
        yield Injection(_hosting(service), service.name, Mode.CRASH)


def _inner(system: System) -> Iterator[Service]:
    return (service for service in system.services if not service.entries)


def _hosting(service: Service) -> Kind:
    return Kind.SERVER if service.tools else Kind.SERVICE


def quietened(system: System, factor: float) -> System:
    """Return the system with its own faults struck less often by this factor."""
    faults = tuple(replace(fault, share=fault.share * factor) for fault in system.faults)
    return replace(system, faults=faults)
