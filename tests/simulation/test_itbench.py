"""Incidents of a demo shop on Kubernetes: what failed with the root cause is what was said to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from agentguard.catalog.matching import Standing, match
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import UnknownComponentError
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method
from tests.simulation.itbench import Incident, MalformedIncidentError, incidents, observed_name
from tests.simulation.worlds import component, world

MALFORMED = ("it-20", "it-91")
SOUND = sorted(set(incidents()) - set(MALFORMED))


def affected(incident: Incident, *failed: str) -> frozenset[str]:
    result = simulate(incident.graph, None, failed, method=Method.STRUCTURAL)
    return frozenset(hit.id for hit in result.components)


def test_all_incidents_are_here() -> None:
    assert len(SOUND) == 18
    assert sum(len(set(i.depends_on)) for i in incidents().values()) > 100


@pytest.mark.parametrize("name", SOUND)
def test_what_fails_with_the_root_cause_is_what_its_propagations_reach(name: str) -> None:
    incident = incidents()[name]

    assert affected(incident, *incident.roots) == incident.blast


@pytest.mark.parametrize("name", SOUND)
def test_a_failure_never_travels_to_what_is_depended_on(name: str) -> None:
    incident = incidents()[name]
    last = sorted(incident.blast - {target for _, target in incident.depends_on})

    assert all(affected(incident, node) == frozenset() for node in last)
    assert bool(last) == bool(incident.blast)


def test_an_incident_that_uses_what_it_does_not_declare_is_refused() -> None:
    with pytest.raises(MalformedIncidentError, match=r"it-91: \['kafka-pod-1'\] are used"):
        _ = incidents()["it-91"].graph


def test_a_propagation_from_what_the_root_does_not_reach_is_refused() -> None:
    with pytest.raises(MalformedIncidentError, match=r"it-20: \['checkout-service-1'"):
        _ = incidents()["it-20"].graph


def test_a_root_cause_that_is_not_in_the_graph_is_an_error_with_its_name() -> None:
    sound = incidents()["it-1"]

    with pytest.raises(UnknownComponentError, match="kafka-pod-1"):
        affected(sound, "kafka-pod-1")


def test_names_that_kubernetes_makes_are_matched_by_declared_patterns_or_not_guessed() -> None:
    standings = Counter[Standing]()
    for incident in incidents().values():
        for node, name in names(incident):
            (found,) = match(
                world(components=[component(name, ComponentKind.SERVICE)]), incident.catalog
            ).components
            standings[found.standing] += 1
            labels = [candidate.entry.label for candidate in found.candidates]
            if found.standing is Standing.DECLARED:
                assert labels[0] == node
            elif found.standing is Standing.AMBIGUOUS:
                assert node in labels
                assert len(labels) > 1

    assert standings[Standing.DECLARED] == 170
    assert standings[Standing.AMBIGUOUS] == 13, "frontend-* also matches frontend-proxy-..."
    assert standings[Standing.UNDECLARED] == 6, "the catalog refuses *checkout* and ad-* as aliases"


def names(incident: Incident) -> Iterator[tuple[str, str]]:
    for node, patterns in incident.nodes.items():
        yield from ((node, name) for name in map(observed_name, patterns) if name is not None)
