"""`agentguard migrate`.

The database's tables as this version needs them, or everything in another database.
"""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

EXAMPLES = examples(
    "agentguard migrate",
    "DATABASE_URL=postgresql://agentguard@db/agentguard agentguard migrate",
    "agentguard migrate --to postgresql://agentguard:…@db/agentguard",
)

ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="Copy the SQLite file into this PostgreSQL (postgresql://…).",
        show_default=False,
    ),
]


def migrate(
    to: ToOption = None, data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE
) -> None:
    """Create or update the tables of the database that is set: SQLite in the data directory, or
    PostgreSQL by DATABASE_URL.

    Every command does this by itself as it opens the database; run it alone before new servers
    start, so that they find it done. With --to, everything in the SQLite file is copied, in one
    transaction: all of it arrives, or nothing. It can be repeated, to bring what came since; a
    PostgreSQL that has graphs of its own is refused. Stop the server first: what it writes during
    the copy is left out. Spans, runs and uploads stay in the data directory. Exits with 1 where a
    database cannot be used.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.progress import rows_copied
    from agentguard.cli.tables.migration import migration_parts
    from agentguard.migration import copy_to
    from agentguard.migration import migrate as migrate_database

    settings = settings_with(data_dir, None)
    if to is None:
        document = migrate_database(settings).document()
    else:
        with rows_copied() as progress:
            document = copy_to(settings, to, progress).document()
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(migration_parts(shown(document)))
