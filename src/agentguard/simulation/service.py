"""The use case of simulation: what breaks if this fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agentguard.accounts.principal import Permission, Principal
from agentguard.catalog.model import Catalog
from agentguard.graph.documents import origin_of
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.runs import Runs
from agentguard.graph.selection import GraphSelection, GraphSelector, SelectedGraph
from agentguard.jobs.model import Job, JobKind
from agentguard.simulation.declared import declared_graph
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from agentguard.simulation.identity import catalog_digest, identify, linked
from agentguard.simulation.model import Method, SimulationResult, Thresholds
from agentguard.simulation.modes import OUTAGE, Mode, parse_choices
from agentguard.simulation.naming import names_of
from agentguard.simulation.outage_game_days import outage_game_days, outage_game_days_document
from agentguard.simulation.shared_fate import is_group, members
from agentguard.traces.window import TimeWindow

KIND = JobKind.SIMULATION.value


@dataclass(frozen=True, slots=True)
class Failure:
    """What fails in which graph, and how the consequences are found."""

    wanted: tuple[str, ...]
    """Ids or unique names of components, or shared-fate groups such as `provider:openai`."""
    groups: tuple[str, ...] = ()
    """Shared-fate groups that a component's id could be taken for."""
    method: Method | None = None
    """None: replay where runs were recorded, else structural."""
    seed: int = 0
    selection: GraphSelection = field(default_factory=GraphSelection)
    modes: tuple[str, ...] = ()
    """How they fail, see simulation.modes.parse_choices; outages where none is given. A component
    or group that is named here fails too.
    """

    @property
    def question(self) -> object:
        """What the answer depends on beside the graph: plain values."""
        return [self.wanted, self.groups, self.method, self.seed, self.modes]

    def request(self) -> dict[str, Any]:
        """Return it as a job stores it."""
        window = self.selection.window
        return {
            "wanted": list(self.wanted),
            "groups": list(self.groups),
            "method": None if self.method is None else self.method.value,
            "seed": self.seed,
            "modes": list(self.modes),
            "dataset": self.selection.dataset,
            "version": self.selection.version,
            "window": None if window is None else [window.since, window.until],
        }

    @staticmethod
    def of(request: Mapping[str, Any]) -> Failure:
        """Return what a job stored; older jobs have no version, window or modes."""
        method, window = request["method"], request.get("window")
        selection = GraphSelection(
            request["dataset"],
            request.get("version"),
            None if window is None else TimeWindow(*window),
        )
        return Failure(
            tuple(request["wanted"]),
            tuple(request["groups"]),
            None if method is None else Method(method),
            request["seed"],
            selection,
            tuple(request.get("modes", ())),
        )


@dataclass(frozen=True, slots=True)
class ResolvedFailure:
    """A failure with the graph and the components that it names."""

    selected: SelectedGraph
    components: tuple[str, ...]
    """Ids, in the order of the request."""
    method: Method | None
    seed: int
    groups: tuple[str, ...] = ()
    """The shared-fate groups that make up the failure; empty if components are named too."""
    modes: Mapping[str, Mode] = field(default_factory=dict)
    """By component; the others are out."""

    @property
    def parameters(self) -> object:
        """What the answer depends on beside the graph: plain values."""
        how = [self.modes.get(component, OUTAGE).text for component in self.components]
        return [self.components, self.groups, self.method, self.seed, how]


class JobQueue(Protocol):
    """Submits background jobs; see jobs.queue.Jobs."""

    async def submit(self, actor: Principal, kind: str, request: Mapping[str, Any]) -> Job:
        """Store a new job and return it; raise PermissionDeniedError, TooManyJobsError."""


@dataclass(frozen=True, slots=True)
class SimulationService:
    """Simulates failures. Every use needs the permission SIMULATE."""

    selector: GraphSelector
    catalog: Catalog | None
    links: TraceLinks
    thresholds: Thresholds
    jobs: JobQueue

    async def resolve(
        self, actor: Principal, failure: Failure, *, preview: bool = False
    ) -> ResolvedFailure:
        """Return the graph and the components that the failure names.

        Raises NoGraphError, SpansNotKeptError, UnknownComponentError, AmbiguousComponentError,
        UnknownGroupError, InvalidModeError.
        """
        return self.resolve_in(await self.select(actor, failure, preview=preview), failure)

    async def select(
        self, actor: Principal, failure: Failure, *, preview: bool = False
    ) -> SelectedGraph:
        """Return the graph of the failure; raise NoGraphError, SpansNotKeptError.

        It is stored then, unless for a preview.
        """
        actor.require(Permission.SIMULATE)
        select = self.selector.select if preview else self.selector.select_cited
        return await select(failure.selection)

    def resolve_in(self, selected: SelectedGraph, failure: Failure) -> ResolvedFailure:
        """Return the components that the failure names in its graph; raise as `resolve`.

        Standbys that the catalog declares can be named too.
        """
        graph = declared_graph(selected.graph, self.catalog)
        named, groups = _components(failure, graph)
        modes = _modes(failure, graph, named)
        components = tuple(dict.fromkeys([*named, *modes]))
        only = groups if len(components) == len(named) else ()
        return ResolvedFailure(selected, components, failure.method, failure.seed, only, modes)

    async def simulate(
        self, actor: Principal, failure: ResolvedFailure, *, preview: bool = False
    ) -> dict[str, Any]:
        """Return the document of the simulation. Takes seconds on a large graph.

        It has the id under which StoredSimulations keeps it; None for a preview, and for the graph
        of a window, which is not stored.
        """
        result = await self.result(actor, failure)
        return await asyncio.to_thread(self._document, failure, result, preview=preview)

    async def result(self, actor: Principal, failure: ResolvedFailure) -> SimulationResult:
        """Return what the failure does to its graph, as a value for later stages."""
        actor.require(Permission.SIMULATE)
        runs = await self.selector.runs(failure.selected)
        return await asyncio.to_thread(self._simulate, failure, runs)

    async def game_days(
        self, actor: Principal, selected: SelectedGraph, *, seed: int = 0
    ) -> dict[str, Any]:
        """Return the document of the failures to try; see outage_game_days for the time it takes.

        Raises PermissionDeniedError, NoGraphError.
        """
        actor.require(Permission.SIMULATE)
        runs = await self.selector.runs(selected)
        found = await asyncio.to_thread(
            outage_game_days, selected.graph, runs, seed=seed, catalog=self.catalog
        )
        return origin_of(selected) | outage_game_days_document(found, seed)

    async def submit(self, actor: Principal, failure: Failure) -> Job:
        """Store a job that simulates the failure; raise as `resolve`, and TooManyJobsError.

        The job simulates the graph that is the newest when it runs, unless a version is given.
        """
        await self.resolve(actor, failure)
        return await self.jobs.submit(actor, KIND, failure.request())

    def _document(
        self, failure: ResolvedFailure, result: SimulationResult, *, preview: bool
    ) -> dict[str, Any]:
        names = names_of(declared_graph(failure.selected.graph, self.catalog))
        document = origin_of(failure.selected) | simulation_document(
            result, names=names, groups=failure.groups
        )
        catalog = None if self.catalog is None else catalog_digest(self.catalog)
        document["inputs"] = document["inputs"] | {"catalog_sha256": catalog}
        kept = failure.selected.version is not None and not preview
        return {"id": identify(document) if kept else None} | linked(document, self.links)

    def _simulate(self, failure: ResolvedFailure, runs: Runs) -> SimulationResult:
        return simulate(
            failure.selected.graph,
            runs,
            failure.components,
            method=failure.method,
            modes=failure.modes,
            seed=failure.seed,
            thresholds=self.thresholds,
            catalog=self.catalog,
            graph_version=failure.selected.version,
        )


def _components(failure: Failure, graph: Graph) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the components that fail, and the groups that they are if nothing else is named."""
    groups = [text for text in failure.wanted if _component(graph, text) is None]
    found: dict[str, None] = {}
    for text in failure.wanted:
        named = _component(graph, text)
        found |= dict.fromkeys(members(graph, text) if named is None else [named])
    for group in failure.groups:
        found |= dict.fromkeys(members(graph, group))
    only = len(groups) == len(failure.wanted)
    return tuple(found), tuple(dict.fromkeys([*groups, *failure.groups])) if only else ()


def _modes(failure: Failure, graph: Graph, named: Iterable[str]) -> dict[str, Mode]:
    """Return how components fail, as far as a mode is given.

    A mode without a component holds for all that are named and have none of their own; a component
    named with its mode alone takes no part in it.
    """
    choices = parse_choices(failure.modes)
    found = {each: c.mode for c in choices if c.wanted is None for each in named}
    for choice in choices:
        if choice.wanted is not None:
            chosen = _chosen(failure, graph, choice.wanted)
            found |= dict.fromkeys(chosen, choice.mode)
    return found


def _chosen(failure: Failure, graph: Graph, text: str) -> tuple[str, ...]:
    """Return what a mode holds for: a group where it is asked for as one."""
    component = None if text in failure.groups else _component(graph, text)
    return members(graph, text) if component is None else (component,)


def _component(graph: Graph, text: str) -> str | None:
    """Return the component that this text names; None where it names a group."""
    try:
        return resolve(graph, text).id
    except UnknownComponentError:
        if is_group(text):
            return None
        raise
