"""`agentguard handover`: a playbook for people elsewhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from agentguard.cli.options import DataDirOption, examples

EXAMPLES = examples(
    "agentguard handover 18ecf8ab82fab5f0-19117107",
    "agentguard handover 18ecf8ab82fab5f0-19117107 --format html > playbook.html",
)


class HandoverFormat(StrEnum):
    """What a playbook is written as."""

    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


def handover(
    job: Annotated[
        str,
        typer.Argument(metavar="JOB", help="Id of the job that wrote it.", show_default=False),
    ],
    *,
    data_dir: DataDirOption = None,
    output_format: Annotated[
        HandoverFormat, typer.Option("--format", "-f", help="Output format.")
    ] = HandoverFormat.MARKDOWN,
) -> None:
    """Print a playbook that a job wrote: as Markdown, as one HTML page to print, or as JSON.

    `agentguard playbook COMPONENT --background` submits such a job.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_text
    from agentguard.playbooks.handover import handover_html, handover_markdown
    from agentguard.playbooks.written import written_playbook

    document = written_playbook(ask(settings_with(data_dir, None), lambda app: app.jobs.get(job)))
    match output_format:
        case HandoverFormat.JSON:
            print_json(document)
        case HandoverFormat.HTML:
            print_text(handover_html(document))
        case HandoverFormat.MARKDOWN:
            print_text(handover_markdown(document))
