"""`agentguard doctor`: whether everything is in order."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.command import ExitCode
from agentguard.cli.options import CatalogOption, DataDirOption, Format, FormatOption, examples

EXAMPLES = examples(
    "agentguard doctor",
    "agentguard doctor --send-test-event",
    "agentguard doctor --format json | jq '.checks[] | select(.finding != \"fine\")'",
)


def doctor(
    send_test_event: Annotated[
        bool,
        typer.Option(
            "--send-test-event", help="Send Sentry an event, to see whether errors arrive."
        ),
    ] = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Check what AgentGuard stands on.

    Settings, data directory, disk, spans, ports, catalogue, and every service that is set.

    PostgreSQL, Neo4j, Redis and the broker are asked for real; what is broken is said with what to
    do about it. Changes nothing. Exits with 1 where something is broken; a warning alone is no
    failure.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.messages import answers_only
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.diagnosis import diagnosis_parts
    from agentguard.diagnosis.checks import Finding, diagnosis_document
    from agentguard.diagnosis.diagnose import diagnose

    with answers_only():  # what libraries print while they are asked
        checks = diagnose(settings_with(data_dir, catalog), send_test_event=send_test_event)
    document = diagnosis_document(checks)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(diagnosis_parts(shown(document)))
    if document["finding"] == Finding.BROKEN:
        raise typer.Exit(ExitCode.FAILED)
