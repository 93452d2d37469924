"""The measure that contains a failure best, chosen by simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from agentguard.graph.model import Dependency
from agentguard.playbooks.effects import effects_below
from agentguard.playbooks.facts import NAMED, Facts, by_ends, survived
from agentguard.playbooks.placing import placeholders
from agentguard.playbooks.templates import Measure, MeasureText
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts, facts_of
from agentguard.simulation.holds import Edge, Holding, holding
from agentguard.simulation.mitigations import MitigationKind, mitigations
from agentguard.simulation.model import Method
from agentguard.simulation.modes import FailureMode, parse_mode
from agentguard.simulation.wording import expected, first, plural

_EQUAL = 0.1
"""Share of the runs lost by which two measures may differ and still count as equally good: a
convention, well below the width of the intervals of such simulations.
"""
_MOST = 0.5
"""Share of the runs lost from which a measure is preferred to those that cannot be simulated."""
_WORTH = 0.5
"""Runs saved from which a measure is worth naming."""
_MAX_HELD = 4
"""Dependencies of direct callers whose hold is simulated, and as many farther ones or more."""
_SPARES = frozenset(
    {Measure.SECOND_PROVIDER, Measure.OTHER_MODEL, Measure.REPLICA, Measure.PREVIOUS_VERSION}
)
_WAITING = frozenset({Measure.PAUSE_CONSUMERS, Measure.PAUSE_RUNS})
_WITHOUT_CALLERS = _WAITING | {Measure.STOP, Measure.DISABLE}
_PAUSE = MeasureText(
    Measure.PAUSE_RUNS,
    "Pause the runs that need {component}",
    "Queue new runs instead of starting them.",
    "Start the queued runs, oldest first, a few at a time.",
)


@dataclass(frozen=True, slots=True)
class Option:
    """One measure with what it saves."""

    text: MeasureText
    saved: Mapping[str, float] | None
    """Workflow id → runs; None: not simulated."""
    held: Dependency | None = None
    skips: tuple[str, ...] = ()
    """Declared side effects that runs then go without."""

    @property
    def runs(self) -> float:
        return 0.0 if self.saved is None else sum(self.saved.values())


@dataclass(frozen=True, slots=True)
class Containment:
    """The measure to take, and the others."""

    chosen: Option
    others: tuple[Option, ...]
    lost: Mapping[str, float] | None
    """Workflow id → runs lost without any measure; None: not simulated."""

    def effect(self, known: Facts, option: Option) -> str:
        """Say what the measure saves by simulation, or why that is unknown."""
        if option.text.measure in _WAITING:
            return "Runs then wait instead of failing; those that failed already stay lost."
        if option.saved is None or self.lost is None:
            why = "no simulation covers it" if known.recorded else "no runs were recorded"
            return f"How many runs it saves is unknown: {why}."
        total = sum(self.lost.values())
        if total < _WORTH:
            return "By simulation hardly any run is lost, so there is hardly one to save."
        if option.runs < _WORTH:
            return f"By simulation it saves hardly any of the {_runs(total)} lost."
        skips = f" It skips: {', '.join(option.skips)}." if option.skips else ""
        saved = f"{self._saved(known, option, total)}{_if(known, option)}"
        return f"By simulation it saves {saved}.{skips}"

    def _saved(self, known: Facts, option: Option, total: float) -> str:
        lost, saved = self.lost or {}, option.saved or {}
        hit = sorted((w for w in saved if saved[w] >= _WORTH), key=lambda w: (-saved[w], w))
        losing = [w for w, runs in lost.items() if runs >= _WORTH]
        if not hit:
            return f"{_of(option.runs, total)} lost runs, hardly one of each workflow"
        if losing == hit[:1]:
            return f"{_of(saved[hit[0]], lost[hit[0]])} lost runs of {known.name(hit[0])}"
        parts = [f"{_of(saved[w], lost[w])} of {known.name(w)}" for w in hit]
        return f"{_of(option.runs, total)} lost runs ({first(parts, NAMED, 'workflow')})"


def containment(known: Facts) -> Containment:
    """Return the measure of the template that saves most.

    Of about equal ones (see _EQUAL) the first is chosen, and one that skips no side effect before
    one that does. A caller that never survived a failure is asked to go on without the answer only
    where nothing else is left. Where none saves at least half, the first that cannot be simulated
    is chosen.
    """
    held = None
    if _simulated(known):
        held = holding(known.graph, known.runs, known.result, _declared(known))
    options = list(_options(known, held))
    lost = None if held is None else held.lost
    plausible = [o for o in options if not _refuted(known, o)] or options
    chosen = _chosen(plausible, sum((lost or {}).values()))
    return Containment(chosen, tuple(o for o in options if o is not chosen), lost)


def _chosen(options: list[Option], total: float) -> Option:
    if total < _WORTH:
        return options[0]
    harmless = [o for o in options if not o.skips] or options
    most = max(o.runs for o in harmless)
    best = [o for o in harmless if o.runs >= most - _EQUAL * total]
    unknown = [o for o in harmless if o.saved is None]
    return (best if most >= _MOST * total else unknown or best)[0]


def _refuted(known: Facts, option: Option) -> bool:
    """Return whether the caller, seen without the answer, never went on; declarations decide."""
    d = option.held
    if d is None or d.absorbed or not d.propagated:
        return False
    return not _declared(known).survives.get((d.source, d.target), False)


def _simulated(known: Facts) -> bool:
    """Return whether the simulation is one of the template's condition."""
    if known.result.method is Method.STRUCTURAL or not known.template.modes:
        return False
    return all(_kind(m) is not FailureMode.WRONG_OUTPUT for m in known.result.modes.values())


def _kind(text: str) -> FailureMode:
    return parse_mode(text).kind


def _options(known: Facts, held: Holding | None) -> Iterator[Option]:
    spare = _spared(known, held)
    texts = [t for t in known.template.contain if known.calls or t.measure in _WITHOUT_CALLERS] or [
        _PAUSE
    ]
    for text in texts:
        if text.measure in _SPARES:
            yield Option(text, spare)
        elif text.measure is Measure.HOLD:
            yield from _holds(known, text, held)
        elif text.measure is Measure.DISABLE and held is not None and known.calls:
            edges = [(d.source, d.target) for d in known.calls]
            yield Option(text, held.saved(edges), skips=_skipped(known, known.calls))
        else:
            yield Option(text, None)


def _holds(known: Facts, text: MeasureText, held: Holding | None) -> Iterator[Option]:
    """Yield the holds of single dependencies, that which saves most first."""
    edges = _edges(known)
    if held is None:
        yield from (Option(text, None, d) for d in edges[:1])
        return
    found = [
        Option(text, held.saved([(d.source, d.target)]), d, _skipped(known, [d])) for d in edges
    ]
    proven = {id(o): 0 if o.held is not None and o.held.absorbed else 1 for o in found}
    margin = _EQUAL * sum(held.lost.values())
    best = max((o.runs for o in found), default=0.0)
    yield from sorted(found, key=lambda o: (o.runs < best - margin, proven[id(o)], -o.runs))


def _skipped(known: Facts, edges: Iterable[Dependency]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(e for d in edges for e in effects_below(known, d.target)))


def _edges(known: Facts) -> list[Dependency]:
    """Return dependencies that carry the failure: those of direct callers, then farther ones."""
    direct = by_ends(known.calls)
    steps = [(len(c.path), step) for c in known.result.components for step in c.path[1:]]
    farther: dict[Edge, Dependency] = {}
    for _, step in sorted(steps, key=lambda each: each[0]):
        found = known.by_ends.get((step.source, step.target))
        if found is not None:
            farther.setdefault((step.source, step.target), found)
    near = sorted(direct.values(), key=lambda d: (-d.calls, d.source, d.target))
    return [*near[:_MAX_HELD], *farther.values()][: 2 * _MAX_HELD]


def _declared(known: Facts) -> DeclaredFacts:
    return NO_FACTS if known.matches is None else facts_of(known.graph, known.matches)


def _spared(known: Facts, held: Holding | None) -> Mapping[str, float] | None:
    """Return what a second instance would save; None where the model cannot say."""
    if held is None or not known.calls:
        return None
    if any(_kind(text) is not FailureMode.OUTAGE for text in known.result.modes.values()):
        return None
    failed, seed = known.result.scenario.failed, known.result.seed
    found = mitigations(known.graph, known.runs, failed, seed=seed, declared=_declared(known))
    return next((m.saved for m in found if m.kind is MitigationKind.SPARE), None)


def filled(known: Facts, option: Option) -> MeasureText:
    """Return the measure's texts with the facts in place of placeholders."""
    values = placeholders(known)
    if option.held is not None:
        values |= {
            "caller": known.name(option.held.source),
            "callee": known.name(option.held.target),
        }
    t = option.text
    return replace(
        t,
        title=t.title.format_map(values),
        action=t.action.format_map(values),
        rollback=t.rollback.format_map(values),
    )


def _if(known: Facts, option: Option) -> str:
    """Return the assumption of a hold, with what was seen of it."""
    if option.held is not None:
        held, caller = option.held, known.name(option.held.source)
        seen = f" ({survived(known, held)})" if held.absorbed + held.propagated else ""
        return f", provided that {caller} goes on without the answer{seen}"
    if option.text.measure is Measure.DISABLE:
        them = known.named(known.callers)
        return f", provided that {them} can go on without the answer"
    if option.text.measure in _SPARES:
        return ", if the replacement works as often as the original did"
    return ""


def _of(part: float, whole: float) -> str:
    return f"{expected(part)} of {expected(whole).removeprefix('about ')}"


def _runs(total: float) -> str:
    nearest = round(total)
    return plural(nearest, "run") if abs(total - nearest) < 1e-9 else f"{expected(total)} runs"
