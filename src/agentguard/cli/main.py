"""The command line: one command per capability, each in a module of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agentguard.cli import (
    analyze,
    audit,
    catalog,
    component,
    datasets,
    demo,
    dialects,
    diff,
    doctor,
    evidence,
    graph,
    handover,
    incidents,
    jobs,
    keys,
    migrate,
    notifications,
    playbook,
    purge,
    scan,
    serve,
    simulate,
    simulations,
    trace,
    traces,
    users,
    worker,
)
from agentguard.cli.command import EXIT_CODES, Command, leave_quietly
from agentguard.cli.messages import escaped_output

app = typer.Typer(
    name="agentguard",
    help=(
        "Find, understand and simulate the failures of multi-agent systems, from their"
        " OpenTelemetry traces."
    ),
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,  # its import alone takes as long as all the rest
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"agentguard {version('agentguard')}")
        raise typer.Exit


@app.callback()
def _agentguard(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from (a traceback).")
    ] = False,
) -> None:
    pass


app.command(cls=Command, epilog=demo.EXAMPLES)(demo.demo)
app.command(cls=Command, epilog=serve.EXAMPLES)(serve.serve)
app.command(cls=Command, epilog=worker.EXAMPLES)(worker.worker)
app.command(cls=Command, epilog=scan.EXAMPLES)(scan.scan)
app.command(cls=Command, epilog=graph.EXAMPLES)(graph.graph)
app.command(cls=Command, epilog=component.EXAMPLES)(component.component)
app.command(cls=Command, epilog=analyze.EXAMPLES)(analyze.analyze)
app.command(cls=diff.DiffCommand, epilog=diff.EXAMPLES)(diff.diff)
app.command(cls=Command, epilog=simulate.EXAMPLES)(simulate.simulate)
app.command(cls=Command, epilog=playbook.EXAMPLES)(playbook.playbook)
app.command(cls=Command, epilog=handover.EXAMPLES)(handover.handover)
app.command(cls=Command, epilog=evidence.EXAMPLES)(evidence.evidence)
app.command(cls=Command, epilog=trace.EXAMPLES)(trace.trace)
app.command(cls=Command, epilog=purge.EXAMPLES)(purge.purge)
app.command(cls=Command, epilog=migrate.EXAMPLES)(migrate.migrate)
app.command(cls=Command, epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(catalog.app, name="catalog")
app.add_typer(dialects.app, name="dialects")
app.add_typer(datasets.app, name="datasets")
app.add_typer(jobs.app, name="jobs")
app.add_typer(simulations.app, name="simulations")
app.add_typer(incidents.app, name="incidents")
app.add_typer(notifications.app, name="notifications")
app.add_typer(traces.app, name="traces")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(users.app, name="users")


def run() -> None:
    """Run the command line and exit; a closed output pipe is not reported as an error."""
    with escaped_output():
        try:
            app()
        finally:
            try:
                sys.stdout.flush()
            except BrokenPipeError:
                leave_quietly()
