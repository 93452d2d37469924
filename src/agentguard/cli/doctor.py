"""`agentguard doctor`: whether everything is in order."""

from __future__ import annotations

import typer

from agentguard.cli.command import ExitCode
from agentguard.cli.options import CatalogOption, DataDirOption, Format, FormatOption, examples

EXAMPLES = examples("agentguard doctor", "agentguard doctor --format json | jq '.checks[] | select(.finding != \"fine\")'")


def doctor(catalog: CatalogOption = None, data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """Check what AgentGuard stands on: settings, data directory, disk, database, spans, ports, catalogue.

    Changes nothing. Exits with 1 where something is broken; a warning alone is no failure.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.diagnosis import diagnosis_parts
    from agentguard.diagnosis import Finding, diagnose, diagnosis_document

    document = diagnosis_document(diagnose(settings_with(data_dir, catalog)))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(diagnosis_parts(shown(document)))
    if document["finding"] == Finding.BROKEN:
        raise typer.Exit(ExitCode.FAILED)
