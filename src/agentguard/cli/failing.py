"""Options that `simulate` and `playbook` share: the failure, and background jobs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from agentguard.cli.messages import say
from agentguard.cli.options import Format
from agentguard.simulation.modes import InvalidModeError, parse_choices

if TYPE_CHECKING:
    from agentguard.graph.selection import GraphSelection
    from agentguard.jobs.model import Job
    from agentguard.simulation.service import Failure


class MethodName(StrEnum):
    """How a simulation computes the consequences."""

    REPLAY = "replay"
    STRUCTURAL = "structural"
    MONTE_CARLO = "monte_carlo"


ComponentsArgument: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="COMPONENT…",
        help=(
            "Ids or unique names, or shared-fate groups (provider:NAME, server:NAME, service:NAME,"
            " environment:NAME); several fail at once."
        ),
        show_default=False,
    ),
]
GroupsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        help="Shared-fate group that fails; needed if a component has the same id. Repeatable.",
        show_default=False,
    ),
]
ModesOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--mode",
        metavar="MODE",
        help=(
            "How they fail: outage (default), errors:RATE, latency:FACTOR or wrong_output:RATE; or"
            " COMPONENT=MODE for one of them, which then needs no other mention. Other modes than"
            " outage are simulated by monte_carlo. Repeatable."
        ),
        show_default=False,
    ),
]
MethodOption: TypeAlias = Annotated[
    MethodName | None,
    typer.Option(
        help=(
            "Replay the recorded runs, assume the worst case (structural), or draw many runs by"
            " chance (monte_carlo). Default: replay if runs were recorded."
        ),
        show_default=False,
    ),
]
SeedOption: TypeAlias = Annotated[
    int,
    typer.Option(help="Random seed. The same seed gives the same result.", min=0, max=2**63 - 1),
]
BackgroundOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--background", help="Submit a job for a server or worker, print its id and do not wait."
    ),
]


def failure_from_options(
    components: Sequence[str] | None,
    groups: Sequence[str] | None,
    method: MethodName | None,
    seed: int,
    selection: GraphSelection,
    modes: Sequence[str] | None = None,
) -> Failure:
    """Return the failure.

    Raises typer.BadParameter if no component or group is named, or a mode is invalid.
    """
    from agentguard.simulation.model import Method
    from agentguard.simulation.service import Failure

    try:
        own = [choice.wanted for choice in parse_choices(modes or ()) if choice.wanted is not None]
    except InvalidModeError as error:
        raise typer.BadParameter(str(error), param_hint="--mode") from None
    if not components and not groups and not own:
        raise typer.BadParameter("Name at least one component or --group.", param_hint="COMPONENT")
    how = None if method is None else Method(method.value)
    return Failure(
        tuple(components or ()), tuple(groups or ()), how, seed, selection, tuple(modes or ())
    )


def print_submitted(job: Job, output_format: Format) -> None:
    """Print the id of the job, or its document as JSON."""
    from agentguard.cli.output import print_json, print_text
    from agentguard.jobs.documents import job_document

    if output_format is Format.JSON:
        print_json(job_document(job))
        return
    print_text(f"{job.id}\n")
    say(
        "Submitted. A running server or worker will run it. Show the result with: agentguard jobs"
        f" show {job.id} --format json"
    )
