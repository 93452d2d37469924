"""`agentguard scan`: from trace files to a graph."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn

import typer

from agentguard.cli.command import ExitCode
from agentguard.cli.failing import BackgroundOption, print_submitted
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
    from agentguard.ingest.payloads import Payload, Refusal
    from agentguard.jobs.model import Job
    from agentguard.scan.documents import NoUsableSpansError
    from agentguard.settings import Settings
    from agentguard.traces.window import TimeWindow

EXAMPLES = examples(
    "agentguard scan traces.jsonl",
    "agentguard scan exports/ more.pb.gz --dataset monday",
    "agentguard scan exports/ --since 2026-11-25T08:00:00Z --until 2026-11-25T09:00:00Z",
    "kubectl exec otel-0 -- cat /data/traces.jsonl | agentguard scan - --no-store --format json",
)

_REFUSALS_SHOWN = 20
_MANY_WITHOUT_ROLE = 0.2
"""Share of spans without a role from which on the scan says what to do."""


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
        typer.Option(help="Dataset to store it under. Default: a new one.", show_default=False),
    ] = None,
    store: Annotated[
        bool,
        typer.Option("--store/--no-store", help="Store the graph and its runs, or only print."),
    ] = True,
    join_traces: Annotated[
        bool | None,
        typer.Option(
            "--join-traces/--no-join-traces",
            help="Join traces that lost their context between two services, or only report them."
            " Default: AGENTGUARD_JOIN_TRACES.",
            show_default=False,
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lookback: LookbackOption = None,
    background: BackgroundOption = False,
    full: FullOption = False,
    catalog: CatalogOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Read trace files and show the graph of exactly what was read.

    OTLP (JSON, JSON lines, protobuf), Jaeger, Zipkin (v1, v2), Tempo, and exports of Langfuse,
    Phoenix and MLflow, plain, gzip or zstd, recognized by their contents. With a window, whole
    traces are included if they start in it. Unusable input, also files of a folder without traces,
    is reported on standard error and in the JSON. Exits with 1 if there is no usable input.
    """
    from agentguard.cli.choices import settings_with, window_from_options
    from agentguard.scan.documents import NoUsableSpansError

    settings = settings_with(data_dir, catalog, join_traces=join_traces)
    window = window_from_options(since, until, lookback)
    if background:
        print_submitted(_submitted(paths, dataset, window, settings, store=store), output_format)
        return
    try:
        document = _scanned(paths, dataset, window, settings, store=store)
    except NoUsableSpansError as error:
        _fail_with_nothing(error, output_format)
    _print(document, output_format, full=full)
    _suggest_rules(document["coverage"], paths)
    _print_stored(document["dataset"], settings)


def _scanned(
    paths: Sequence[Path],
    dataset: str | None,
    window: TimeWindow | None,
    settings: Settings,
    *,
    store: bool,
) -> dict[str, Any]:
    """Return the document of what these paths hold; raise NoUsableSpansError."""
    from agentguard.bootstrap.opening import unstored_scans
    from agentguard.cli.progress import bytes_read
    from agentguard.cli.standard_input import standard_input

    stream, stopper = standard_input() if Path("-") in paths else (None, None)
    with bytes_read(paths) as progress, answers_only():
        payloads = _payloads(paths, stream, progress)
        if store:
            return _stored(payloads, dataset, window, settings, stopper)
        return unstored_scans(settings).scan(payloads, window=window)


def _suggest_rules(coverage: Mapping[str, Any], paths: Sequence[Path]) -> None:
    """Say what to do if many spans have no role."""
    left = coverage["unattributed"]
    without = sum(left.values())
    if without < _MANY_WITHOUT_ROLE * coverage["spans"]:
        return
    scope = min(left, key=lambda name: (-left[name], name))
    where = shlex.join(map(str, paths)) if Path("-") not in paths else "PATH"
    say(
        f"{without:,} of {coverage['spans']:,} spans have no role, most of them from {scope}. If"
        f" components are missing, `agentguard dialects suggest {where}` drafts rules for them."
    )


def _print_stored(dataset: str | None, settings: Settings) -> None:
    if dataset is None:
        return
    say(
        f"Stored as dataset {dataset} in {settings.data_dir}. Next: agentguard analyze --dataset"
        f" {dataset}"
    )


def _payloads(
    paths: Sequence[Path], stream: BinaryIO | None, progress: Callable[[int], None] | None
) -> Iterator[Payload | Refusal]:
    from agentguard.ingest.sources import read_paths, read_stream

    for path in paths:
        if stream and path == Path("-"):
            yield from read_stream(stream, "standard input", progress=progress)
        else:
            yield from read_paths([path], progress=progress)


def _stored(
    payloads: Iterator[Payload | Refusal],
    dataset: str | None,
    window: TimeWindow | None,
    settings: Settings,
    stopper: StandardInput | None,
) -> dict[str, Any]:
    import asyncio

    from agentguard.bootstrap.opening import open_app
    from agentguard.cli.principal import os_user

    async def scanned() -> dict[str, Any]:
        async with open_app(settings) as app:
            try:
                found = await app.scans.scan(os_user(), payloads, dataset=dataset, window=window)
                await app.retention.expire(app.scans.clock())
                return found
            except asyncio.CancelledError:
                if stopper:
                    stopper.stop()
                raise

    return asyncio.run(scanned())


def _submitted(
    paths: Sequence[Path],
    dataset: str | None,
    window: TimeWindow | None,
    settings: Settings,
    *,
    store: bool,
) -> Job:
    """Submit a job that scans the file; raise typer.BadParameter for anything but one file."""
    import asyncio

    from agentguard.bootstrap.opening import open_app
    from agentguard.cli.principal import os_user

    if len(paths) != 1 or not paths[0].is_file() or not store:
        raise typer.BadParameter(
            "--background takes exactly one file, and stores its graph.", param_hint="PATH"
        )

    async def submitted() -> Job:
        async with open_app(settings) as app:
            return await app.uploaded.submit_file(
                os_user(), paths[0], dataset=dataset, window=window
            )

    with answers_only():
        return asyncio.run(submitted())


def _print_refusals(document: Mapping[str, Any]) -> None:
    shown, total = document["refusals"][:_REFUSALS_SHOWN], document["refusals_total"]
    for refusal in shown:
        say(f"{refusal['origin']}: {refusal['message']}")
    if total > len(shown):
        say(f"… and {total - len(shown):,} more that could not be used.")


def _print(document: dict[str, Any], output_format: Format, *, full: bool) -> None:
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.graph import graph_parts

    _print_refusals(document)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(graph_parts(shown(document), full=full))


def _fail_with_nothing(error: NoUsableSpansError, output_format: Format) -> NoReturn:
    """Exit as after any other error, but print each refusal on its own line."""
    from agentguard.cli.output import print_json
    from agentguard.kernel.problems import problem

    _print_refusals(error.document)
    if output_format is Format.JSON:
        print_json(problem(error))
    outside = error.document["coverage"]["outside_window"]
    found = (
        f"All {outside:,} spans read belong to traces outside the window."
        if outside
        else "Nothing usable was found."
    )
    say(f"{found} `agentguard scan --help` lists the supported formats and the window syntax.")
    raise typer.Exit(ExitCode.FAILED)
