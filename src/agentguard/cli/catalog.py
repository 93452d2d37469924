"""`agentguard catalog`: declared components, compared with observed ones."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli.command import EXIT_CODES, Command, ExitCode
from agentguard.cli.messages import say
from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    Format,
    FormatOption,
    FullOption,
    LookbackOption,
    SinceOption,
    UntilOption,
    VersionOption,
    examples,
)

if TYPE_CHECKING:
    from agentguard.settings import Settings

app = typer.Typer(
    help="Write and check the catalog of declared components.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
)

_INIT_EXAMPLES = examples(
    "agentguard catalog init > catalog.yaml",
    "agentguard catalog init --output catalog.yaml --dataset live",
)
_CHECK_EXAMPLES = examples(
    "agentguard catalog check",
    "agentguard catalog check --catalog catalog.yaml --catalog agent-card.json --format json",
    "agentguard catalog check --fail-on shadow --fail-on ghost --ghost-days 30",
)
_IMPORT_EXAMPLES = examples(
    "agentguard catalog import catalog-info.yaml agent-card.json > catalog.yaml",
    "agentguard catalog import cards/*.json --output catalog.yaml",
)


class FailOn(StrEnum):
    """Findings that `catalog check` can fail on."""

    SHADOW = "shadow"
    UNIDENTIFIED = "unidentified"
    AMBIGUOUS = "ambiguous"
    GHOST = "ghost"
    NOT_SEEN = "not-seen"
    DRIFT = "drift"

    @property
    def member(self) -> str:
        """Return the document's member that lists such findings."""
        return _MEMBERS[self]


_MEMBERS = {
    FailOn.SHADOW: "shadow_agents",
    FailOn.UNIDENTIFIED: "unidentified_agents",
    FailOn.AMBIGUOUS: "ambiguous",
    FailOn.GHOST: "ghosts",
    FailOn.NOT_SEEN: "not_seen",
    FailOn.DRIFT: "drift",
}

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write; never overwritten.", show_default=False),
]


@app.command("init", cls=Command, epilog=_INIT_EXAMPLES)
def init(
    output: OutputOption = None,
    *,
    component: Annotated[
        list[str] | None,
        typer.Option(
            "--component",
            metavar="NAME",
            help="Write only this component's entry; repeatable.",
        ),
    ] = None,
    dataset: DatasetOption = None,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Write a first catalog of the observed components; fill in owners and values yourself.

    As YAML, or as JSON with --format json.
    """
    from agentguard.cli.choices import selection_from_options, settings_with
    from agentguard.cli.opening import ask_about

    selection = selection_from_options(dataset, version, since, until, lookback)
    text = ask_about(
        settings_with(data_dir, None),
        selection,
        lambda app, of: app.catalog.draft(of, component or ()),
    )
    _deliver(text, output, output_format, "Fill in owners")


@app.command("import", cls=Command, epilog=_IMPORT_EXAMPLES)
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Files in any of these formats.", show_default=False),
    ],
    output: OutputOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Write a catalog from A2A agent cards, Backstage's catalog-info.yaml and other catalogs.

    The format is detected from the content. Each entry names its file and line. An entry that
    several files declare is written once; the first file takes precedence.
    """
    from agentguard.catalog.importing import import_catalog

    imported = import_catalog(files)
    for note in imported.notes:
        say(note)
    _deliver(imported.text, output, output_format, "Review it")


@app.command("check", cls=Command, epilog=_CHECK_EXAMPLES)
def check(
    *,
    dataset: DatasetOption = None,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    catalog: CatalogOption = None,
    ghost_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Days without spans that make a ghost, instead of AGENTGUARD_GHOST_DAYS.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(
            help="Exit with 1 if there is such a finding; may be given several times.",
            show_default=False,
        ),
    ] = None,
    full: FullOption = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Compare the catalog with the graph: shadow agents, ghosts and drift.

    Exits with 0 whatever it finds, except for findings named by --fail-on.
    """
    from agentguard.cli.choices import selection_from_options, settings_with
    from agentguard.cli.opening import ask_about
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.catalog import catalog_parts

    settings = settings_with(data_dir, catalog)
    _require_catalog(settings, fail_on or ())
    selection = selection_from_options(dataset, version, since, until, lookback)
    document = ask_about(
        settings, selection, lambda app, of: app.catalog.check(of, ghost_days=ghost_days)
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(catalog_parts(shown(document), full=full))
    _fail_on(document, fail_on or ())


def _require_catalog(settings: Settings, fail_on: Sequence[FailOn]) -> None:
    """Raise InvalidInputError for --fail-on without a catalog, which could find nothing."""
    from agentguard.kernel.errors import InvalidInputError

    if fail_on and not settings.catalog:
        raise InvalidInputError(
            "No catalog is set, so --fail-on cannot find anything. Give one with --catalog, or set"
            " AGENTGUARD_CATALOG."
        )


def _fail_on(document: dict[str, Any], fail_on: Sequence[FailOn]) -> None:
    found = [
        f"{len(document[kind.member])} {kind.value}"
        for kind in dict.fromkeys(fail_on)
        if document[kind.member]
    ]
    if found:
        say(f"Found: {', '.join(found)}.")
        raise typer.Exit(ExitCode.FAILED)


def _deliver(text: str, output: Path | None, output_format: Format, then: str) -> None:
    """Write a catalog to a new file, or print it."""
    import yaml

    from agentguard.cli.output import json_text, print_text

    if output_format is Format.JSON:
        text = json_text(yaml.safe_load(text))
    if output is None:
        print_text(text)
        return
    _write_new(output, text)
    say(f"Wrote {output}. {then}, then set AGENTGUARD_CATALOG={output}.")


def _write_new(path: Path, text: str) -> None:
    from agentguard.kernel.errors import ConflictError, InvalidInputError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConflictError(
            f"{str(path)!r} exists, and a catalog is never overwritten. Choose another name."
        ) from None
    except OSError as error:
        raise InvalidInputError(
            f"{str(path)!r} cannot be written: {error.strerror}. Choose another path."
        ) from None
