"""`agentguard graph`: components and dependencies."""

from __future__ import annotations

from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    DatasetOption,
    FullOption,
    GraphFormat,
    GraphFormatOption,
    examples,
)

EXAMPLES = examples(
    "agentguard graph",
    "agentguard graph --dataset live --format json | jq '.edges[] | select(.errors > 0)'",
    "agentguard graph --format dot | dot -Tsvg > graph.svg",
)


def graph(
    dataset: DatasetOption = None,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: GraphFormatOption = GraphFormat.TABLE,
) -> None:
    """Show what runs and what depends on what.

    Of the newest graph in the data directory, whether a server runs on it or not.
    """
    from agentguard.analysis.analyze import analyze
    from agentguard.analysis.documents import analysis_document
    from agentguard.cli.opening import opened
    from agentguard.cli.output import print_json, print_report, print_text, shown
    from agentguard.cli.tables.graph import graph_parts
    from agentguard.graph.documents import graph_document
    from agentguard.graph.export.formats import ExportFormat, export

    found = opened(data_dir, catalog, dataset)
    if output_format not in (GraphFormat.TABLE, GraphFormat.JSON):
        print_text(export(found.graph, ExportFormat(output_format.value)))
        return
    if output_format is GraphFormat.TABLE:
        document = found.origin() | graph_document(found.graph, found.view, analysis={})
        print_report(graph_parts(shown(document), full=full))
        return
    analysis = analysis_document(
        analyze(found.graph, found.runs, matches=found.matches), links=found.view.links
    )
    print_json(found.origin() | graph_document(found.graph, found.view, analysis=analysis))
