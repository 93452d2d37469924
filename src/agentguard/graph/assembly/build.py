"""Builds the graph: aggregates linked calls by component, dependency and workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from agentguard.compute.arrays import distinct, factorize_rows
from agentguard.discovery.kinds import TYPES, ComponentKind, DependencyType
from agentguard.discovery.partial import I64, Mask, Observation, Partial, Proof, merged
from agentguard.graph.assembly.cardinality import limit_cardinality
from agentguard.graph.assembly.counts import Counts
from agentguard.graph.assembly.evidence import confidence, evidence
from agentguard.graph.assembly.fallbacks import FoundFallbacks, find_fallbacks
from agentguard.graph.assembly.hosting import internal_calls, runs_in
from agentguard.graph.assembly.propagation.diagnosis import diagnose
from agentguard.graph.assembly.rule_texts import COMPONENT_RULES, DEPENDENCY_RULES
from agentguard.graph.assembly.run_tables import run_tables
from agentguard.graph.assembly.trace_linking import SAME_CALLER, LinkedCalls, link_traces
from agentguard.graph.assembly.workflows import workflows
from agentguard.graph.latency import Histogram, histograms
from agentguard.graph.model import Basis, Component, Coverage, Dependency, Fallback, Graph
from agentguard.graph.runs import Runs
from agentguard.ingest.attribute_selection import TOKENS

_TAKES_CONTROL = [
    TYPES.index(kind)
    for kind in (DependencyType.DELEGATES, DependencyType.HANDOFF, DependencyType.MESSAGING)
]


def build(
    partials: Sequence[Partial],
    conventions: Mapping[str, str],
    *,
    spans_read: int,
    refused: Mapping[str, int],
    join: bool = True,
    settling: int = 0,
) -> tuple[Graph, Runs]:
    """Merge the partials into a graph and the runs behind it.

    `conventions` maps dialects to their sources, for the basis of each claim. `join`: whether
    separate traces are joined where ids, times and peer of a call agree. `settling`: see diagnose.
    """
    partial = merged(partials)
    limited = limit_cardinality(partial)
    broken = diagnose(partial, join=join, settling=settling)
    found = link_traces(partial, broken.joined_rows)
    recovered = find_fallbacks(found)
    builder = _Builder(partial, found, recovered, conventions)
    graph = Graph(
        components=builder.components(),
        dependencies=builder.dependencies(),
        runs_in=runs_in(partial, found),
        fallbacks=builder.fallbacks(),
        workflows=workflows(partial, found),
        coverage=_coverage(partial, limited, spans_read, refused),
        broken_hops=broken.hops,
    )
    return graph, run_tables(found, recovered, partial)


class _Builder:
    def __init__(
        self,
        partial: Partial,
        found: LinkedCalls,
        recovered: FoundFallbacks,
        conventions: Mapping[str, str],
    ) -> None:
        self._partial, self._found, self._recovered, self._conventions = (
            partial,
            found,
            recovered,
            conventions,
        )
        self._calls = found.calls
        self._end = found.calls.start + np.maximum(found.calls.duration, 0)
        self._timed = found.calls.duration >= 0
        self._returns: Mask = np.array([t.returns for t in TYPES] + [True], np.bool_)[
            found.calls.type
        ]
        self._ids = [identity.id for identity in found.identities]
        inferred = np.array(
            [observation.rule == SAME_CALLER for observation in partial.observations], np.bool_
        )
        self._inferred: Mask = (
            inferred[found.calls.observation] if len(inferred) else np.zeros(0, np.bool_)
        )
        """Calls whose callee is inferred from other calls, and which are therefore no evidence."""
        self._internal = internal_calls(partial, found)

    def components(self) -> tuple[Component, ...]:
        calls, found = self._calls, self._found
        every, shown = np.arange(len(calls)), np.flatnonzero(~self._inferred)
        sums = Counts(every, found.component, len(self._ids))
        own = (calls.source >= 0) & (calls.ran | ~calls.ran[np.maximum(calls.source, 0)])
        own &= self._internal
        columns = self._component_sums(sums, own)
        proofs = evidence(
            calls, self._partial.labels, shown, found.component[shown], len(self._ids)
        )
        seen = self._observations()
        ran_rows = np.flatnonzero(calls.ran)
        latencies = self._latencies(ran_rows, found.component[ran_rows], len(self._ids))
        own_rows = np.flatnonzero(own)
        own_latencies = self._latencies(own_rows, found.component[own_rows], len(self._ids))
        return tuple(
            sorted(
                (
                    Component(
                        id=who.id,
                        kind=who.kind,
                        name=who.name,
                        basis=self._basis(seen[code]),
                        evidence=proofs[code],
                        environment=who.environment,
                        server=who.server,
                        identified=who.identified,
                        services=tuple(sorted({s.service for s in seen[code] if s.service})),
                        providers=tuple(
                            sorted(
                                {
                                    s.provider
                                    for s in seen[code]
                                    if s.provider and who.kind is ComponentKind.MODEL
                                }
                            )
                        ),
                        spellings=tuple(sorted({s.spelling for s in seen[code]} - {who.name})),
                        response_models=tuple(
                            sorted({s.response_model for s in seen[code] if s.response_model})
                        ),
                        self_latency=own_latencies[code],
                        latency=latencies[code],
                        attributes=dict(min(s.attributes for s in seen[code])),
                        **{name: values[code] for name, values in columns.items()},
                    )
                    for code, who in enumerate(found.identities)
                ),
                key=lambda component: component.id,
            )
        )

    def _component_sums(self, sums: Counts, own: Mask) -> dict[str, list[int]]:
        calls = self._calls
        timed = calls.ran & self._timed
        return {
            "invocations": sums.add(calls.ran),
            "errors": sums.add(calls.ran & calls.failed),
            "self_calls": sums.add(own),
            "duration": sums.add(np.where(timed, calls.duration, 0)),
            "timed": sums.add(timed),
            "first_seen": sums.lowest(calls.start),
            "last_seen": sums.highest(self._end),
        } | {name: sums.add(getattr(calls, name)) for name in TOKENS}

    def dependencies(self) -> tuple[Dependency, ...]:
        calls, found = self._calls, self._found
        rows = np.flatnonzero((calls.source >= 0) & (calls.type >= 0) & ~self._internal)
        caller = found.component[calls.source[rows]]
        group, first = factorize_rows(
            caller, found.component[rows], calls.type[rows].astype(np.int64)
        )
        size = len(first)
        sums = Counts(rows, group, size)
        shown = ~self._inferred[rows]
        proofs = evidence(calls, self._partial.labels, rows[shown], group[shown], size)
        columns = self._dependency_sums(sums) | {
            "source_runs": self._source_runs(rows, group, size)
        }
        costs, latencies = self._costs(rows, group, size), self._latencies(rows, group, size)
        client_latencies, delays = (
            self._client_latencies(rows, group, size),
            self._delays(rows, group, size),
        )
        vias, bases = self._vias(rows, group, size), self._edge_bases(rows, group, columns["calls"])
        edges_of = zip(
            caller[first].tolist(),
            found.component[rows[first]].tolist(),
            calls.type[rows[first]].tolist(),
            strict=True,
        )
        edges = [
            Dependency(
                source=self._ids[source],
                target=self._ids[target],
                type=TYPES[kind],
                basis=bases[g],
                evidence=proofs[g],
                via=vias[g],
                latency=latencies[g],
                client_latency=client_latencies[g],
                queue_delay=delays[g],
                cost_usd=costs[g],
                **{name: values[g] for name, values in columns.items()},
            )
            for g, (source, target, kind) in enumerate(edges_of)
        ]
        return tuple(sorted(edges, key=lambda edge: (edge.source, edge.target, edge.type)))

    def _dependency_sums(self, sums: Counts) -> dict[str, list[int]]:
        calls, propagated = self._calls, self._propagated()
        once = ~self._recovered.is_redelivery
        failed, waited = calls.failed & once, self._waited()
        return {
            "calls": sums.add(once),
            "errors": sums.add(failed),
            "absorbed": sums.add(failed & ~propagated),
            "propagated": sums.add(failed & propagated),
            "waited_calls": sums.add(once & waited),
            "passed_control_calls": sums.add(once & self._passed_control() & ~waited),
            "retries": sums.add(self._recovered.is_retry),
            "inferred": sums.add(calls.proof == Proof.MATCH),
            "first_seen": sums.lowest(calls.start),
            "last_seen": sums.highest(self._end),
        } | {name: sums.add(getattr(calls, name)) for name in TOKENS}

    def _waited(self) -> Mask:
        """Return which calls the caller's run outlasted, by the caller's clock."""
        calls = self._calls
        ended = np.where(self._returns, calls.client_end, self._end)
        waited: Mask = self._caller_timed() & self._timed & (ended <= self._end[calls.source])
        return waited

    def _passed_control(self) -> Mask:
        """Return which calls can take control and began when the caller's run had ended."""
        calls = self._calls
        began = np.where(self._returns, calls.client_start, calls.start)
        passed: Mask = self._caller_timed() & (began >= self._end[calls.source])
        return passed & np.isin(calls.type, _TAKES_CONTROL)

    def _caller_timed(self) -> Mask:
        known: Mask = (self._calls.source >= 0) & self._timed[self._calls.source]
        return known

    def fallbacks(self) -> tuple[Fallback, ...]:
        calls = self._calls
        found = []
        every = (
            (how, *item)
            for how, pairs in self._recovered.fallbacks.items()
            for item in pairs.items()
        )
        for how, (owner, primary, secondary), pairs in every:
            rows = np.array([row for pair in pairs for row in pair], np.int64)
            proof = evidence(calls, self._partial.labels, rows, np.zeros(len(rows), np.int64), 1)[0]
            recovered = sum(not calls.failed[then] for _, then in pairs)
            found.append(
                Fallback(
                    self._ids[owner],
                    self._ids[primary],
                    self._ids[secondary],
                    len(pairs),
                    recovered,
                    proof,
                    how,
                )
            )
        return tuple(
            sorted(found, key=lambda f: (f.owner, f.primary, f.secondary, f.fallback_mode))
        )

    def _propagated(self) -> Mask:
        """Return which failed calls also failed the caller's run.

        For messages and handoffs, whether they failed the whole run.
        """
        calls, run = self._calls, self._found.run
        caller = calls.failed[np.maximum(calls.source, 0)] & (calls.source >= 0)
        whole = self._found.lost[np.maximum(run, 0)] & (run >= 0)
        return np.where(self._returns, caller, whole)

    def _source_runs(self, rows: I64, group: I64, size: int) -> list[int]:
        calls = len(self._calls)
        runs = distinct(group * calls + self._calls.source[rows])
        return list(map(int, np.bincount(runs // max(calls, 1), minlength=size).tolist()))

    def _costs(self, rows: I64, group: I64, size: int) -> list[float | None]:
        """Sum in nano-dollars, so that the result does not depend on the order of rows."""
        cost = self._calls.cost[rows]
        given = ~np.isnan(cost)
        nano = np.bincount(group[given], np.round(cost[given] * 1e9), size)
        counts = np.bincount(group[given], minlength=size)
        return [
            round(total / 1e9, 9) if count else None
            for total, count in zip(nano.tolist(), counts.tolist(), strict=True)
        ]

    def _latencies(self, rows: I64, group: I64, size: int) -> list[Histogram]:
        timed = self._timed[rows]
        return histograms(self._calls.duration[rows[timed]], group[timed], size)

    def _client_latencies(self, rows: I64, group: I64, size: int) -> list[Histogram]:
        waiting = self._calls.has_client_span[rows] & self._returns[rows]
        return histograms(
            (self._calls.client_end - self._calls.client_start)[rows[waiting]], group[waiting], size
        )

    def _delays(self, rows: I64, group: I64, size: int) -> list[Histogram]:
        late = (self._calls.start - self._calls.client_end)[rows]
        sent = self._calls.has_client_span[rows] & ~self._returns[rows] & (late >= 0)
        return histograms(late[sent], group[sent], size)

    def _vias(self, rows: I64, group: I64, size: int) -> list[str | None]:
        """Return the most frequent text between caller and callee."""
        codes = self._calls.via[rows].astype(np.int64)
        with_via = codes >= 0
        pairs, first = factorize_rows(group[with_via], codes[with_via])
        best: dict[int, tuple[int, str]] = {}
        for g, code, count in zip(
            group[with_via][first].tolist(),
            codes[with_via][first].tolist(),
            np.bincount(pairs).tolist(),
            strict=True,
        ):
            best[g] = min(best.get(g, (0, "")), (-count, self._partial.vias[code]))
        return [best[g][1] if g in best else None for g in range(size)]

    def _edge_bases(self, rows: I64, group: I64, counts: list[int]) -> list[Basis]:
        strongest = np.full(len(counts), max(Proof), np.int64)
        np.minimum.at(strongest, group, self._calls.proof[rows].astype(np.int64))
        return [
            Basis(
                DEPENDENCY_RULES[Proof(p)],
                "AgentGuard ownership rules 2",
                confidence(Proof(p), n),
                n,
            )
            for p, n in zip(strongest.tolist(), counts, strict=True)
        ]

    def _observations(self) -> list[Counter[Observation]]:
        """Return each component's observations with their counts."""
        by_id = {identity: code for code, identity in enumerate(self._ids)}
        seen: list[Counter[Observation]] = [Counter() for _ in self._ids]
        counts = np.bincount(
            self._calls.observation, minlength=len(self._partial.observations)
        ).tolist()
        for observation, count in zip(self._partial.observations, counts, strict=True):
            if count:
                seen[by_id[observation.identity.id]][observation] += count
        return seen

    def _basis(self, seen: Counter[Observation]) -> Basis:
        """Return the most frequent rule among the strongest evidence, with its confidence."""
        proof = min(s.proof for s in seen)
        rules: Counter[str] = Counter()
        for observation, count in seen.items():
            if observation.proof is proof:
                rules[observation.rule] += count
        rule = min(rules, key=lambda r: (-rules[r], r))
        convention = COMPONENT_RULES.get(rule) or self._conventions.get(
            rule.partition("#")[0], rule
        )
        return Basis(rule, convention, confidence(proof, sum(rules.values())), sum(rules.values()))


def _coverage(
    partial: Partial, limited: dict[str, int], spans_read: int, refused: Mapping[str, int]
) -> Coverage:
    return Coverage(
        spans_read=spans_read,
        spans=partial.spans,
        traces=partial.traces,
        duplicates=partial.duplicates,
        attributed=dict(sorted(partial.attributed.items())),
        unattributed=dict(sorted(partial.unattributed.items())),
        orphans=partial.orphans,
        sampling=dict(sorted(partial.sampling.items())),
        cardinality_limited=limited,
        housekeeping=dict(sorted(partial.housekeeping.items())),
        parent_cycles=len(partial.parent_cycles),
        unresolved_peers=partial.unresolved_peers,
        unnamed_model_calls=partial.unnamed_model_calls,
        model_calls_without_usage=partial.model_calls_without_usage,
        refused=dict(sorted(refused.items())),
        first_seen=partial.first_seen,
        last_seen=partial.last_seen,
    )
