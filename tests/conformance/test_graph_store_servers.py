"""Projections whose server is killed: what is stored is shown once the server is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentguard.kernel.clock import system_clock
from scripts.services.process import Server
from tests.conformance.graph_stores import Backend, WithNeo4j
from tests.conformance.graphs import RUNS, check_whole, line, version
from tests.neo4j_server import endpoint_of, own_neo4j

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("graph_store_servers"), pytest.mark.matrix]


@dataclass(frozen=True)
class Killable:
    """A server of our own, and a store in it."""

    server: Server
    backend: Backend


@contextmanager
def neo4j(folder: Path) -> Iterator[Killable]:
    with own_neo4j(folder / "neo4j") as server:
        yield Killable(server, WithNeo4j(folder, endpoint_of(server), seconds=20))


SERVERS: dict[str, Callable[[Path], AbstractContextManager[Killable]]] = {"neo4j": neo4j}


@pytest.fixture(scope="module", params=SERVERS)
def killable(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Killable]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as found:
        found.server.start()
        yield found


async def test_what_is_stored_while_the_server_is_down_is_shown_once_it_is_back(
    killable: Killable,
):
    async with killable.backend.opened(clock=system_clock) as store:
        await store.put(version("a", system_clock, line(20)), RUNS)
        killable.server.kill()
        put = version("a", system_clock, line(30))
        async with asyncio.timeout(60):
            assert not await store.put(put, RUNS)
        assert await store.newest() == put
        await check_whole(store, put)
        await asyncio.to_thread(killable.server.start)

    await killable.backend.check(put)


@pytest.mark.parametrize("part", [0.45, 0.6])
async def test_a_put_in_whose_middle_the_server_dies_is_stored_and_shown_later(
    killable: Killable, part: float
):
    steps = at = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            killable.server.kill()

    backend = killable.backend
    async with backend.opened(clock=system_clock, step=step) as store:
        await store.put(version("a", system_clock), RUNS)  # the first has more to prepare
        steps = 0
        await store.put(version("a", system_clock, line(30, "before")), RUNS)
        at, steps = round(steps * part), 0
        put = version("a", system_clock, line(50, "after"))
        await store.put(put, RUNS)
        assert steps >= at
        assert await store.newest() == put
    await asyncio.to_thread(killable.server.start)

    await backend.check(put)
    async with backend.opened(clock=system_clock) as store:
        await store.put(last := version("a", system_clock, line(3)), RUNS)
    await backend.check(last)
