"""The replay method: which recorded runs would have survived the failure.

Every call to a failed component fails. Its caller fails too, unless a recorded fallback of the
caller recovers the call, or the caller's code survives the failure; and so on up each run's tree,
deepest calls first. After a handoff or message the failure affects the run instead of the caller,
which has already finished. Recorded failures stay as they were. Calls below a failed component are
never made. What is not known (which callers survive, how often fallbacks work) is drawn many times;
each draw is one bit of a word, so that a failure rises in all draws at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.simulation.beliefs import NO_CHANCES, Basis, Beliefs
from agentguard.simulation.bernoulli import ALL
from agentguard.simulation.bits import DRAWS, WORDS, all_set, any_by, count, drawn, planes
from agentguard.simulation.first_failures import Scenario, first_failures
from agentguard.simulation.recording import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RESCUE_SALT, _SURVIVAL_SALT, _RETRIED_SALT = 4, 5, 6


@dataclass(frozen=True, slots=True)
class Failures:
    """Failing calls; one row per (scenario, call)."""

    scenario: NDArray[np.int64]
    row: NDArray[np.int64]
    cause: NDArray[np.int64]
    """The call whose failure made this one fail; -1 if its target fails itself; below, see
    `silent_cause`.
    """
    distance: NDArray[np.int64]
    """Number of failures between this call and the failed component."""
    fails: U64
    """(rows, words): in which draws it fails."""
    hard: U64
    """In which of these a repetition would fail as well."""

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Failures:
        return Failures(
            self.scenario[chosen],
            self.row[chosen],
            self.cause[chosen],
            self.distance[chosen],
            self.fails[chosen],
            self.hard[chosen],
        )

    def once(self, size: int) -> Failures:
        """Return each (scenario, row) once: failing in the draws of any, with the nearest cause."""
        key = self.scenario * size + self.row
        order = np.lexsort((self.cause, self.distance, key))
        ordered, first = self.take(order), np.flatnonzero(firsts(key[order]))
        kept = ordered.take(first)
        return Failures(
            kept.scenario,
            kept.row,
            kept.cause,
            kept.distance,
            any_by(ordered.fails, first),
            any_by(ordered.hard, first),
        )


def joined(parts: Sequence[Failures], width: int) -> Failures:
    """Return the rows of all parts."""
    empty, none = np.zeros(0, dtype=np.int64), np.zeros((0, width), np.uint64)
    columns = [
        np.concatenate([empty, *(getattr(p, name) for p in parts)])
        for name in ("scenario", "row", "cause", "distance")
    ]
    words = [
        np.concatenate([none, *(getattr(p, name) for p in parts)]) for name in ("fails", "hard")
    ]
    return Failures(*columns, *words)


def firsts(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a new value begins."""
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return first


@dataclass(frozen=True, slots=True)
class Decided:
    """What callers did about failing calls, by (scenario, dependency); counts are sums of draws."""

    scenario: NDArray[np.int64]
    dependency: NDArray[np.int64]
    calls: NDArray[np.int64]
    """Failing calls."""
    rescued: NDArray[np.int64]
    """Draws in which a fallback recovered them."""
    retried: NDArray[np.int64]
    """Draws in which no fallback did, and a retry of what failed by chance recovered them."""
    survived: NDArray[np.int64]
    """Draws in which neither did, and the caller survived."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """Replayed runs of several scenarios."""

    failures: Failures
    """Calls that newly fail in at least one draw."""
    lost: Failures
    """Failures that reach a successful run; a run may have several."""
    decided: Decided


def replay(
    r: Recording,
    scenarios: Sequence[Scenario],
    beliefs: Beliefs,
    down: NDArray[np.bool_],
    *,
    bounds: bool = False,
    untried: Mapping[int, float] = NO_CHANCES,
) -> Replayed:
    """Replay every scenario over all runs.

    `down`, by scenario and component: fallbacks that fail in the scenario, directly or
    structurally, recover nothing. With `bounds`, three times as many draws: as believed, then with
    every dependency that was never seen failing survived and every fallback that was never seen
    taking over working, then with none of these. In each draw, the runs lost as believed lie
    between both. `untried` has the chance of some of these fallbacks, by component number. The cost
    depends on the failing calls and their callers only, not on the size of the recording.
    """
    draw = _Draws(r, beliefs, down, bounds=bounds, untried=untried)
    level = _start(r, scenarios, draw)
    done, lost = list[Failures](), list[Failures]()
    for depth in range(int(r.depth[level.row].max(initial=-1)), -1, -1):
        here = r.depth[level.row] == depth
        now, level = level.take(here).once(len(r.target)), level.take(~here)
        done.append(now)
        ahead = draw.unhandled(now)
        run = _reaches_run(r, ahead)
        lost.append(_of_successful_runs(r, ahead.take(run)))
        level = joined([level, _callers(r, ahead.take(~run))], draw.width)
    return _replayed(r, draw, done, lost)


def _replayed(
    r: Recording, draw: _Draws, done: Sequence[Failures], lost: Sequence[Failures]
) -> Replayed:
    failures = joined(done, draw.width)
    every = joined([failures, _repeated(r, failures)], draw.width)
    return Replayed(every, joined(lost, draw.width), draw.decided())


def _start(r: Recording, scenarios: Sequence[Scenario], draw: _Draws) -> Failures:
    """Return the first failures; without recorded calls, those of the callers."""
    first = first_failures(r, scenarios)
    words = all_set((len(first.row), draw.width))
    through = np.flatnonzero(first.dependency >= 0)
    if len(through):
        words[through] = ~draw.survival(first.dependency[through], r.span[first.row[through]])
        draw.note_silent(first.scenario[through], first.dependency[through], words[through])
    cause = np.where(first.dependency >= 0, silent_cause(first.dependency), -1)
    return Failures(first.scenario, first.row, cause, np.zeros_like(cause), words, words)


def silent_cause(dependency: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cause of calls that fail through a dependency without recorded calls.

    It is its own inverse.
    """
    return -2 - dependency


def _reaches_run(r: Recording, failures: Failures) -> NDArray[np.bool_]:
    return (r.parent[failures.row] < 0) | ~r.returns[failures.row]


def _of_successful_runs(r: Recording, failures: Failures) -> Failures:
    return failures.take(~r.run_failed[r.run[failures.row]])


def _callers(r: Recording, up: Failures) -> Failures:
    """Return the calls of the callers that receive the failure and had not failed already."""
    above = r.parent[up.row]
    fresh = ~r.failed[above]
    up, above = up.take(fresh), above[fresh]
    return Failures(up.scenario, above, up.row, up.distance + 1, up.fails, up.hard)


def _repeated(r: Recording, failures: Failures) -> Failures:
    """Return the calls of services that fail with the agents' calls that they repeat."""
    order = np.argsort(r.twins.guest_row, kind="stable")
    guests, hosts = r.twins.guest_row[order], r.twins.host_row[order]
    first = np.searchsorted(guests, failures.row, side="left")
    count = np.searchsorted(guests, failures.row, side="right") - first
    which = np.repeat(np.arange(len(failures.row)), count)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    host = hosts[first[which] + nth]
    fresh = ~r.failed[host]
    which, host = which[fresh], host[fresh]
    f = failures.take(which)
    return Failures(f.scenario, host, f.cause, f.distance, f.fails, f.hard).once(len(r.target))


@dataclass(slots=True)
class _Draws:
    """What is drawn for failing calls, and the counts of what it did."""

    r: Recording
    beliefs: Beliefs
    down: NDArray[np.bool_]
    bounds: bool
    untried: Mapping[int, float]
    _counts: list[tuple[NDArray[np.int64], ...]] = field(default_factory=list)

    @property
    def width(self) -> int:
        return 3 * WORDS if self.bounds else WORDS

    def unhandled(self, now: Failures) -> Failures:
        """Return the failures, in the draws in which the caller can do nothing about them."""
        recovered, spare = self._rescued(now)
        left, hard = now.fails & ~recovered, np.where(spare, np.uint64(0), now.hard)
        left = hard | (left & ~self._retried(now, left & ~hard))
        survived = np.zeros_like(left)
        handled = np.flatnonzero(~self.r.entry[now.row])
        rows = now.row[handled]
        survived[handled] = self.survival(self.r.dependency[rows], self.r.span[rows])
        self._note(now, recovered, left, survived)
        ahead = Failures(
            now.scenario, now.row, now.cause, now.distance, left & ~survived, hard & ~survived
        )
        return ahead.take(np.flatnonzero(count(ahead.fails)))

    def survival(self, dependencies: NDArray[np.int64], spans: U64) -> U64:
        """Return in which draws the callers of these calls survive their failure."""
        distinct, place = np.unique(dependencies, return_inverse=True)
        chance = self.beliefs.survival_chances(distinct)
        probabilities = planes(chance)
        found = probabilities[:, 0][place]
        certain: NDArray[np.bool_] = np.all((chance == 0) | (chance == 1), axis=1)
        varies = np.flatnonzero(~certain[place])
        found[varies] = drawn(
            spans[varies], probabilities[place[varies]], self.beliefs.seed, _SURVIVAL_SALT
        )
        return self._bounded(found, self.beliefs.basis[dependencies] == Basis.NEVER_SEEN)

    def _bounded(self, words: U64, unknown: NDArray[np.bool_]) -> U64:
        if not self.bounds:
            return words
        best, worst = words.copy(), words.copy()
        best[unknown], worst[unknown] = ALL, np.uint64(0)
        return np.concatenate([words, best, worst], axis=1)

    def _rescued(self, now: Failures) -> tuple[U64, NDArray[np.bool_]]:
        """Return in which draws a fallback recovers each call, and in which one is at work."""
        words = np.zeros((len(now.row), self.width), np.uint64)
        spare = np.zeros((len(now.row), self.width), np.bool_)
        rows = np.flatnonzero(self.r.pair[now.row] >= 0)
        for part, untried in enumerate(self._cases()):
            of_part = slice(part * WORDS, (part + 1) * WORDS)
            words[rows, of_part], able = self._recovered(now.scenario[rows], now.row[rows], untried)
            spare[rows, of_part] = able[:, None]
        return words, spare

    def _recovered(
        self, scenario: NDArray[np.int64], row: NDArray[np.int64], untried: Mapping[int, float]
    ) -> tuple[U64, NDArray[np.bool_]]:
        chances, place = self._chances(scenario, self.r.pair[row], untried)
        words = drawn(self.r.span[row], planes(chances)[place], self.beliefs.seed, _RESCUE_SALT)
        return words, (chances.max(axis=1, initial=0) > 0)[place]

    def _cases(self) -> list[Mapping[int, float]]:
        """Return the chances of fallbacks never seen: as believed, and with bounds at both ends."""
        if not self.bounds:
            return [self.untried]
        every = {
            each.secondary.number
            for group in self.beliefs.rescues
            for each in group
            if not each.secondary.tried
        }
        ends = ({**dict.fromkeys(every, end), **self.untried} for end in (1.0, 0.0))
        return [self.untried, *ends]

    def _chances(
        self, scenario: NDArray[np.int64], pair: NDArray[np.int64], untried: Mapping[int, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the rescue chances of each distinct (scenario, pair), and each row's place."""
        size = len(self.r.fallbacks.secondaries)
        distinct, place = np.unique(scenario * size + pair, return_inverse=True)
        chances = np.zeros((len(distinct), DRAWS))
        for i, key in enumerate(distinct.tolist()):
            chances[i] = self.beliefs.rescue_chances(key % size, self.down[key // size], untried)
        return chances, place

    def _retried(self, now: Failures, soft: U64) -> U64:
        """Return in which draws the caller's retry succeeds, for failures that are not certain."""
        words = np.zeros_like(soft)
        dependency = self.r.dependency[now.row]
        rows = np.flatnonzero((count(soft) > 0) & (self.beliefs.attempts[dependency] > 0))
        distinct, place = np.unique(dependency[rows], return_inverse=True)
        if len(rows):
            found = self.beliefs.retry_planes(distinct)[place]
            spans = self.r.span[now.row[rows]]
            words[rows] = self._tiled(drawn(spans, found, self.beliefs.seed, _RETRIED_SALT))
        return words

    def _tiled(self, words: U64) -> U64:
        return np.tile(words, (1, self.width // WORDS))

    def _note(self, now: Failures, recovered: U64, left: U64, survived: U64) -> None:
        base = slice(0, WORDS)
        handled = now.fails[:, base] & ~left[:, base]
        self._counts.append(
            (
                now.scenario,
                np.where(self.r.entry[now.row], -1, self.r.dependency[now.row]),
                count(handled & recovered[:, base]),
                count(handled & ~recovered[:, base]),
                count(left[:, base] & survived[:, base]),
            )
        )

    def note_silent(
        self, scenario: NDArray[np.int64], dependency: NDArray[np.int64], fails: U64
    ) -> None:
        """Count failures through a dependency without recorded calls."""
        none = np.zeros_like(scenario)
        self._counts.append((scenario, dependency, none, none, DRAWS - count(fails[:, :WORDS])))

    def decided(self) -> Decided:
        """Return what callers did, by scenario and dependency (-1: entries)."""
        empty = np.zeros(0, np.int64)
        columns = [np.concatenate([empty, *part]) for part in zip(*self._counts, strict=True)] or [
            empty
        ] * 5
        scenario, dependency, *counts = columns
        size = len(self.r.dependencies) + 1
        keys, place = np.unique(scenario * size + dependency + 1, return_inverse=True)
        total = [np.zeros(len(keys), np.int64) for _ in range(4)]
        for sums, values in zip(total, (np.ones_like(place), *counts), strict=True):
            np.add.at(sums, place, values)
        return Decided(keys // size, keys % size - 1, *total)
