"""What `simulate` and `playbook` share: options that name what fails, and jobs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from agentguard.cli.messages import say
from agentguard.cli.options import Format
from agentguard.simulation.modes import FailureMode

if TYPE_CHECKING:
    from agentguard.graph.selection import GraphSelection
    from agentguard.jobs.model import Job
    from agentguard.simulation.service import Failure


class MethodName(StrEnum):
    """How the answer is found."""

    REPLAY = "replay"
    STRUCTURAL = "structural"


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
        help="Shared-fate group, where a component has an id like it; repeatable.",
        show_default=False,
    ),
]
ModeOption: TypeAlias = Annotated[
    FailureMode, typer.Option("--mode", help="How they fail: every call fails (outage).")
]
MethodOption: TypeAlias = Annotated[
    MethodName | None,
    typer.Option(
        help=(
            "Replay the recorded runs, or follow the worst case. Default: replay where runs were"
            " recorded."
        ),
        show_default=False,
    ),
]
SeedOption: TypeAlias = Annotated[
    int,
    typer.Option(
        help="Seed of the random draws; equal seeds, equal answers.", min=0, max=2**63 - 1
    ),
]
BackgroundOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--background", help="Submit a job for a server or worker, print its id and do not wait."
    ),
]


def failure_asked(
    components: Sequence[str] | None,
    groups: Sequence[str] | None,
    method: MethodName | None,
    seed: int,
    selection: GraphSelection,
) -> Failure:
    """Return what fails; raise typer.BadParameter where nothing is named."""
    from agentguard.simulation.model import Method
    from agentguard.simulation.service import Failure

    if not components and not groups:
        raise typer.BadParameter(
            "Name what fails: a component, or --group.", param_hint="COMPONENT"
        )
    how = None if method is None else Method(method.value)
    return Failure(tuple(components or ()), tuple(groups or ()), how, seed, selection)


def print_submitted(job: Job, output_format: Format) -> None:
    """Print the job: its id for people, its document for programs."""
    from agentguard.cli.output import print_json, print_text
    from agentguard.jobs.documents import job_document

    if output_format is Format.JSON:
        print_json(job_document(job))
        return
    print_text(f"{job.id}\n")
    say(
        "Submitted. A running server or worker works on it. Show the result with: agentguard jobs"
        f" show {job.id} --format json"
    )
