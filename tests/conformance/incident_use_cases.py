"""The use cases of incidents that change state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from agentguard.accounts.principal import Principal
from agentguard.incidents.model import Helped, Incident
from agentguard.incidents.service import IncidentService, Report
from agentguard.incidents.states import State
from agentguard.incidents.store import IncidentFilter
from agentguard.jobs.store import JobFilter
from agentguard.kernel.clock import NS_PER_HOUR, system_clock
from agentguard.playbooks.service import KIND
from agentguard.simulation.severities import Severity
from agentguard.simulation.storage.model import Inputs, SimulationRecord, StoredSimulation
from tests.acting import TESTER
from tests.conformance.graphs import GRAPH
from tests.conformance.opened_apps import Opened
from tests.incidents.examples import PLAYBOOK, SIMULATED, condition

COMPONENT = GRAPH.components[0].id
CONDITION = "error-share:agent:a"
SIMULATION_ID = "ab12"
OWNER = "prepared"
JUDGE = "judges a playbook"
DONE = "has done something"


async def add_incidents(opened: Opened) -> None:
    """Store a simulation of the newest graph, a playbook, and four incidents."""
    newest = await opened.app.graphs.newest("new")
    record = SimulationRecord(
        SIMULATION_ID,
        system_clock(),
        TESTER.id,
        "1",
        "new",
        newest.id,
        {"failed_components": [COMPONENT]},
    )
    simulation = StoredSimulation(record, Inputs({}, opened.app.thresholds, None), SIMULATED)
    unit_of_work: Any = opened.app.incidents.unit_of_work
    await unit_of_work.run(lambda stores: stores.simulations.add(simulation))
    await _store_playbook(opened)
    told = Report("a fails", Severity.HIGH, [COMPONENT], owner=OWNER)
    await opened.app.incidents.report(TESTER, told)
    await opened.app.incidents.detected(TESTER, condition(key=CONDITION))
    followed = await opened.app.incidents.report(TESTER, replace(told, owner=JUDGE))
    (job,) = await opened.app.jobs.store.newest(JobFilter(kinds=(KIND,)), 1)
    await opened.app.incidents.link_playbook(TESTER, followed.id, job.id)
    done = await opened.app.incidents.detected(TESTER, condition(key=DONE))
    await opened.app.incidents.assign(TESTER, done.id, DONE)
    await opened.app.incidents.move(TESTER, done.id, State.MITIGATED)


async def _store_playbook(opened: Opened) -> None:
    job = await opened.app.jobs.submit(TESTER, KIND, {})
    now = system_clock()
    running = await opened.app.jobs.store.claim(job.id, now=now, until=now + NS_PER_HOUR)
    assert running is not None
    assert await opened.app.jobs.store.release(running.succeed(PLAYBOOK, now))


async def _reported(opened: Opened, owner: str = OWNER) -> Incident:
    async def first(stores: Any) -> Incident:
        (found,) = await stores.incidents.newest(IncidentFilter(owner=owner), 1)
        return await stores.incidents.get(found.id)

    return await opened.app.incidents.unit_of_work.read(first)


async def report(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.report(actor, Report("a fails", Severity.HIGH, [COMPONENT]))


async def open_simulation(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.open_simulation(actor, SIMULATION_ID)


async def detect(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.detected(actor, condition(key="another"))


async def clear_condition(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.cleared(actor, CONDITION, {"failed": 0})


async def move_incident(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.move(actor, (await _reported(opened)).id, State.RESOLVED)


async def assign_incident(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.assign(actor, (await _reported(opened)).id, "team-b")


async def rate_incident(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.rate(actor, (await _reported(opened)).id, Severity.LOW)


async def note_incident(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.note(actor, (await _reported(opened)).id, "seen")


async def link_simulation(opened: Opened, actor: Principal) -> None:
    id_ = (await _reported(opened)).id
    await opened.app.incidents.link_simulation(actor, id_, SIMULATION_ID)


async def link_playbook(opened: Opened, actor: Principal) -> None:
    (job,) = await opened.app.jobs.store.newest(JobFilter(kinds=(KIND,)), 1)
    await opened.app.incidents.link_playbook(actor, (await _reported(opened)).id, job.id)


async def give_feedback(opened: Opened, actor: Principal) -> None:
    reported = await _reported(opened, JUDGE)
    await opened.app.incidents.give_feedback(actor, reported.id, Helped.YES, step="2")


async def measure_recovery(opened: Opened, actor: Principal) -> None:
    await opened.app.incidents.measure_recovery(actor, (await _reported(opened, DONE)).id)


async def merge_incident(opened: Opened, actor: Principal) -> None:
    duplicate = await opened.app.incidents.unit_of_work.read(
        lambda stores: stores.incidents.active_of(CONDITION)
    )
    assert duplicate is not None
    await opened.app.incidents.merge(actor, duplicate.id, (await _reported(opened)).id)


METHODS_OF_INCIDENTS: dict[Callable[..., Any], Callable[[Opened, Principal], Awaitable[None]]] = {
    IncidentService.report: report,
    IncidentService.open_simulation: open_simulation,
    IncidentService.detected: detect,
    IncidentService.cleared: clear_condition,
    IncidentService.move: move_incident,
    IncidentService.assign: assign_incident,
    IncidentService.rate: rate_incident,
    IncidentService.note: note_incident,
    IncidentService.link_simulation: link_simulation,
    IncidentService.link_playbook: link_playbook,
    IncidentService.give_feedback: give_feedback,
    IncidentService.measure_recovery: measure_recovery,
    IncidentService.merge: merge_incident,
}

TOLD_INCIDENTS = (report, open_simulation, detect, move_incident, merge_incident)
"""Those that receivers of notifications are told of."""

ENTRIES_OF_INCIDENTS = {
    report: "incident.opened",
    open_simulation: "incident.opened",
    detect: "incident.opened",
    clear_condition: "incident.condition_cleared",
    move_incident: "incident.resolved",
    assign_incident: "incident.assigned",
    rate_incident: "incident.severity_changed",
    note_incident: "incident.noted",
    link_simulation: "incident.simulation_linked",
    link_playbook: "incident.playbook_linked",
    give_feedback: "incident.feedback_given",
    measure_recovery: "incident.measured",
    merge_incident: "incident.merged",
}
