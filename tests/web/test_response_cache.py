"""Answers about graph versions: each is computed once and kept under all its inputs."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.adapters.memory.cache import MemoryCache
from agentguard.analysis import service as analysis
from agentguard.playbooks import service as playbooks
from agentguard.simulation import service
from agentguard.simulation.model import Method
from agentguard.simulation.service import Failure
from agentguard.web.response_cache import Inputs, Question, ResponseCache, shared_inputs
from scripts.services.redis import redis as redis_server
from tests.services import own, redis_url
from tests.web.serving import opened, served
from tests.web.systems import shop

pytestmark = pytest.mark.anyio

CATALOG = "agents:\n  - name: {name}\n    owner: payments\n"

names = st.text(max_size=3)
failures = st.builds(
    Failure,
    wanted=st.lists(st.sampled_from(["a", "b", "a,b", '"', ""]), max_size=3).map(tuple),
    method=st.sampled_from([None, *Method]),
    seed=st.integers(0, 2**63 - 1) | st.integers(0, 2),
)
questions = st.builds(
    Question,
    graph_version=st.sampled_from(["v1", "v2", ""]),
    endpoint=st.sampled_from(["graph", "simulate", "playbook"]),
    parameters=st.none() | failures,
)
grounds = st.fixed_dictionaries(
    {name: st.sampled_from(["", "1", "2"]) for name in ("version", "catalog", "trace_url")}
)


def key_of(question: Question, inputs: Inputs) -> str:
    return ResponseCache(MemoryCache(), inputs).key(question)


@given(questions, questions, grounds, grounds)
def test_keys_are_equal_where_questions_and_ground_are_and_nowhere_else(
    one: Question, other: Question, ground: Any, another: Any
):
    same = (one, ground) == (other, another)

    assert (key_of(one, ground) == key_of(other, another)) is same


@given(questions, grounds, st.randoms())
def test_the_order_in_which_a_question_was_put_together_does_not_matter(
    question: Question, ground: Any, random
):
    shuffled = dict(random.sample(sorted(ground.items()), len(ground)))

    assert key_of(question, shuffled) == key_of(dataclasses.replace(question), ground)


async def test_each_setting_that_answers_follow_from_gives_another_ground(tmp_path: Path):
    for n, name in enumerate(("PaymentAgent", "FraudAgent")):
        (tmp_path / f"catalog{n}.yaml").write_text(CATALOG.format(name=name))
    settings: list[dict[str, Any]] = [
        {},
        {"catalog": tmp_path / "catalog0.yaml"},
        {"catalog": tmp_path / "catalog1.yaml"},
        {"trace_url": "http://localhost/{trace_id}"},
        {"severity_critical": 0.6},
        {"severity_high": 0.3},
        {"severity_medium": 0.1},
    ]
    grounds = []
    for each in settings:
        async with opened(tmp_path, **each) as app:
            grounds.append(shared_inputs(app))
            assert shared_inputs(app) == grounds[-1]

    keys = {key_of(Question("v", "graph"), ground) for ground in grounds}
    assert len(keys) == len(settings)


async def test_a_catalogue_that_is_edited_gives_another_ground_and_one_that_is_read_again_the_same(
    tmp_path: Path,
):
    path, grounds = tmp_path / "catalog.yaml", []
    for name in ("PaymentAgent", "PaymentAgent", "FraudAgent"):
        path.write_text(CATALOG.format(name=name))
        async with opened(tmp_path, catalog=path) as app:
            grounds.append(shared_inputs(app))

    assert grounds[0] == grounds[1] != grounds[2]


async def test_a_catalogue_whose_path_is_no_text_has_a_ground_too(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"\xff.yaml")
    path.write_text(CATALOG.format(name="PaymentAgent"))
    async with opened(tmp_path, catalog=path) as app:
        key = key_of(Question("v", "graph"), shared_inputs(app))

    assert len(key) == 64


@pytest.mark.parametrize("change", ["version_of", "_code"])
async def test_other_code_gives_another_ground(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
):
    async with opened(tmp_path) as app:
        before = shared_inputs(app)
        monkeypatch.setattr(f"agentguard.web.response_cache.{change}", lambda *_: "another")

        assert shared_inputs(app) != before


class Counted:
    """Stands in front of a function and counts its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.calls, self._real = 0, getattr(owner, name)
        monkeypatch.setattr(owner, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self._real(*args, **kwargs)


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch, analysis, "analyze")


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch, service, "simulate")


async def test_equal_questions_at_a_time_and_later_are_computed_once(
    tmp_path: Path, analysed: Counted, simulated: Counted
):
    wanted = {"agent_id": "FraudAgent"}
    async with served(tmp_path) as client:
        await client.post("/api/scan", json=shop())
        graphs = await asyncio.gather(*[client.get("/api/graph") for _ in range(10)])
        simulations = await asyncio.gather(
            *[client.post("/api/simulate", json=wanted) for _ in range(10)]
        )
        graphs.append(await client.get("/api/graph"))
        simulations.append(await client.post("/api/simulate", json=wanted))

    assert (analysed.calls, simulated.calls) == (1, 1)
    for answers in (graphs, simulations):
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert answers[0].headers["content-type"] == "application/json"


async def test_the_same_components_by_id_and_by_name_are_the_same_question(
    tmp_path: Path, simulated: Counted
):
    async with served(tmp_path) as client:
        agents = (await client.post("/api/scan", json=shop())).json()["agents"]
        by_name = {agent["name"]: agent["id"] for agent in agents}
        asked = [
            {"agent_id": "FraudAgent"},
            {"agent_id": by_name["FraudAgent"]},
            {"agent_ids": ["FraudAgent", by_name["FraudAgent"]]},
        ]
        answers = [await client.post("/api/simulate", json=each) for each in asked]

    assert simulated.calls == 1
    assert len({answer.content for answer in answers}) == 1


async def test_another_parameter_gives_another_answer(tmp_path: Path, simulated: Counted):
    asked: list[dict[str, Any]] = [
        {"agent_id": "FraudAgent"},
        {"agent_id": "PaymentAgent"},
        {"agent_ids": ["FraudAgent", "PaymentAgent"]},
        {"agent_id": "FraudAgent", "method": "structural"},
        {"agent_id": "FraudAgent", "seed": 7},
    ]
    async with served(tmp_path) as client:
        await client.post("/api/scan", json=shop())
        answers = [await client.post("/api/simulate", json=each) for each in asked]
        playbooks = [await client.post("/api/playbook", json=each) for each in asked[:2]]

    assert simulated.calls == len(asked) + 2
    assert len({answer.content for answer in [*answers, *playbooks]}) == len(asked) + 2
    assert [answer.json()["inputs"]["seed"] for answer in answers] == [0, 0, 0, 0, 7]


async def test_another_version_gives_another_answer(tmp_path: Path):
    async with served(tmp_path) as client:
        for runs in (4, 5):
            await client.post("/api/scan", json=shop(runs), params={"dataset": "shop"})
            document = (await client.get("/api/graph", params={"dataset": "shop"})).json()
            simulation = (
                await client.post("/api/simulate", json={"agent_id": "FraudAgent"})
            ).json()

            assert document["edges"][0]["calls"] == runs
            assert simulation["graph_version"] == document["graph_version"]


async def test_a_question_that_cannot_be_answered_is_asked_anew_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with served(tmp_path) as client:
        await client.post("/api/scan", json=shop())
        unknown = [
            await client.post("/api/simulate", json={"agent_id": "Nobody"}) for _ in range(2)
        ]
        with monkeypatch.context() as broken:
            broken.setattr(analysis, "analyze", lambda *_, **__: 1 / 0)
            failed = await client.get("/api/graph")
        whole = await client.get("/api/graph")

    assert [answer.status_code for answer in unknown] == [404, 404]
    assert (failed.status_code, whole.status_code) == (500, 200)


async def test_different_questions_are_answered_side_by_side():
    answers, met = ResponseCache(MemoryCache(), {}), asyncio.Barrier(2)

    async def meet() -> dict[str, Any]:
        await met.wait()
        return {}

    async with asyncio.timeout(20):
        await asyncio.gather(
            answers.of(Question("v", "a"), meet), answers.of(Question("v", "b"), meet)
        )


async def test_who_waited_for_an_answer_that_failed_or_was_given_up_computes_it():
    answers, begun, go, calls = (
        ResponseCache(MemoryCache(), {}),
        asyncio.Event(),
        asyncio.Event(),
        [],
    )

    async def compute() -> dict[str, Any]:
        calls.append(len(calls))
        begun.set()
        if calls[-1] == 0:
            await asyncio.Event().wait()
        if calls[-1] == 1:
            await go.wait()
            raise ValueError("the second fails")
        return {"call": calls[-1]}

    asking = [asyncio.ensure_future(answers.of(Question("v", "a"), compute)) for _ in range(5)]
    async with asyncio.timeout(20):
        await begun.wait()
        asking[0].cancel()
        go.set()
        found = await asyncio.gather(*asking, return_exceptions=True)

    assert [type(each) for each in found] == [
        asyncio.CancelledError,
        ValueError,
        bytes,
        bytes,
        bytes,
    ]
    assert found[2:] == [b'{"call":2}'] * 3
    assert len(calls) == 3


async def test_what_is_too_large_to_keep_is_still_computed_once_for_who_asks_at_a_time():
    answers, calls = ResponseCache(MemoryCache(), {}), []

    async def compute() -> dict[str, Any]:
        calls.append(1)
        await asyncio.sleep(0)
        return {"large": "x" * 33_000_000}

    found = await asyncio.gather(*[answers.of(Question("v", "a"), compute) for _ in range(5)])

    assert len(calls) == 1
    assert len(set(found)) == 1


async def test_another_server_process_finds_the_answer_in_redis(
    tmp_path: Path, analysed: Counted, simulated: Counted, monkeypatch: pytest.MonkeyPatch
):
    generated, found = Counted(monkeypatch, playbooks, "generate"), []
    async with served(tmp_path, redis_url=redis_url(), redis_timeout_seconds=20) as client:
        await client.post("/api/scan", json=shop())
        found.append(await _documents(client))
    calls = [analysed.calls, simulated.calls, generated.calls]
    async with served(tmp_path, redis_url=redis_url(), redis_timeout_seconds=20) as client:
        found.append(await _documents(client))

    assert [analysed.calls, simulated.calls, generated.calls] == calls == [1, 2, 1]
    assert found[0] == found[1]


async def _documents(client) -> list[bytes]:
    wanted = {"agent_id": "FraudAgent"}
    answers = [
        await client.get("/api/graph"),
        await client.post("/api/simulate", json=wanted),
        await client.post("/api/playbook", json=wanted),
    ]
    assert [answer.status_code for answer in answers] == [200] * 3
    return [answer.content for answer in answers]


async def test_another_catalogue_is_not_answered_from_before(tmp_path: Path):
    path, shadows = tmp_path / "catalog.yaml", []
    for name in ("PaymentAgent", "FraudAgent"):
        path.write_text(CATALOG.format(name=name))
        async with served(
            tmp_path, catalog=path, redis_url=redis_url(), redis_timeout_seconds=20
        ) as client:
            if not shadows:
                await client.post("/api/scan", json=shop())
            document = (await client.get("/api/graph")).json()
            shadows.append({node["label"] for node in document["nodes"] if node.get("shadow")})

    assert shadows == [{"CheckoutAgent", "FraudAgent"}, {"CheckoutAgent", "PaymentAgent"}]


async def test_answers_go_on_when_redis_dies_and_when_it_was_never_there(tmp_path: Path):
    with own(redis_server, _folder(tmp_path, "redis")) as server:
        url = server.settings["AGENTGUARD_REDIS_URL"]
        async with served(tmp_path, redis_url=url) as client:
            await client.post("/api/scan", json=shop())
            before = await _documents(client)
            await asyncio.to_thread(server.kill)
            after = await _documents(client)
        async with served(tmp_path, redis_url=url) as client:
            never = await _documents(client)
            scanned = await client.post("/api/scan", json=shop())

    assert before == after == never
    assert scanned.status_code == 200


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
