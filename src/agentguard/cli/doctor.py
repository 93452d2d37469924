"""`agentguard doctor`: checks of the installation."""

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
            "--send-test-event", help="Send a test event to Sentry to check error reporting."
        ),
    ] = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Check the installation and the configured services.

    Covers settings, data directory, disk, spans, ports, catalog, PostgreSQL, Neo4j, Redis, the
    broker and Sentry. Each finding that is not fine says what to do. Changes nothing. Exits with 1
    if a check is broken, and with 0 if there are only warnings.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.messages import answers_only
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.diagnosis import diagnosis_parts
    from agentguard.diagnosis.checks import Finding, diagnosis_document
    from agentguard.diagnosis.diagnose import diagnose

    with answers_only():  # libraries may print while they connect
        checks = diagnose(settings_with(data_dir, catalog), send_test_event=send_test_event)
    document = diagnosis_document(checks)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(diagnosis_parts(shown(document)))
    if document["finding"] == Finding.BROKEN:
        raise typer.Exit(ExitCode.FAILED)
