"""`agentguard analyze`: single points of failure, cycles, risk."""

from __future__ import annotations

from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    ErrorsOption,
    Format,
    FormatOption,
    FullOption,
    KindsOption,
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

EXAMPLES = examples(
    "agentguard analyze",
    "agentguard analyze --kind model --top 5",
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
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show single points of failure, cycles and risk.

    Of the newest graph in the data directory, of a stored version, or of a window of the live
    spans. Without --sort the most severe come first. Risk is shown with each of its factors.
    """
    from agentguard.cli.choices import filter_from_options, selection_from_options, settings_with
    from agentguard.cli.opening import ask_about, ask_with_overview
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.analysis import analysis_parts
    from agentguard.cli.tables.graph import names_by_id

    settings = settings_with(data_dir, catalog)
    selection = selection_from_options(dataset, version, since, until, lookback)
    wanted = filter_from_options(kinds, owner, sort, top, errors=errors, shadow=shadow)
    if output_format is Format.JSON:
        print_json(ask_about(settings, selection, lambda app, of: app.analysis.analyze(of, wanted)))
        return
    found, overview = ask_with_overview(
        settings, selection, lambda app, of: app.analysis.analyze(of, wanted)
    )
    document, names = shown(found), names_by_id(shown(overview))
    print_report(analysis_parts(document, names, full=full or top is not None))
