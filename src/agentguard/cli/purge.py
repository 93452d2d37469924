"""`agentguard purge`: deletes old data of every kind."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

EXAMPLES = examples(
    "agentguard purge --before 30d",
    "agentguard purge --before 2026-11-01T00:00:00Z --include-cited --yes",
)


def purge(
    before: Annotated[
        str,
        typer.Option(
            help="Delete what is older than this time (ISO 8601) or age (90s, 15m, 24h, 7d).",
            metavar="TIME|AGE",
        ),
    ],
    include_cited: Annotated[
        bool,
        typer.Option(
            "--include-cited", help="Also delete graph versions that stored results cite."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Delete spans, graphs, simulations, finished jobs and history from before a time.

    Spans are deleted by the hour in which they were received. Unfinished jobs and their uploads
    stay, and so do graph versions that stored simulations or playbooks cite, unless
    --include-cited. Prints what was deleted.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.retention import purge_parts
    from agentguard.kernel.clock import system_clock, timestamp
    from agentguard.traces.window_parsing import parse_time

    settings = settings_with(data_dir, None)
    time = parse_time(before, "--before", system_clock())
    if not yes:
        typer.confirm(
            f"Delete all data from before {timestamp(time)} in {settings.data_dir}?",
            abort=True,
            err=True,
        )
    deleted = ask(
        settings,
        lambda app: app.retention.purge(os_user(), time, include_cited=include_cited),
    )
    if output_format is Format.JSON:
        print_json({"before": timestamp(time), "deleted": dict(deleted)})
    else:
        print_report(purge_parts(deleted))
