"""AgentGuard with NEO4J_URI set: commands and a server, with Neo4j there, away, and back again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from scripts.services.process import Server
from tests.neo4j_server import Place, empty_neo4j, endpoint_of, own_neo4j
from tests.web.process import running
from tests.web.systems import shop

pytestmark = pytest.mark.xdist_group("neo4j")

CODE = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
"""Where the code under test is, for processes that get no other variable."""
SECRET = "the-secret-word"


def neo4j_at(uri: str, password: str = SECRET, user: str = "neo4j") -> dict[str, str]:
    return {"NEO4J_URI": uri, "NEO4J_USER": user, "NEO4J_PASSWORD": password, **CODE}


def agentguard(
    directory: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentguard.cli", *arguments],
        env={"PATH": os.environ["PATH"], "AGENTGUARD_DATA_DIR": str(directory / "data")}
        | variables,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_one_command_scans_another_shows(tmp_path: Path):
    (tmp_path / "shop.json").write_text(json.dumps(shop()))
    with empty_neo4j() as place:
        there = neo4j_at(place.uri, place.password, place.user)
        scan = agentguard(tmp_path, "scan", "shop.json", "--dataset", "shop", **there)
        shown = agentguard(tmp_path, "graph", "--format", "json", **there)
        replayed = agentguard(
            tmp_path, "simulate", "PaymentAgent", "--method", "replay", "--format", "json", **there
        )
        agents = place.ask(
            "MATCH (a:Agent) RETURN a.name AS name, a.standing AS standing ORDER BY name"
        )

    assert scan.returncode == 0, scan.stderr
    names = ["CheckoutAgent", "FraudAgent", "PaymentAgent"]
    assert (
        sorted(
            node["label"] for node in json.loads(shown.stdout)["nodes"] if node["type"] == "agent"
        )
        == names
    )
    assert replayed.returncode == 0
    assert agents == [
        {"name": name, "standing": "unknown"} for name in names
    ]  # nobody declared anything


def test_a_scan_is_stored_and_shown_while_neo4j_is_down_and_says_that_neo4j_will_follow(
    tmp_path: Path,
):
    (tmp_path / "shop.json").write_text(json.dumps(shop()))
    down = neo4j_at("bolt://127.0.0.1:1")
    scan = agentguard(tmp_path, "scan", "shop.json", "--dataset", "shop", **down)
    shown = agentguard(tmp_path, "graph", "--format", "json", **down)

    assert scan.returncode == shown.returncode == 0
    assert "projection_pending" in scan.stderr
    assert "Neo4j at bolt://127.0.0.1:1 is unreachable" in scan.stderr
    assert len(json.loads(shown.stdout)["nodes"]) > 3
    assert SECRET not in scan.stderr + scan.stdout + shown.stderr


def test_a_uri_that_holds_a_password_is_refused_without_repeating_it(tmp_path: Path):
    ended = agentguard(tmp_path, "graph", NEO4J_URI=f"bolt://neo4j:{SECRET}@127.0.0.1:7687", **CODE)

    assert ended.returncode == 1
    assert "NEO4J_PASSWORD" in ended.stderr
    assert SECRET not in ended.stderr


def test_a_package_that_is_missing_is_named(tmp_path: Path):
    (tmp_path / "neo4j.py").write_text("raise ModuleNotFoundError(\"No module named 'neo4j'\")")
    ended = agentguard(
        tmp_path,
        "scan",
        str(tmp_path),
        **neo4j_at("bolt://127.0.0.1:1")
        | {"PYTHONPATH": f"{tmp_path}:{CODE.get('PYTHONPATH', '')}"},
    )

    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("Run: pip install 'agentguard[services]'")


def test_without_the_setting_nothing_of_neo4j_is_imported(tmp_path: Path):
    source = (
        "import sys, asyncio\nfrom agentguard.bootstrap.opening import open_app\nfrom"
        " agentguard.settings import Settings\nasync def run():\n    async with"
        " open_app(Settings()):\n        assert 'neo4j' not in sys.modules\nasyncio.run(run())"
    )
    variables = {"PATH": os.environ["PATH"], "AGENTGUARD_DATA_DIR": str(tmp_path / "data"), **CODE}

    subprocess.run(
        [sys.executable, "-c", source], env=variables, cwd=tmp_path, check=True, timeout=120
    )


@pytest.fixture
def away(tmp_path: Path) -> Iterator[tuple[Server, Place]]:
    """A server that is not started yet."""
    with own_neo4j(tmp_path / "neo4j") as server:
        yield server, endpoint_of(server)


def test_a_server_works_without_neo4j_and_shows_the_newest_graph_there_once_it_is_up(
    tmp_path: Path, away: tuple[Server, Place]
):
    neo4j, place = away
    with running(tmp_path, **neo4j_at(place.uri, place.password)) as server:

        def status(path: str) -> int:
            return httpx.get(f"{server.url}{path}", timeout=30).status_code

        assert status("/health/live") == 200
        sent = httpx.post(f"{server.url}/v1/traces", json=shop(), timeout=60)
        assert sent.status_code == 200
        until(lambda: status("/api/graph") == 200)
        assert status("/health/ready") == 503

        neo4j.start()
        until(lambda: len(agents(place)) == 3)
        assert place.ask(
            "SHOW CONSTRAINTS YIELD labelsOrTypes WHERE labelsOrTypes = ['Component'] RETURN 1"
        )
        until(lambda: status("/health/ready") == 200)
        neo4j.kill()
        assert status("/api/graph") == 200
        until(lambda: status("/health/ready") == 503)
        neo4j.start()
        until(lambda: status("/health/ready") == 200)
        assert server.stop() == 0
    assert place.password not in server.log.read_text()


def agents(place: Place) -> list[dict[str, str]]:
    return place.ask("MATCH (a:Agent) RETURN a.name AS name")
