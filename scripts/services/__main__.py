"""`python -m scripts.services start [NAME…] | stop | run COMMAND…`."""

from __future__ import annotations

import os
import subprocess
import sys

from scripts.services import fleet
from scripts.services.fleet import Fleet

TEST_PREFIX = "AGENTGUARD_TEST_"
"""Before a setting's plain name: where the tests find the server."""


def main(arguments: list[str]) -> int:
    match arguments:
        case ["start", *names] if set(names) <= fleet.KINDS.keys():
            return start(tuple(names) or tuple(fleet.KINDS))
        case ["stop"]:
            return stop()
        case ["run", *command] if command:
            return run(command)
    print(__doc__, file=sys.stderr)
    return 2


def start(names: tuple[str, ...]) -> int:
    """Start what is not running yet, leave it running, and print the settings that point at it."""
    running = fleet.remembered()
    if running is None:
        running = fleet.start(names)
        fleet.remember(running)
    tell(running)
    for name, value in running.settings.items():
        print(f"{name}={value}")
    return 0 if not running.missing else 1


def stop() -> int:
    running = fleet.remembered()
    if running is None:
        print("No services are running.", file=sys.stderr)
    else:
        fleet.stop(running)
    fleet.forget()
    return 0


def run(command: list[str]) -> int:
    """Run a command with the servers beside it; in CI all of them must be there."""
    running = fleet.remembered()
    there = running or fleet.start()
    fleet.remember(there)
    try:
        tell(there)
        if there.missing and os.environ.get("CI"):
            print("CI must test against every one of them.", file=sys.stderr)
            return 1
        return subprocess.run(command, env={**os.environ, **for_tests(there)}, check=False).returncode
    finally:
        if running is None:
            fleet.stop(there)
            fleet.forget()


def for_tests(running: Fleet) -> dict[str, str]:
    """Return the settings under the names that tests read; a server that was named before stays."""
    named = {TEST_PREFIX + name.removeprefix("AGENTGUARD_"): value for name, value in running.settings.items()}
    return {name: value for name, value in named.items() if name not in os.environ}


def tell(running: Fleet) -> None:
    for name, seconds in running.seconds.items():
        print(f"{name} answers after {seconds} s.", file=sys.stderr)
    for name, reason in running.missing.items():
        print(f"{name} is missing, its tests are left out: {reason}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
