"""How each component of a scenario fails: by itself, or as the hosts in which it runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from agentguard.graph.model import Graph
from agentguard.simulation.model import Scenario
from agentguard.simulation.modes import OUTAGE, FailureMode, Mode


@dataclass(frozen=True, slots=True)
class Fault:
    """How a component fails, and in which share of its runs (those in a failed host)."""

    mode: Mode
    share: float = 1.0


ComponentFaults = Mapping[str, tuple[Fault, ...]]
"""By component; each run of a component has one of its faults at most."""


def faults_by_component(
    graph: Graph, scenario: Scenario, modes: Mapping[str, Mode]
) -> dict[str, tuple[Fault, ...]]:
    """Return the faults: what runs in a host fails as the host does.

    What runs in several fails in the share of its runs in each as that one does.
    """
    found = {c: {modes.get(c, OUTAGE): 1.0} for c in scenario.failed}
    hosts = _shares(graph, scenario)

    def of(component: str) -> dict[Mode, float]:
        if component not in found:
            sums = defaultdict[Mode, float](float)
            for host, share in hosts[component].items():
                for mode, part in of(host).items():
                    sums[mode] += share * part
            found[component] = dict(sums)
        return found[component]

    guests = (*scenario.closed, *(h.component for h in scenario.partly))
    return {
        c: tuple(Fault(mode, min(1.0, share)) for mode, share in of(c).items())
        for c in sorted(set(guests))
    }


def _shares(graph: Graph, scenario: Scenario) -> dict[str, dict[str, float]]:
    """Return, by guest, the share of its runs in each failing host.

    Where no run is counted, each failing host has the same share, and the others none.
    """
    runs = defaultdict[str, dict[str, int]](dict)
    for h in graph.runs_in:
        runs[h.component][h.host] = h.runs
    down, found = set(scenario.closed), dict[str, dict[str, float]]()
    for guest, by_host in runs.items():
        failing, total = sorted(down & by_host.keys()), sum(by_host.values())
        found[guest] = {
            host: by_host[host] / total if total else 1 / len(failing) for host in failing
        }
    return found


def latency_factors(faults: ComponentFaults) -> dict[str, float]:
    """Return by component how many times as long its calls take, in its slowest host."""
    found: dict[str, float] = {}
    for component, every in faults.items():
        amounts = [f.mode.amount for f in every if f.mode.kind is FailureMode.LATENCY]
        factor = max((a for a in amounts if a is not None), default=None)
        if factor is not None:
            found[component] = factor
    return found
