"""`agentguard catalog`: what was declared, and what was seen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from agentguard.cli.command import EXIT_CODES, Command
from agentguard.cli.messages import say
from agentguard.cli.options import CatalogOption, DataDirOption, DatasetOption, Format, FormatOption, examples

app = typer.Typer(
    help="Write and check the catalogue of what people declared.", no_args_is_help=True, rich_markup_mode=None, epilog=EXIT_CODES
)

_INIT_EXAMPLES = examples("agentguard catalog init > catalog.yaml", "agentguard catalog init --output catalog.yaml --dataset live")
_CHECK_EXAMPLES = examples("agentguard catalog check", "agentguard catalog check --catalog catalog.yaml --format json")


@app.command("init", cls=Command, epilog=_INIT_EXAMPLES)
def init(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; never overwritten.", show_default=False)] = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Write a first catalogue from what was seen; owners and values are yours to fill in. It is YAML, or JSON, which YAML holds."""
    import yaml

    from agentguard.catalog.writing import catalog_text
    from agentguard.cli.opening import opened
    from agentguard.cli.output import json_text

    found = opened(data_dir, None, dataset)
    text = catalog_text(found.graph)
    if output_format is Format.JSON:
        text = json_text(yaml.safe_load(text))
    if output is None:
        sys.stdout.write(text)
        return
    _write_new(output, text)
    say(f"Wrote {output}. Fill in owners, then set AGENTGUARD_CATALOG={output}.")


@app.command("check", cls=Command, epilog=_CHECK_EXAMPLES)
def check(
    dataset: DatasetOption = None,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Compare the catalogue with what was seen: declared, shadow, unidentified."""
    from agentguard.catalog.documents import matches_document
    from agentguard.cli.opening import opened
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.catalog import catalog_parts

    found = opened(data_dir, catalog, dataset)
    document = found.origin() | matches_document(found.matches)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(catalog_parts(shown(document)))


def _write_new(path: Path, text: str) -> None:
    from agentguard.kernel.errors import ConflictError, InvalidInputError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConflictError(f"{path} is there already, and a catalogue is never overwritten. Choose another name.") from None
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror}. Choose another place.") from None
