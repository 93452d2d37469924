"""`agentguard playbook`: what to do now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    UntilOption,
    VersionOption,
    examples,
)

if TYPE_CHECKING:
    from agentguard.bootstrap.app import App

EXAMPLES = examples(
    "agentguard playbook PaymentAgent",
    "agentguard playbook provider:openai --dataset live",
    "agentguard playbook PaymentAgent --format json | jq '.steps[].title'",
)


def playbook(
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
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Write the playbook for a failure.

    Three phases (contain, activate backups, recover), from the graph and the simulated failure of
    these components.
    """
    from agentguard.cli.choices import selection_from_options, settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.principal import os_user
    from agentguard.cli.tables.playbook import playbook_parts

    actor, settings = os_user(), settings_with(data_dir, catalog)
    selection = selection_from_options(dataset, version, since, until, lookback)
    failure = failure_from_options(components, groups, method, seed, selection, modes)

    async def written(app: App) -> dict[str, Any]:
        return await app.playbooks.write(actor, await app.playbooks.resolve(actor, failure))

    if background:
        print_submitted(
            ask(settings, lambda app: app.playbooks.submit(actor, failure)), output_format
        )
        return
    document = ask(settings, written)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(playbook_parts(shown(document), full=full))
