"""`agentguard analyze`: single points of failure, cycles, risk."""

from __future__ import annotations

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
    "agentguard analyze", "agentguard analyze --dataset live --format json | jq .risk_scores"
)


def analyze(
    dataset: DatasetOption = None,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show single points of failure, cycles and risk.

    Of the newest graph in the data directory; risk comes with each of its factors.
    """
    from agentguard.analysis.analyze import analyze as findings
    from agentguard.analysis.documents import analysis_document
    from agentguard.cli.opening import opened
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.analysis import analysis_parts

    found = opened(data_dir, catalog, dataset)
    document = found.origin() | analysis_document(
        findings(found.graph, found.runs, matches=found.matches), links=found.view.links
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(analysis_parts(shown(document), shown(found.names()), full=full))
