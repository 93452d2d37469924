"""`agentguard simulate`: what breaks if this fails."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    Format,
    FormatOption,
    FullOption,
    examples,
)

EXAMPLES = examples(
    "agentguard simulate PaymentAgent",
    "agentguard simulate PaymentAgent gpt-4o-mini --method structural",
    "agentguard simulate PaymentAgent --format json | jq .impact_estimate",
)


class MethodName(StrEnum):
    """How the answer is found."""

    REPLAY = "replay"
    STRUCTURAL = "structural"


ComponentsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="COMPONENT…", help="Ids or unique names; several fail at once.", show_default=False
    ),
]
MethodOption = Annotated[
    MethodName | None,
    typer.Option(
        help=(
            "Replay the recorded runs, or follow the worst case; without it, replay where there are"
            " runs."
        ),
        show_default=False,
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        help="Seed of every draw; the same seed gives the same answer.", min=0, max=2**63 - 1
    ),
]


def simulate(
    components: ComponentsArgument,
    method: MethodOption = None,
    seed: SeedOption = 0,
    dataset: DatasetOption = None,
    *,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what breaks if these components fail.

    Who is hit and by which path, and which workflows lose what share of their runs. Components fail
    wholly and at once.
    """
    from agentguard.cli.opening import opened
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.simulation import simulation_parts
    from agentguard.simulation.documents import simulation_document
    from agentguard.simulation.model import Method

    found = opened(data_dir, catalog, dataset)
    result = found.simulation(components, Method(method.value) if method else None, seed)
    document = found.origin() | simulation_document(result, links=found.view.links)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(simulation_parts(shown(document), shown(found.names()), full=full))
