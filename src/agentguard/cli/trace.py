"""`agentguard trace`: one stored trace as a tree."""

from __future__ import annotations

from typing import Annotated

import typer

from agentguard.cli.options import (
    DataDirOption,
    DatasetOption,
    Format,
    FormatOption,
    FullOption,
    VersionOption,
    examples,
)

EXAMPLES = examples(
    "agentguard trace 0af7651916cd43dd8448eb211c80319c",
    "agentguard trace 0af7651916cd43dd8448eb211c80319c --full",
    "agentguard trace 0af7651916cd43dd8448eb211c80319c --format json | jq .first_cause",
)


def trace(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", show_default=False)],
    *,
    dataset: DatasetOption = None,
    version: VersionOption = None,
    full: FullOption = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show a stored trace: what failed where, then its spans with their roles and owners.

    The spans that a server received; else the trace's calls in the recorded runs of a graph.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.trace import trace_parts
    from agentguard.scan.trace_view import MOST_SPANS, USUAL_SPANS

    limit = MOST_SPANS if full else USUAL_SPANS
    document = ask(
        settings_with(data_dir, None),
        lambda app: app.stored_traces.trace(
            trace_id, dataset=dataset, version=version, limit=limit
        ),
    )
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(trace_parts(shown(document), full=full))
