"""Real processes, with and without a fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.faults import Fault
from demo.processes import keep_to_this_machine
from demo.scripts import Step
from demo.system import Agent, Service, System
from lab.experiment import METHODS, Case, predicted, record
from lab.injections import Injection, Kind, Mode
from lab.parts import NOISY, Part, chosen
from lab.report import details, table, table_by_mode
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
    record(SYSTEM, NOISY, INJECTED, root, lambda _: None)
    return Part.within(root, SYSTEM.name, NOISY)


@pytest.fixture(scope="module")
def cases(part: Part) -> dict[str, Case]:
    return {named(case.injection): case for case in predicted(SYSTEM.name, part, part)}


def requests(seed: int, runs: int):
    return [r for r in topology(1).requests(seed, runs) if r.path == "/work-0"]


SYSTEM = replace(small(), requests=requests)
OUTAGES = chosen(SYSTEM, [Mode.OUTAGE], most=1)
OTHERS = [
    Injection(Kind.TOOL, "store", Mode.ERRORS, 0.5),
    Injection(Kind.SERVICE, "back", Mode.CRASH),
    Injection(Kind.MODEL, "gpt-4o", Mode.SLOW, 20.0),
    Injection(Kind.AGENT, "BackAgent", Mode.WRONG, 1.0),
]
INJECTED = [*OUTAGES, *OTHERS]


def named(injection: Injection) -> str:
    kind, mode = injection.kind.value, injection.mode.value
    return kind if injection.mode is Mode.OUTAGE else f"{mode} {kind}"


def test_what_was_observed_is_not_observed_again(part: Part) -> None:
    told: list[str] = []
    files = sorted(part.folder.rglob("*.json*"))

    record(SYSTEM, NOISY, INJECTED, part.folder.parents[1], told.append)

    assert told == []
    assert len(files) == 2 + len(INJECTED)
    assert sorted(part.folder.rglob("*.json*")) == files


def test_what_a_fault_loses_is_counted_run_by_run(cases: dict[str, Case]) -> None:
    lost = {name: case.truth.workflows["POST /work-0"] for name, case in cases.items()}

    assert set(cases) == {named(injection) for injection in INJECTED}
    assert (lost["tool"].seen, lost["tool"].lost) == (10, 0), "greeting is optional"
    for name in ("model", "agent", "service", "datastore", "provider", "slow model", "wrong agent"):
        assert (lost[name].seen, lost[name].lost) == (10, 10), name
    assert 0 < lost["errors tool"].lost < 10
    assert (lost["crash service"].seen, lost["crash service"].lost) == (5, 5)


def test_who_fails_with_it_is_counted_apart_from_what_was_out(cases: dict[str, Case]) -> None:
    assert cases["tool"].truth.hit == frozenset()
    assert cases["agent"].injection.name == "FrontAgent"
    assert cases["agent"].truth.hit == {"service:front", "service:gateway"}
    assert cases["service"].injection.name == "front"
    assert cases["service"].truth.hit == {"service:gateway"}
    assert {"agent:BackAgent", "agent:FrontAgent"} <= cases["datastore"].truth.hit
    everybody = {"agent:FrontAgent", "service:back", "service:front", "service:gateway"}
    assert cases["wrong agent"].truth.hit == everybody


def test_every_method_says_something_and_is_scored(cases: dict[str, Case]) -> None:
    windows = [("small", list(cases.values()))]
    lines = table(windows).splitlines()

    assert len(lines) == 2 + len(METHODS)
    assert all(
        f"| small | {method} | {len(OUTAGES)} of {len(OUTAGES)} |" in line
        for method, line in zip(METHODS, lines[2:], strict=True)
    )
    assert "| small, wrong | naive | 1 of 1 |" in table_by_mode(windows)
    for case in cases.values():
        assert set(case.predictions) == set(METHODS)
    said = cases["agent"].predictions["replay"]
    assert said is not None
    assert said.share("POST /work-0").value == 1.0
    assert list(details([cases["agent"]], "replay")) == []
