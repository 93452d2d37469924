"""`python -m lab`: put outages into real systems and score what the simulation says of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo.processes import keep_to_this_machine
from demo.runner import SYSTEMS
from demo.system import System
from lab.experiment import METHODS, Case, Plan, experiment
from lab.report import details, table
from lab.topologies import topology

_TOPOLOGIES = (1, 2, 3)
_SEED, _OTHER_SEED = 7, 11


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lab and print its table."""
    wanted = _parser().parse_args(arguments)
    keep_to_this_machine()
    windows = [(name, list(_cases(plans))) for name, plans in _windows(wanted)]
    print(table(windows))
    for name, cases in windows:
        print(f"{name}: outside the stated range")
        print("\n".join(f"- {line}" for line in details(cases, METHODS[1])) or "- nothing")
    return 0


def _windows(wanted: argparse.Namespace) -> Iterator[tuple[str, list[Plan]]]:
    systems = [s for s in _systems() if wanted.systems is None or s.name in wanted.systems]
    for name, judged_by, quiet in (
        ("noisy", _SEED, False),
        ("noisy, other runs", _OTHER_SEED, False),
        ("quiet", _SEED, True),
    ):
        if wanted.windows is None or name in wanted.windows:
            yield name, [Plan(s, _SEED, judged_by, quiet, wanted.most) for s in systems]


def _systems() -> list[System]:
    return [*SYSTEMS.values(), *(topology(seed) for seed in _TOPOLOGIES)]


def _cases(plans: Sequence[Plan]) -> Iterator[Case]:
    for plan in plans:
        with tempfile.TemporaryDirectory(prefix="agentguard-lab-") as folder:
            yield from experiment(plan, Path(folder), _tell)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("--systems", nargs="+", help="names of the systems (default: all)")
    parser.add_argument("--windows", nargs="+", help="names of the windows (default: all)")
    parser.add_argument("--most", type=int, help="outages of each kind in each system")
    return parser


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
