"""`python -m lab`: put faults into real systems and score what the simulation says of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from demo.processes import keep_to_this_machine
from lab.experiment import METHODS, Case, predicted, record
from lab.injections import Mode
from lab.parts import CONDITIONS, NOISY, OTHER_RUNS, QUIETER, Conditions, Part, chosen, systems
from lab.report import details, table, table_by_kind, table_by_mode, table_by_system

_WINDOWS = (
    ("noisy", NOISY, NOISY),
    ("noisy, other runs", NOISY, OTHER_RUNS),
    ("quiet", QUIETER, QUIETER),
)
"""Name, conditions that predictions are made under, and conditions that judge them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Observe, score or both."""
    wanted = _parser().parse_args(arguments)
    if wanted.do == "observe":
        _observe(wanted, wanted.into)
    elif wanted.do == "score":
        _score(wanted, wanted.folder)
    else:
        with tempfile.TemporaryDirectory(prefix="agentguard-lab-") as folder:
            _observe(wanted, Path(folder))
            _score(wanted, Path(folder))
    return 0


def _observe(wanted: argparse.Namespace, folder: Path) -> None:
    """Put the faults into the systems, condition by condition."""
    keep_to_this_machine()
    for conditions in CONDITIONS:
        if wanted.conditions is None or conditions.name in wanted.conditions:
            for system in systems():
                if wanted.systems is None or system.name in wanted.systems:
                    injections = chosen(system, wanted.modes, wanted.most)
                    record(system, conditions, injections, folder, _tell)


def _score(wanted: argparse.Namespace, folder: Path) -> None:
    """Print the table of what the folder holds, and what lay outside the stated ranges."""
    windows = [(name, list(_cases(wanted, folder, *by))) for name, *by in _WINDOWS]
    scored = [(name, cases) for name, cases in windows if cases]
    for each in (table, table_by_mode, table_by_system, table_by_kind):
        print(each(scored))
    for name, cases in scored:
        for method in METHODS[:-1]:
            print(f"{name}: outside the range that {method} stated")
            print("\n".join(f"- {line}" for line in details(cases, method)) or "- nothing")


def _cases(
    wanted: argparse.Namespace, folder: Path, seen: Conditions, judged_by: Conditions
) -> Iterator[Case]:
    for system in (s.name for s in systems()):
        window, judge = (Part.within(folder, system, c) for c in (seen, judged_by))
        if wanted.systems is not None and system not in wanted.systems:
            continue
        if window.baseline() is not None and judge.baseline() is not None:
            cases = predicted(system, window, judge)
            _tell(f"{system}, predicted from {seen.name}, {judged_by.name}: {len(cases)} faults")
            yield from cases


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("--systems", nargs="+", help="names of the systems (default: all)")
    how = argparse.ArgumentParser(add_help=False)
    how.add_argument(
        "--conditions", nargs="+", help=f"of {', '.join(c.name for c in CONDITIONS)} (default: all)"
    )
    how.add_argument(
        "--modes",
        nargs="+",
        type=Mode,
        default=list(Mode),
        help=f"of {', '.join(Mode)} (default: all)",
    )
    how.add_argument("--most", type=int, help="faults of each mode and kind in each system")
    commands = parser.add_subparsers(dest="do", required=True)
    commands.add_parser("run", parents=[which, how], help="observe and score")
    observing = commands.add_parser(
        "observe", parents=[which, how], help="put faults into the systems, store what happens"
    )
    observing.add_argument("--into", type=Path, required=True, help="folder; resumes what it holds")
    scoring = commands.add_parser("score", parents=[which], help="predict what a folder holds")
    scoring.add_argument("folder", type=Path)
    return parser


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
