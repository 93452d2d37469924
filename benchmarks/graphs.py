"""Generated graphs of any size, with as much evidence as real ones.

A pure function of size and seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Basis, Component, Dependency, Evidence, Graph, Workflow

_START = 1_790_000_000_000_000_000  # ns
_EVIDENCE = 5  # of at most six spans
_BASIS = Basis("invoke_agent", "OpenTelemetry gen_ai 1.37", 0.87, 100)
_KINDS = [kind for kind in ComponentKind if kind is not ComponentKind.WORKFLOW]
_TYPES = [kind for kind in DependencyType if kind is not DependencyType.STARTS]


def made_up(components: int, dependencies: int, seed: int) -> Graph:
    """Return a graph of this size; one in a hundred components is an entry point."""
    chance = random.Random(seed)
    nodes = [_component(n, chance) for n in range(components)]
    entries = nodes[: max(1, components // 100)]
    return Graph(
        components=tuple(sorted(nodes, key=lambda c: c.id)),
        dependencies=tuple(
            sorted(
                _dependencies(nodes, dependencies, chance),
                key=lambda d: (d.source, d.target, d.type),
            )
        ),
        workflows=tuple(
            Workflow(
                f"workflow:{c.name}", c.name, c.id, c.id, 10, 1, _START, _START, _evidence(chance)
            )
            for c in entries
        ),
    )


def _component(number: int, chance: random.Random) -> Component:
    kind = _KINDS[number % len(_KINDS)]
    name = f"{kind}-{number}"
    return Component(
        f"production/{kind}:{name}",
        kind,
        name,
        _BASIS,
        _evidence(chance),
        environment="production",
        services=("shop",),
        invocations=chance.randrange(1, 1000),
        latency=_latency(chance),
        first_seen=_START,
        last_seen=_START + chance.randrange(2**40),
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "service.version": "1.2.3",
        },
    )


def _dependencies(
    nodes: Sequence[Component], count: int, chance: random.Random
) -> list[Dependency]:
    found: dict[tuple[str, str, DependencyType], Dependency] = {}
    while len(found) < count:
        source, target = chance.sample(nodes, 2)
        d = _dependency(source, target, chance)
        found[d.source, d.target, d.type] = d
    return list(found.values())


def _dependency(source: Component, target: Component, chance: random.Random) -> Dependency:
    return Dependency(
        source.id,
        target.id,
        chance.choice(_TYPES),
        _BASIS,
        _evidence(chance),
        via="http",
        calls=chance.randrange(1, 1000),
        errors=chance.randrange(10),
        source_runs=chance.randrange(1, 1000),
        latency=_latency(chance),
        first_seen=_START,
        last_seen=_START + chance.randrange(2**40),
    )


def _evidence(chance: random.Random) -> tuple[Evidence, ...]:
    ids = (
        (f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(64):016x}")
        for _ in range(_EVIDENCE)
    )
    return tuple(Evidence(trace, span, _START + chance.getrandbits(40)) for trace, span in ids)


def _latency(chance: random.Random) -> tuple[tuple[int, int], ...]:
    return tuple(
        (bucket, chance.randrange(1, 50)) for bucket in sorted(chance.sample(range(4160, 4200), 6))
    )
