"""Options that the commands of incidents share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from agentguard.incidents.states import State
from agentguard.simulation.severities import Severity

EXAMPLE_ID = "3b1c9e52-6f0d-4c7b-9a55-0d8f4f1e2a77"

IdArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the incident.", show_default=False)
]
NoteOption: TypeAlias = Annotated[
    str | None, typer.Option(help="A note for the timeline.", show_default=False)
]
OwnerOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Person or team responsible.", show_default=False)
]
StatesOption: TypeAlias = Annotated[
    list[State] | None,
    typer.Option(help="Only incidents in this state; repeatable.", show_default=False),
]
SeveritiesOption: TypeAlias = Annotated[
    list[Severity] | None,
    typer.Option(help="Only incidents of this severity; repeatable.", show_default=False),
]
ComponentOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Only those that affect this component.", metavar="ID", show_default=False),
]
WorkflowOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Only those that affect this workflow.", metavar="ID", show_default=False),
]
OwnedOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only those of this owner.", show_default=False)
]
SinceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Only those opened at this time or later (ISO 8601, or 15m, 24h, 7d ago).",
        show_default=False,
    ),
]
UntilOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only those opened before this time.", show_default=False)
]
MergedOption: TypeAlias = Annotated[
    bool, typer.Option("--merged", help="Also show merged duplicates.")
]
BeforeOption: TypeAlias = Annotated[
    str | None, typer.Option(help="The next page.", metavar="CURSOR", show_default=False)
]
LimitOption: TypeAlias = Annotated[int, typer.Option(help="Incidents shown.", min=1, max=200)]
TitleArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(help="What is wrong. Default with --simulation: what fails."),
]
SeverityOption: TypeAlias = Annotated[
    Severity | None,
    typer.Option(help="How severe it is; a simulation says it itself.", show_default=False),
]
ComponentsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Id or unique name of a component; repeatable.", show_default=False),
]
WorkflowsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Id or unique name of a workflow; repeatable.", show_default=False),
]
SimulationOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Id of a stored simulation that says severity and impact.", show_default=False
    ),
]
DatasetOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Where names are looked up.", show_default=False)
]
