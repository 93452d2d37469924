"""What would have saved runs in an outage: each mitigation simulated by changing the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Fallback, Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts, with_standbys
from agentguard.simulation.engine import Closure
from agentguard.simulation.methods import recorded
from agentguard.simulation.outages import Model, Outage
from agentguard.simulation.spares import spare_of, with_spares


class MitigationKind(StrEnum):
    """What can be done against an outage."""

    SPARE = "spare"
    """A second component that callers turn to after a failure."""
    SEPARATE_FATE = "separate_fate"
    """An existing fallback moved to where it does not fail with its primary."""
    REPLICAS = "replicas"
    RETRY = "retry"
    TIMEOUT = "timeout"
    CIRCUIT_BREAKER = "circuit_breaker"
    CACHE = "cache"


@dataclass(frozen=True, slots=True)
class Mitigation:
    """One mitigation and what it saves."""

    kind: MitigationKind
    components: tuple[str, ...]
    """Ids of the components whose failure it mitigates."""
    owners: tuple[str, ...]
    """Ids of the components in which it is built; empty: where the component itself runs."""
    saved: Mapping[str, float] | None
    """Workflow id → runs expected to be saved; None: the recorded data cannot say."""
    at_most: float
    """Upper bound of the runs saved."""
    basis: str
    """The change of the model; where `saved` is None, why nothing can be said."""
    value: float | None = None
    """Of the runs saved; None: unknown, or no value is declared."""

    @property
    def runs(self) -> float | None:
        """Return the runs saved in all workflows."""
        return None if self.saved is None else sum(self.saved.values())


def mitigations(
    graph: Graph,
    runs: Runs | None,
    failed: Sequence[str],
    *,
    seed: int = 0,
    values: Mapping[str, float] | None = None,
    declared: DeclaredFacts = NO_FACTS,
) -> tuple[Mitigation, ...]:
    """Return what would save runs while these components are out, what saves most first.

    `values`: workflow id → value of one run; `declared` overrides what was seen. Nothing without
    recorded runs: without them, no mitigation can be told from another. All replays draw the same,
    so that a difference is that of the mitigation.
    """
    if runs is None or not recorded(runs):
        return ()
    outage = _Outage.of(with_standbys(graph, declared), runs, failed, seed, declared)
    found = (*outage.simulated(), *outage.reasoned())
    return ranked(valued(m, values or {}) for m in found)


def ranked(found: Iterator[Mitigation]) -> tuple[Mitigation, ...]:
    """Return the mitigations by runs and value saved; the unknown ones by their upper bound."""
    return tuple(
        sorted(
            found,
            key=lambda m: (
                -(m.runs if m.runs is not None else -1.0),
                -(m.value or 0.0),
                -m.at_most,
                m.kind,
                m.components,
            ),
        )
    )


def valued(m: Mitigation, values: Mapping[str, float]) -> Mitigation:
    priced = {w: n for w, n in (m.saved or {}).items() if w in values}
    if m.saved is None or (m.saved and not priced):
        return m
    return replace(m, value=sum(n * values[w] for w, n in priced.items()) if values else None)


@dataclass(frozen=True, slots=True)
class _Outage:
    """Components that are out, with what that loses."""

    graph: Graph
    runs: Runs
    seed: int
    declared: DeclaredFacts
    failed: tuple[str, ...]
    within: frozenset[str]
    """The failed components and what runs in them."""
    lost: Mapping[str, float]
    callers: Mapping[str, frozenset[str]]

    @staticmethod
    def of(
        graph: Graph, runs: Runs, failed: Sequence[str], seed: int, declared: DeclaredFacts
    ) -> _Outage:
        wanted = tuple(sorted(set(failed)))
        within = frozenset(Closure(graph).of(wanted).closed)
        (lost,) = Model.of(graph, runs, seed=seed, declared=declared).lost([Outage(wanted)])
        return _Outage(graph, runs, seed, declared, wanted, within, lost, _callers(graph, within))

    @property
    def total(self) -> float:
        return sum(self.lost.values())

    @property
    def owners(self) -> tuple[str, ...]:
        """Return what calls the failed components."""
        return tuple(sorted({o for c in self.within for o in self.callers.get(c, ())}))

    def simulated(self) -> Iterator[Mitigation]:
        """Yield what the model can be changed for."""
        if self.owners and self.total > 0:
            yield self._spare()
        yield from self._separated()

    def _spare(self) -> Mitigation:
        changed = with_spares(self.graph, self.within)
        return Mitigation(
            MitigationKind.SPARE,
            self.failed,
            self.owners,
            self._saved_in(self._model(changed)),
            self.total,
            "Callers turn to a spare, which works as often as the component did in the window.",
        )

    def _separated(self) -> Iterator[Mitigation]:
        """Yield the fallbacks of failed components that fail too, moved elsewhere."""
        shared = [
            f for f in self.graph.fallbacks if {f.primary, f.secondary} <= self.within and f.count
        ]
        if not shared or self.total <= 0:
            return
        moved = with_spares(self.graph, {f.secondary for f in shared})
        known = {c.id for c in moved.components}
        changed = replace(moved, fallbacks=(*self.graph.fallbacks, *(_moved(f) for f in shared)))
        model = self._model(changed)
        yield Mitigation(
            MitigationKind.SEPARATE_FATE,
            tuple(sorted({f.secondary for f in shared} & known)),
            tuple(sorted({f.owner for f in shared})),
            self._saved_in(model),
            self.total,
            "The recorded fallbacks run where they do not fail with their primaries, and work as"
            " often as they did in the window.",
        )

    def _model(self, changed: Graph) -> Model:
        return Model.of(changed, self.runs, seed=self.seed, declared=self.declared)

    def _saved_in(self, model: Model) -> dict[str, float]:
        (left,) = model.lost([Outage(self.failed)])
        return {w: max(0.0, n - left.get(w, 0.0)) for w, n in self.lost.items()}

    def reasoned(self) -> Iterator[Mitigation]:
        """Yield what the model cannot tell, or what follows from its definition of an outage."""
        kinds = {c.kind for c in self.graph.components if c.id in self.failed}
        if kinds & _RUN_BY_OWNERS:
            yield self._unknown(MitigationKind.REPLICAS, _REPLICAS)
        if not self.owners:
            return
        yield self._none(MitigationKind.RETRY, _RETRY)
        yield self._none(MitigationKind.CIRCUIT_BREAKER, _CIRCUIT_BREAKER)
        yield self._unknown(MitigationKind.TIMEOUT, _TIMEOUT)
        if kinds & _CACHED:
            yield self._unknown(MitigationKind.CACHE, _CACHE)

    def _none(self, kind: MitigationKind, why: str) -> Mitigation:
        nothing = dict.fromkeys(self.lost, 0.0)
        return Mitigation(kind, self.failed, self.owners, nothing, 0.0, why)

    def _unknown(self, kind: MitigationKind, why: str) -> Mitigation:
        return Mitigation(kind, self.failed, self.owners, None, self.total, why)


_RUN_BY_OWNERS = frozenset(
    {
        ComponentKind.AGENT,
        ComponentKind.TOOL,
        ComponentKind.SERVICE,
        ComponentKind.MCP_SERVER,
        ComponentKind.DATASTORE,
        ComponentKind.QUEUE,
    }
)
_CACHED = frozenset(
    {ComponentKind.TOOL, ComponentKind.DATASTORE, ComponentKind.MCP_SERVER, ComponentKind.MODEL}
)
_REPLICAS = (
    "Saves runs if one instance fails, none if all do (a bug, a bad release, lost data). The"
    " recordings do not tell instances apart."
)
_RETRY = "In an outage every attempt fails; against single failures see `analyze --suggest`."
_CIRCUIT_BREAKER = (
    "Callers fail sooner and spare the component, but no call succeeds for it: it only helps with a"
    " spare or callers that go on without."
)
_TIMEOUT = (
    "An outage is simulated as calls that fail. How long they would hang instead, and what callers"
    " lose by waiting, was not recorded."
)
_CACHE = "Arguments of calls are not recorded, so it is unknown how many answers would be cached."


def _callers(graph: Graph, within: frozenset[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for d in graph.dependencies:
        if d.target in within and d.source not in within:
            found[d.target].add(d.source)
    return {target: frozenset(sources) for target, sources in found.items()}


def _moved(f: Fallback) -> Fallback:
    return replace(f, secondary=spare_of(f.secondary))
