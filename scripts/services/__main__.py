"""`python -m scripts.services start [NAME…] | stop | run COMMAND…`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from scripts.services import fleet
from scripts.services.fleet import KINDS, Fleet
from scripts.services.naming import FLEET, TEST_PREFIX, for_tests, plain


def main(arguments: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    match arguments:
        case ["start", *names] if set(names) <= KINDS.keys():
            return start(tuple(names) or tuple(KINDS))
        case ["stop"]:
            return stop()
        case ["run", *command] if command:
            return run(command)
    print(__doc__, file=sys.stderr)
    return 2


def start(names: Sequence[str]) -> int:
    """Start servers and leave them running, unless some do already, and print the settings that
    point at them.
    """
    with fleet.one_at_a_time():
        running = fleet.staying()
        dead = (
            [process.name for process in running.processes if not process.alive] if running else []
        )
        if dead:
            print(
                f"{', '.join(dead)} ended. `make services-stop` stops the others and deletes all"
                " data; then start them again.",
                file=sys.stderr,
            )
            return 1
        if running:
            print("The services are already running.", file=sys.stderr)
        else:
            running = fleet.start(names, stays=True)
    tell(running)
    for settings in running.settings.values():
        for name, value in settings.items():
            print(f"{name}={value}")
    return 0 if not running.missing else 1


def stop() -> int:
    running = fleet.staying()
    if running is None:
        print("No services are running.", file=sys.stderr)
    else:
        fleet.stop(running)
    return 0


def run(command: Sequence[str]) -> int:
    """Run a command with servers of its own beside it, except those that the environment names.

    In CI all of them must be there.

    Never with those that stay: tests delete what they find, and somebody may be using them.
    """
    fleet.staying()  # stops what others left behind
    running = fleet.start(
        [
            name
            for name, kind in KINDS.items()
            if TEST_PREFIX + plain(kind.named_by) not in os.environ
        ]
    )
    try:
        tell(running)
        if running.missing and os.environ.get("CI"):
            print("CI must test against all of them.", file=sys.stderr)
            return 1
        return _run(
            command,
            {**os.environ, **for_tests(running.settings, os.environ), FLEET: str(running.record)},
        )
    finally:
        fleet.stop(running)


def tell(running: Fleet) -> None:
    for name, seconds in running.seconds.items():
        print(f"{name} answered {seconds} s after its start.", file=sys.stderr)
    for name, reason in running.missing.items():
        print(f"{name} is missing, its tests are left out: {reason}", file=sys.stderr)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end; it receives Ctrl-C too and handles it itself."""
    with subprocess.Popen(command, env=environment) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            return child.wait()
        except SystemExit:
            child.terminate()
            raise


def _leave(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
