"""`agentguard simulate`: what breaks if this fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentguard.cli.failing import (
    BackgroundOption,
    ComponentsArgument,
    GroupsOption,
    MethodOption,
    ModeOption,
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
    UntilOption,
    VersionOption,
    examples,
)
from agentguard.simulation.modes import FailureMode

if TYPE_CHECKING:
    from agentguard.accounts.principal import Principal
    from agentguard.bootstrap.app import App
    from agentguard.simulation.service import Failure

EXAMPLES = examples(
    "agentguard simulate PaymentAgent",
    "agentguard simulate provider:openai",
    "agentguard simulate PaymentAgent gpt-4o-mini --method structural",
    "agentguard simulate PaymentAgent --dataset live --lookback 24h",
    "agentguard simulate PaymentAgent --format json | jq .impact_estimate",
)


def simulate(
    components: ComponentsArgument = None,
    *,
    groups: GroupsOption = None,
    _mode: ModeOption = FailureMode.OUTAGE,
    method: MethodOption = None,
    seed: SeedOption = 0,
    dataset: DatasetOption = None,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    background: BackgroundOption = False,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what breaks if these components fail.

    Lists the affected components with the path of the failure, and the share of runs that each
    workflow loses.
    """
    from agentguard.cli.choices import selection_from_options, settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.graph import names_by_id
    from agentguard.cli.tables.simulation import simulation_parts

    actor, settings = os_user(), settings_with(data_dir, catalog)
    selection = selection_from_options(dataset, version, since, until, lookback)
    failure = failure_from_options(components, groups, method, seed, selection)

    if background:
        job = ask(settings, lambda app: app.simulations.submit(actor, failure))
        print_submitted(job, output_format)
        return
    found, overview = ask(settings, lambda app: _simulated(app, actor, failure))
    if output_format is Format.JSON:
        print_json(found)
    else:
        document, names = shown(found), names_by_id(shown(overview))
        print_report(simulation_parts(document, names, full=full))


async def _simulated(
    app: App, actor: Principal, failure: Failure
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the simulation and the overview of its graph, which has the names for tables."""
    resolved = await app.simulations.resolve(actor, failure)
    document = await app.simulations.simulate(actor, resolved)
    return document, await app.graph.overview(resolved.selected)
