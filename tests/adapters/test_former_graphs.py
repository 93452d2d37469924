"""Graph versions that an older AgentGuard kept in Neo4j move into the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zstandard
from pydantic import SecretStr

from agentguard.adapters.files.runs import FileRunStore
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.graph.errors import NoGraphError
from agentguard.graph.model import Graph
from agentguard.graph.projection import Projector
from agentguard.graph.storage.former_names import antiquated
from agentguard.graph.storage.store import GraphVersion
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.kernel.ids import sortable_id
from agentguard.kernel.stable_json import stable_json
from agentguard.settings import Settings
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, line
from tests.graph.handmade import shop
from tests.neo4j_server import Place, empty_neo4j

pytestmark = pytest.mark.anyio

KEEP = """
CREATE (:GraphVersion {id: $id, dataset: $dataset, sequence: $sequence,
  created_at: datetime({epochSeconds: $seconds}), components: 1, dependencies: 0, graph: $graph})"""
SEE = """
CREATE (:Sighting {id: 'agent:old', kind: 'agent', name: 'old', spellings: ['Old'],
  first_seen: datetime({epochSeconds: $seconds}), last_seen: datetime({epochSeconds: $seconds})}),
  (:DaySeen {day: $day})"""


@pytest.fixture
def place() -> Iterator[Place]:
    with empty_neo4j() as found:
        yield found


def version(seconds: int, graph: Graph) -> GraphVersion:
    at = seconds * NS_PER_SECOND
    return GraphVersion(sortable_id(at), "shop", at, graph)


async def keep_as_before(place: Place, directory: Path, *versions: GraphVersion) -> None:
    """Leave these versions as AgentGuard left them in Neo4j."""
    runs = FileRunStore(directory / "graphs" / "neo4j", system_clock)
    for sequence, each in enumerate(versions, start=1):
        document = zstandard.compress(antiquated(stable_json(each.graph)))
        seconds = each.created_at // NS_PER_SECOND
        place.ask(
            KEEP,
            id=each.id,
            dataset=each.dataset,
            sequence=sequence,
            seconds=seconds,
            graph=document,
        )
        await runs.put(each.id, RUNS)


@asynccontextmanager
async def opened(directory: Path, uri: str | None, place: Place) -> AsyncIterator[App]:
    settings = Settings(
        data_dir=directory,
        neo4j_uri=uri,
        neo4j_user=place.user if uri else None,
        neo4j_password=SecretStr(place.password) if uri and place.password else None,
    )
    async with open_app(settings) as app:
        yield app


NOW = system_clock() // NS_PER_SECOND


async def test_versions_history_and_runs_move_and_neo4j_shows_the_newest(
    place: Place, tmp_path: Path
):
    older, old = version(NOW - 90, line(3)), version(NOW - 80, shop())
    await keep_as_before(place, tmp_path, older, old)
    place.ask(SEE, seconds=NOW - 90, day=NOW // 86_400)

    async with opened(tmp_path, place.uri, place) as app:
        assert await app.graphs.newest() == old
        assert await app.graphs.get(older.id) == older
        assert (await app.graphs.runs(old.id)).runs.equals(RUNS.runs)
        assert [s.id for s in (await app.graphs.history()).components] == ["agent:old"]
        assert app.projection is not None
        await Projector(app.graphs, app.projection).start()

    assert not (tmp_path / "graphs" / "neo4j").exists()
    assert (
        place.ask("MATCH (n:GraphVersion|Sighting|DaySeen|AgentGuardRetiredVersion) RETURN n") == []
    )
    shown = place.ask("MATCH (c:Component) RETURN c.id AS id")
    assert sorted(row["id"] for row in shown) == sorted(c.id for c in shop().components)


async def test_versions_that_the_database_has_keep_their_place_in_time(
    place: Place, tmp_path: Path
):
    first, second, third = (version(NOW - n, line(n % 7 + 1)) for n in (90, 60, 30))
    async with opened(tmp_path, None, place) as app:
        for each in (first, third):
            await app.scans.publisher.publish(TESTER, each, RUNS)
    await keep_as_before(place, tmp_path, second)

    async with opened(tmp_path, place.uri, place) as app:
        ids = await app.graphs.unit_of_work.read(lambda stores: stores.graphs.ids())
        assert ids == (first.id, second.id, third.id)
        assert await app.graphs.newest() == third
        await app.scans.publisher.publish(TESTER, last := version(NOW, line(1)), RUNS)
        assert await app.graphs.newest() == last


async def test_what_cannot_be_moved_yet_moves_at_a_later_start(place: Place, tmp_path: Path):
    old = version(NOW - 80, shop())
    await keep_as_before(place, tmp_path, old)

    async with opened(tmp_path, "bolt://127.0.0.1:1", place) as app:
        with pytest.raises(NoGraphError):
            await app.graphs.newest()
    async with opened(tmp_path, place.uri, place) as app:
        assert await app.graphs.newest() == old
    async with opened(tmp_path, place.uri, place) as app:
        assert await app.graphs.newest() == old
