"""What is observed: a system under conditions, in a folder of its own that holds what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from demo.runner import SYSTEMS
from demo.system import System
from lab.injections import Injection, Kind, Mode, injections_of, quietened
from lab.observation import Ending, Observation
from lab.topologies import topology
from lab.truth import Lost, Truth

QUIET = 0.05
"""A quiet window's share of the system's own faults."""
_PATIENCE = 600.0
"""Seconds that callers wait, except for what is made slow."""
_TOPOLOGIES = (1, 2, 3)
_SEED, _OTHER_SEED = 7, 11


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a system runs while it is observed."""

    seed: int
    """Of its requests and of its own faults."""
    quiet: bool = False

    @property
    def name(self) -> str:
        return f"{'quiet' if self.quiet else 'noisy'}-{self.seed}"

    def applied(self, system: System) -> System:
        """Return the system as it is under these conditions, so patient that a busy machine alone
        makes nothing fail.
        """
        patient = replace(system, timeout_seconds=_PATIENCE, model_timeout_seconds=_PATIENCE)
        return quietened(patient, QUIET) if self.quiet else patient


NOISY, QUIETER, OTHER_RUNS = (
    Conditions(_SEED),
    Conditions(_SEED, quiet=True),
    Conditions(_OTHER_SEED),
)
CONDITIONS = (NOISY, QUIETER, OTHER_RUNS)


def systems() -> list[System]:
    """Return all systems, the quickest to observe first."""
    return [*reversed(SYSTEMS.values()), *(topology(seed) for seed in _TOPOLOGIES)]


def chosen(system: System, modes: Sequence[Mode], most: int | None) -> Sequence[Injection]:
    """Return the faults of these modes, of each kind at most so many (None: all), spread evenly."""
    every = list(injections_of(system))
    return [
        injection
        for mode in modes
        for kind in Kind
        for injection in _spread([i for i in every if (i.mode, i.kind) == (mode, kind)], most)
    ]


def _spread(injections: Sequence[Injection], most: int | None) -> Sequence[Injection]:
    count = len(injections) if most is None else min(most, len(injections))
    return [injections[number * len(injections) // count] for number in range(count)]


@dataclass(frozen=True, slots=True)
class Part:
    """What happened to one system under one set of conditions."""

    folder: Path

    @staticmethod
    def within(root: Path, system: str, conditions: Conditions) -> Part:
        return Part(root / system / conditions.name)

    @property
    def traces(self) -> Path:
        """The spans of the window without an outage, gzipped OTLP JSON lines."""
        return self.folder / "traces.jsonl.gz"

    def baseline(self) -> Observation | None:
        """Return how the requests ended without an outage; None before that was observed."""
        if not self._baseline.exists():
            return None
        kept = json.loads(self._baseline.read_bytes())
        return Observation(
            {
                (workflow, request): Ending(ending)
                for workflow, requests in kept["requests"].items()
                for request, ending in requests.items()
            },
            kept["failures"],
        )

    def keep_baseline(self, observed: Observation) -> None:
        """Store it, after the spans: a window with a baseline is whole."""
        requests: dict[str, dict[str, str]] = {}
        for (workflow, request), ending in sorted(observed.endings.items()):
            requests.setdefault(workflow, {})[request] = ending.value
        _write(self._baseline, {"requests": requests, "failures": dict(observed.failures)})

    def truth(self, injection: Injection) -> Truth | None:
        """Return what the fault did; None before it was observed."""
        path = self._truth_of(injection)
        return _truth(json.loads(path.read_bytes())) if path.exists() else None

    def keep(self, injection: Injection, truth: Truth) -> None:
        lost = {name: asdict(counted) for name, counted in truth.workflows.items()}
        document = {"injected": asdict(injection), "workflows": lost, "hit": sorted(truth.hit)}
        _write(self._truth_of(injection), document)

    def truths(self) -> Iterator[tuple[Injection, Truth]]:
        """Yield the faults that were observed, in the order of their file names."""
        for path in sorted(self._faults.glob("*.json")):
            kept = json.loads(path.read_bytes())
            yield _injection(kept["injected"]), _truth(kept)

    @property
    def _baseline(self) -> Path:
        return self.folder / "baseline.json"

    @property
    def _faults(self) -> Path:
        return self.folder / "faults"

    def _truth_of(self, injection: Injection) -> Path:
        name = f"{injection.mode.value}-{injection.kind.value}-{injection.name}.json"
        return self._faults / name


def _injection(kept: Mapping[str, Any]) -> Injection:
    return Injection(Kind(kept["kind"]), kept["name"], Mode(kept["mode"]), kept["amount"])


def _truth(kept: Mapping[str, Any]) -> Truth:
    workflows = {name: Lost(**counted) for name, counted in kept["workflows"].items()}
    return Truth(workflows, frozenset(kept["hit"]))


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Write the file whole, so that an interrupted observation leaves no half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
