"""The command line of the demo systems."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from demo.counting import Counts, total
from demo.processes import DemoError, keep_to_this_machine
from demo.runner import SYSTEMS, Order, perform
from demo.summary import summary, truth_text

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NOTE = """The model behind the agents is scripted, and all traffic stays on loopback. If the
receiver requires a key, set OTEL_EXPORTER_OTLP_HEADERS, for example to "Authorization=Bearer KEY".
Prints what the systems counted about themselves as one line of JSON. Exit codes: 0 success, 1 a
process did not start or ended early, or the receiver rejected spans, 2 wrong use."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo systems; return the exit code."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _end)
    keep_to_this_machine()
    systems = tuple(SYSTEMS.values()) if arguments.system == "all" else (SYSTEMS[arguments.system],)
    try:
        counted = perform(
            Order(systems, arguments.otlp, arguments.seed, arguments.runs, arguments.patience),
            _tell,
        )
    except DemoError as error:
        _tell(f"The demo failed: {error}")
        return 1
    except KeyboardInterrupt:
        _tell("Interrupted. All demo processes are stopped.")
        return 130
    return _report(counted, arguments.seed, arguments.truth)


def _report(counted: Mapping[str, Counts], seed: int, truth_path: Path | None) -> int:
    print(json.dumps({"seed": seed, **summary(counted)}), flush=True)
    if truth_path:
        truth_path.write_text(truth_text(counted, seed), encoding="utf-8")
    refused = total(counted.values()).spans_refused
    if refused:
        _tell(
            f"The receiver rejected {refused} spans; its responses are above. Check that it is"
            " running and whether it requires a key."
        )
    return 1 if refused else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo/run.py", description="Run the demo systems.", epilog=_NOTE
    )
    parser.add_argument(
        "--otlp",
        required=True,
        type=_loopback_url,
        help="base URL of the OTLP/HTTP receiver, for example http://127.0.0.1:4318",
    )
    parser.add_argument("--system", choices=[*SYSTEMS, "all"], default="all")
    parser.add_argument(
        "--seed", type=int, default=7, help="seed of the requests and the injected errors"
    )
    parser.add_argument(
        "--runs",
        type=_positive,
        help="main runs of each system (default: 40 checkouts, 20 articles)",
    )
    parser.add_argument(
        "--patience", type=float, default=60.0, help="seconds that the processes may take to start"
    )
    parser.add_argument("--truth", type=Path, help="also write the full counts to this YAML file")
    return parser


def _loopback_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a loopback URL; give http://127.0.0.1:PORT"
        )
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is below 1; give at least one run")
    return number


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as after Ctrl-C, which asyncio turns into a cancellation of the main task."""
    signal.raise_signal(signal.SIGINT)
