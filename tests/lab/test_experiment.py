"""Real processes, with and without an outage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.faults import Fault
from demo.processes import keep_to_this_machine
from demo.scripts import Step
from demo.system import Agent, Service, System
from lab.experiment import METHODS, Case, predicted, record
from lab.outages import OutageKind
from lab.parts import NOISY, Part, chosen
from lab.report import details, table
from lab.topologies import note, think, topology

pytestmark = pytest.mark.xdist_group("lab")

FRONT = Agent(
    "FrontAgent",
    "Talks to users.",
    models=("gpt-4o",),
    tools={"greet": think},
    colleagues=("BackAgent",),
    script=(Step(("greet",), optional=True), Step(("BackAgent",))),
)
BACK = Agent(
    "BackAgent",
    "Works.",
    models=("gpt-4o-mini",),
    tools={"store": note},
    script=(Step(("store",)),),
)


def small() -> System:
    return replace(
        topology(1),
        name="small",
        services=(
            Service("gateway", entries={"/work-0": "FrontAgent"}),
            Service("front", (FRONT,)),
            Service("back", (BACK,)),
        ),
        faults=(Fault("greet", 0.3),),
        default_runs=10,
        requests=topology(1).requests,
    )


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Part:
    keep_to_this_machine()
    root = tmp_path_factory.mktemp("lab")
    record(SYSTEM, NOISY, chosen(SYSTEM, most=1), root, lambda _: None)
    return Part.within(root, SYSTEM.name, NOISY)


@pytest.fixture(scope="module")
def cases(part: Part) -> dict[str, Case]:
    return {case.outage.kind.value: case for case in predicted(SYSTEM.name, part, part)}


def requests(seed: int, runs: int):
    return [r for r in topology(1).requests(seed, runs) if r.path == "/work-0"]


SYSTEM = replace(small(), requests=requests)


def test_what_was_observed_is_not_observed_again(part: Part) -> None:
    told: list[str] = []
    files = sorted(part.folder.rglob("*.json*"))

    record(SYSTEM, NOISY, chosen(SYSTEM, most=1), part.folder.parents[1], told.append)

    assert told == []
    assert len(files) == 2 + len(OutageKind)
    assert sorted(part.folder.rglob("*.json*")) == files


def test_what_an_outage_loses_is_counted_run_by_run(cases: dict[str, Case]) -> None:
    lost = {kind: case.truth.workflows["POST /work-0"] for kind, case in cases.items()}

    assert set(cases) == {kind.value for kind in OutageKind}
    assert (lost["tool"].seen, lost["tool"].lost) == (10, 0), "greeting is optional"
    for kind in ("model", "agent", "service", "datastore"):
        assert (lost[kind].seen, lost[kind].lost) == (10, 10), kind


def test_who_fails_with_it_is_counted_apart_from_what_was_out(cases: dict[str, Case]) -> None:
    assert cases["tool"].truth.hit == frozenset()
    assert cases["agent"].outage.name == "FrontAgent"
    assert cases["agent"].truth.hit == {"service:front", "service:gateway"}
    assert cases["service"].outage.name == "front"
    assert cases["service"].truth.hit == {"service:gateway"}
    assert {"agent:BackAgent", "agent:FrontAgent"} <= cases["datastore"].truth.hit


def test_every_method_says_something_and_is_scored(cases: dict[str, Case]) -> None:
    lines = table([("small", list(cases.values()))]).splitlines()

    assert len(lines) == 2 + len(METHODS)
    assert all(
        f"| small | {method} | " in line for method, line in zip(METHODS, lines[2:], strict=True)
    )
    for case in cases.values():
        assert set(case.predictions) == set(METHODS)
    assert cases["agent"].predictions["replay"].share("POST /work-0").value == 1.0
    assert list(details([cases["agent"]], "replay")) == []
