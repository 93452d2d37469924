"""`agentguard graph`: components and dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    ErrorsOption,
    FullOption,
    GraphFormat,
    GraphFormatOption,
    KindsOption,
    LevelOption,
    LookbackOption,
    OwnerOption,
    ShadowOption,
    SinceOption,
    SortOption,
    TopOption,
    UntilOption,
    VersionOption,
    examples,
)

if TYPE_CHECKING:
    from agentguard.graph.filtering import GraphFilter
    from agentguard.graph.selection import GraphSelection
    from agentguard.settings import Settings

EXAMPLES = examples(
    "agentguard graph",
    "agentguard graph --kind agent --sort errors --top 10",
    "agentguard graph --dataset live --lookback 1h --errors",
    "agentguard graph --format dot | dot -Tsvg > graph.svg",
)


def graph(
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
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: GraphFormatOption = GraphFormat.TABLE,
) -> None:
    """Show what runs and what depends on what.

    Of the newest graph in the data directory, of a stored version, or of a window of the live
    spans; a server may be running on it. Filters select components; a dependency is shown where one
    of its ends is.
    """
    from agentguard.cli.choices import filter_from_options, selection_from_options, settings_with
    from agentguard.cli.opening import ask_about
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.graph import graph_parts

    settings = settings_with(data_dir, catalog)
    selection = selection_from_options(dataset, version, since, until, lookback)
    wanted = filter_from_options(kinds, owner, sort, top, errors=errors, shadow=shadow, level=level)
    if output_format is GraphFormat.JSON:
        print_json(ask_about(settings, selection, lambda app, of: app.graph.graph(of, wanted)))
    elif output_format is GraphFormat.TABLE:
        found = ask_about(settings, selection, lambda app, of: app.graph.overview(of, wanted))
        whole = full or top is not None
        print_report(graph_parts(shown(found), full=whole, ordered=sort is not None))
    else:
        _print_export(settings, selection, wanted, output_format)


def _print_export(
    settings: Settings, selection: GraphSelection, wanted: GraphFilter, output_format: GraphFormat
) -> None:
    from agentguard.cli.opening import ask_about
    from agentguard.cli.output import print_text
    from agentguard.graph.export.formats import ExportFormat

    language = ExportFormat(output_format.value)
    print_text(
        ask_about(settings, selection, lambda app, of: app.graph.export(of, language, wanted))
    )
