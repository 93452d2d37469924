"""What the catalog declares of the failed components, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentguard.simulation.model import Method, SimulationResult

_CATALOG = "so the catalog declares."
UNTRIED = "The catalog declares that {} takes over for {}; nobody has seen it do so."


def declared_reasons(result: SimulationResult, names: Mapping[str, str]) -> Iterator[str]:
    """Yield what is declared, as far as what the replay found does not say it."""
    said = result.declared
    for component, number in sorted(said.replicas.items()):
        name = names.get(component, component)
        yield f"The catalog declares {number:,} replicas of {name}: all of them fail here."
    for caller, times in sorted(said.retries.items()):
        again = "once" if times == 1 else f"up to {times:,} times"
        how = f"repeats a failed call {again}" if times else "does not repeat a failed call"
        yield f"{names.get(caller, caller)} {how}: {_CATALOG}"
    yield from _timeouts(result, names)
    yield from _standbys(result, names)
    if result.assumptions is None:
        for (source, target), survives in sorted(said.survives.items()):
            yield survival(source, target, names, survives=survives)


def _timeouts(result: SimulationResult, names: Mapping[str, str]) -> Iterator[str]:
    slow = () if result.monte_carlo is None else result.monte_carlo.timeouts
    said = result.declared.timeouts
    for caller in sorted({t.source for t in slow} & said.keys()):
        waits = f"waits at most {said[caller]:g} s for a call"
        yield f"{names.get(caller, caller)} {waits}: {_CATALOG}"


def _standbys(result: SimulationResult, names: Mapping[str, str]) -> Iterator[str]:
    failed = set(result.scenario.closed)
    for primary, standby in result.declared.standbys:
        asked = primary not in failed if standby in failed else result.method is not Method.REPLAY
        if asked:
            yield UNTRIED.format(names.get(standby, standby), names.get(primary, primary))


def survival(source: str, target: str, names: Mapping[str, str], *, survives: bool) -> str:
    """Say that a caller survives a callee's failure, or does not."""
    does = "survives" if survives else "fails"
    return f"{names.get(source, source)} {does} without {names.get(target, target)}: {_CATALOG}"
