"""`python -m benchmarks.findings`: how far findings discriminate, over the recorded traces.

For every recording under tests/data/traces: single points of failure, severity of the outages that
lose every run of a workflow, and the distribution of risk. `--json` prints the figures alone.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

import numpy as np
import orjson

from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.discovery.kinds import ComponentKind
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.pipeline import Scan, scan
from agentguard.simulation.engine import simulate

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "traces"
_ALL_LOST = 0.999
"""Share of a workflow's successful runs from which an outage loses every run."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording's findings and its outages."""

    name: str
    components: int
    document: Mapping[str, Any]
    invocations: Mapping[str, int]
    severities: tuple[tuple[str, bool], ...]
    """By outage: severity, and whether it loses every successful run of a workflow."""


def main(arguments: Sequence[str]) -> int:
    found = [_recording(path.parent.name) for path in sorted(FOLDER.glob("*/traces.jsonl.gz"))]
    figures = _figures(found)
    if "--json" in arguments:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:58} {value}" for name, value in figures.items()))
    return 0


def _recording(name: str) -> Recording:
    read = scan(_payloads(name), load_dialects())
    document = analysis_document(analyze(read.graph, read.runs))
    return Recording(
        name,
        len(read.graph.components),
        document,
        {c.id: c.invocations for c in read.graph.components},
        tuple(_severities(read)),
    )


def _payloads(name: str) -> Iterator[DocumentPayload]:
    with gzip.open(FOLDER / name / "traces.jsonl.gz") as file:
        for number, line in enumerate(file, 1):
            yield DocumentPayload(f"{name}:{number}", orjson.loads(line))


def _severities(read: Scan) -> Iterator[tuple[str, bool]]:
    for c in read.graph.components:
        if c.kind is not ComponentKind.WORKFLOW:
            result = simulate(read.graph, read.runs, [c.id])
            whole = any(
                w.runs_lost and w.runs_lost >= _ALL_LOST * (w.runs_seen - w.runs_failed)
                for w in result.workflows
            )
            yield result.severity.value, whole


def _figures(found: Sequence[Recording]) -> dict[str, object]:
    spofs = [s for r in found for s in r.document["spofs"]]
    whole = Counter(s for r in found for s, every in r.severities if every)
    other = Counter(s for r in found for s, every in r.severities if not every)
    return {
        "recordings": len(found),
        "components": sum(r.components for r in found),
        "single points of failure": len(spofs),
        "of these with no run lost": sum(_lost(s) == 0 for s in spofs),
        "severity of outages that lose every run of a workflow": dict(whole),
        "severity of the other outages": dict(other),
        **_risk(found),
    }


def _risk(found: Sequence[Recording]) -> dict[str, object]:
    scores = [[r["score"] for r in each.document["risks"]] for each in found]
    several = [s for s in scores if len(s) > 1]
    factors = [
        (f["name"], f["value"], each.invocations[r["id"]])
        for each in found
        for r in each.document["risks"]
        for f in r["factors"]
    ]
    redundancy = [value for name, value, _ in factors if name == "redundancy"]
    rarity = [(v, 1 / n) for name, v, n in factors if name == "likelihood" and n]
    every = [s for part in scores for s in part]
    return {
        "risk: lowest, median, highest": [round(f(every), 2) for f in (min, median, max)],
        "risk: standard deviation over all components": round(pstdev(every), 2),
        "risk: mean of each recording's standard deviation": round(
            fmean(pstdev(s) for s in several), 2
        ),
        "risk: mean gap between the first and the second": round(
            fmean(s[0] - s[1] for s in several), 2
        ),
        "risk: recordings in which the first two are equal": sum(
            s[0] - s[1] < 0.001 for s in several
        ),
        "redundancy: share of components at its maximum": round(
            sum(v >= 0.999 for v in redundancy) / len(redundancy), 2
        ),
        "likelihood: correlation with 1/invocations": round(
            float(np.corrcoef(np.array(rarity).T)[0, 1]), 2
        ),
    }


def _lost(spof: Mapping[str, Any]) -> float:
    return sum(w["runs_lost"] or 0 for w in spof["workflows"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
