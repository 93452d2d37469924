"""The rules by which incidents change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from agentguard.incidents import changes
from agentguard.incidents.errors import (
    IncidentMergedError,
    MergeNotAllowedError,
    TransitionNotAllowedError,
)
from agentguard.incidents.model import Affected, Change, EventKind, Incident, Links
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.simulation.severities import Severity
from tests.incidents.examples import CHECKOUT, GPT, ID, OTHER, PAYMENT, START, condition, incident

NOW = START + 60 * NS_PER_SECOND

FORWARD = ["open", "acknowledged", "mitigated", "resolved", "reviewed"]
"""The order of the states, for the model of the machine."""


def allowed(before: str, after: str) -> bool:
    """Return whether a state may follow another one: the rule in other words than the product's."""
    if after == "open":
        return before in ("mitigated", "resolved", "reviewed")
    if after == "reviewed":
        return before == "resolved"
    return before in FORWARD[:3] and FORWARD.index(after) > FORWARD.index(before)


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_exactly_the_allowed_transitions_are_possible(before: State, after: State):
    found = incident()
    begun = replace(found, states=(replace(found.states[0], state=before),))

    if before is after:
        assert changes.move(begun, after, now=NOW, by="x") is None
    elif allowed(before, after):
        moved = changes.move(begun, after, now=NOW, by="x")
        assert moved is not None
        assert moved.incident.state is after
    else:
        with pytest.raises(TransitionNotAllowedError):
            changes.move(begun, after, now=NOW, by="x")


def test_a_refused_transition_names_the_allowed_ones():
    with pytest.raises(
        TransitionNotAllowedError, match="acknowledged or mitigated or resolved"
    ) as e:
        changes.move(incident(), State.REVIEWED, now=NOW, by="x")

    assert e.value.extensions == {"allowed": ["acknowledged", "mitigated", "resolved"]}


def test_a_clock_that_was_set_back_does_not_disorder_the_timeline():
    moved = changes.move(incident(), State.ACKNOWLEDGED, now=START - 10, by="x")

    assert moved is not None
    assert moved.incident.states[-1].at == START


def test_reopening_forgets_when_it_was_resolved_last():
    found: Incident = incident()
    for state in (State.RESOLVED, State.OPEN):
        change = changes.move(found, state, now=NOW, by="x")
        assert change is not None
        found = change.incident

    assert found.last_entered(State.RESOLVED) is None
    assert found.closed_at is None
    assert found.opened_at == START


def test_a_condition_detected_twice_changes_nothing():
    known = incident(severity=Severity.CRITICAL)

    assert changes.detect_again(known, condition(), now=NOW) is None


def test_a_condition_adds_what_it_hits_and_raises_the_severity_only():
    known = incident(severity=Severity.MEDIUM)
    grown = changes.detect_again(
        known, condition(components=(PAYMENT, GPT), severity=Severity.CRITICAL), now=NOW
    )
    assert grown is not None
    calmer = changes.detect_again(
        grown.incident, condition(components=(GPT,), severity=Severity.LOW), now=NOW
    )

    assert grown.incident.components == (PAYMENT, GPT)
    assert grown.incident.severity is Severity.CRITICAL
    assert grown.details["components"] == [GPT.id]
    assert calmer is None


def test_merging_keeps_the_duplicate_and_its_knowledge():
    duplicate = replace(
        incident(OTHER, severity=Severity.CRITICAL), components=(GPT,), conditions=("c",)
    )
    gone, grown = changes.merge(duplicate, incident(), now=NOW)

    assert (gone.incident.merged_into, gone.incident.active) == (ID, False)
    assert gone.incident.closed_at == NOW
    assert grown.incident.components == (PAYMENT, GPT)
    assert grown.incident.severity is Severity.CRITICAL
    assert (grown.incident.conditions, grown.incident.duplicates) == (("c",), (OTHER,))
    with pytest.raises(IncidentMergedError):
        changes.move(gone.incident, State.RESOLVED, now=NOW, by="x")


def test_nothing_is_merged_into_itself_or_into_what_is_over():
    resolved = changes.move(incident(), State.RESOLVED, now=NOW, by="x")
    assert resolved is not None

    for duplicate, into in (
        (incident(), incident()),
        (incident(OTHER), resolved.incident),
        (resolved.incident, incident(OTHER)),
    ):
        with pytest.raises(MergeNotAllowedError):
            changes.merge(duplicate, into, now=NOW)


def test_five_hundred_components_are_kept_in_order():
    many = tuple(Affected(f"agent:a{n}", f"a{n}", "agent") for n in range(500))
    grown = changes.detect_again(incident(), condition(components=many), now=NOW)

    assert grown is not None
    assert grown.incident.components == (PAYMENT, *many)


class Incidents(RuleBasedStateMachine):
    """Changes of a few incidents, against a model of names and sets."""

    live = Bundle("live")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.stored: dict[str, Incident] = {}
        self.events: dict[str, list[EventKind]] = {}
        self.states: dict[str, str] = {}
        self.hit: dict[str, set[str]] = {}
        self.merged: dict[str, str] = {}
        self.owners: dict[str, str | None] = {}

    @rule(target=live, severity=st.sampled_from(Severity))
    def open(self, severity: Severity) -> str:
        id_ = f"00000000-0000-4000-8000-{len(self.stored):012d}"
        self.stored[id_] = incident(id_, at=self.now, severity=severity)
        self.events[id_] = [EventKind.OPENED]
        self.states[id_], self.merged[id_], self.owners[id_] = "open", "", None
        self.hit[id_] = {PAYMENT.id}
        return id_

    @rule(seconds=st.integers(-5, 100))
    def wait(self, seconds: int) -> None:
        self.now += seconds * NS_PER_SECOND

    @rule(id_=live, to=st.sampled_from(State))
    def move(self, id_: str, to: State) -> None:
        before = self.states[id_]
        possible = not self.merged[id_] and (to == before or allowed(before, to))
        if self._tried(id_, lambda i: changes.move(i, to, now=self.now, by="x"), possible):
            self.states[id_] = to.value

    @rule(id_=live, owner=st.sampled_from([None, "søren", "支付团队"]))
    def assign(self, id_: str, owner: str | None) -> None:
        possible = not self.merged[id_]
        if self._tried(id_, lambda i: changes.assign(i, owner, now=self.now), possible):
            self.owners[id_] = owner

    @rule(id_=live)
    def note(self, id_: str) -> None:
        assert self._tried(id_, lambda i: changes.note(i, "seen", now=self.now), possible=True)

    @rule(id_=live, hit=st.sets(st.sampled_from("abcdef"), min_size=1))
    def detect(self, id_: str, hit: set[str]) -> None:
        found = condition(components=tuple(Affected(each, each) for each in sorted(hit)))
        if self._tried(id_, lambda i: changes.detect_again(i, found, now=self.now), possible=True):
            self.hit[id_] |= hit

    @rule(target=live, one=consumes(live), other=live)
    def merge(self, one: str, other: str):
        active = all(self._active(each) for each in (one, other))
        if one == other or not active:
            with pytest.raises((MergeNotAllowedError, IncidentMergedError)):
                changes.merge(self.stored[one], self.stored[other], now=self.now)
            return multiple(one)
        gone, grown = changes.merge(self.stored[one], self.stored[other], now=self.now)
        self._keep(one, gone)
        self._keep(other, grown)
        self.merged[one] = other
        self.hit[other] |= self.hit[one]
        return multiple(one)

    @invariant()
    def agrees_with_the_model(self) -> None:
        for id_, found in self.stored.items():
            assert found.state.value == self.states[id_]
            assert {each.id for each in found.components} == self.hit[id_]
            assert (found.merged_into or "") == self.merged[id_]
            assert found.owner == self.owners[id_]
            assert found.active is self._active(id_)
            assert (found.closed_at is None) is found.active

    @invariant()
    def every_version_has_one_event_and_times_never_go_back(self) -> None:
        for id_, found in self.stored.items():
            assert found.version == len(self.events[id_])
            times = [entered.at for entered in found.states]
            assert times == sorted(times)
            assert times[-1] <= found.changed_at

    @invariant()
    def the_states_are_a_path_of_allowed_transitions(self) -> None:
        for found in self.stored.values():
            path = [entered.state.value for entered in found.states]
            assert path[0] == "open"
            assert all(map(allowed, path, path[1:]))

    def _active(self, id_: str) -> bool:
        return not self.merged[id_] and self.states[id_] in FORWARD[:3]

    def _tried(self, id_: str, rule_, possible: bool) -> bool:
        """Apply a rule that must be refused unless it is possible; return whether it applied."""
        if not possible:
            with pytest.raises((TransitionNotAllowedError, IncidentMergedError)):
                rule_(self.stored[id_])
            return False
        if (change := rule_(self.stored[id_])) is not None:
            self._keep(id_, change)
        return True

    def _keep(self, id_: str, change: Change) -> None:
        assert change.incident.version == self.stored[id_].version + 1
        assert change.incident.id == id_
        self.stored[id_] = change.incident
        self.events[id_].append(change.kind)


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_what_is_hit_first_stays_first():
    linked = changes.link_simulation(
        incident(),
        Links("d", "v1", "s1"),
        impact=None,  # type: ignore[arg-type]  # no rule looks at it
        components=(GPT, PAYMENT),
        workflows=(CHECKOUT,),
        now=NOW,
    )

    assert linked is not None
    assert linked.incident.components == (PAYMENT, GPT)
    assert linked.incident.workflows == (CHECKOUT,)
