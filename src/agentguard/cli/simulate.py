"""`agentguard simulate`: what breaks if this fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli.failing import (
    BackgroundOption,
    ComponentsArgument,
    GroupsOption,
    MethodOption,
    ModesOption,
    SeedOption,
    failure_from_options,
    print_submitted,
)
from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    Format,
    FormatOption,
    FullOption,
    LookbackOption,
    SinceOption,
    SuggestOption,
    UntilOption,
    VersionOption,
    examples,
)

PreviewOption = Annotated[bool, typer.Option("--preview", help="Do not store the simulation.")]
CompareOption = Annotated[
    tuple[str, str] | None,
    typer.Option(
        "--compare",
        help="Show what differs between two stored simulations, instead of simulating.",
        metavar="ID ID",
        show_default=False,
    ),
]

GameDaysOption = Annotated[
    bool,
    typer.Option(
        "--game-days",
        help="Show which failures that were never seen would decide about most runs, over all"
        " single outages, instead of simulating one.",
    ),
]

if TYPE_CHECKING:
    from agentguard.accounts.principal import Principal
    from agentguard.bootstrap.app import App
    from agentguard.graph.selection import GraphSelection
    from agentguard.settings import Settings
    from agentguard.simulation.service import Failure

EXAMPLES = examples(
    "agentguard simulate PaymentAgent",
    "agentguard simulate provider:openai",
    "agentguard simulate PaymentAgent --suggest",
    "agentguard simulate --game-days",
    "agentguard simulate PaymentAgent gpt-4o-mini --method structural",
    "agentguard simulate PaymentAgent --mode errors:0.2",
    "agentguard simulate provider:openai --mode latency:10 --mode gpt-4o-mini=wrong_output:0.05",
    "agentguard simulate PaymentAgent --dataset live --lookback 24h",
    "agentguard simulate PaymentAgent --format json | jq .impact_estimate",
)


def simulate(
    components: ComponentsArgument = None,
    *,
    groups: GroupsOption = None,
    modes: ModesOption = None,
    method: MethodOption = None,
    seed: SeedOption = 0,
    dataset: DatasetOption = None,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    background: BackgroundOption = False,
    preview: PreviewOption = False,
    suggest: SuggestOption = False,
    compared: CompareOption = None,
    game_days: GameDaysOption = False,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what breaks if these components fail.

    Lists the affected components with the path of the failure, and the share of runs that each
    workflow loses. The result is stored, see `agentguard simulations`.
    """
    from agentguard.cli.choices import selection_from_options, settings_with

    settings = settings_with(data_dir, catalog)
    if compared is not None:
        _compare(settings, compared, components, output_format, full=full)
        return
    selection = selection_from_options(dataset, version, since, until, lookback)
    if game_days:
        _refuse_beside_game_days(components, groups, modes, method, background, preview, suggest)
        _game_days(settings, selection, seed, output_format, full=full)
        return
    failure = failure_from_options(components, groups, method, seed, selection, modes)
    if background and preview:
        raise typer.BadParameter("A job stores its result.", param_hint="--preview")
    if background:
        _submit(settings, failure, output_format)
    else:
        wanted = _Wanted(preview=preview, suggest=suggest, full=full)
        _simulate(settings, failure, output_format, wanted)


def _submit(settings: Settings, failure: Failure, output_format: Format) -> None:
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user

    actor = os_user()
    job = ask(settings, lambda app: app.simulations.submit(actor, failure))
    print_submitted(job, output_format)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to do beside simulating."""

    preview: bool
    suggest: bool
    full: bool


def _simulate(settings: Settings, failure: Failure, output_format: Format, wanted: _Wanted) -> None:
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.graph import names_by_id
    from agentguard.cli.tables.mitigations import mitigations_part
    from agentguard.cli.tables.simulation import simulation_parts

    actor = os_user()
    found, overview = ask(settings, lambda app: _simulated(app, actor, failure, wanted))
    if output_format is Format.JSON:
        print_json(found)
    else:
        document, names = shown(found), names_by_id(shown(overview))
        parts = simulation_parts(document, names, full=wanted.full)
        if wanted.suggest:
            parts.append(mitigations_part(document["suggestions"], names, full=wanted.full))
        print_report(parts)


def _compare(
    settings: Settings,
    compared: tuple[str, str],
    components: list[str] | None,
    output_format: Format,
    *,
    full: bool,
) -> None:
    """Print what differs between two stored simulations."""
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.simulations import comparison_parts

    if components:
        raise typer.BadParameter("Name two simulations and no component.", param_hint="--compare")
    document = ask(settings, lambda app: app.stored_simulations.compare(*compared))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(comparison_parts(shown(document), full=full))


def _refuse_beside_game_days(*options: object) -> None:
    """Raise BadParameter if one of these options is given."""
    if any(options):
        raise typer.BadParameter(
            "All single outages are replayed and nothing is stored: give no component, group,"
            " mode, method, --background, --preview or --suggest.",
            param_hint="--game-days",
        )


def _game_days(
    settings: Settings,
    selection: GraphSelection,
    seed: int,
    output_format: Format,
    *,
    full: bool,
) -> None:
    """Print the failures to try on purpose."""
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.game_days import game_days_parts
    from agentguard.cli.tables.graph import names_by_id

    async def found(app: App) -> tuple[dict[str, Any], dict[str, Any]]:
        selected = await app.graph.select(selection)
        days = await app.simulations.game_days(os_user(), selected, seed=seed)
        return days, await app.graph.overview(selected)

    document, overview = ask(settings, found)
    if output_format is Format.JSON:
        print_json(document)
    else:
        names = names_by_id(shown(overview))
        print_report(game_days_parts(shown(document), names, full=full))


async def _simulated(
    app: App, actor: Principal, failure: Failure, wanted: _Wanted
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the simulation and the overview of its graph, which has the names for tables."""
    from agentguard.analysis.mitigation_documents import suggested

    preview = wanted.preview
    resolved = await app.simulations.resolve(actor, failure, preview=preview)
    document = await app.simulations.simulate(actor, resolved, preview=preview)
    await app.stored_simulations.keep(actor, failure, resolved.selected, document)
    if wanted.suggest:
        document = suggested(document, await app.mitigations.of_failure(actor, resolved))
    return document, await app.graph.overview(resolved.selected)
