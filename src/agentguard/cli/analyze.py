"""`agentguard analyze`: single points of failure, cycles, risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    ErrorsOption,
    Format,
    FormatOption,
    FullOption,
    KindsOption,
    LevelOption,
    LookbackOption,
    OwnerOption,
    ShadowOption,
    SinceOption,
    SortOption,
    SuggestOption,
    TopOption,
    UntilOption,
    VersionOption,
    examples,
)
from agentguard.graph.level import Level

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agentguard.bootstrap.app import App
    from agentguard.graph.selection import GraphSelection, SelectedGraph
    from agentguard.settings import Settings

EXAMPLES = examples(
    "agentguard analyze",
    "agentguard analyze --kind model --top 5",
    "agentguard analyze --suggest",
    "agentguard analyze --dataset live --lookback 24h --format json | jq .risk_scores",
)


def analyze(
    dataset: DatasetOption = None,
    version: VersionOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    kinds: KindsOption = None,
    *,
    errors: ErrorsOption = False,
    shadow: ShadowOption = False,
    owner: OwnerOption = None,
    sort: SortOption = None,
    top: TopOption = None,
    level: LevelOption = None,
    full: FullOption = False,
    suggest: SuggestOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show single points of failure, shared fates, cycles and risk.

    Of the newest graph in the data directory, of a stored version, or of a window of the live
    spans. Without --sort the most severe come first. --full shows every row, and risk with each of
    its factors.
    """
    from agentguard.cli.choices import filter_from_options, selection_from_options, settings_with
    from agentguard.cli.opening import ask_about
    from agentguard.cli.output import print_json
    from agentguard.cli.principal import os_user

    settings = settings_with(data_dir, catalog)
    selection = selection_from_options(dataset, version, since, until, lookback)
    if output_format is not Format.JSON:
        level = level or Level.AGENT
    wanted = filter_from_options(kinds, owner, sort, top, errors=errors, shadow=shadow, level=level)

    async def analyzed(app: App, selected: SelectedGraph) -> dict[str, Any]:
        found = await app.analysis.analyze(os_user(), selected, wanted)
        return await _suggesting(app, selected, found) if suggest else found

    if output_format is Format.JSON:
        print_json(ask_about(settings, selection, analyzed))
    else:
        _print_report(settings, selection, analyzed, full=full or bool(top))


async def _suggesting(app: App, selected: SelectedGraph, found: dict[str, Any]) -> dict[str, Any]:
    from agentguard.analysis.mitigation_documents import suggested
    from agentguard.cli.principal import os_user

    return suggested(found, await app.mitigations.of_graph(os_user(), selected))


def _print_report(
    settings: Settings,
    selection: GraphSelection,
    analyzed: Callable[[App, SelectedGraph], Awaitable[dict[str, Any]]],
    *,
    full: bool,
) -> None:
    from agentguard.cli.opening import ask_with_overview
    from agentguard.cli.output import print_report, shown
    from agentguard.cli.tables.analysis import analysis_parts
    from agentguard.cli.tables.graph import names_by_id
    from agentguard.cli.tables.mitigations import mitigations_part

    found, overview = ask_with_overview(settings, selection, analyzed)
    document, names = shown(found), names_by_id(shown(overview))
    parts = analysis_parts(document, names, full=full)
    if "suggestions" in document:
        parts.append(mitigations_part(document["suggestions"], names, full=full))
    print_report(parts)
