"""`agentguard dialects`: the rules that give spans their roles, and rules of your own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli.command import EXIT_CODES, Command, ExitCode
from agentguard.cli.messages import answers_only, say
from agentguard.cli.options import DataDirOption, Format, FormatOption, FullOption, examples

if TYPE_CHECKING:
    from agentguard.ingest.payloads import Payload, Refusal
    from agentguard.settings import Settings

app = typer.Typer(
    help="Show the rules that give spans their roles, and write rules for your own spans.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
)

_LIST_EXAMPLES = examples(
    "agentguard dialects list",
    "AGENTGUARD_DIALECTS=mine.yaml agentguard dialects list --format json",
)
_EXPLAIN_EXAMPLES = examples(
    "agentguard dialects explain 0af7651916cd43dd8448eb211c80319c",
    "agentguard dialects explain 0af7651916cd43dd8448eb211c80319c --path traces.jsonl",
)
_SUGGEST_EXAMPLES = examples(
    "agentguard dialects suggest traces.jsonl > mine.yaml",
    "agentguard dialects suggest exports/ --format json",
)
_CHECK_EXAMPLES = examples(
    "agentguard dialects check mine.yaml",
    "agentguard dialects check mine.yaml theirs.yaml --format json",
)


@app.command("list", cls=Command, epilog=_LIST_EXAMPLES)
def list_(output_format: FormatOption = Format.TABLE) -> None:
    """List all dialects in order of application, those of AGENTGUARD_DIALECTS first.

    The first rule that holds gives a span its role.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.tables.dialects import list_parts
    from agentguard.discovery.dialects.listing import dialects_document

    document = dialects_document(settings_with(None, None).dialects)
    _print(document, output_format, list_parts)


@app.command("explain", cls=Command, epilog=_EXPLAIN_EXAMPLES)
def explain(
    trace_id: Annotated[str, typer.Argument(metavar="TRACE_ID", show_default=False)],
    *,
    path: Annotated[
        list[Path] | None,
        typer.Option(
            help="File or folder with the trace, instead of the stored spans; repeatable.",
            show_default=False,
        ),
    ] = None,
    full: FullOption = False,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show for each span of a trace which rule gave it its role and its owner, and what was left.

    The trace is read from the spans that a server received, or from --path.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.tables.dialects import explain_parts

    settings = settings_with(data_dir, None)
    with answers_only():
        document = (
            _explained_file(trace_id, path, settings) if path else _explained(trace_id, settings)
        )
    _print(document, output_format, lambda shown: explain_parts(shown, full=full))


@app.command("suggest", cls=Command, epilog=_SUGGEST_EXAMPLES)
def suggest(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH…", help="Files or folders with traces.", show_default=False),
    ],
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Draft rules for the spans that no rule claims, as YAML; complete every field that is `?`.

    Spans are grouped by instrumentation scope and form. The draft's comments show attributes with
    example values; attributes that hold content are named only. With --format json, the groups too.
    """
    from agentguard.bootstrap.opening import dialects_of_settings
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json, print_text
    from agentguard.scan.suggesting import suggest as suggested

    with answers_only():
        document = suggested(
            _payloads(paths), dialects_of_settings(settings_with(None, None)), _named(paths)
        )
    if output_format is Format.JSON:
        print_json(document)
    elif document["groups"]:
        print_text(document["draft"])
    if not document["groups"]:
        say(
            f"Each of the {document['spans']:,} spans has a role by a rule. There is nothing to do."
        )


@app.command("check", cls=Command, epilog=_CHECK_EXAMPLES)
def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="Dialect files.", show_default=False),
    ],
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Check dialect files, and name each fault with file and line.

    Exits with 1 if there is a fault.
    """
    from agentguard.cli.tables.dialects import check_parts
    from agentguard.discovery.dialects.listing import check_document

    document = check_document(files)
    _print(document, output_format, check_parts)
    if document["faults"]:
        raise typer.Exit(ExitCode.FAILED)


def _explained(trace_id: str, settings: Settings) -> dict[str, Any]:
    from agentguard.cli.opening import ask

    return ask(settings, lambda app: app.traces.explain(trace_id, app.scans.clock()))


def _explained_file(trace_id: str, paths: Sequence[Path], settings: Settings) -> dict[str, Any]:
    from agentguard.bootstrap.opening import dialects_of_settings
    from agentguard.scan.explaining import explain_payloads

    return explain_payloads(
        dialects_of_settings(settings), _payloads(paths), trace_id, _named(paths)
    )


def _payloads(paths: Sequence[Path]) -> Iterator[Payload | Refusal]:
    from agentguard.ingest.payloads import Refusal
    from agentguard.ingest.sources import read_paths

    for item in read_paths(paths):
        if isinstance(item, Refusal):
            say(f"{item.origin}: {item.message}")
        yield item


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def _print(
    document: dict[str, Any], output_format: Format, parts: Callable[[Any], list[Any]]
) -> None:
    from agentguard.cli.output import print_json, print_report, shown

    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(parts(shown(document)))
