"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agentguard.cli.command import EXIT_CODES
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.level import Level
from agentguard.graph.sorting import SortKey


class Format(StrEnum):
    """How a document is printed."""

    TABLE = "table"
    JSON = "json"


class GraphFormat(StrEnum):
    """How a graph is printed."""

    TABLE = "table"
    JSON = "json"
    DOT = "dot"
    MERMAID = "mermaid"
    GRAPHML = "graphml"
    CYPHER = "cypher"


FormatOption: TypeAlias = Annotated[Format, typer.Option("--format", "-f", help="Output format.")]
GraphFormatOption: TypeAlias = Annotated[
    GraphFormat, typer.Option("--format", "-f", help="Output format.")
]
FullOption: TypeAlias = Annotated[bool, typer.Option("--full", help="Show all rows.")]
SuggestOption: TypeAlias = Annotated[
    bool, typer.Option("--suggest", help="Also show what would save runs, each simulated.")
]
DatasetOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help=(
            "Dataset: `live` holds the spans received over OTLP. Default: `live` if it has a"
            " graph, else the dataset last written."
        ),
        show_default=False,
    ),
]
VersionOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--version",
        help="Id of a stored graph version, instead of the newest of the dataset.",
        metavar="ID",
        show_default=False,
    ),
]
DataDirOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Data directory, instead of AGENTGUARD_DATA_DIR.", show_default=False, file_okay=False
    ),
]
SinceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Only traces that start at this time or later (ISO 8601, or 15m, 24h, 7d ago).",
        show_default=False,
    ),
]
UntilOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Only traces that start before this time (ISO 8601, or 15m, 24h, 7d ago).",
        show_default=False,
    ),
]
LookbackOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Length of the window before --until (default: now): 15m, 24h, 7d.",
        show_default=False,
    ),
]
CatalogOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        help=("Catalog, A2A card or Backstage file, instead of AGENTGUARD_CATALOG; repeatable."),
        show_default=False,
    ),
]
KindsOption: TypeAlias = Annotated[
    list[ComponentKind] | None,
    typer.Option("--kind", help="Only components of this kind; repeatable.", show_default=False),
]
ErrorsOption: TypeAlias = Annotated[
    bool, typer.Option("--errors", help="Only items with failures.")
]
ShadowOption: TypeAlias = Annotated[
    bool, typer.Option("--shadow", help="Only shadow agents. Needs a catalog.")
]
OwnerOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Only components that the catalog assigns to this owner (case-insensitive).",
        show_default=False,
    ),
]
SortOption: TypeAlias = Annotated[
    SortKey | None,
    typer.Option(
        help="Sort lists by this: names ascending, numbers and times descending.",
        show_default=False,
    ),
]
LevelOption: TypeAlias = Annotated[
    Level | None,
    typer.Option(
        help="Show agents where a service has any (agent), or the services in which they run"
        " (service). Default: tables and findings as with agent.",
        show_default=False,
    ),
]
TopOption: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of rows per list.", show_default=False)
]


def examples(*lines: str) -> str:
    """Return a help epilog with these command lines, unwrapped."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines), "", EXIT_CODES])
