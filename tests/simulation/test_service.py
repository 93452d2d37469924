from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from agentguard.accounts.principal import (
    EVERY_PERMISSION,
    Permission,
    PermissionDeniedError,
    Principal,
    PrincipalKind,
)
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import NoGraphError, UnknownComponentError
from agentguard.graph.evidence_links import NO_LINKS
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs, no_runs
from agentguard.graph.selection import GraphSelection, GraphSelector
from agentguard.graph.storage.store import GraphVersion
from agentguard.jobs.model import Job, UnknownJobError
from agentguard.playbooks.service import PlaybookService
from agentguard.simulation.model import Method, Thresholds
from agentguard.simulation.service import Failure, SimulationService
from agentguard.simulation.shared_fate import UnknownGroupError
from agentguard.traces.window import TimeWindow
from tests.graph.handmade import MODEL, PRICING, component, shop

pytestmark = pytest.mark.anyio

ADA = Principal("os-user:ada", PrincipalKind.OS_USER, EVERY_PERMISSION)
READER = Principal("api-key:reader", PrincipalKind.API_KEY, frozenset({Permission.READ}))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class NoWindows:
    """No live spans are stored."""

    async def graph(self, _window: TimeWindow) -> tuple[Graph, Runs]:
        return Graph(), no_runs()


@dataclass(slots=True)
class World:
    """One stored graph, and the jobs that were submitted."""

    graph: Graph = field(default_factory=shop)
    submitted: list[tuple[str, Any]] = field(default_factory=list)

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        if dataset not in (None, "shop"):
            raise NoGraphError.of(dataset)
        return GraphVersion("1", "shop", 1_000, self.graph)

    async def get(self, version_id: str) -> GraphVersion:
        raise NoGraphError.version(version_id)

    async def runs(self, _version_id: str) -> Runs:
        return no_runs()

    async def keep(self, version_id: str) -> None:
        """Do nothing: every version is stored."""

    def as_of(self, newest: GraphVersion) -> int:
        return newest.created_at

    async def submit(self, _actor: Principal, kind: str, request: Any) -> Job:
        self.submitted.append((kind, request))
        return Job("1", kind, request, created_at=1, due_at=1, deliver_at=1)

    def simulations(self) -> SimulationService:
        selector = GraphSelector(self, NoWindows())
        return SimulationService(selector, None, NO_LINKS, Thresholds(), self)


@dataclass
class Queue:
    """The jobs of a world."""

    world: World

    async def submit(self, actor: Principal, kind: str, request: Any) -> Job:
        return await self.world.submit(actor, kind, request)

    async def get(self, job_id: str) -> Job:
        raise UnknownJobError(job_id)


async def test_only_a_principal_that_may_simulate_can():
    world = World()
    simulations, playbooks = world.simulations(), PlaybookService(world.simulations(), Queue(world))
    failure = Failure((PRICING.id,))
    resolved = await simulations.resolve(ADA, failure)

    for refused in (
        simulations.resolve(READER, failure),
        simulations.simulate(READER, resolved),
        simulations.submit(READER, failure),
        playbooks.write(READER, resolved),
        playbooks.submit(READER, failure),
    ):
        with pytest.raises(PermissionDeniedError, match="simulate"):
            await refused
    assert world.submitted == []


async def test_a_group_is_all_its_members_where_no_component_has_that_name():
    resolved = await World().simulations().resolve(ADA, Failure(("provider:OpenAI",)))

    assert resolved.components == (MODEL.id,)


async def test_a_component_wins_over_a_group_of_its_name_and_groups_name_the_group():
    twin = component(ComponentKind.SERVICE, "openai", id="provider:openai")
    world = World(Graph(components=(MODEL, twin)))

    named = await world.simulations().resolve(ADA, Failure(("provider:openai",)))
    grouped = await world.simulations().resolve(ADA, Failure((), ("provider:openai",)))

    assert (named.components, grouped.components) == ((twin.id,), (MODEL.id,))


async def test_what_is_no_group_is_an_unknown_component_and_an_unknown_group_lists_the_groups():
    simulations = World().simulations()

    with pytest.raises(UnknownComponentError):
        await simulations.resolve(ADA, Failure(("nobody",)))
    with pytest.raises(UnknownGroupError, match="provider:openai"):
        await simulations.resolve(ADA, Failure(("provider:nobody",)))


async def test_a_background_simulation_of_something_unknown_becomes_no_job():
    world = World()

    with pytest.raises(UnknownComponentError):
        await world.simulations().submit(ADA, Failure(("nobody",)))

    assert world.submitted == []


async def test_a_submitted_failure_is_the_one_that_the_job_runs():
    world = World()
    failure = Failure((PRICING.id,), (), Method.STRUCTURAL, 7, GraphSelection("shop"))
    await world.simulations().submit(ADA, failure)
    [(kind, request)] = world.submitted
    job = Job("1", kind, request, created_at=1, due_at=1, deliver_at=1)

    simulations = world.simulations()
    ran, direct = [await simulations.resolve(ADA, f) for f in (Failure.of(job.request), failure)]

    assert await simulations.simulate(ADA, ran) == await simulations.simulate(ADA, direct)


@pytest.mark.parametrize(
    "selection",
    [
        GraphSelection(),
        GraphSelection("live", None, TimeWindow(1, None)),
        GraphSelection(version="v"),
    ],
)
def test_a_stored_failure_comes_back_whole(selection):
    failure = Failure(("a",), ("provider:b",), Method.REPLAY, 3, selection)

    assert Failure.of(failure.request()) == failure


def test_a_job_that_an_older_version_queued_can_be_read():
    old = {"wanted": ["a"], "groups": [], "method": None, "seed": 0, "dataset": "shop"}

    assert Failure.of(old) == Failure(("a",), selection=GraphSelection("shop"))
