"""Who uses whom, how often and with which fallbacks: what the Monte Carlo method works on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agentguard.graph.model import Graph, Workflow

Rescues = Mapping[tuple[str, str], float]
"""(owner, secondary) → how likely the secondary succeeds once the owner tries it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A component's calls of another one that travel the same way."""

    source: str
    target: str
    returns: bool
    calls_per_run: float
    """Calls without retries in a run that makes any; at least 1."""


@dataclass(frozen=True, slots=True)
class Link:
    """An owner uses a target, or one of its fallbacks instead."""

    owner: int
    """Node."""
    target: int
    """Node."""
    pair: Pair | None
    """None: what starts a workflow's runs."""
    use: float
    """Share of the owner's runs that use it."""
    fallbacks: tuple[tuple[int, float], ...] = ()
    """Nodes, and how likely each succeeds once it is tried."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A handoff or message, by which a wrong answer reaches the target."""

    source: int
    target: int
    pair: Pair
    started: float
    """Share of the target's runs that these start."""


@dataclass(frozen=True, slots=True)
class Network:
    """Nodes are the workflows, then components: one for each workflow that uses them, if known.

    A component may be used often in one workflow and never in another one.
    """

    workflows: tuple[str, ...]
    """Ids; node n is workflow n."""
    components: tuple[str, ...]
    """Ids; node len(workflows) + n stands for component n of these."""
    weights: tuple[int, ...]
    """By component node: the runs of its workflow that it takes part in."""
    links: tuple[Link, ...]
    flows: tuple[Flow, ...]

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return len(self.workflows) + len(self.components)

    def label(self, node: int) -> str:
        """Return the id of the workflow or component."""
        place = node - len(self.workflows)
        return self.workflows[node] if place < 0 else self.components[place]

    def nodes_of(self) -> dict[str, list[int]]:
        """Return the nodes of each component."""
        found: dict[str, list[int]] = defaultdict(list)
        for node, component in enumerate(self.components, len(self.workflows)):
            found[component].append(node)
        return found


class Secondaries:
    """The fallbacks that were tried or are declared, by owner and primary."""

    def __init__(self, graph: Graph) -> None:
        self._found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for f in sorted(graph.fallbacks, key=lambda f: (f.owner, f.primary, f.secondary)):
            self._found[f.owner, f.primary].append(f.secondary)

    def of(self, owner: str, primary: str) -> tuple[str, ...]:
        """Return the fallbacks of this callee, and their fallbacks, nearest first."""
        found: dict[str, None] = {}
        level = [primary]
        while level:
            fresh = [s for p in level for s in self._found.get((owner, p), ())]
            level = [s for s in dict.fromkeys(fresh) if s != primary and s not in found]
            found |= dict.fromkeys(level)
        return tuple(found)


def counted_network(graph: Graph, rescues: Rescues) -> Network:
    """Return the network of a graph without recorded runs, from its counts.

    Each component has one node. If several workflows start in one component, each has a node for
    it of its own, as nothing tells which of its callees their runs use: only their entry counts.
    """
    return _Counted(graph, rescues).network()


@dataclass(frozen=True, slots=True)
class _Counts:
    pair: Pair
    share: float
    """Of the source's runs."""
    started: float
    """Of the target's runs."""


class _Counted:
    def __init__(self, graph: Graph, rescues: Rescues) -> None:
        self._graph, self._rescues = graph, rescues
        self._workflows = tuple(sorted(w.id for w in graph.workflows))
        self._node = {c.id: n for n, c in enumerate(graph.components, start=len(self._workflows))}
        self._roots = Counter(w.root_component for w in graph.workflows)
        self._secondaries = Secondaries(graph)
        self._by_source: dict[str, list[_Counts]] = defaultdict(list)
        for counts in _counts(graph):
            self._by_source[counts.pair.source].append(counts)

    def network(self) -> Network:
        every = [counts for group in self._by_source.values() for counts in group]
        components = [(c.id, c.invocations) for c in self._graph.components]
        links = [self._link(self._node[c.pair.source], c) for c in every if c.pair.returns]
        for w in sorted(self._graph.workflows, key=lambda w: w.id):
            own = None
            if self._roots[w.root_component] > 1:
                own = len(self._workflows) + len(components)
                components.append((w.root_component, w.runs))
            links += self._of_workflow(w, own)
        return Network(
            self._workflows,
            tuple(component for component, _ in components),
            tuple(weight for _, weight in components),
            tuple(links),
            tuple(self._flow(c) for c in every if not c.pair.returns),
        )

    def _of_workflow(self, w: Workflow, own: int | None) -> Iterator[Link]:
        """Yield the workflow's links; `own` is its own node for a shared root component."""
        owner = self._workflows.index(w.id)
        yield Link(owner, self._node[w.root_component] if own is None else own, None, 1.0)
        if own is not None:
            yield from self._entry(w.root_component, w.entry, own)
        yield from self._reachable(w.root_component, owner)

    def _flow(self, counts: _Counts) -> Flow:
        pair = counts.pair
        return Flow(self._node[pair.source], self._node[pair.target], pair, counts.started)

    def _entry(self, root: str, entry: str, node: int) -> Iterator[Link]:
        for counts in self._by_source.get(root, ()):
            if counts.pair.returns and entry in (root, counts.pair.target):
                share = counts.share if entry == root else 1.0
                yield self._link(node, _Counts(counts.pair, share, counts.started))

    def _reachable(self, root: str, owner: int) -> Iterator[Link]:
        """Yield the handoffs and messages of everything below the root."""
        seen, waiting = {root}, [root]
        while waiting:
            for counts in self._by_source.get(waiting.pop(), ()):
                if not counts.pair.returns:
                    yield self._link(owner, counts)
                if counts.pair.target not in seen:
                    seen.add(counts.pair.target)
                    waiting.append(counts.pair.target)

    def _link(self, owner: int, counts: _Counts) -> Link:
        pair = counts.pair
        fallbacks = tuple(
            (self._node[s], self._rescues.get((pair.source, s), 0.0))
            for s in self._secondaries.of(pair.source, pair.target)
            if s in self._node
        )
        return Link(owner, self._node[pair.target], pair, counts.share, fallbacks)


def _counts(graph: Graph) -> Iterator[_Counts]:
    """Yield the pairs that are used other than as a fallback; an unknown share is all."""
    tried = Counter[tuple[str, str]]()
    for f in graph.fallbacks:
        tried[f.owner, f.secondary] += f.count
    invocations = {c.id: c.invocations for c in graph.components}
    for (source, target, returns), (total, runs) in sorted(_sums(graph).items()):
        calls = total - tried[source, target]
        if calls > 0 or not tried[source, target]:
            yield _Counts(
                Pair(source, target, returns, max(1.0, calls / runs) if runs else 1.0),
                _ratio(min(calls, runs), invocations.get(source, 0)),
                _ratio(calls, invocations.get(target, 0)),
            )


def _sums(graph: Graph) -> dict[tuple[str, str, bool], tuple[int, int]]:
    """Return the calls without retries, and the runs of the source with any."""
    found: dict[tuple[str, str, bool], tuple[int, int]] = {}
    for d in graph.dependencies:
        key = d.source, d.target, d.type.returns
        calls, runs = found.get(key, (0, 0))
        found[key] = calls + d.calls - d.retries, max(runs, d.source_runs)
    return found


def _ratio(part: int, whole: int) -> float:
    """Return a share; 1 where nothing was counted."""
    return min(1.0, part / whole) if part > 0 and whole > 0 else 1.0
