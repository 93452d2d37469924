"""`agentguard evidence`: the spans behind a claim."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    Format,
    FormatOption,
    LookbackOption,
    SinceOption,
    UntilOption,
    VersionOption,
    examples,
)

EXAMPLES = examples(
    "agentguard evidence component:agent:paymentagent",
    "agentguard evidence dependency:CheckoutAgent~PaymentAgent",
    "agentguard evidence spof:gpt-4o --format json | jq .spans[].trace_id",
)


def evidence(
    claim: Annotated[
        str,
        typer.Argument(
            metavar="CLAIM", help="KIND:ID~ID, such as component:agent:a.", show_default=False
        ),
    ],
    *,
    dataset: DatasetOption = None,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show the spans behind a claim, how many there are in all, and how they were chosen.

    Claims are about a component, dependency, fallback, workflow, single point of failure (spof),
    stored simulation, playbook that a job wrote, or incident.
    """
    from agentguard.cli.choices import selection_from_options, settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.evidence import evidence_parts

    selection = selection_from_options(dataset, version, since, until, lookback)
    document = ask(
        settings_with(data_dir, catalog), lambda app: app.evidence.evidence(claim, selection)
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(evidence_parts(shown(document)))
