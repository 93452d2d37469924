"""`agentguard incidents`: what is hit, who works on it, and what was done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentguard.cli import incident_states
from agentguard.cli.command import Command
from agentguard.cli.incident_changing import (
    MOST_EVENTS,
    Shown,
    change_incident,
    documents,
    print_incident,
)
from agentguard.cli.incident_options import (
    EXAMPLE_ID,
    BeforeOption,
    ComponentOption,
    ComponentsOption,
    DatasetOption,
    IdArgument,
    LimitOption,
    MergedOption,
    NoteOption,
    OwnedOption,
    OwnerOption,
    SeveritiesOption,
    SeverityOption,
    SimulationOption,
    SinceOption,
    StatesOption,
    TitleArgument,
    UntilOption,
    WorkflowOption,
    WorkflowsOption,
)
from agentguard.cli.options import DataDirOption, Format, FormatOption, FullOption, examples
from agentguard.incidents.model import Helped

if TYPE_CHECKING:
    from agentguard.bootstrap.app import App

_TIMELINE_EXAMPLES = examples(f"agentguard incidents timeline {EXAMPLE_ID}")
_LIST_EXAMPLES = examples(
    "agentguard incidents list",
    "agentguard incidents list --state open --severity CRITICAL --since 7d",
    "agentguard incidents list --component agent:PaymentAgent --format json",
)
_SHOW_EXAMPLES = examples(f"agentguard incidents show {EXAMPLE_ID}")
_OPEN_EXAMPLES = examples(
    "agentguard incidents open 'Payments fail' --severity HIGH --component PaymentAgent",
    "agentguard incidents open --simulation 9f0c1be2a4d85a77c1e0f1f4b4a2d3e6 --owner team-payments",
)
_NOTE_EXAMPLES = examples(
    f"agentguard incidents note {EXAMPLE_ID} 'The provider reports an outage'"
)
_FEEDBACK_EXAMPLES = examples(
    f"agentguard incidents feedback {EXAMPLE_ID} --step 2 --helped yes",
    f"agentguard incidents feedback {EXAMPLE_ID} --helped no --note 'Too slow at night'",
)
_MEASURE_EXAMPLES = examples(f"agentguard incidents measure {EXAMPLE_ID}")
_ASSIGN_EXAMPLES = examples(
    f"agentguard incidents assign {EXAMPLE_ID} team-payments",
    f"agentguard incidents assign {EXAMPLE_ID} --nobody",
)
_MERGE_EXAMPLES = examples(
    f"agentguard incidents merge {EXAMPLE_ID} 8c2f0b7a-51d4-4a0e-8f6e-2b9d7c3a1e60"
)
_LINK_EXAMPLES = examples(
    f"agentguard incidents link {EXAMPLE_ID} --simulation 9f0c1be2a4d85a77c1e0f1f4b4a2d3e6"
)
_POST_MORTEM_EXAMPLES = examples(
    f"agentguard incidents post-mortem {EXAMPLE_ID}",
    f"agentguard incidents post-mortem {EXAMPLE_ID} --output post-mortem.md",
)

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Open incidents, follow them to their review, and draft post-mortems.",
)


@app.command("list", cls=Command, epilog=_LIST_EXAMPLES)
def list_incidents(
    *,
    state: StatesOption = None,
    severity: SeveritiesOption = None,
    component: ComponentOption = None,
    workflow: WorkflowOption = None,
    owner: OwnedOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    merged: MergedOption = False,
    before: BeforeOption = None,
    limit: LimitOption = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show incidents, the last opened first. Tables show local time, JSON UTC."""
    from agentguard.cli.choices import settings_with, window_from_options
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.incidents import page_parts
    from agentguard.incidents.store import IncidentCursor, IncidentFilter

    window = window_from_options(since, until, None)
    wanted = IncidentFilter(
        tuple(state or ()),
        tuple(severity or ()),
        component,
        workflow,
        owner,
        None if window is None else window.since,
        None if window is None else window.until,
        merged=merged,
        before=None if before is None else IncidentCursor.parse(before),
    )
    document = ask(
        settings_with(data_dir, None), lambda opened: opened.incident_views.page(wanted, limit)
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(page_parts(shown(document)))


@app.command(cls=Command, epilog=_SHOW_EXAMPLES)
def show(
    incident_id: IdArgument,
    *,
    full: FullOption = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show an incident: what is hit, who works on it, and its timeline."""

    async def asked(opened: App) -> Shown:
        return await documents(opened, incident_id)

    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask

    print_incident(ask(settings_with(data_dir, None), asked), output_format, full=full)


@app.command(cls=Command, epilog=_TIMELINE_EXAMPLES)
def timeline(
    incident_id: IdArgument,
    *,
    after: Annotated[int, typer.Option(help="The next page.", metavar="NUMBER", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="Events shown.", min=1, max=MOST_EVENTS)] = 200,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show all that happened to an incident, the oldest events first."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.incidents import timeline_parts

    document = ask(
        settings_with(data_dir, None),
        lambda opened: opened.incident_views.events(incident_id, after=after, limit=limit),
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(timeline_parts(shown(document)))


@app.command("open", cls=Command, epilog=_OPEN_EXAMPLES)
def open_incident(
    title: TitleArgument = None,
    *,
    severity: SeverityOption = None,
    component: ComponentsOption = None,
    workflow: WorkflowsOption = None,
    simulation: SimulationOption = None,
    dataset: DatasetOption = None,
    owner: OwnerOption = None,
    note: NoteOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Open an incident, from a stored simulation or as you report it."""
    from agentguard.cli.principal import os_user
    from agentguard.incidents.service import Report

    if simulation is not None:
        if severity or component or workflow or dataset:
            raise typer.BadParameter(
                "A simulation says severity, components and workflows itself: leave these options"
                " out."
            )
        change_incident(
            lambda opened: opened.incidents.open_simulation(
                os_user(), simulation, title=title, owner=owner, note=note
            ),
            data_dir,
            output_format,
            create=True,
        )
        return
    if title is None or severity is None:
        raise typer.BadParameter("Give a title and --severity, or --simulation.")
    told = Report(title, severity, component or (), workflow or (), owner, note, dataset)
    change_incident(
        lambda opened: opened.incidents.report(os_user(), told),
        data_dir,
        output_format,
        create=True,
    )


@app.command(cls=Command, epilog=_NOTE_EXAMPLES)
def note(
    incident_id: IdArgument,
    text: Annotated[str, typer.Argument(help="What you saw or did.")],
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Add a note to the timeline."""
    from agentguard.cli.principal import os_user

    change_incident(
        lambda opened: opened.incidents.note(os_user(), incident_id, text), data_dir, output_format
    )


@app.command(cls=Command, epilog=_FEEDBACK_EXAMPLES)
def feedback(
    incident_id: IdArgument,
    helped: Annotated[Helped, typer.Option(help="Whether it helped.")],
    step: Annotated[
        str | None,
        typer.Option(help="Number or id of the step; left out: the playbook as a whole."),
    ] = None,
    note: NoteOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Say whether a step of the linked playbook helped; later playbooks cite it."""
    from agentguard.cli.principal import os_user

    change_incident(
        lambda opened: opened.incidents.give_feedback(
            os_user(), incident_id, helped, step=step, note=note
        ),
        data_dir,
        output_format,
    )


@app.command(cls=Command, epilog=_MEASURE_EXAMPLES)
def measure(
    incident_id: IdArgument,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Count failed calls before and after it was mitigated (else resolved).

    Calls of the components that fail by the linked playbook; without one, of the first affected
    component. From the live spans that are kept, at most a day each way; later playbooks cite it.
    """
    from agentguard.cli.principal import os_user

    change_incident(
        lambda opened: opened.incidents.measure_recovery(os_user(), incident_id),
        data_dir,
        output_format,
    )


@app.command(cls=Command, epilog=_ASSIGN_EXAMPLES)
def assign(
    incident_id: IdArgument,
    owner: Annotated[str | None, typer.Argument(help="Person or team.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take the owner away.")] = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Assign an incident to a person or team."""
    from agentguard.cli.principal import os_user

    if (owner is None) is not nobody:
        raise typer.BadParameter("Give either an owner or --nobody.")
    change_incident(
        lambda opened: opened.incidents.assign(os_user(), incident_id, owner),
        data_dir,
        output_format,
    )


@app.command(cls=Command, epilog=_MERGE_EXAMPLES)
def merge(
    incident_id: IdArgument,
    into: Annotated[str, typer.Argument(help="Id of the incident that remains.")],
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Merge a duplicate into another incident."""
    from agentguard.cli.principal import os_user

    change_incident(
        lambda opened: opened.incidents.merge(os_user(), incident_id, into),
        data_dir,
        output_format,
    )


@app.command(cls=Command, epilog=_LINK_EXAMPLES)
def link(
    incident_id: IdArgument,
    simulation: Annotated[
        str | None, typer.Option(help="Id of a stored simulation.", show_default=False)
    ] = None,
    playbook: Annotated[
        str | None,
        typer.Option(help="Id of the finished job that wrote a playbook.", show_default=False),
    ] = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Link a stored simulation, which then says the impact, or a playbook."""
    from agentguard.cli.principal import os_user

    if simulation is not None and playbook is None:
        change_incident(
            lambda opened: opened.incidents.link_simulation(os_user(), incident_id, simulation),
            data_dir,
            output_format,
        )
    elif playbook is not None and simulation is None:
        change_incident(
            lambda opened: opened.incidents.link_playbook(os_user(), incident_id, playbook),
            data_dir,
            output_format,
        )
    else:
        raise typer.BadParameter("Give either --simulation or --playbook.")


@app.command("post-mortem", cls=Command, epilog=_POST_MORTEM_EXAMPLES)
def post_mortem(
    incident_id: IdArgument,
    output: Annotated[
        Path | None,
        typer.Option(help="File to write. Default: standard output.", show_default=False),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write a draft of the post-mortem as Markdown, from stored facts only; times are UTC."""
    from agentguard.cli.audit_files import write_file
    from agentguard.cli.choices import settings_with
    from agentguard.cli.messages import say
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_text

    document = ask(
        settings_with(data_dir, None), lambda opened: opened.incident_views.post_mortem(incident_id)
    )
    if output is None:
        print_text(document["markdown"])
    else:
        write_file(output, document["markdown"].encode())
        say(f"Wrote the draft to {output}.")


app.command(cls=Command, epilog=incident_states.ACK_EXAMPLES)(incident_states.ack)
app.command(cls=Command, epilog=incident_states.MITIGATE_EXAMPLES)(incident_states.mitigate)
app.command(cls=Command, epilog=incident_states.RESOLVE_EXAMPLES)(incident_states.resolve)
app.command(cls=Command, epilog=incident_states.REVIEW_EXAMPLES)(incident_states.review)
app.command(cls=Command, epilog=incident_states.REOPEN_EXAMPLES)(incident_states.reopen)
