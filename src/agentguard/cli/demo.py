"""`agentguard demo`: run two multi-agent systems and report what AgentGuard finds."""

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
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli.messages import say
from agentguard.cli.options import DataDirOption, Format, FormatOption, FullOption, examples
from agentguard.kernel.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from agentguard.cli.demo_server import DemoServer
    from agentguard.settings import Settings

EXAMPLES = examples(
    "agentguard demo", "agentguard demo --keep --seed 11", "agentguard demo --load --full"
)

SCRIPTED = (
    "The model behind these agents is scripted; services, HTTP between them, SDKs and spans are"
    " real."
)
_SYSTEMS = (("ecommerce", "an e-commerce shop"), ("content", "a content pipeline"))
_WAIT_SECONDS = 60.0


class NoDemoSystemsError(InvalidInputError):
    """The folder contains no demo systems."""

    code = "no-demo-systems"


class DemoSystemError(UnavailableError):
    """A demo system failed."""

    code = "demo-system"


def demo(
    load: Annotated[
        bool,
        typer.Option("--load", help="Analyze the packaged recording instead of running systems."),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running.")] = False,
    full: FullOption = False,
    seed: Annotated[int, typer.Option(help="Seed of the injected errors.", min=0)] = 7,
    systems: Annotated[
        Path,
        typer.Option(
            help="Folder of the demo systems in a checkout. Default: ./demo.",
            show_default=False,
            file_okay=False,
        ),
    ] = Path("demo"),
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Run two real multi-agent systems and show what AgentGuard finds.

    Starts a server on this machine, runs a shop and a content pipeline whose agents call a scripted
    model, then reports the main findings, simulates the failure of the worst single point of
    failure and writes its playbook. The last two lines export the audit entry of the stored result
    and verify it without server or database. --full prints every table.
    """
    if load:
        _load(data_dir, output_format, full=full)
    else:
        _perform(systems, seed, data_dir, output_format, keep=keep, full=full)


def _load(data_dir: Path | None, output_format: Format, *, full: bool) -> None:
    from agentguard.cli.demo_report import DATASET, loaded, report
    from agentguard.cli.progress import spinner

    with spinner("Analyzing the recording"):
        found = loaded(data_dir)
    follow_up = _FollowUp(found.data_dir, found.catalog, DATASET, _worst(found.documents))
    report(
        found.documents,
        output_format,
        intro=f"A recording of two demo systems. {SCRIPTED}",
        next_command=follow_up.next_command(),
        full=full,
    )
    say(follow_up.text(url=None))
    _prove(found.data_dir, "scan.stored", follow_up)


def _perform(
    systems: Path,
    seed: int,
    data_dir: Path | None,
    output_format: Format,
    *,
    keep: bool,
    full: bool,
) -> None:
    from agentguard.cli.choices import settings_with
    from agentguard.cli.demo_report import report

    settings = settings_with(data_dir, None)
    signal.signal(signal.SIGTERM, _end)
    runner = _runner(systems)
    folder = data_dir or Path(tempfile.mkdtemp(prefix="agentguard-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    catalog = _catalog(systems)
    server = _started(settings, folder, catalog)
    kept = False
    try:
        documents = _documents(server, runner, seed)
        follow_up = _FollowUp(folder, catalog, "live", _worst(documents))
        report(
            documents,
            output_format,
            intro=f"Two demo systems, run just now. {SCRIPTED}",
            next_command=follow_up.next_command(),
            full=full,
        )
        kept = keep
    finally:
        if not kept:
            server.stop()
    say(follow_up.text(url=server.url if keep else None))
    if keep:
        say(f"The server is still running: {server.url}/docs. Stop it: kill {server.process.pid}")
    _prove(folder, "playbook.stored", follow_up)


def _prove(data_dir: Path, action: str, follow_up: _FollowUp) -> None:
    """Export what was stored last as evidence, verify the file, and say how to do it again."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.demo_evidence import exported

    found = exported(settings_with(data_dir, None), action)
    bundle, key = (_short_path(path) for path in (found.bundle, found.key))
    say(f"Exported: audit entry {found.index} ({action}) with its proof, as {bundle}")
    verify = follow_up.command("audit", "verify", bundle, "--key", key)
    say(f"Verified without server or database ({found.anchor}). Repeat it: {verify}")


def _started(settings: Settings, folder: Path, catalog: Path | None) -> DemoServer:
    """Start the server on the API's port, or on another where that is in use."""
    from agentguard.cli.demo_server import free_port, start

    port = free_port(settings.api_port)
    if port != settings.api_port:
        say(f"Port {settings.api_port} is in use: the server listens on {port} instead.")
    key = settings.api_key.get_secret_value() if settings.api_key else None
    return start(folder, catalog, port=port, key=key)


def _documents(server: DemoServer, runner: Path, seed: int) -> dict[str, Any]:
    """Run both systems against the server; return its documents about them."""
    from agentguard.cli.demo_report import asked
    from agentguard.cli.progress import steps

    with steps(len(_SYSTEMS) + 3) as begin:
        begin(f"Starting the server on {server.url}")
        server.wait_until_ready()
        expected = _spans_held(server)
        for system, about in _SYSTEMS:
            begin(f"Running {about}")
            expected += _spans_sent(server, runner, system, seed)
        begin("Waiting until the graph holds every span")
        _wait_for_spans(server, expected)
        begin("Simulating the worst failure and writing its playbook")
        return asked(server)


def _end(number: int, _frame: FrameType | None) -> None:
    """Exit on a signal, after everything started here has been stopped."""
    raise SystemExit(128 + number)


def _runner(systems: Path) -> Path:
    runner = systems / "run.py"
    if not runner.is_file():
        raise NoDemoSystemsError(
            f"{str(systems)!r} contains no demo systems. Give their folder in a checkout with"
            " --systems, or run `agentguard demo --load` to analyze a recording of them."
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
    """Run the command to its end; if interrupted, let it stop its own processes first."""
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - the checkout's own command
        command, stdout=pipe, stderr=pipe, text=True, env=environment
    ) as process:
        try:
            output, messages = process.communicate()
        except BaseException:
            process.terminate()
            process.communicate()
            raise
    return process.returncode, output, messages


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-15:])


def _wait_for_spans(server: DemoServer, expected: int) -> None:
    """Wait until the live graph holds as many spans as were sent; report a timeout."""
    give_up = time.monotonic() + _WAIT_SECONDS
    held = _spans_held(server)
    while held < expected:
        if time.monotonic() >= give_up:
            say(
                f"The graph holds {held:,} of {expected:,} spans after {_WAIT_SECONDS:.0f} s;"
                " the report covers those."
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


def _worst(documents: dict[str, Any]) -> str:
    """Return the label of the component whose failure was simulated."""
    from agentguard.cli.tables.graph import names_by_id

    return names_by_id(documents["graph"])[documents["worst_component"]]


@dataclass(frozen=True, slots=True)
class _FollowUp:
    """Commands that continue from the demonstration's data."""

    data_dir: Path
    catalog: Path | None
    dataset: str
    component: str

    def command(self, *words: str) -> str:
        """Return a command that runs without any further setting."""
        program = "agentguard" if _on_path() else _short_path(_installed("agentguard"))
        return shlex.join([program, *words])

    def next_command(self) -> str:
        """Return the command that shows the playbook again."""
        catalog = ["--catalog", _short_path(self.catalog)] if self.catalog else []
        where = ["--dataset", self.dataset, "--data-dir", _short_path(self.data_dir)]
        return self.command("playbook", self.component, *where, *catalog)

    def text(self, *, url: str | None) -> str:
        """Return the commands for further analysis, one per line."""
        component = shlex.quote(self.component)
        commands = ("graph", "analyze", f"simulate {component}", f"playbook {component}")
        lines = [
            "To continue:",
            *_activation(),
            f"  export {self._settings()}",
            *(f"  agentguard {command} --dataset {self.dataset}" for command in commands),
            f"  API: {url or 'http://127.0.0.1:8000'}/docs{'' if url else _SERVE}",
        ]
        return "\n".join(lines)

    def _settings(self) -> str:
        variables = {"AGENTGUARD_DATA_DIR": self.data_dir, "AGENTGUARD_CATALOG": self.catalog}
        return " ".join(
            f"{name}={shlex.quote(str(path.resolve()))}" for name, path in variables.items() if path
        )


_SERVE = " while `agentguard serve` is running"


def _installed(program: str) -> Path:
    return Path(sys.prefix, "bin", program)


def _on_path() -> bool:
    """Return whether `agentguard` on PATH is this installation."""
    found = shutil.which("agentguard")
    return found is not None and Path(found).resolve() == _installed("agentguard").resolve()


def _activation() -> list[str]:
    """Return the line that puts this installation on PATH, if it is needed."""
    activate = _installed("activate")
    if _on_path() or not activate.is_file():
        return []
    return [f"  . {shlex.quote(_short_path(activate))}"]


def _short_path(path: Path) -> str:
    """Return the path, relative to the working directory where that is shorter."""
    absolute = str(path.resolve())
    return min(absolute, os.path.relpath(absolute), key=len)
