"""`agentguard datasets`: lists and deletes datasets."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.command import Command
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

_LIST_EXAMPLES = examples(
    "agentguard datasets list",
    "agentguard datasets list --format json | jq -r .datasets[].name",
)
_DELETE_EXAMPLES = examples("agentguard datasets delete scan-20261125T100000-4c1a")

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List and delete datasets.")


@app.command("list", cls=Command, epilog=_LIST_EXAMPLES)
def list_datasets(
    data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE
) -> None:
    """Show all datasets, the last written first, with the versions and bytes that are stored."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.retention import datasets_parts

    document = ask(settings_with(data_dir, None), lambda app: app.graph.datasets())
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(datasets_parts(shown(document)))


@app.command(cls=Command, epilog=_DELETE_EXAMPLES)
def delete(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    include_cited: Annotated[
        bool,
        typer.Option(
            "--include-cited", help="Also delete graph versions that stored results cite."
        ),
    ] = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Delete the dataset of a scan with all its graph versions and their runs.

    Refused for `live`, which a server computes again from the stored spans, and for a dataset with
    versions that stored simulations or playbooks cite unless --include-cited.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_text
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.cells import plural

    deleted = ask(
        settings_with(data_dir, None),
        lambda app: app.datasets.delete(os_user(), name, include_cited=include_cited),
    )
    if output_format is Format.JSON:
        print_json({"dataset": name, "deleted_versions": deleted})
    else:
        print_text(f"Deleted dataset {name} with {plural(deleted, 'graph version')}.\n")
