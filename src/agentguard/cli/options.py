"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from agentguard.cli.command import EXIT_CODES


class Format(StrEnum):
    """How an answer is printed."""

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


FormatOption: TypeAlias = Annotated[
    Format, typer.Option("--format", "-f", help="For people (table) or for programs (json).")
]
GraphFormatOption: TypeAlias = Annotated[
    GraphFormat, typer.Option("--format", "-f", help="For people (table), or in this language.")
]
FullOption: TypeAlias = Annotated[bool, typer.Option("--full", help="Show every row.")]
DatasetOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Dataset to work on; without it, the one last written. `live` is what OTLP delivers.",
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
        help=(
            "Only traces that start at this time (ISO 8601, or how long ago: 15m, 24h, 7d) or"
            " later."
        ),
        show_default=False,
    ),
]
UntilOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Only traces that start before this time (ISO 8601, or how long ago).",
        show_default=False,
    ),
]
LookbackOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Only traces that start this long (15m, 24h, 7d) before --until or, without it, now.",
        show_default=False,
    ),
]
CatalogOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        help=(
            "Catalogue, A2A card or Backstage file, instead of AGENTGUARD_CATALOG; may be given"
            " several times."
        ),
        show_default=False,
    ),
]


def examples(*lines: str) -> str:
    """Return a help epilogue with these command lines, kept as they are written."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines), "", EXIT_CODES])
