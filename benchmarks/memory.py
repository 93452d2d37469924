"""Check the peak memory of a scan whose traces are scattered over the whole input.

`python -m benchmarks.memory` takes some minutes and about 3 GB of disk for 2 million spans, the
number that the limit applies to.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import orjson

from benchmarks.generate import Layout, Order, write
from benchmarks.process import Cost, measure

BOUND_BYTES = 3 << 29
"""1.5 GiB."""


def scan(path: Path, data: Path, *, store: bool) -> Cost:
    """Scan a file in a separate process with a separate data directory."""
    command = [
        sys.executable,
        "-m",
        "agentguard.cli",
        "scan",
        str(path),
        "--format",
        "json",
        *([] if store else ["--no-store"]),
    ]
    return measure(command, {"AGENTGUARD_DATA_DIR": str(data)})


def report(layout: Layout, spans: int, cost: Cost) -> bool:
    """Print the cost of a scan; return whether it read every span within the limit."""
    read = orjson.loads(cost.output)["coverage"]["spans"]
    fine = read == spans and cost.peak_bytes < BOUND_BYTES
    memory = f"peak {cost.peak_bytes / 2**20:7,.0f} MiB of {BOUND_BYTES / 2**20:,.0f}"
    time = (
        f"{cost.cpu_seconds:6.1f} CPU s  {cost.wall_seconds:6.1f} s "
        f" {spans / cost.cpu_seconds / 1000:5.1f} k spans per CPU second"
    )
    print(
        f"{layout:<10} {read:>9,} spans  {memory}  {time} "
        f" {'ok' if fine else 'FAILED: over the limit, or spans missing'}",
        flush=True,
    )
    return fine


def main() -> int:
    """Generate, scan and report for each layout; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--spans", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--layout", type=Layout, choices=list(Layout), action="append", help="only these"
    )
    parser.add_argument("--ordered", action="store_true", help="keep each trace's spans together")
    parser.add_argument("--spans-per-body", type=int, default=512)
    parser.add_argument("--store", action="store_true", help="also store the graph")
    said = parser.parse_args()
    results = []
    for layout in said.layout or [Layout.LINES, Layout.DELIMITED]:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "spans")
            write(
                Order(said.spans, said.seed, not said.ordered, said.spans_per_body), layout, source
            )
            results.append(
                report(layout, said.spans, scan(source, Path(folder, "data"), store=said.store))
            )
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
