"""`python -m benchmarks.baseline FOLDER`: read protobuf bodies, print the graph's facts as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agentguard.discovery.dialects.loading import load_dialects
from benchmarks.baseline.graph import graph_of
from benchmarks.facts import of_network

if __name__ == "__main__":
    bodies = (path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.pb")))
    json.dump(of_network(graph_of(bodies, load_dialects())), sys.stdout)
