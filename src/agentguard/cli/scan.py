"""`agentguard scan`: from trace files to a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn

import typer

from agentguard.cli.command import ExitCode
from agentguard.cli.messages import answers_only, say
from agentguard.cli.options import (
    CatalogOption,
    DataDirOption,
    Format,
    FormatOption,
    FullOption,
    LookbackOption,
    SinceOption,
    UntilOption,
    examples,
)

if TYPE_CHECKING:
    from agentguard.cli.standard_input import StandardInput
    from agentguard.graph.store import GraphVersion
    from agentguard.ingest.payloads import Payload, Refusal
    from agentguard.scan.pipeline import Scan
    from agentguard.settings import Settings
    from agentguard.traces.window import TimeWindow

EXAMPLES = examples(
    "agentguard scan traces.jsonl",
    "agentguard scan exports/ more.pb.gz --dataset monday",
    "agentguard scan exports/ --since 2026-11-25T08:00:00Z --until 2026-11-25T09:00:00Z",
    "kubectl exec otel-0 -- cat /data/traces.jsonl | agentguard scan - --no-store --format json",
)

_REFUSALS_SHOWN = 20


def scan(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH…", help="Files, folders, or - for standard input.", show_default=False
        ),
    ],
    *,
    dataset: Annotated[
        str | None,
        typer.Option(help="Name to store it under; without it, a new one.", show_default=False),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Keep the graph and its runs, or only print.")
    ] = True,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Read trace files and show the graph of exactly what was read.

    OTLP (JSON, JSON lines, protobuf), Jaeger, Zipkin (v1, v2), Tempo and Langfuse exports, plain,
    gzip or zstd, told by their contents. With a window, a trace that starts in it counts whole, any
    other not at all. What cannot be used is named on standard error with its file and position; the
    rest is used. Exits with 1 where nothing is.
    """
    from agentguard.cli.choices import settings_with, window_asked
    from agentguard.cli.progress import bytes_read
    from agentguard.cli.standard_input import standard_input

    settings, window = settings_with(data_dir, catalog), window_asked(since, until, lookback)
    stream, stopper = standard_input() if Path("-") in paths else (None, None)
    with bytes_read(paths) as progress, answers_only():
        payloads = _pieces(paths, stream, progress)
        found, origin = (
            _stored(payloads, dataset, window, settings, stopper)
            if store
            else _only_read(payloads, window, settings)
        )
    _tell_refusals(found.refusals)
    _print(found, origin, settings, output_format, full=full)
    if store:
        _tell_stored(str(origin["dataset"]), settings)


def _tell_stored(dataset: str, settings: Settings) -> None:
    say(
        f"Stored as dataset {dataset} in {settings.data_dir}. Next: agentguard analyze --dataset"
        f" {dataset}"
    )


def _pieces(
    paths: Sequence[Path], stream: BinaryIO | None, progress: Callable[[int], None] | None
) -> Iterator[Payload | Refusal]:
    from agentguard.ingest.sources import read_paths, read_stream

    skipped: list[Path] = []
    for path in paths:
        if stream and path == Path("-"):
            yield from read_stream(stream, "standard input", progress=progress)
        else:
            yield from read_paths([path], progress=progress, skipped=skipped.append)
    _tell_skipped(skipped)


def _only_read(
    payloads: Iterator[Payload | Refusal], window: TimeWindow | None, settings: Settings
) -> tuple[Scan, dict[str, str | None]]:
    from agentguard.discovery.dialects.loading import load_dialects
    from agentguard.scan.pipeline import scan as scan_pieces

    return scan_pieces(payloads, load_dialects(settings.housekeeping), window=window), {
        "dataset": None,
        "graph_version": None,
    }


def _stored(
    payloads: Iterator[Payload | Refusal],
    dataset: str | None,
    window: TimeWindow | None,
    settings: Settings,
    stopper: StandardInput | None,
) -> tuple[Scan, dict[str, str | None]]:
    import asyncio

    from agentguard.bootstrap.opening import open_app
    from agentguard.cli.principal import os_user

    async def scanned() -> tuple[GraphVersion, Scan]:
        async with open_app(settings) as app:
            try:
                return await app.scans.scan(os_user(), payloads, dataset=dataset, window=window)
            except asyncio.CancelledError:
                if stopper:
                    stopper.stop()
                raise

    version, found = asyncio.run(scanned())
    return found, {"dataset": version.dataset, "graph_version": version.id}


def _tell_skipped(skipped: Sequence[Path]) -> None:
    for path in skipped[:_REFUSALS_SHOWN]:
        say(f"{path}: Skipped; it contains no traces in a supported format.")
    if len(skipped) > _REFUSALS_SHOWN:
        say(f"… and {len(skipped) - _REFUSALS_SHOWN:,} more files without traces.")


def _tell_refusals(refusals: Sequence[Refusal]) -> None:
    for refusal in refusals[:_REFUSALS_SHOWN]:
        say(f"{refusal.origin}: {refusal.message}")
    if len(refusals) > _REFUSALS_SHOWN:
        say(f"… and {len(refusals) - _REFUSALS_SHOWN:,} more that could not be used.")


def _print(
    found: Scan,
    origin: dict[str, str | None],
    settings: Settings,
    output_format: Format,
    *,
    full: bool,
) -> None:
    from agentguard.catalog.matching import match
    from agentguard.cli.choices import declared, view_of
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.graph import graph_parts
    from agentguard.graph.documents import scan_document

    view = view_of(match(found.graph, declared(settings)), settings)
    document = origin | scan_document(found.graph, view, refusals=found.refusals)
    if not found.graph.coverage.spans:
        _end_with_nothing(document, output_format)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(graph_parts(shown(document), full=full))


def _end_with_nothing(document: dict[str, Any], output_format: Format) -> NoReturn:
    """End as an error would, without saying again what was said of each refusal."""
    from agentguard.bootstrap.app import NothingUsableError
    from agentguard.cli.output import print_json
    from agentguard.kernel.problems import problem

    if output_format is Format.JSON:
        print_json(problem(NothingUsableError(document)))
    outside = document["coverage"]["outside_window"]
    found = (
        f"All {outside:,} spans that were read are of traces outside the window."
        if outside
        else "Nothing usable was found."
    )
    say(
        f"{found} `agentguard scan --help` lists the formats that are read, and how windows are"
        " written."
    )
    raise typer.Exit(ExitCode.FAILED)
