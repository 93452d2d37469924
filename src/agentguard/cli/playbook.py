"""`agentguard playbook`: what to do now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

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
    UntilOption,
    VersionOption,
    examples,
)

if TYPE_CHECKING:
    from agentguard.accounts.principal import Principal
    from agentguard.bootstrap.app import App
    from agentguard.playbooks.service import Wish
    from agentguard.simulation.service import Failure

ConditionOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=(
            "Template, such as rate_limit, agent_loop or shadow_agent. Default: the one suited to"
            " what fails and how."
        ),
        show_default=False,
    ),
]
StartedOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="When the failure began (ISO 8601, or how long ago: 15m).",
        show_default=False,
    ),
]
RefineOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--refine",
        help="Let the language model of the settings phrase it. Jobs do so where one is set.",
    ),
]
DiffOption: TypeAlias = Annotated[
    bool,
    typer.Option("--diff", help="Show what the language model changed; implies --refine."),
]
EXAMPLES = examples(
    "agentguard playbook PaymentAgent",
    "agentguard playbook provider:openai --dataset live --started 15m",
    "agentguard playbook gpt-4o-mini --condition rate_limit --full",
    "agentguard playbook PaymentAgent --diff",
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
    condition: ConditionOption = None,
    started: StartedOption = None,
    refine: RefineOption = False,
    diff: DiffOption = False,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Write the playbook for a failure.

    At most seven steps in three phases (contain, activate backups, recover), from the graph, the
    simulated failure of these components and the template of the condition.
    """
    from agentguard.cli.choices import selection_from_options, settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.principal import os_user

    actor, settings = os_user(), settings_with(data_dir, catalog)
    selection = selection_from_options(dataset, version, since, until, lookback)
    failure = failure_from_options(components, groups, method, seed, selection, modes)

    wish = _wish(condition, started, refine=refine or diff)

    if background:
        job = ask(settings, lambda app: app.playbooks.submit(actor, failure, wish))
        print_submitted(job, output_format)
    else:
        document = ask(settings, lambda app: _written(app, actor, failure, wish))
        _print(document, output_format, diff=diff, full=full)


async def _written(app: App, actor: Principal, failure: Failure, wish: Wish) -> dict[str, Any]:
    resolved = await app.playbooks.resolve(actor, failure)
    return await app.playbooks.write(actor, resolved, wish)


def _print(document: dict[str, Any], output_format: Format, *, diff: bool, full: bool) -> None:
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.playbook import difference_parts, playbook_parts

    if output_format is Format.JSON:
        print_json(document)
    elif diff:
        print_report(difference_parts(shown(document)))
    else:
        print_report(playbook_parts(shown(document), full=full))


def _wish(condition: str | None, started: str | None, *, refine: bool) -> Wish:
    """Return what the playbook is asked for; raise TimeWindowError."""
    from agentguard.kernel.clock import system_clock
    from agentguard.playbooks.service import Wish
    from agentguard.traces.window_parsing import parse_time

    began = None if started is None else parse_time(started, "started", system_clock())
    return Wish(condition, began, refine or None)
