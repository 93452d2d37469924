"""GET /api/simulations, /api/simulations/{id} and /api/simulations/compare."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.simulation.storage.model import Cursor, SimulationFilter
from agentguard.traces.window_parsing import LONGEST_TEXT
from agentguard.web.auth import ActorOf
from agentguard.web.permissions import requires
from agentguard.web.schemas.simulations import (
    ComparisonDocument,
    SimulationsDocument,
    StoredSimulationDocument,
)
from agentguard.web.state import DocumentResponse, StateOf
from agentguard.web.windows import window_of

router = APIRouter(prefix="/api/simulations", tags=["simulation"])

_MOST_SHOWN = 200

ComponentParameter = Annotated[
    str | None,
    Query(max_length=1000, description="Only those in which this component fails; its id."),
]
DatasetParameter = Annotated[str | None, Query(description="Only those of this dataset.")]
SinceParameter = Annotated[
    str | None,
    Query(
        max_length=LONGEST_TEXT,
        description="Only those stored at this time (ISO 8601, or how long ago: 15m, 24h, 7d) or"
        " later.",
    ),
]
UntilParameter = Annotated[
    str | None, Query(max_length=LONGEST_TEXT, description="Only those stored before this time.")
]
BeforeParameter = Annotated[
    str | None, Query(max_length=100, description="`next` of the previous page.")
]
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Simulations per page.")]


def _filter(
    state: StateOf,
    component: ComponentParameter = None,
    dataset: DatasetParameter = None,
    since: SinceParameter = None,
    until: UntilParameter = None,
    before: BeforeParameter = None,
) -> SimulationFilter:
    window = window_of(state, since, until, None)
    earliest, latest = (None, None) if window is None else (window.since, window.until)
    cursor = None if before is None else Cursor.parse(before)
    return SimulationFilter(component, dataset, earliest, latest, cursor)


FilterQuery = Annotated[SimulationFilter, Depends(_filter)]
"""Which simulations are shown. Raises TimeWindowError, SimulationCursorError."""


@router.get(
    "",
    operation_id="list_simulations",
    dependencies=[requires(Permission.READ)],
    response_model=SimulationsDocument,
)
async def get_simulations(
    state: StateOf, wanted: FilterQuery, limit: LimitParameter = 50
) -> Response:
    """List stored simulations, the newest first, without their results."""
    return DocumentResponse(await state.app.stored_simulations.page(wanted, limit))


@router.get(
    "/compare",
    operation_id="compare_simulations",
    dependencies=[requires(Permission.READ)],
    response_model=ComparisonDocument,
)
async def get_comparison(
    state: StateOf,
    a: Annotated[str, Query(max_length=100, description="Id of a stored simulation.")],
    b: Annotated[str, Query(max_length=100, description="Id of the one it is compared with.")],
) -> Response:
    """Return what differs between two stored simulations.

    Their inputs, the runs that each workflow loses, the components hit, and the value lost.
    """
    return DocumentResponse(await state.app.stored_simulations.compare(a, b))


@router.get(
    "/{simulation_id}",
    operation_id="get_simulation",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=StoredSimulationDocument,
)
async def get_simulation(simulation_id: str, state: StateOf, actor: ActorOf) -> Response:
    """Return a stored simulation, repeated from its inputs.

    The document is the stored one. `repeat` says whether the same inputs give it again, bit for
    bit; they cannot where the graph version or its runs have expired.
    """
    return DocumentResponse(await state.app.stored_simulations.repeat(actor, simulation_id))
