"""The use cases of incidents: open, move, describe, merge and link them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from agentguard.accounts.principal import Permission, Principal
from agentguard.audit.recording import AuditTrail
from agentguard.coordination.dispatching import Dispatcher
from agentguard.graph.errors import NoGraphError
from agentguard.graph.model import Graph
from agentguard.graph.selection import GraphSelection, GraphSelector, SelectedGraph
from agentguard.graph.storage.store import LIVE
from agentguard.incidents import changes
from agentguard.incidents.affected import find_components, find_workflows
from agentguard.incidents.errors import IncidentChangedError, PlaybookNotFinishedError
from agentguard.incidents.feedback import give_feedback
from agentguard.incidents.measuring import calls_of, failing, measure, windows_of
from agentguard.incidents.model import Change, DetectedCondition, Helped, Incident, Links
from agentguard.incidents.opening import (
    Beginning,
    Hit,
    components_of,
    impact_of,
    links_of,
    open_detected,
    open_reported,
    open_simulated,
    workflows_of,
)
from agentguard.incidents.recording import (
    INCIDENT_CHANGED,
    IncidentStores,
    record_change,
    record_opening,
)
from agentguard.incidents.states import State
from agentguard.incidents.texts import clean_note, clean_owner, clean_title, optional_note
from agentguard.jobs.model import JobKind, JobState
from agentguard.kernel.clock import Clock
from agentguard.simulation.severities import Severity
from agentguard.simulation.storage.model import StoredSimulation
from agentguard.traces.window import TimeWindow
from agentguard.unit_of_work import UnitOfWork

T = TypeVar("T")
Rule: TypeAlias = Callable[[Incident, int], Change | None]
"""Returns what a change at this time makes of an incident."""


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody tells about an incident that no simulation describes."""

    title: str
    severity: Severity
    components: Sequence[str] = ()
    """Ids or names."""
    workflows: Sequence[str] = ()
    owner: str | None = None
    note: str | None = None
    dataset: str | None = None
    """Where the names are looked up; see GraphSelection."""


@dataclass(frozen=True, slots=True)
class IncidentService:
    """Changes incidents; every change needs the permission OPERATE.

    Each change is one transaction with its audit entry, its line of the timeline and its notice.
    `expected` is the version that the caller has seen; the others raise IncidentChangedError where
    it is not the stored one, and None means any. All raise PermissionDeniedError,
    UnavailableError, and those about one incident UnknownIncidentError.
    """

    unit_of_work: UnitOfWork[IncidentStores]
    selector: GraphSelector
    outbox: Dispatcher
    clock: Clock
    trail: AuditTrail = field(default_factory=AuditTrail)
    new_id: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))

    async def report(self, actor: Principal, told: Report) -> Incident:
        """Open an incident as somebody reports it.

        Raises InvalidIncidentError, UnknownComponentError, UnknownWorkflowError,
        AmbiguousComponentError, NoGraphError for a dataset without a graph.
        """
        actor.require(Permission.OPERATE)
        selected = await self._selected(told.dataset)
        graph = None if selected is None else selected.graph
        history = await self.unit_of_work.read(lambda stores: stores.history.read())
        opening = open_reported(
            self._beginning(actor),
            title=clean_title(told.title),
            severity=told.severity,
            hit=Hit(
                find_components(told.components, graph, history),
                find_workflows(told.workflows, graph, history),
            ),
            links=Links() if selected is None else Links(selected.dataset, selected.version),
            owner=clean_owner(told.owner),
            note=optional_note(told.note),
        )
        return await self._open(actor, opening)

    async def open_simulation(
        self,
        actor: Principal,
        simulation_id: str,
        *,
        title: str | None = None,
        owner: str | None = None,
        note: str | None = None,
    ) -> Incident:
        """Open an incident with the severity and impact of a stored simulation.

        Raises UnknownSimulationError, InvalidIncidentError.
        """
        actor.require(Permission.OPERATE)
        stored, graph = await self._simulation(simulation_id)
        opening = open_simulated(
            self._beginning(actor),
            stored,
            graph,
            title=clean_title(title) if title else None,
            owner=clean_owner(owner),
            note=optional_note(note),
        )
        return await self._open(actor, opening)

    async def detected(self, actor: Principal, condition: DetectedCondition) -> Incident:
        """See incidents.conditions.Conditions. Raises InvalidIncidentError."""
        actor.require(Permission.OPERATE)
        opening = open_detected(self._beginning(actor), condition)

        async def work(stores: IncidentStores) -> Incident:
            known = await stores.incidents.active_of(condition.key)
            if known is None:
                return await record_opening(stores, self.trail, actor, opening)
            change = changes.detect_again(known, condition, now=self.clock())
            return await record_change(stores, self.trail, actor, known, change)

        return await self._run(work)

    async def cleared(
        self, actor: Principal, key: str, facts: Mapping[str, Any]
    ) -> Incident | None:
        """See incidents.conditions.Conditions."""
        actor.require(Permission.OPERATE)

        async def work(stores: IncidentStores) -> Incident | None:
            known = await stores.incidents.active_of(key)
            if known is None:
                return None
            change = changes.clear(known, key, facts, now=self.clock())
            return await record_change(stores, self.trail, actor, known, change)

        return await self._run(work)

    async def holding(self) -> frozenset[str]:
        """See incidents.conditions.Conditions."""
        return await self.unit_of_work.read(lambda stores: stores.incidents.holding())

    async def move(
        self,
        actor: Principal,
        incident_id: str,
        to: State,
        *,
        note: str | None = None,
        expected: int | None = None,
    ) -> Incident:
        """Move the incident to another state; where it is in that state, nothing changes.

        Raises TransitionNotAllowedError, IncidentMergedError, InvalidIncidentError.
        """
        told = optional_note(note)
        return await self._change(
            actor,
            incident_id,
            expected,
            lambda found, now: changes.move(found, to, now=now, by=actor.id, note=told),
        )

    async def assign(
        self, actor: Principal, incident_id: str, owner: str | None, *, expected: int | None = None
    ) -> Incident:
        """Give the incident this owner, or none. Raises IncidentMergedError."""
        plain = clean_owner(owner)
        return await self._change(
            actor, incident_id, expected, lambda found, now: changes.assign(found, plain, now=now)
        )

    async def rate(
        self,
        actor: Principal,
        incident_id: str,
        severity: Severity,
        *,
        note: str | None = None,
        expected: int | None = None,
    ) -> Incident:
        """Change the severity. Raises IncidentMergedError, InvalidIncidentError."""
        told = optional_note(note)
        return await self._change(
            actor,
            incident_id,
            expected,
            lambda found, now: changes.rate(found, severity, now=now, note=told),
        )

    async def note(
        self, actor: Principal, incident_id: str, text: str, *, expected: int | None = None
    ) -> Incident:
        """Add a note to the timeline. Raises InvalidIncidentError."""
        told = clean_note(text)
        return await self._change(
            actor, incident_id, expected, lambda found, now: changes.note(found, told, now=now)
        )

    async def link_simulation(
        self, actor: Principal, incident_id: str, simulation_id: str, *, expected: int | None = None
    ) -> Incident:
        """Link a stored simulation, which from then on says the impact; the severity stays.

        Raises UnknownSimulationError, IncidentMergedError.
        """
        actor.require(Permission.OPERATE)
        stored, graph = await self._simulation(simulation_id)
        linked = partial(
            changes.link_simulation,
            links=links_of(stored),
            impact=impact_of(stored.document),
            components=components_of(stored.document, graph),
            workflows=workflows_of(stored.document),
        )
        return await self._change(
            actor, incident_id, expected, lambda found, now: linked(found, now=now)
        )

    async def link_playbook(
        self, actor: Principal, incident_id: str, playbook_id: str, *, expected: int | None = None
    ) -> Incident:
        """Link the playbook of a finished job, and keep a copy of it with the incident.

        Raises UnknownJobError, PlaybookNotFinishedError, IncidentMergedError.
        """
        actor.require(Permission.OPERATE)
        job = await self.unit_of_work.read(lambda stores: stores.jobs.get(playbook_id))
        document = job.result
        done = job.kind == JobKind.PLAYBOOK.value and job.state is JobState.SUCCEEDED
        if document is None or not done:
            raise PlaybookNotFinishedError(playbook_id)
        return await self._change(
            actor,
            incident_id,
            expected,
            lambda found, now: changes.link_playbook(found, playbook_id, document, now=now),
        )

    async def give_feedback(
        self,
        actor: Principal,
        incident_id: str,
        helped: Helped,
        *,
        step: str | None = None,
        note: str | None = None,
        expected: int | None = None,
    ) -> Incident:
        """Say whether a step of the linked playbook helped, or without `step` all of it.

        `step` is a step's id or number. Raises NoPlaybookLinkedError, UnknownStepError,
        InvalidIncidentError, IncidentMergedError.
        """
        said = optional_note(note)
        return await self._change(
            actor,
            incident_id,
            expected,
            lambda found, now: give_feedback(found, step, helped, now=now, by=actor.id, note=said),
        )

    async def measure_recovery(
        self, actor: Principal, incident_id: str, *, expected: int | None = None
    ) -> Incident:
        """Count the calls of the failing components before and after something was done.

        From the live spans that are kept. Raises NothingDoneError, SpansNotKeptError where the
        incident is about another dataset, IncidentMergedError.
        """
        actor.require(Permission.OPERATE)
        found = await self.unit_of_work.read(lambda stores: stores.incidents.get(incident_id))
        components = failing(found)
        windows = windows_of(found, self.clock())
        before, after = [
            calls_of(components, await self._live(found.links.dataset, window), window)
            for window in windows
        ]
        return await self._change(
            actor,
            incident_id,
            found.version if expected is None else expected,
            lambda current, now: measure(current, components, before, after, now=now),
        )

    async def merge(
        self, actor: Principal, incident_id: str, into: str, *, expected: int | None = None
    ) -> Incident:
        """Merge a duplicate into another incident, and return the duplicate.

        Raises IncidentMergedError, MergeNotAllowedError.
        """
        actor.require(Permission.OPERATE)

        async def work(stores: IncidentStores) -> Incident:
            duplicate = await _expected(stores, incident_id, expected)
            target = await stores.incidents.get(into)
            gone, grown = changes.merge(duplicate, target, now=self.clock())
            await record_change(stores, self.trail, actor, target, grown)
            return await record_change(stores, self.trail, actor, duplicate, gone)

        return await self._run(work)

    async def _change(
        self, actor: Principal, incident_id: str, expected: int | None, rule: Rule
    ) -> Incident:
        actor.require(Permission.OPERATE)

        async def work(stores: IncidentStores) -> Incident:
            found = await _expected(stores, incident_id, expected)
            change = rule(found, self.clock())
            return await record_change(stores, self.trail, actor, found, change)

        return await self._run(work)

    async def _open(self, actor: Principal, opening: Change) -> Incident:
        return await self._run(lambda stores: record_opening(stores, self.trail, actor, opening))

    async def _run(self, work: Callable[[IncidentStores], Awaitable[T]]) -> T:
        done = await self.unit_of_work.run(work)
        await self.outbox.deliver(INCIDENT_CHANGED)
        return done

    async def _selected(self, dataset: str | None) -> SelectedGraph | None:
        """Return the newest graph, stored; None where there is none and no dataset was named."""
        try:
            return await self.selector.select_cited(GraphSelection(dataset))
        except NoGraphError:
            if dataset is not None:
                raise
            return None

    async def _live(self, dataset: str | None, window: TimeWindow) -> Graph:
        selection = GraphSelection(dataset or LIVE, window=window)
        return (await self.selector.select(selection)).graph

    async def _simulation(self, simulation_id: str) -> tuple[StoredSimulation, Graph | None]:
        """Return a stored simulation, and its graph if that is kept."""
        stored = await self.unit_of_work.read(lambda stores: stores.simulations.get(simulation_id))
        try:
            version = await self.selector.versions.get(stored.record.graph_version)
        except NoGraphError:
            return stored, None
        return stored, version.graph

    def _beginning(self, actor: Principal) -> Beginning:
        return Beginning(self.new_id(), self.clock(), actor.id)


async def _expected(stores: IncidentStores, incident_id: str, expected: int | None) -> Incident:
    """Return the incident at the version that the caller has seen."""
    found = await stores.incidents.get(incident_id)
    if expected is not None and found.version != expected:
        raise IncidentChangedError(incident_id, expected, found.version)
    return found
