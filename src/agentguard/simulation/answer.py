"""The answer of a simulation in words: what is lost, what decides it, and what nobody knows.

Pure functions of a result. API, command line and playbooks show these sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from agentguard.kernel.clock import timestamp
from agentguard.simulation.declared_reasons import UNTRIED, declared_reasons, survival
from agentguard.simulation.model import (
    Assumptions,
    GameDay,
    ImpactedWorkflow,
    Method,
    Precedent,
    RescuePrecedent,
    SimulationResult,
)
from agentguard.simulation.modes import OUTAGE
from agentguard.simulation.monte_carlo_model import MonteCarlo
from agentguard.simulation.wording import (
    EXACT,
    expected,
    first,
    joined,
    money,
    percent,
    percent_range,
    plural,
)

_NAMED = 3
"""Names in an enumeration; more are counted."""
_REASONS = 50
"""More would be no explanation."""
_HARDLY = 0.5
"""Expected runs below this are no number worth naming, and not none."""
_SURVIVES = 0.5
"""Probability from which a caller is said to survive."""
_LEAST_NARROWED = 0.05
"""Share of the variance below which a dependency does not decide the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a simulation says, in sentences."""

    sentence: str
    """What is lost."""
    decided_by: tuple[str, ...]
    """What the numbers rest on, the most important first."""
    undecided: str | None
    """What nobody has seen, and what it decides; None: nothing of weight."""


def answer(
    result: SimulationResult, names: Mapping[str, str], groups: Sequence[str] = ()
) -> Answer:
    """Return the answer; `names` maps ids to names, `groups` are those that fail as a whole."""
    workflows = tuple(replace(w, name=names.get(w.id, w.name)) for w in result.workflows)
    result = replace(result, workflows=workflows)
    return Answer(
        f"{_subject(result, names, groups)}, {_consequence(result)}.",
        tuple(islice(dict.fromkeys(_reasons(result, names)), _REASONS)),
        _undecided(result, names),
    )


def _subject(result: SimulationResult, names: Mapping[str, str], groups: Sequence[str]) -> str:
    failed = result.scenario.failed
    if groups:
        members = plural(len(failed), "component")
        verb = "fails" if len(groups) == 1 else "fail"
        return f"If {joined(groups)} {verb} ({members}{_how(result)}){_assumed(result)}"
    called = first([_failing(result, c, names) for c in failed], _NAMED, "component")
    return f"If {called} {'fails' if len(failed) == 1 else 'fail together'}{_assumed(result)}"


def _how(result: SimulationResult) -> str:
    """Return the modes of a group; nothing for an outage."""
    modes = joined(sorted(set(result.modes.values())))
    return "" if modes in ("", OUTAGE.text) else f", {modes}"


def _failing(result: SimulationResult, component: str, names: Mapping[str, str]) -> str:
    """Return the name, with the mode unless it is an outage."""
    name, mode = names.get(component, component), result.modes.get(component, OUTAGE.text)
    return name if mode == OUTAGE.text else f"{name} ({mode})"


def _assumed(result: SimulationResult) -> str:
    return " and nothing absorbs it" if result.method is Method.STRUCTURAL else ""


def _consequence(result: SimulationResult) -> str:
    if not result.blast_radius.runs_seen:
        return _without_runs(result)
    lost = [w for w in result.workflows if w.runs_lost > 0]
    if not lost:
        return _nothing_lost(result)
    matters = any(w.runs_lost >= _HARDLY for w in lost)
    parts = [_losses(lost, result), *(_fallback(result) if matters else ()), *_value(result)]
    return "; ".join(parts)


def _without_runs(result: SimulationResult) -> str:
    if result.monte_carlo is not None:
        return _likely(result, result.monte_carlo)
    if not result.workflows:
        return "no workflow fails; no runs were recorded"
    failing = first([w.name for w in result.workflows], _NAMED, "workflow")
    verb = "fails" if len(result.workflows) == 1 else "fail"
    return f"{failing} {verb} too; no runs were recorded, so how many are lost is unknown"


def _likely(result: SimulationResult, found: MonteCarlo) -> str:
    """Return how likely workflows without recorded runs fail."""
    chance = {w.id: w.probability for w in found.workflows}
    failing = [(w.name, chance[w.id]) for w in result.workflows if chance[w.id] > 0]
    if not failing:
        return "no workflow is expected to fail; no runs were recorded"
    failing.sort(key=lambda named: (-named[1], named[0]))
    named = [f"{name} (with a probability of {percent(p)} %)" for name, p in failing]
    may = first(named, _NAMED, "workflow")
    return f"{may} may fail too; no runs were recorded, so how many are lost is unknown"


def _nothing_lost(result: SimulationResult) -> str:
    if result.method is Method.STRUCTURAL:
        return "no run is lost"
    ranges = [w.interval for w in (*result.workflows, *result.spared) if w.interval is not None]
    high = max((r.high for r in ranges), default=0.0)
    if high <= 0:
        return "no run is expected to be lost"
    whose = "runs" if len(ranges) == 1 else "the runs of any workflow"
    return f"no run is expected to be lost (at most {percent(high)} % of {whose})"


def _losses(lost: Sequence[ImpactedWorkflow], result: SimulationResult) -> str:
    weighty = [w for w in lost if w.runs_lost >= _HARDLY]
    few = [w for w in lost if w.runs_lost < _HARDLY]
    if not weighty:
        return _next_to_nothing(few)
    if len(weighty) > _NAMED:
        return _total(weighty, result)
    rest = f", and {_hardly(few)}" if few else ""
    if len(weighty) == 1:
        [w] = weighty
        if w.runs_seen == 1 and w.share < 1:
            likely = f"with a probability of {percent(w.share)} %"
            return f"{_of(1, 1)} of {w.name} is lost {likely}{rest}"
        return f"{_loss(w)} {_are(w.runs_lost)} lost{_range(w, _rest(w))}{rest}"
    losses = joined([f"{_loss(w)}{_range(w)}" for w in weighty])
    return f"{losses} are lost{rest}"


def _next_to_nothing(few: Sequence[ImpactedWorkflow]) -> str:
    if len(few) > 1:
        return f"{_hardly(few)} are lost"
    return f"hardly any runs of {few[0].name} are lost{_range(few[0])}"


def _total(lost: Sequence[ImpactedWorkflow], result: SimulationResult) -> str:
    radius = result.blast_radius
    worst = max(lost, key=lambda w: (w.share, w.runs_lost))
    return (
        f"{_of(radius.runs_lost, radius.runs_seen)} {_are(radius.runs_lost)} lost in"
        f" {len(lost):,} workflows, worst in {worst.name}:"
        f" {expected(worst.runs_lost, worst.runs_seen)} of {worst.runs_seen:,}{_range(worst)}"
    )


def _hardly(few: Sequence[ImpactedWorkflow]) -> str:
    """Return workflows of which less than half a run is expected to be lost."""
    named = [f"{w.name}{_range(w)}" for w in few]
    return f"hardly any runs of {first(named, _NAMED, 'workflow')}"


def _loss(w: ImpactedWorkflow) -> str:
    return f"{_of(w.runs_lost, w.runs_seen)} of {w.name}"


def _of(lost: float, seen: int) -> str:
    if abs(lost - seen) > EXACT:
        return f"{expected(lost, seen)} of {plural(seen, 'run')}"
    return "the only run" if seen == 1 else "both runs" if seen == 2 else f"all {seen:,} runs"


def _are(number: float) -> str:
    return "is" if expected(number) in ("1", "about 1") else "are"


def _range(w: ImpactedWorkflow, *more: str) -> str:
    """Return the interval and other remarks in brackets; nothing if there are none."""
    said = [text for text in more if text]
    if w.interval is not None and (w.interval.low, w.interval.high) != (w.share, w.share):
        said.insert(0, percent_range(w.interval.low, w.interval.high))
    return f" ({'; '.join(said)})" if said else ""


def _rest(w: ImpactedWorkflow) -> str:
    """Say that the rest of a workflow's runs had failed without this failure."""
    if not w.runs_failed or abs(w.runs_lost + w.runs_failed - w.runs_seen) > EXACT:
        return ""
    return f"the other{'' if w.runs_failed == 1 else 's'} had failed without it"


def _fallback(result: SimulationResult) -> Iterator[str]:
    """Say whether something took over. The structural method assumes nothing of the kind."""
    assumptions = result.assumptions
    if assumptions is None or assumptions.rescues or assumptions.fallback_takes_over:
        return
    yield "no fallback takes over" if assumptions.fallback_seen else "no fallback was seen"


def _value(result: SimulationResult) -> Iterator[str]:
    found = result.money
    if found.amount:
        least = "" if found.reason is None else "at least "
        yield f"{least}{money(found.amount, found.currency)} in this window"


def _reasons(result: SimulationResult, names: Mapping[str, str]) -> Iterator[str]:
    yield from _hosted(result, names)
    yield from declared_reasons(result, names)
    found = result.assumptions
    if found is None:
        return
    if not found.calls_failed and not found.without_calls:
        what = "it" if len(result.scenario.closed) == 1 else "them"
        yield f"No successful run of this window called {what}."
    yield from _rescues(found, names)
    yield from _precedents(found, result.scenario.closed, names)
    yield from _without_calls(found, names)


def _hosted(result: SimulationResult, names: Mapping[str, str]) -> Iterator[str]:
    for host, inside in groupby(
        sorted(result.scenario.hosted, key=lambda h: (h.host, h.component)), lambda h: h.host
    ):
        called = [names.get(h.component, h.component) for h in inside]
        verb = "runs" if len(called) == 1 else "run"
        its = "fails" if len(called) == 1 else "fail"
        yield (
            f"{first(called, _NAMED, 'component')} {verb} in {names.get(host, host)} and {its} with"
            " it."
        )


def _rescues(found: Assumptions, names: Mapping[str, str]) -> Iterator[str]:
    """Yield what fallbacks take over, and why; once for each caller and primary, most first."""

    def pair(r: RescuePrecedent) -> tuple[str, str]:
        return r.owner, r.primary

    groups = [list(each) for _, each in groupby(sorted(found.rescues, key=pair), pair)]
    for fallbacks in sorted(groups, key=lambda each: -each[0].calls):
        owner = (
            "" if len(groups) == 1 else f" of {names.get(fallbacks[0].owner, fallbacks[0].owner)}"
        )
        yield _rescue(sorted(fallbacks, key=lambda r: (-r.rescued, r.secondary)), owner, names)


def _rescue(fallbacks: Sequence[RescuePrecedent], owner: str, names: Mapping[str, str]) -> str:
    """Say what the fallbacks of one primary take over from one caller."""
    primary, calls = fallbacks[0].primary, fallbacks[0].calls
    called = first([names.get(r.secondary, r.secondary) for r in fallbacks], _NAMED, "component")
    rescued, tried = (sum(r.rescued for r in fallbacks), sum(r.tried for r in fallbacks))
    if not tried:
        return UNTRIED.format(called, names.get(primary, primary))
    if rescued:
        return f"{called} took over {_calls(calls)}{owner} because {_worked(rescued, tried)}."
    none = (
        "the only earlier rescue failed" if tried == 1 else f"all {tried:,} earlier rescues failed"
    )
    return f"{called} could take over from {names.get(primary, primary)}, but {none}."


def _calls(number: float) -> str:
    return f"{expected(number)} call{'' if abs(number - 1) <= EXACT else 's'}"


def _worked(rescued: int, tried: int) -> str:
    if tried == 1:
        return "the only earlier rescue worked"
    return f"{rescued:,} of {plural(tried, 'earlier rescue')} worked"


def _precedents(
    found: Assumptions, failed: Sequence[str], names: Mapping[str, str]
) -> Iterator[str]:
    """Yield what is known of the callers that the failure reaches, the nearest first."""
    for p in _reached(found.precedents, failed):
        if p.declared:
            yield survival(p.source, p.target, names, survives=p.survives >= _SURVIVES)
        elif p.seen > EXACT:
            source, target = names.get(p.source, p.source), names.get(p.target, p.target)
            yield f"{source} {_survived(p)} of {target}{_before(p)}."


def _reached(precedents: Sequence[Precedent], failed: Sequence[str]) -> Iterator[Precedent]:
    """Yield the precedents on the way of the failure; it goes no further than what survives it."""
    known, wave = set(failed), list(failed)
    while wave:
        here = [p for p in precedents if p.target in wave and p.source not in known]
        yield from here
        wave = list(dict.fromkeys(p.source for p in here if p.survives < _SURVIVES))
        known.update(wave)


def _survived(p: Precedent) -> str:
    """Say how many of the earlier failures the source survived."""
    seen, none, every = expected(p.seen), p.absorbed <= EXACT, abs(p.absorbed - p.seen) <= EXACT
    if seen == "1" and (none or every):
        return f"{'survived' if every else 'did not survive'} the only earlier failure"
    if seen == "2" and (none or every):
        return "survived both earlier failures" if every else "survived neither earlier failure"
    if none:
        return f"survived none of {seen} earlier failures"
    if every:
        return f"survived all {seen} earlier failures"
    return f"survived {expected(p.absorbed, p.seen)} of {seen} earlier failures"


def _before(p: Precedent) -> str:
    """Say how many of these failures happened before the window, and when the last one did."""
    last = timestamp(p.last_before)
    if last is None:
        return ""
    count = "" if abs(p.seen - p.before) <= EXACT else f"{p.before:,} of them "
    return f", {count}before this window, the last on {last[:10]}"


def _without_calls(found: Assumptions, names: Mapping[str, str]) -> Iterator[str]:
    for source, target in found.without_calls:
        yield (
            f"No call of {names.get(source, source)} to {names.get(target, target)} was recorded:"
            " each of its runs is taken to need it."
        )


def _undecided(result: SimulationResult, names: Mapping[str, str]) -> str | None:
    runs = sum(w.runs_seen for w in result.workflows)
    telling = [(g, _ends(g, runs)) for g in result.game_days if g.narrows >= _LEAST_NARROWED]
    telling = [(g, ends) for g, ends in telling if ends]
    if not telling:
        return None
    (g, ends), rest = telling[0], len(telling) - 1
    more = "One more such dependency matters."
    if rest > 1:
        more = f"{rest:,} more such dependencies matter."
    sentence = f"{ends} depends on {_whether(g, names)}."
    return f"{sentence} {more}" if rest else sentence


def _whether(g: GameDay, names: Mapping[str, str]) -> str:
    target = names.get(g.target, g.target)
    if g.standby is not None:
        standby = names.get(g.standby, g.standby)
        return f"whether {standby} takes over for {target}; nobody has seen it do so"
    source = names.get(g.source, g.source)
    return f"whether {source} survives without {target}; nobody has seen that fail"


def _ends(g: GameDay, runs: int) -> str:
    """Return the runs lost in either case, as a subject; empty where they read the same."""
    low, high = g.runs_lost_if_survived, g.runs_lost_if_not
    if low is None or high is None:
        return "That"
    fewest, most = (_end(min(low, high), runs), _end(max(low, high), runs))
    if fewest.removeprefix("about ") == most.removeprefix("about "):
        return ""
    upper = most.removeprefix("about ") if fewest.startswith("about ") else most
    return f"{fewest[0].upper()}{fewest[1:]} or {upper} of {plural(runs, 'run')}:"


def _end(number: float, runs: int) -> str:
    return "hardly any" if EXACT < number < _HARDLY else expected(number, runs)
