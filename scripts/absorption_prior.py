"""Writes src/agentguard/simulation/absorption_prior.json: which failures callers survive.

Run `python -m scripts.absorption_prior` after a change to discovery or to tests/data/traces;
`--check` only compares. Every dependency that failed finally in a recording counts once: survived
if its caller survived most of these failures, else not. Constants are chosen by their log score on
recordings that were left out of the counts.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.model import Graph
from agentguard.ingest.sources import read_paths
from agentguard.scan.pipeline import scan
from agentguard.simulation.absorption import Prior, Tally, served
from agentguard.simulation.recording import Recording, recording

ROOT = Path(__file__).resolve().parent.parent
TRACES = ROOT / "tests" / "data" / "traces"
TARGET = ROOT / "src" / "agentguard" / "simulation" / "absorption_prior.json"
COMMAND = "python -m scripts.absorption_prior"
_STRENGTHS = (0.25, 0.5, 1, 2, 4, 8, 16)
_NEVER = 1_000_000
_MEANS = tuple(n / 100 for n in range(50, 100))
_SIZES = (1, 2, 3, 4)
"""In tries. Recordings are scripted, and their fallbacks succeed more alike than in production:
a few tries of a fallback's own must outweigh them.
"""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency that failed finally in one recording."""

    recording: str
    kind: str
    served: bool
    absorbed: int
    propagated: int

    @property
    def survived(self) -> bool:
        return self.absorbed > self.propagated


@dataclass(frozen=True, slots=True)
class Attempts:
    """Tries of one fallback, or retries of one dependency."""

    tried: int
    succeeded: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the recordings show."""

    dependencies: tuple[Dependency, ...]
    fallbacks: tuple[Attempts, ...]
    retries: tuple[Attempts, ...]
    kinds: Counter[str]
    """Dependencies, failed or not, by kind of callee."""
    spares: Counter[str]
    """Those with a fallback."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """See Prior."""

    kind: float
    served: float
    graph: float


_COMPARED: Mapping[str, Mapping[str, float]] = {
    "as_chosen": {},
    "without_the_graphs_own": {"graph": _NEVER},
    "without_served": {"served": _NEVER},
    "by_kind_alone": {"served": _NEVER, "graph": _NEVER},
    "one_share_for_all": {"kind": _NEVER, "served": _NEVER, "graph": _NEVER},
}


def gather(folder: Path = TRACES) -> Evidence:
    """Return the evidence of all recordings; takes half a minute."""
    dialects = load_dialects()
    dependencies: list[Dependency] = []
    fallbacks: list[Attempts] = []
    retries: list[Attempts] = []
    kinds, spares = Counter[str](), Counter[str]()
    for path in sorted(folder.glob("*/traces.jsonl.gz")):
        found = scan(read_paths([path]), dialects)
        r = recording(found.graph, found.runs)
        dependencies += _failed(path.parent.name, found.graph, r)
        fallbacks += [Attempts(f.count, f.rescued) for f in found.graph.fallbacks if f.count]
        counts = zip(r.dependencies.seen.retried, r.dependencies.seen.recovered, strict=True)
        retries += [Attempts(int(n), int(k)) for n, k in counts if n]
        kind = {c.id: c.kind.value for c in found.graph.components}
        pairs = {(f.owner, f.primary) for f in found.graph.fallbacks if f.count}
        kinds.update(kind.get(d.target, "external") for d in found.graph.dependencies)
        spares.update(kind.get(primary, "external") for _, primary in pairs)
    return Evidence(tuple(dependencies), tuple(fallbacks), tuple(retries), kinds, spares)


def _failed(name: str, graph: Graph, r: Recording) -> Iterable[Dependency]:
    kinds = {c.id: c.kind.value for c in graph.components}
    seen, inside = r.dependencies.seen, served(graph)
    for row, (absorbed, propagated) in enumerate(
        zip(seen.absorbed.tolist(), seen.propagated.tolist(), strict=True)
    ):
        if absorbed + propagated:
            callee = r.components[int(r.dependencies.target[row])]
            source = int(r.dependencies.source[row])
            is_served = source >= 0 and r.components[source] in inside
            yield Dependency(name, kinds.get(callee, "external"), is_served, absorbed, propagated)


def estimate(evidence: Evidence) -> dict[str, Any]:
    """Return the data file's content."""
    found = evidence.dependencies
    strengths = max(
        (Strengths(*s) for s in product(_STRENGTHS, repeat=3)), key=lambda s: left_out(found, s)
    )
    several = [d for d in found if d.absorbed + d.propagated > 1]
    varying = sum(1 for d in several if d.absorbed and d.propagated)
    minority = sum(min(d.absorbed, d.propagated) for d in several)
    failures = sum(d.absorbed + d.propagated for d in several)
    rescue, retry = beta_fit(evidence.fallbacks), beta_fit(evidence.retries)
    return {
        "about": "Written by " + COMMAND + " from tests/data/traces; see its docstring.",
        "recordings": len({d.recording for d in found}),
        "dependencies": len(found),
        "kinds": _tallies(found),
        "served": _tallies(d for d in found if d.served),
        "overall": round(overall(counts(found)), 3),
        "strengths": {
            "kind": strengths.kind,
            "served": strengths.served,
        },
        "graph_strengths": _weighed(found, strengths),
        "varies": round((varying + 0.5) / (len(several) + 1), 4),
        "failed_several_times": len(several),
        "of_these_varied": varying,
        "exception": round((minority + 0.5) / (failures + 1), 4),
        "rescue": {"successes": rescue[0], "failures": rescue[1]},
        "retry": {"successes": retry[0], "failures": retry[1]},
        "spare": _spares(evidence),
        "log_score_per_dependency_left_out": {
            name: round(left_out(found, replace(strengths, **without)) / len(found), 3)
            for name, without in _COMPARED.items()
        }
        | {"always_one_half": round(math.log(0.5), 3)},
    }


def _spares(evidence: Evidence) -> dict[str, float]:
    """Return by kind the share of dependencies that have a fallback, shrunk a little to all kinds'.

    Recordings are scripted: what has a fallback fails, so that it is used. The share of fallbacks
    among what fails would therefore be far too high; it is taken of all dependencies.
    """
    kinds, spares = evidence.kinds, evidence.spares
    every = spares.total() / kinds.total()
    return {kind: round((spares[kind] + every) / (n + 1), 4) for kind, n in sorted(kinds.items())}


def _tallies(found: Iterable[Dependency]) -> dict[str, dict[str, int]]:
    return {
        kind: {"survived": yes, "not_survived": no}
        for kind, (yes, no) in sorted(counts(found).items())
    }


def _weighed(found: Sequence[Dependency], chosen: Strengths) -> list[tuple[float, float]]:
    """Return how probable each strength of the recordings against a graph's own is.

    All were equally probable before; the log scores on what was left out tell them apart. One
    strength for all would claim to know what 150 dependencies do not show.
    """
    scores = [left_out(found, replace(chosen, graph=each)) for each in _STRENGTHS]
    odds = [math.exp(score - max(scores)) for score in scores]
    return [(each, round(odd / sum(odds), 4)) for each, odd in zip(_STRENGTHS, odds, strict=True)]


def counts(found: Iterable[Dependency]) -> dict[str, tuple[int, int]]:
    """Return (survived, not survived) by kind."""
    yes, no = Counter[str](), Counter[str]()
    for d in found:
        (yes if d.survived else no)[d.kind] += 1
    return {kind: (yes[kind], no[kind]) for kind in yes | no}


def overall(kinds: Mapping[str, tuple[int, int]]) -> float:
    """Return the share survived, each kind counted alike."""
    shares = [(yes + 0.5) / (yes + no + 1) for yes, no in kinds.values()]
    return sum(shares) / len(shares)


def left_out(found: Sequence[Dependency], strengths: Strengths) -> float:
    """Return the log score on each recording of what the other recordings say.

    Of the recording itself, the dependencies before each one count as the graph's own.
    """
    by_recording = defaultdict[str, list[Dependency]](list)
    for d in found:
        by_recording[d.recording].append(d)
    total = 0.0
    for name, tested in sorted(by_recording.items()):
        prior = _prior([d for d in found if d.recording != name], strengths)
        for place, d in enumerate(tested):
            alike = [e for e in tested[:place] if (e.kind, e.served) == (d.kind, d.served)]
            own = Tally(sum(e.survived for e in alike), sum(not e.survived for e in alike))
            survived = prior.survived(d.kind, served=d.served, own=own)
            total += math.log(survived if d.survived else 1 - survived)
    return total


def _prior(found: Sequence[Dependency], strengths: Strengths) -> Prior:
    inside = [d for d in found if d.served]
    return Prior(
        kinds={kind: Tally(*tally) for kind, tally in counts(found).items()},
        served={kind: Tally(*tally) for kind, tally in counts(inside).items()},
        overall=overall(counts(found)),
        kind_strength=strengths.kind,
        served_strength=strengths.served,
        graph_strengths=((strengths.graph, 1.0),),
        exception=0.0,
        varies=0.0,
        rescue=(0.0, 0.0),
        retry=(0.0, 0.0),
        spare={},
    )


def beta_fit(found: Sequence[Attempts]) -> tuple[float, float]:
    """Return the Beta distribution of the success rates: the likeliest on a grid."""
    _, mean, size = max(
        (sum(_likelihood(each, mean * size, (1 - mean) * size) for each in found), mean, size)
        for mean in _MEANS
        for size in _SIZES
    )
    return round(mean * size, 3), round((1 - mean) * size, 3)


def _likelihood(each: Attempts, a: float, b: float) -> float:
    """Return the log probability of the successes under the beta-binomial distribution."""
    failed = each.tried - each.succeeded
    return _log_beta(a + each.succeeded, b + failed) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the data file, or with `--check` say whether it is what the recordings give."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    wanted = parser.parse_args(arguments)
    text = json.dumps(estimate(gather()), indent=2) + "\n"
    if wanted.check:
        return 0 if TARGET.read_text() == text else 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
