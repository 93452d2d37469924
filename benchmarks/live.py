"""Compare an update of the live graph with a full computation of it, in CPU seconds.

`python -m benchmarks.live` stores 500,000 generated spans as the server does, computes their graph,
and then stores 10 further spans at a time. Both ways must find the same graph and runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeVar

import pyarrow as pa

from agentguard.adapters.files.parts import ParquetSource, write_parts
from agentguard.discovery.dialects.loading import Dialects, load_dialects
from agentguard.graph.runs import Runs
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.scan.incremental import IncrementalGraph
from agentguard.scan.pipeline import Scan, graph_of
from benchmarks.generate import Order, bodies

T = TypeVar("T")

_TOGETHER = 40
"""Bodies that are decoded together."""


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of spans in the server's format."""

    root: Path

    def add(self, segment: int, spans: pa.Table) -> list[ParquetSource]:
        parts = write_parts(self.root, segment, spans)
        return [ParquetSource(part.path(self.root)) for part in parts]


def generated(order: Order, dialects: Dialects) -> pa.Table:
    decoder, every = Decoder(dialects.wanted), bodies(order)
    tables = []
    while group := [ProtobufPayload("body", body) for body in islice(every, _TOGETHER)]:
        tables.append(decoder.decode(group).spans)
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def timed(
    work: Callable[[Sequence[ParquetSource]], T], sources: Sequence[ParquetSource]
) -> tuple[T, float]:
    began = time.process_time()
    return work(sources), time.process_time() - began


def full(dialects: Dialects, sources: Sequence[ParquetSource]) -> Scan:
    return graph_of((table for source in sources for table in source.tables()), dialects)


def same(one: Scan, other: Scan) -> bool:
    return one.graph == other.graph and _same_runs(one.runs, other.runs)


def _same_runs(one: Runs, other: Runs) -> bool:
    return one.calls.equals(other.calls) and one.runs.equals(other.runs)


def main() -> int:
    """Store, compute, add, compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--spans", type=int, default=500_000)
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--added", type=int, default=10, help="spans per update")
    said = parser.parse_args()
    dialects = load_dialects()
    order = Order(said.spans + said.updates * said.added, seed=1, scattered=False)
    spans, incremental = generated(order, dialects), IncrementalGraph(dialects)
    with tempfile.TemporaryDirectory(prefix="agentguard-bench-") as folder:
        store = Store(Path(folder))
        sources = store.add(0, spans.slice(0, said.spans))
        _, first = timed(incremental.graph, sources)
        updates = []
        for n in range(said.updates):
            more = spans.slice(said.spans + n * said.added, said.added)
            sources += store.add(n + 1, more)
            updated, seconds = timed(incremental.graph, sources)
            updates.append(seconds)
        whole, anew = timed(partial(full, dialects), sources)
    print(f"{said.spans:,} spans, then {said.added} more at a time; CPU seconds")
    print(f"full computation {anew:6.2f}")
    print(f"first update     {first:6.2f}")
    print(f"further updates  {median(updates):6.2f}  (ratio {anew / median(updates):.1f})")
    print(f"same graph: {'yes' if same(whole, updated) else 'NO'}")
    return 0 if same(whole, updated) else 1


if __name__ == "__main__":
    sys.exit(main())
