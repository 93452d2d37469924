"""`agentguard simulations`: stored simulations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentguard.cli.command import Command, Group
from agentguard.cli.options import (
    DataDirOption,
    Format,
    FormatOption,
    FullOption,
    examples,
)

if TYPE_CHECKING:
    from agentguard.simulation.storage.model import SimulationFilter

_LIST_EXAMPLES = examples(
    "agentguard simulations",
    "agentguard simulations --component agent:PaymentAgent --since 7d",
    "agentguard simulate --compare 9f0c1be2a4d85a77c1e0f1f4b4a2d3e6"
    " 0b9d3c5e7f1a2b3c4d5e6f708192a3b4",
)
_SHOW_EXAMPLES = examples(
    "agentguard simulations show 9f0c1be2a4d85a77c1e0f1f4b4a2d3e6",
    "agentguard simulations show 9f0c1be2a4d85a77c1e0f1f4b4a2d3e6 --format json | jq .repeat",
)

app = typer.Typer(
    cls=Group, invoke_without_command=True, rich_markup_mode=None, epilog=_LIST_EXAMPLES
)

SinceOption = Annotated[
    str | None,
    typer.Option(
        help="Only those stored at this time or later (ISO 8601, or 15m, 24h, 7d ago).",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        help="Only those stored before this time (ISO 8601, or 15m, 24h, 7d ago).",
        show_default=False,
    ),
]


@app.callback()
def simulations(
    ctx: typer.Context,
    *,
    component: Annotated[
        str | None,
        typer.Option(
            help="Only those in which this component fails; its id.",
            metavar="ID",
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only those of this dataset.", show_default=False)
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    before: Annotated[
        str | None,
        typer.Option(help="The next page.", metavar="CURSOR", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(help="Simulations shown.", min=1, max=200)] = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show the stored simulations, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    from agentguard.cli.choices import window_from_options
    from agentguard.simulation.storage.model import Cursor, SimulationFilter

    window = window_from_options(since, until, None)
    earliest, latest = (None, None) if window is None else (window.since, window.until)
    cursor = None if before is None else Cursor.parse(before)
    wanted = SimulationFilter(component, dataset, earliest, latest, cursor)
    _print_page(data_dir, wanted, limit, output_format)


def _print_page(
    data_dir: Path | None, wanted: SimulationFilter, limit: int, output_format: Format
) -> None:
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.simulations import page_parts

    document = ask(
        settings_with(data_dir, None), lambda app: app.stored_simulations.page(wanted, limit)
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(page_parts(shown(document)))


@app.command("show", cls=Command, epilog=_SHOW_EXAMPLES)
def show(
    simulation_id: Annotated[
        str, typer.Argument(metavar="ID", help="Id of the simulation.", show_default=False)
    ],
    *,
    full: FullOption = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Repeat a stored simulation from its inputs, and show it.

    Says whether the result is the stored one, bit for bit. Where the graph version has expired,
    the stored result is shown.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.simulations import stored_parts

    actor = os_user()
    document = ask(
        settings_with(data_dir, None),
        lambda app: app.stored_simulations.repeat(actor, simulation_id),
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(stored_parts(shown(document), full=full))
