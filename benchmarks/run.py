"""Compare a scan by AgentGuard with the same scan by a plain Python baseline (`make bench`).

Both read the same generated OTLP protobuf bodies from disk, each in its own process, and must find
the same graph. The baseline parses with google.protobuf (upb), loops in Python and counts in
NetworkX. It does less (no fallbacks, no confidence, no selection of evidence, no recorded runs), so
the ratio is a lower bound.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.facts import of_document
from benchmarks.generate import Layout, Order, write
from benchmarks.process import Cost, measure

COMMAND = str(Path(sys.executable).with_name("agentguard"))


def main() -> int:
    order = Order(
        int(os.environ.get("BENCH_SPANS", "1000000")),
        int(os.environ.get("BENCH_SEED", "1")),
        scattered=False,
    )
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as folder:
        bodies = Path(folder) / "bodies"
        print(f"Generating {order.spans:,} spans (seed {order.seed}) ...", file=sys.stderr)
        write(order, Layout.BODIES, bodies)
        megabytes = sum(path.stat().st_size for path in bodies.iterdir()) / 1e6
        print(
            f"{megabytes:,.0f} MB of OTLP protobuf in {len(list(bodies.iterdir())):,} bodies",
            file=sys.stderr,
        )
        settings = {"AGENTGUARD_DATA_DIR": str(Path(folder) / "data")}
        product = measure(
            [COMMAND, "scan", str(bodies), "--no-store", "--format", "json"], settings
        )
        plain = measure([sys.executable, "-m", "benchmarks.baseline", str(bodies)], {})
    same = of_document(json.loads(product.output)) == json.loads(plain.output)
    report(order.spans, {"agentguard scan": product, "plain Python": plain})
    print(
        f"ratio: {plain.cpu_seconds / product.cpu_seconds:.1f} times the spans per CPU second; same"
        f" graph: {'yes' if same else 'NO'}"
    )
    return 0 if same else 1


def report(spans: int, costs: dict[str, Cost]) -> None:
    print(f"{'':16} {'spans/CPU s':>12} {'CPU s':>8} {'wall s':>8} {'peak MiB':>9}")
    for name, cost in costs.items():
        rate = spans / cost.cpu_seconds
        print(
            f"{name:16} {rate:>12,.0f} {cost.cpu_seconds:>8.1f} {cost.wall_seconds:>8.1f}"
            f" {cost.peak_bytes / 2**20:>9,.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
