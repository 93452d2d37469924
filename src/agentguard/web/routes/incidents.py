"""GET and POST /api/incidents, and what is done to one incident."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import PlainTextResponse, Response

from agentguard.accounts.principal import Permission
from agentguard.incidents.model import Incident
from agentguard.incidents.service import Report
from agentguard.incidents.store import IncidentCursor, IncidentFilter
from agentguard.web.auth import ActorOf
from agentguard.web.pages import accepts
from agentguard.web.permissions import requires
from agentguard.web.preconditions import ExpectedVersion, OptionalVersion, entity_tag
from agentguard.web.routes.incident_parameters import (
    AfterParameter,
    BeforeParameter,
    ComponentParameter,
    EventsLimitParameter,
    IdParameter,
    LimitParameter,
    MergedParameter,
    OwnerParameter,
    SeveritiesParameter,
    SinceParameter,
    StatesParameter,
    UntilParameter,
    WorkflowParameter,
)
from agentguard.web.schemas.incidents import (
    AssignRequest,
    FeedbackRequest,
    IncidentDocument,
    IncidentEventsDocument,
    IncidentsDocument,
    LinkRequest,
    MergeRequest,
    NoteRequest,
    OpenIncidentRequest,
    PostMortemDocument,
    SeverityRequest,
    TransitionRequest,
)
from agentguard.web.state import AppState, DocumentResponse, StateOf
from agentguard.web.windows import times_of

router = APIRouter(prefix="/api/incidents", tags=["incidents"])

_MARKDOWN = "text/markdown"
_TAGGED: dict[str, Any] = {
    "ETag": {"description": "Names this version.", "schema": {"type": "string"}}
}
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": IncidentDocument, "description": "Opened.", "headers": _TAGGED}
}
_SHOWN: dict[int | str, dict[str, Any]] = {200: {"headers": _TAGGED}}
_AS_MARKDOWN: dict[int | str, dict[str, Any]] = {
    200: {"content": {_MARKDOWN: {"schema": {"type": "string"}}}, "headers": _TAGGED}
}


def _times(
    state: StateOf, since: SinceParameter = None, until: UntilParameter = None
) -> tuple[int | None, int | None]:
    return times_of(state, since, until)


def _filter(
    times: Annotated[tuple[int | None, int | None], Depends(_times)],
    states: StatesParameter = None,
    severities: SeveritiesParameter = None,
    component: ComponentParameter = None,
    workflow: WorkflowParameter = None,
    owner: OwnerParameter = None,
    *,
    merged: MergedParameter = False,
) -> IncidentFilter:
    return IncidentFilter(
        tuple(states or ()),
        tuple(severities or ()),
        component,
        workflow,
        owner,
        *times,
        merged=merged,
    )


FilterQuery = Annotated[IncidentFilter, Depends(_filter)]
"""Which incidents are shown. Raises TimeWindowError."""


@router.get(
    "",
    operation_id="list_incidents",
    dependencies=[requires(Permission.READ)],
    response_model=IncidentsDocument,
)
async def get_incidents(
    state: StateOf, wanted: FilterQuery, before: BeforeParameter = None, limit: LimitParameter = 50
) -> Response:
    """List incidents, the last opened first."""
    cursor = None if before is None else IncidentCursor.parse(before)
    page = await state.app.incident_views.page(replace(wanted, before=cursor), limit)
    return DocumentResponse(page)


@router.post(
    "",
    operation_id="open_incident",
    dependencies=[requires(Permission.OPERATE)],
    status_code=201,
    responses=_CREATED,
)
async def open_incident(actor: ActorOf, state: StateOf, wanted: OpenIncidentRequest) -> Response:
    """Open an incident.

    From a stored simulation, which says severity, impact and what is affected; or as reported.
    """
    incidents = state.app.incidents
    if wanted.simulation is not None:
        found = await incidents.open_simulation(
            actor, wanted.simulation, title=wanted.title, owner=wanted.owner, note=wanted.note
        )
    else:
        found = await incidents.report(actor, _report(wanted))
    return await _shown(state, found, 201)


@router.get(
    "/{incident_id}",
    operation_id="get_incident",
    dependencies=[requires(Permission.READ)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def get_incident(incident_id: IdParameter, state: StateOf) -> Response:
    """Return an incident, and what has become of what it names."""
    document = await state.app.incident_views.show(incident_id)
    return DocumentResponse(document, headers=entity_tag(document["version"]))


@router.get(
    "/{incident_id}/events",
    operation_id="list_incident_events",
    dependencies=[requires(Permission.READ)],
    response_model=IncidentEventsDocument,
)
async def get_events(
    incident_id: IdParameter,
    state: StateOf,
    after: AfterParameter = 0,
    limit: EventsLimitParameter = 200,
) -> Response:
    """Return the timeline of an incident, the oldest events first."""
    views = state.app.incident_views
    return DocumentResponse(await views.events(incident_id, after=after, limit=limit))


@router.post(
    "/{incident_id}/events",
    operation_id="note_incident",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_event(
    incident_id: IdParameter,
    actor: ActorOf,
    state: StateOf,
    wanted: NoteRequest,
    expected: OptionalVersion,
) -> Response:
    """Add a note to the timeline. It overwrites nothing, so `If-Match` may be left out."""
    found = await state.app.incidents.note(actor, incident_id, wanted.note, expected=expected)
    return await _shown(state, found)


@router.post(
    "/{incident_id}/feedback",
    operation_id="give_incident_feedback",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_feedback(
    incident_id: IdParameter,
    actor: ActorOf,
    state: StateOf,
    wanted: FeedbackRequest,
    expected: OptionalVersion,
) -> Response:
    """Say whether a step of the linked playbook helped; later playbooks cite it.

    It replaces only earlier feedback on the same step, so `If-Match` may be left out.
    """
    found = await state.app.incidents.give_feedback(
        actor,
        incident_id,
        wanted.helped,
        step=wanted.step,
        note=wanted.note,
        expected=expected,
    )
    return await _shown(state, found)


@router.post(
    "/{incident_id}/measure",
    operation_id="measure_incident_recovery",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_measure(
    incident_id: IdParameter, actor: ActorOf, state: StateOf, expected: OptionalVersion
) -> Response:
    """Count the calls of the failing components before and after something was done.

    From the live spans, at most a day each way; later playbooks cite it.
    """
    found = await state.app.incidents.measure_recovery(actor, incident_id, expected=expected)
    return await _shown(state, found)


@router.post(
    "/{incident_id}/transition",
    operation_id="move_incident",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_transition(
    incident_id: IdParameter,
    actor: ActorOf,
    state: StateOf,
    wanted: TransitionRequest,
    expected: ExpectedVersion,
) -> Response:
    """Move an incident to another state; `next_states` has those that are allowed.

    A transition to the present state changes nothing.
    """
    found = await state.app.incidents.move(
        actor, incident_id, wanted.to, note=wanted.note, expected=expected
    )
    return await _shown(state, found)


@router.post(
    "/{incident_id}/assign",
    operation_id="assign_incident",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_assign(
    incident_id: IdParameter,
    actor: ActorOf,
    state: StateOf,
    wanted: AssignRequest,
    expected: ExpectedVersion,
) -> Response:
    """Assign an incident to a person or team; null: to nobody."""
    incidents = state.app.incidents
    found = await incidents.assign(actor, incident_id, wanted.owner, expected=expected)
    return await _shown(state, found)


@router.post(
    "/{incident_id}/severity",
    operation_id="rate_incident",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_severity(
    incident_id: IdParameter,
    actor: ActorOf,
    state: StateOf,
    wanted: SeverityRequest,
    expected: ExpectedVersion,
) -> Response:
    """Change the severity of an incident."""
    found = await state.app.incidents.rate(
        actor, incident_id, wanted.severity, note=wanted.note, expected=expected
    )
    return await _shown(state, found)


@router.post(
    "/{incident_id}/merge",
    operation_id="merge_incident",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_merge(
    incident_id: IdParameter,
    actor: ActorOf,
    state: StateOf,
    wanted: MergeRequest,
    expected: ExpectedVersion,
) -> Response:
    """Merge a duplicate into another incident, which gets what the duplicate affects."""
    incidents = state.app.incidents
    found = await incidents.merge(actor, incident_id, wanted.into, expected=expected)
    return await _shown(state, found)


@router.post(
    "/{incident_id}/links",
    operation_id="link_incident",
    dependencies=[requires(Permission.OPERATE)],
    response_model=IncidentDocument,
    responses=_SHOWN,
)
async def post_link(
    incident_id: IdParameter,
    actor: ActorOf,
    state: StateOf,
    wanted: LinkRequest,
    expected: ExpectedVersion,
) -> Response:
    """Link a stored simulation, which then says the impact, or a finished playbook."""
    incidents = state.app.incidents
    if wanted.simulation is not None:
        found = await incidents.link_simulation(
            actor, incident_id, wanted.simulation, expected=expected
        )
    else:
        assert wanted.playbook is not None  # noqa: S101 - LinkRequest has checked it
        found = await incidents.link_playbook(
            actor, incident_id, wanted.playbook, expected=expected
        )
    return await _shown(state, found)


@router.get(
    "/{incident_id}/post-mortem",
    operation_id="get_post_mortem",
    dependencies=[requires(Permission.READ)],
    response_model=PostMortemDocument,
    responses=_AS_MARKDOWN,
)
async def get_post_mortem(incident_id: IdParameter, request: Request, state: StateOf) -> Response:
    """Return a draft of the post-mortem, from stored facts only.

    As Markdown with `Accept: text/markdown`.
    """
    document = await state.app.incident_views.post_mortem(incident_id)
    tag = entity_tag(document["version"])
    if accepts(request.scope, _MARKDOWN):
        return PlainTextResponse(document["markdown"], headers=tag, media_type=_MARKDOWN)
    return DocumentResponse(document, headers=tag)


def _report(wanted: OpenIncidentRequest) -> Report:
    assert wanted.severity is not None  # noqa: S101 - OpenIncidentRequest has checked it
    return Report(
        wanted.title or "",
        wanted.severity,
        wanted.components,
        wanted.workflows,
        wanted.owner,
        wanted.note,
        wanted.dataset,
    )


async def _shown(state: AppState, incident: Incident, status: int = 200) -> Response:
    document = await state.app.incident_views.show(incident.id)
    return DocumentResponse(document, status, headers=entity_tag(document["version"]))
