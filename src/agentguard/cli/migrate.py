"""`agentguard migrate`: updates the database's tables, or copies SQLite into PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

if TYPE_CHECKING:
    from agentguard.settings import Settings

EXAMPLES = examples(
    "agentguard migrate",
    "DATABASE_URL=postgresql://agentguard@db/agentguard agentguard migrate",
    "agentguard migrate --to-file /run/secrets/target",
    "AGENTGUARD_MIGRATE_TO_FILE=/run/secrets/target agentguard migrate",
)

ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        help=(
            "Copy the SQLite database into this PostgreSQL database (postgresql://…). Other users"
            " can see arguments: use --to-file or AGENTGUARD_MIGRATE_TO if it has a password."
        ),
        show_default=False,
    ),
]
ToFileOption = Annotated[
    Path | None,
    typer.Option(
        "--to-file",
        help="Read the URL for --to from this file.",
        show_default=False,
        dir_okay=False,
    ),
]


def migrate(
    to: ToOption = None,
    to_file: ToFileOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Create or update the tables of the configured database.

    That is SQLite in the data directory, or PostgreSQL if DATABASE_URL is set. Every command does
    this when it opens the database; run it before you start servers of a new version.

    With --to, --to-file or AGENTGUARD_MIGRATE_TO, copy the SQLite database into PostgreSQL in one
    transaction: either everything arrives, or nothing. Run it again to copy what was added since.
    A target that has graphs of its own is rejected. Stop the server first: what it writes during
    the copy is not copied. Spans, runs and uploads stay in the data directory. Exits with 1 if a
    database is unusable.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.progress import rows_copied
    from agentguard.cli.tables.migration import migration_parts
    from agentguard.migration import copy_to
    from agentguard.migration import migrate as migrate_database

    settings = settings_with(data_dir, None)
    target = _target(to, to_file, settings)
    if target is None:
        document = migrate_database(settings).document()
    else:
        with rows_copied() as progress:
            document = copy_to(settings, target, progress).document()
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(migration_parts(shown(document)))


def _target(to: str | None, to_file: Path | None, settings: Settings) -> str | None:
    """Return the URL to copy into, if any; options take precedence over the setting."""
    if to is not None and to_file is not None:
        raise typer.BadParameter("use either --to or --to-file, not both", param_hint="--to-file")
    if to is not None:
        _warn_of_password(to)
        return to
    if to_file is not None:
        return _read(to_file)
    return settings.migrate_to.get_secret_value() if settings.migrate_to else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise typer.BadParameter(
            f"{str(file)!r} is unreadable: {reason}", param_hint="--to-file"
        ) from None


def _warn_of_password(url: str) -> None:
    from urllib.parse import urlsplit

    from agentguard.cli.messages import say

    if "@" in url and ":" in urlsplit(url).netloc.rpartition("@")[0]:
        say(
            "Warning: the password in --to is visible to other users of this machine. Use --to-file"
            " or AGENTGUARD_MIGRATE_TO_FILE instead."
        )
