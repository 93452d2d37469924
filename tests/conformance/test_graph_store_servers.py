"""Graph stores whose server is killed: what was promised is there when it is back.

What was not is there whole, or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentguard.kernel.clock import system_clock
from agentguard.kernel.errors import UnavailableError
from scripts.services.process import Server
from tests.conformance.graph_stores import Backend, Neo4j, step_on
from tests.conformance.graphs import RUNS, check_whole, line, version
from tests.neo4j_server import own_neo4j, endpoint_of

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("graph_store_servers"), pytest.mark.matrix]


@dataclass(frozen=True)
class Killable:
    """A server of our own, and a store in it."""

    server: Server
    backend: Backend


@contextmanager
def neo4j(folder: Path) -> Iterator[Killable]:
    with own_neo4j(folder / "neo4j") as server:
        yield Killable(server, Neo4j(folder, endpoint_of(server), seconds=20))


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Killable]]] = {"neo4j": neo4j}


@pytest.fixture(scope="module", params=SERVERS)
def killable(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Killable]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as found:
        found.server.start()
        yield found


async def test_what_put_returned_for_survives_the_server_and_the_store_finds_it_again(
    killable: Killable,
):
    async with killable.backend.opened() as store:
        put = version("a", system_clock, line(20))
        await store.put(put, RUNS)
        killable.server.kill()
        async with asyncio.timeout(60):
            for question in (
                store.newest(),
                store.get(put.id),
                store.datasets(),
                store.history(),
                store.ping(),
                store.put(put, RUNS),
            ):
                with pytest.raises(UnavailableError):
                    await question
        await asyncio.to_thread(killable.server.start)

        assert await store.newest() == put
        await check_whole(store, put)
    killable.backend.check(put)


@pytest.mark.parametrize("part", [0.45, 0.6])
async def test_a_put_in_whose_middle_the_server_dies_is_whole_or_not_there(
    killable: Killable, part: float
):
    steps = at = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            killable.server.kill()

    backend = killable.backend
    async with backend.opened(step=step) as store:
        await store.put(version("a", system_clock), RUNS)  # the first has more to prepare
        steps = 0
        before = version("a", system_clock, line(30, "before"))
        await store.put(before, RUNS)
        at, steps = round(steps * part), 0
        put = version("a", system_clock, line(50, "after"))
        returned = await _returns(store.put(put, RUNS))
    assert steps >= at
    await asyncio.to_thread(killable.server.start)

    async with backend.opened(step=step_on) as store:
        newest = await store.newest()
        assert newest in ((put,) if returned else (before, put))
        await check_whole(store, newest)
        backend.check(newest)
        await store.put(last := version("a", system_clock, line(3)), RUNS)
        backend.check(last)


async def _returns(call: Awaitable[None]) -> bool:
    try:
        await call
    except UnavailableError:
        return False
    return True
