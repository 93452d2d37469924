"""`agentguard diff`: what changed from one graph to another."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, TypeAlias

import typer

from agentguard.cli.command import Command
from agentguard.cli.options import CatalogOption, DataDirOption, FullOption

EXIT_CODES = (
    "Exit codes: 0 no difference, 1 different, 2 error or usage error, 130 interrupted, 141 output"
    " pipe closed."
)
EXAMPLES = f"""\b
A graph is written as one of:
  DATASET                the newest version of a dataset
  VERSION                the id of a graph version
  DATASET@SINCE..UNTIL   the traces that start in a window of the live spans; each side is
                         how long ago (-2h, -15m, -7d), a time (2026-11-25T10:00Z) or empty

\b
Examples:
  agentguard diff live@-2h..-1h live@-1h..
  agentguard diff live@-8d..-7d live@-1d.. --format markdown > changes.md
  agentguard diff before-release after-release && echo same

{EXIT_CODES}"""


class DiffFormat(StrEnum):
    """How a comparison is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class DiffCommand(Command):
    """A command whose exit code says whether the graphs differ, as diff(1) does."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command: 0 same, 1 different, 2 error."""
        try:
            different = super().invoke(ctx)
        except typer.Exit as ended:
            raise typer.Exit(2 if ended.exit_code == 1 else ended.exit_code) from ended
        raise typer.Exit(1 if different else 0)


BeforeArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="A", help="The graph before.", show_default=False)
]
AfterArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="B", help="The graph after.", show_default=False)
]
DiffFormatOption: TypeAlias = Annotated[
    DiffFormat,
    typer.Option("--format", "-f", help="Output format; markdown suits a pull request."),
]


def diff(
    before: BeforeArgument,
    after: AfterArgument,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    full: FullOption = False,
    output_format: DiffFormatOption = DiffFormat.TABLE,
) -> bool:
    """Show what changed from graph A to graph B.

    New, gone and changed components, dependencies, workflows, shadow agents and single points of
    failure. A change in a share of failures or a p95 is reported if it is statistically
    significant; --format json states the thresholds.
    """
    from agentguard.analysis.diff_markdown import diff_markdown
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, print_text, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.diff import diff_parts

    document = ask(
        settings_with(data_dir, catalog), lambda app: app.diffs.diff(os_user(), before, after)
    )
    if output_format is DiffFormat.JSON:
        print_json(document)
    elif output_format is DiffFormat.MARKDOWN:
        print_text(diff_markdown(document))
    else:
        print_report(diff_parts(shown(document), full=full))
    return not document["same"]
