"""`agentguard component`: one component of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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

EXAMPLES = examples(
    "agentguard component PaymentAgent",
    "agentguard component gpt-4o --dataset live --lookback 24h",
    "agentguard component PaymentAgent --history",
    "agentguard component PaymentAgent --format json | jq .workflows[].name",
)


def component(
    name: Annotated[
        str,
        typer.Argument(metavar="COMPONENT", help="Id or unique name.", show_default=False),
    ],
    *,
    dataset: DatasetOption = None,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    history: Annotated[
        bool,
        typer.Option("--history", help="Show its risk in the kept versions of the dataset."),
    ] = False,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show one component: its dependencies, its dependents and the workflows that can reach it."""
    from agentguard.cli.choices import selection_from_options, settings_with
    from agentguard.cli.opening import ask_about
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.component import component_parts

    if history:
        _refuse_beside_history(version, since, until, lookback)
        _history(name, settings_with(data_dir, catalog), dataset, output_format)
        return
    document = ask_about(
        settings_with(data_dir, catalog),
        selection_from_options(dataset, version, since, until, lookback),
        lambda app, of: app.graph.component(of, name),
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(component_parts(shown(document), full=full))


def _refuse_beside_history(*options: object) -> None:
    """Raise BadParameter if one of these options is given."""
    if any(options):
        raise typer.BadParameter(
            "All kept versions of the dataset are shown: give no --version, --since, --until or"
            " --lookback.",
            param_hint="--history",
        )


def _history(name: str, settings: Settings, dataset: str | None, output_format: Format) -> None:
    from agentguard.analysis.risk_history import MOST_VERSIONS
    from agentguard.bootstrap.app import App
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.risk_history import risk_history_parts

    async def asked(app: App) -> dict[str, object]:
        actor = os_user()
        return await app.risk_history.of(
            actor,
            name,
            dataset,
            MOST_VERSIONS,
            lambda selected: app.analysis.analyze(actor, selected),
        )

    document = ask(settings, asked)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(risk_history_parts(shown(document)))
