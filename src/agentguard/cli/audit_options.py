"""Options that the audit commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

OptionalIndex: TypeAlias = Annotated[
    int | None, typer.Argument(help="Index of the entry.", min=0, show_default=False)
]
IndexArgument: TypeAlias = Annotated[int, typer.Argument(help="Index of the entry.", min=0)]
SizeOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        help="Prove it in the checkpoint of this size, instead of the newest.",
        min=1,
        show_default=False,
    ),
]
ActorOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only what this principal did.", show_default=False)
]
ActionOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only this, such as `scan.stored`.", show_default=False)
]
ObjectOption: TypeAlias = Annotated[
    str | None, typer.Option("--object", help="Only what was done to it.", show_default=False)
]
IncidentOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--incident",
        help="Only what was done to this incident.",
        metavar="ID",
        show_default=False,
    ),
]
SinceOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Only entries of this time or later (ISO 8601, or 15m, 24h, 7d ago).",
        show_default=False,
    ),
]
UntilOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Only entries before this time.", show_default=False)
]
BeforeOption: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Only entries before this index: the next page.", show_default=False),
]
LimitOption: TypeAlias = Annotated[int, typer.Option(help="Entries shown.", min=1, max=1000)]

KeysOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--key", help="The log's public key, got from elsewhere; repeatable.", show_default=False
    ),
]
HandoversOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--handover",
        help="A handover from one key of the log to the next; repeatable.",
        show_default=False,
    ),
]
CheckpointOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(help="A checkpoint of the log, got from elsewhere.", show_default=False),
]
ConsistencyOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--consistency",
        help="The consistency proof between --checkpoint and that of the file.",
        show_default=False,
    ),
]
WitnessesOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--witness",
        help="The public key of a witness that must have cosigned; repeatable.",
        show_default=False,
    ),
]

SourceArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="URL|DIR", help="Where the log is published: the folder with `checkpoint`."
    ),
]
StateOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="File that remembers what was seen. Default: one for each log, below ~/.local/state.",
        show_default=False,
    ),
]
IntervalOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Look again after so many seconds, until an alarm. Default: look once.",
        min=1,
        show_default=False,
    ),
]
APIKeyOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        help="File with the API key for a log that is not public. Default: the variable"
        " AGENTGUARD_MONITOR_API_KEY.",
        show_default=False,
    ),
]
