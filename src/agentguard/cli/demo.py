"""`agentguard demo`: two real multi-agent systems, and what AgentGuard finds in them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli.messages import say
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples
from agentguard.kernel.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from agentguard.cli.demo_server import DemoServer

EXAMPLES = examples("agentguard demo", "agentguard demo --keep --seed 11", "agentguard demo --load")

SCRIPTED = (
    "The model behind these agents is scripted; services, HTTP between them, SDKs and spans are"
    " real."
)
_SYSTEMS = (("ecommerce", "an e-commerce shop"), ("content", "a content pipeline"))
_SETTLE_SECONDS = 60.0


class NoDemoSystemsError(InvalidInputError):
    """The demo systems are not here."""

    code = "no-demo-systems"


class DemoSystemError(UnavailableError):
    """A demo system did not run."""

    code = "demo-system"


def demo(
    load: Annotated[
        bool,
        typer.Option("--load", help="Show the recording that comes with AgentGuard; run nothing."),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the demo systems' errors.", min=0)] = 7,
    systems: Annotated[
        Path,
        typer.Option(
            help="Folder of the demo systems, from a checkout.",
            show_default="./demo",
            file_okay=False,
        ),
    ] = Path("demo"),
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Run two real multi-agent systems and show what AgentGuard finds.

    Starts a server on this machine, runs a shop and a content pipeline whose agents call a scripted
    model, then shows agents, dependencies, single points of failure and risk, rehearses the
    riskiest component's failure and writes its playbook.
    """
    if load:
        _load(data_dir, output_format)
    else:
        _perform(systems, seed, data_dir, output_format, keep=keep)


def _load(data_dir: Path | None, output_format: Format) -> None:
    from agentguard.cli.demo_report import loaded, report
    from agentguard.cli.progress import steps

    with steps(1) as begin:
        begin("Loading the recording")
        found = loaded(data_dir)
    report(found.documents, output_format, intro=f"A recording of two demo systems. {SCRIPTED}")
    say(_going_on(found.data_dir, found.catalog, found.documents, url=None))


def _perform(
    systems: Path, seed: int, data_dir: Path | None, output_format: Format, *, keep: bool
) -> None:
    from agentguard.cli.choices import settings_with
    from agentguard.cli.demo_report import report
    from agentguard.cli.demo_server import free_port, start

    settings = settings_with(data_dir, None)
    signal.signal(signal.SIGTERM, _end)
    runner = _runner(systems)
    folder = data_dir or Path(tempfile.mkdtemp(prefix="agentguard-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port(settings.api_port)
    if port != settings.api_port:
        say(f"Port {settings.api_port} is taken, so the server listens on {port}.")
    catalog = _catalog(systems)
    server = start(
        folder,
        catalog,
        port=port,
        key=settings.api_key.get_secret_value() if settings.api_key else None,
    )
    kept = False
    try:
        documents = _documents(server, runner, seed)
        report(documents, output_format, intro=f"Two demo systems, just run. {SCRIPTED}")
        kept = keep
    finally:
        if not kept:
            server.stop()
    say(_going_on(folder, catalog, documents, url=server.url if keep else None))
    if keep:
        say(f"The server goes on: {server.url}/docs. End it with: kill {server.process.pid}")


def _documents(server: DemoServer, runner: Path, seed: int) -> dict[str, Any]:
    """Run both systems against the server; return what it says of them."""
    from agentguard.cli.demo_report import asked
    from agentguard.cli.progress import steps

    with steps(len(_SYSTEMS) + 3) as begin:
        begin(f"Starting the server on {server.url}")
        server.wait_until_ready()
        expected = _spans_held(server)
        for system, about in _SYSTEMS:
            begin(f"Running {about}")
            expected += _spans_sent(server, runner, system, seed)
        begin("Waiting for the graph to hold every span")
        _settle(server, expected)
        begin("Asking what breaks, and what to do then")
        return asked(server)


def _end(number: int, _frame: FrameType | None) -> None:
    """End as told, after everything started here is stopped."""
    raise SystemExit(128 + number)


def _runner(systems: Path) -> Path:
    runner = systems / "run.py"
    if not runner.is_file():
        raise NoDemoSystemsError(
            f"There are no demo systems in {systems}. They come with a checkout (give its folder"
            " with --systems); `agentguard demo --load` shows a recording of them."
        )
    return runner


def _catalog(systems: Path) -> Path | None:
    path = systems / "catalog.yaml"
    return path if path.is_file() else None


def _spans_sent(server: DemoServer, runner: Path, system: str, seed: int) -> int:
    command = [
        sys.executable,
        str(runner),
        "--otlp",
        server.url,
        "--system",
        system,
        "--seed",
        str(seed),
    ]
    key = {"OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer {server.key}"} if server.key else {}
    code, output, messages = _finished(command, os.environ | key)
    if code:
        raise DemoSystemError(
            f"The demo system {system} failed (exit code {code}):\n{_last_lines(messages)}"
        )
    return int(json.loads(output.splitlines()[-1])["spans_sent"])


def _finished(command: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """Run to the end.

    Where we are ended before, the program gets the time to stop its own processes.
    """
    pipe = subprocess.PIPE
    # the checkout's own
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:  # noqa: S603
        try:
            output, messages = process.communicate()
        except BaseException:
            process.terminate()
            process.communicate()
            raise
    return process.returncode, output, messages


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-15:])


def _settle(server: DemoServer, expected: int) -> None:
    """Wait until the live graph holds as many spans as were sent.

    Say so where it does not in time.
    """
    give_up = time.monotonic() + _SETTLE_SECONDS
    held = _spans_held(server)
    while held < expected:
        if time.monotonic() >= give_up:
            say(
                f"The graph holds {held:,} of {expected:,} spans after {_SETTLE_SECONDS:.0f} s;"
                " what follows is about those."
            )
            return
        time.sleep(0.3)
        held = _spans_held(server)


def _spans_held(server: DemoServer) -> int:
    from agentguard.cli.demo_server import DemoServerError

    try:
        return int(server.get("/api/graph?dataset=live")["coverage"]["spans"])
    except DemoServerError:
        return 0  # no graph yet


def _activation() -> list[str]:
    """Return the line that brings this very command onto PATH, where it is not there."""
    activate = Path(sys.prefix) / "bin" / "activate"
    here = shutil.which("agentguard")
    there = (
        here is not None and Path(here).resolve() == Path(sys.prefix, "bin", "agentguard").resolve()
    )
    return (
        [] if there or not activate.is_file() else [f"  . {shlex.quote(os.path.relpath(activate))}"]
    )


def _going_on(
    data_dir: Path, catalog: Path | None, documents: dict[str, Any], *, url: str | None
) -> str:
    from agentguard.cli.tables.graph import names_by_id

    variables: dict[str, Any] = {"AGENTGUARD_DATA_DIR": data_dir.resolve()} | (
        {"AGENTGUARD_CATALOG": catalog.resolve()} if catalog else {}
    )
    component = shlex.quote(names_by_id(documents["graph"])[documents["riskiest"]])
    docs = f"{url}/docs" if url else "http://127.0.0.1:8000/docs once `agentguard serve` runs"
    lines = [
        "To go on:",
        *_activation(),
        "  export "
        + " ".join(f"{name}={shlex.quote(str(value))}" for name, value in variables.items()),
        "  agentguard graph",
        "  agentguard analyze",
        f"  agentguard simulate {component}",
        f"  agentguard playbook {component}",
        f"  API: {docs}",
    ]
    return "\n".join(lines)
