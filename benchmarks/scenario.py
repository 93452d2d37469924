"""Measure one scenario over the runs of a million calls, here and in another checkout.

`python -m benchmarks.scenario OTHER`. Each checkout scans the same generated bodies in a process of
its own and replays the outage of the component with the most calls: CPU seconds of both steps, and
the peak memory of the process. BENCH_SPANS and BENCH_SEED are as in `benchmarks.run`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate import Layout, Order, write
from benchmarks.process import measure

_STEPS = """
import json, sys, time
from collections import Counter
from pathlib import Path
from agentguard.bootstrap.opening import dialects_of_settings
from agentguard.ingest.sources import read_paths
from agentguard.scan.pipeline import scan
from agentguard.settings import Settings
from agentguard.simulation.engine import simulate
began = time.process_time()
found = scan(read_paths([Path(sys.argv[1])]), dialects_of_settings(Settings()))
scanned = time.process_time()
calls = Counter()
for d in found.graph.dependencies:
    calls[d.target] += d.calls
worst = max(calls, key=lambda c: (calls[c], c))
times = []
for _ in range(3):
    start = time.process_time()
    result = simulate(found.graph, found.runs, [worst])
    times.append(time.process_time() - start)
print(json.dumps([scanned - began, min(times), found.runs.calls.num_rows, result.method]))
"""


@dataclass(frozen=True, slots=True)
class Steps:
    """The cost of a scan and of a scenario over its runs."""

    scan_seconds: float
    scenario_seconds: float
    """The fastest of three times."""
    calls: int
    peak_bytes: int


def main() -> int:
    order = Order(
        int(os.environ.get("BENCH_SPANS", "1000000")),
        int(os.environ.get("BENCH_SEED", "1")),
        scattered=False,
    )
    checkouts = [Path.cwd(), *map(Path, sys.argv[1:])]
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as folder:
        bodies = Path(folder) / "bodies"
        write(order, Layout.BODIES, bodies)
        here, *others = (steps(checkout, bodies) for checkout in checkouts)
    report("here", here)
    for other in others:
        report("other checkout", other)
        print(
            f"ratio: scenario {other.scenario_seconds / here.scenario_seconds:.2f}, scan"
            f" {other.scan_seconds / here.scan_seconds:.2f} (above 1: faster here)"
        )
    return 0


def steps(checkout: Path, bodies: Path) -> Steps:
    """Measure the code of a checkout."""
    path = os.pathsep.join((str(checkout / "src"), str(checkout)))
    cost = measure([sys.executable, "-c", _STEPS, str(bodies)], {"PYTHONPATH": path})
    scan_seconds, scenario_seconds, calls, method = json.loads(cost.output)
    if method != "replay":
        raise RuntimeError(f"the scenario was not replayed but computed as {method}")
    return Steps(scan_seconds, scenario_seconds, calls, cost.peak_bytes)


def report(name: str, found: Steps) -> None:
    print(
        f"{name}: scan {found.scan_seconds:.1f} CPU s, scenario over {found.calls:,} calls"
        f" {found.scenario_seconds:.2f} CPU s, peak {found.peak_bytes / 2**20:,.0f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
