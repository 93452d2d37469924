"""`agentguard traces`: the stored spans."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.command import EXIT_CODES, Command, ExitCode
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Check the stored spans.",
    epilog=EXIT_CODES,
)

_FSCK_EXAMPLES = examples(
    "agentguard traces fsck",
    "agentguard traces fsck --repair",
    "agentguard traces fsck --format json | jq -r .damaged[].file",
)


@app.callback()
def _traces() -> None:
    pass


@app.command(cls=Command, epilog=_FSCK_EXAMPLES)
def fsck(
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Store what can be read of damaged files, and move them to quarantine/.",
        ),
    ] = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Read every file of the stored spans and name those that are damaged or foreign.

    Checks the checksums of log segments and Parquet files; segments that a running server writes
    are left out. Changes nothing unless --repair is given. Works beside a running server. Exits
    with 1 if a file is damaged and was not repaired.
    """
    import asyncio

    from agentguard.cli.choices import settings_with
    from agentguard.cli.messages import answers_only
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.fsck import fsck_parts
    from agentguard.diagnosis.fsck import check_spans, fsck_document, repair_spans

    settings = settings_with(data_dir, None)
    with answers_only():
        found = check_spans(settings)
        if repair:
            found = asyncio.run(repair_spans(settings, found))
    document = fsck_document(found, repaired=repair)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(fsck_parts(shown(document)))
    if document["damaged"]:
        raise typer.Exit(ExitCode.FAILED)
