"""Path and query parameters of the incident routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from agentguard.incidents.states import State
from agentguard.simulation.severities import Severity
from agentguard.traces.window_parsing import LONGEST_TEXT

_MOST_SHOWN = 200
_MOST_EVENTS = 1000

IdParameter = Annotated[str, Path(max_length=100, description="Id of the incident.")]
StatesParameter = Annotated[
    list[State] | None,
    Query(alias="state", max_length=5, description="Only incidents in this state; repeatable."),
]
SeveritiesParameter = Annotated[
    list[Severity] | None,
    Query(alias="severity", max_length=4, description="Only of this severity; repeatable."),
]
ComponentParameter = Annotated[
    str | None,
    Query(max_length=1000, description="Only those that affect this component; its id."),
]
WorkflowParameter = Annotated[
    str | None,
    Query(max_length=1000, description="Only those that affect this workflow; its id."),
]
OwnerParameter = Annotated[
    str | None, Query(max_length=200, description="Only those of this owner.")
]
SinceParameter = Annotated[
    str | None,
    Query(
        max_length=LONGEST_TEXT,
        description="Only those opened at this time (ISO 8601, or how long ago: 15m, 24h, 7d) or"
        " later.",
    ),
]
UntilParameter = Annotated[
    str | None, Query(max_length=LONGEST_TEXT, description="Only those opened before this time.")
]
MergedParameter = Annotated[
    bool, Query(description="Also list duplicates that were merged into other incidents.")
]
BeforeParameter = Annotated[
    str | None, Query(max_length=100, description="`next` of the previous page.")
]
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Incidents per page.")]
AfterParameter = Annotated[
    int, Query(ge=0, le=2**31 - 1, description="`next` of the previous page.")
]
EventsLimitParameter = Annotated[int, Query(ge=1, le=_MOST_EVENTS, description="Events per page.")]
