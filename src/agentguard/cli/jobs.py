"""`agentguard jobs`: background work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli.command import Command, Group
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples
from agentguard.jobs.model import JobKind, JobState

if TYPE_CHECKING:
    from agentguard.jobs.store import JobFilter
    from agentguard.settings import Settings

_LIST_EXAMPLES = examples(
    "agentguard jobs",
    "agentguard jobs --state failed --kind scan --format json",
    "agentguard jobs dead",
)
_SHOW_EXAMPLES = examples(
    "agentguard jobs show 18eb602c54841839-68c34aab --format json | jq .result"
)
_CANCEL_EXAMPLES = examples("agentguard jobs cancel 18eb602c54841839-68c34aab")
_DEAD_EXAMPLES = examples(
    "agentguard jobs dead", "agentguard jobs dead --format json | jq -r .dead_letters[].job_id"
)

app = typer.Typer(
    cls=Group, invoke_without_command=True, rich_markup_mode=None, epilog=_LIST_EXAMPLES
)

StatesOption = Annotated[
    list[JobState] | None,
    typer.Option("--state", help="Only jobs in this state; repeatable.", show_default=False),
]
KindsOption = Annotated[
    list[JobKind] | None,
    typer.Option("--kind", help="Only jobs of this kind; repeatable.", show_default=False),
]
BeforeOption = Annotated[
    str | None,
    typer.Option(
        help="Only jobs created before this one: the next page.", metavar="ID", show_default=False
    ),
]


@app.callback()
def jobs(
    ctx: typer.Context,
    states: StatesOption = None,
    kinds: KindsOption = None,
    before: BeforeOption = None,
    limit: Annotated[int, typer.Option(help="Jobs shown.", min=1, max=200)] = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show the jobs of servers and workers, newest first, and RabbitMQ's dead letters."""
    if ctx.invoked_subcommand is not None:
        return
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.jobs import jobs_parts
    from agentguard.jobs.store import JobFilter

    document = _listed(
        settings_with(data_dir, None), JobFilter(states or (), kinds or (), before), limit
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(jobs_parts(shown(document)))


@app.command("show", cls=Command, epilog=_SHOW_EXAMPLES)
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the job.", show_default=False)],
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show the progress of a job; with --format json also its result."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.jobs import job_parts

    document = ask(settings_with(data_dir, None), lambda app: app.jobs.document(job_id))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(job_parts(shown(document)))


@app.command("cancel", cls=Command, epilog=_CANCEL_EXAMPLES)
def cancel(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the job.", show_default=False)],
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Cancel a job that waits or runs; it ends without a result.

    A running one stops when it next reports its progress; what it has stored by then stays.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.jobs import job_parts
    from agentguard.jobs.documents import job_document

    cancelled = ask(settings_with(data_dir, None), lambda app: app.jobs.cancel(os_user(), job_id))
    document = job_document(cancelled)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(job_parts(shown(document)))


@app.command("dead", cls=Command, epilog=_DEAD_EXAMPLES)
def dead(output_format: FormatOption = Format.TABLE) -> None:
    """Show the dead letters: deliveries that RabbitMQ keeps because their jobs failed permanently.

    A delivery ends up there after its job's last attempt, or when several workers died before they
    could start it. Listing does not remove them. Exits with 1 if the broker keeps none (Redis,
    or no broker) or is unreachable.
    """
    import asyncio

    from agentguard.bootstrap.broker import dead_letters
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.jobs import dead_letters_part
    from agentguard.jobs.documents import dead_letters_document
    from agentguard.settings import load_settings

    document = dead_letters_document(asyncio.run(dead_letters(load_settings())))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report([dead_letters_part(shown(document))])


def _listed(settings: Settings, wanted: JobFilter, limit: int) -> dict[str, Any]:
    """Return a page of jobs and the dead letters, or why these cannot be shown."""
    from functools import partial

    from agentguard.bootstrap.broker import dead_letters
    from agentguard.cli.opening import ask

    letters = partial(dead_letters, settings)
    return ask(settings, lambda app: app.jobs.overview(wanted, limit, letters))
