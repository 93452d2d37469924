"""A server anchors what it logs by itself: in its own process, and through a Celery worker."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from agentguard.audit.bundles import Bundle
from agentguard.cli.main import app
from tests.cli.traces import write_traces
from tests.evm.anchored_log import FINAL_AFTER
from tests.evm.node import ETHER, Node
from tests.jobs.worker_process import Worker, working
from tests.services import server
from tests.web.process import Server, running

pytestmark = pytest.mark.xdist_group("evm")


@dataclass(frozen=True)
class Served:
    """A running server that anchors, and the worker that runs its jobs, if one does."""

    server: Server
    node: Node
    folder: Path
    variables: dict[str, str]
    worker: Worker | None

    def get(self, path: str) -> Any:
        return requests.get(self.server.url + path, timeout=30).json()

    def text(self, path: str) -> str:
        return requests.get(self.server.url + path, timeout=30).text

    def scan(self, dataset: str) -> None:
        self.cli("scan", str(self.folder / "traces.jsonl"), "--dataset", dataset)

    def anchors_when(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return where the log stands once it stands so; the chain goes on meanwhile."""
        until = time.monotonic() + 60
        while True:
            found = self.get("/api/audit/anchors")
            if holds(found):
                return dict(found)
            assert time.monotonic() < until, (found, self.server.log.read_text())
            if any(anchor["state"] == "mined" for anchor in found["anchors"]):
                self.node.mine(FINAL_AFTER)
            time.sleep(0.1)

    def cli(self, *command: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, command, env=self.variables, prog_name="agentguard")
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture(params=["embedded", "rabbitmq"])
def served(node: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    key = secrets.token_hex(32)
    node.call("anvil_setBalance", node.address_of(key), hex(ETHER))
    write_traces(tmp_path / "traces.jsonl")
    variables = {
        "WEB3_PROVIDER_URL": node.url,
        "WEB3_PRIVATE_KEY": key,
        "AGENTGUARD_AUDIT_ANCHOR_INTERVAL_SECONDS": "1",
        "AGENTGUARD_AUDIT_ANCHOR_POLL_SECONDS": "0.2",
        "AGENTGUARD_AUDIT_CHECKPOINT_DIR": str(tmp_path / "published"),
        "AGENTGUARD_JOBS_QUEUE": f"anchors.{secrets.token_hex(4)}",
    }
    with contextlib.ExitStack() as stack:
        broker = {}
        worker = None
        if request.param == "rabbitmq":
            broker = {"CELERY_BROKER_URL": server("CELERY_BROKER_URL")}
            worker = stack.enter_context(
                working(tmp_path, broker["CELERY_BROKER_URL"], **variables)
            )
        running_server = stack.enter_context(running(tmp_path, **variables, **broker))
        settings = variables | {"AGENTGUARD_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200"}
        yield Served(running_server, node, tmp_path, settings, worker)


def test_what_a_server_logs_is_anchored_published_and_shown(served: Served):
    served.scan("one")
    found = served.anchors_when(lambda f: f["anchored_size"] >= 1 and f["published_size"] >= 1)

    final = next(anchor for anchor in found["anchors"] if anchor["state"] == "finalised")
    assert final["chain"] == "Polygon Amoy"
    assert found["problems"] == []
    jobs = [job for job in served.get("/api/jobs")["jobs"] if job["kind"] == "audit"]
    assert {job["submitted_by"] for job in jobs} == {"system:anchoring"}
    assert len(jobs) <= 11
    if served.worker is not None:
        assert "kind=audit" in served.worker.log.read_text().replace("'", "")
    _check_views(served, final)
    _check_bundle(served, final)


def _check_views(served: Served, final: dict[str, Any]) -> None:
    assert served.get("/health/ready")["parts"]["audit_anchors"]["status"] == "up"
    metrics = served.text("/metrics")
    assert "agentguard_audit_anchor_finalised_age_seconds " in metrics
    assert f"agentguard_audit_anchor_entries {float(final['size'])}" in metrics
    assert re.search(r"^agentguard_audit_entries_pending \d+\.0$", metrics, re.MULTILINE)
    assert "Anchored on Polygon Amoy" in served.cli("audit", "anchor")
    costs = json.loads(served.cli("audit", "costs", "--format", "json"))["chains"]
    assert (costs[0]["unit"], costs[0]["chain_id"]) == ("POL", 80002)
    receipt = final["receipt"]
    assert float(receipt["cost"]) == pytest.approx(
        receipt["gas_used"] * int(receipt["gas_price_wei"]) / 10**18
    )


def _check_bundle(served: Served, final: dict[str, Any]) -> None:
    bundle = served.folder / "entry.tlog-proof"
    told = served.cli("audit", "export", "0", "--output", str(bundle))
    assert f"anchored on Polygon Amoy in transaction {final['receipt']['tx_hash']}" in " ".join(
        told.split()
    )
    receipt = Bundle.parse(bundle.read_bytes()).receipt
    assert receipt.tx_hash == final["receipt"]["tx_hash"]
    proof = served.get("/api/audit/proof/0")
    assert (proof["chain"], proof["tx_hash"]) == ("Polygon Amoy", receipt.tx_hash)
    assert (proof["block"], proof["verified"]) == (receipt.block_number, None)
    _check_original(served, proof)


def _check_original(served: Served, proof: dict[str, Any]) -> None:
    """Verify by the transaction and the original data, as a stranger does, and what is edited."""
    asked = {"tx_hash": proof["tx_hash"], "data": proof["data"]}
    edited = asked | {"data": proof["data"] | {"entry": proof["data"]["entry"] | {"object": "x"}}}
    url = served.server.url + "/api/audit/verify"
    answers = [requests.post(url, json=body, timeout=30).json() for body in (asked, edited)]
    assert [answer["verified"] for answer in answers] == [True, False], answers
    assert (answers[0]["block"], answers[0]["data_hash"]) == (proof["block"], proof["data_hash"])


def test_an_incident_names_the_anchor_that_proves_it(served: Served):
    told = requests.post(
        f"{served.server.url}/api/incidents",
        json={"title": "Payments fail", "severity": "HIGH", "components": ["PaymentAgent"]},
        timeout=30,
    ).json()
    path = f"/api/incidents/{told['id']}"
    assert served.get(path)["blockchain_proof"] is None
    served.anchors_when(lambda _: served.get(path)["blockchain_proof"] is not None)
    shown = served.get(path)

    proof, (entry,) = shown["blockchain_proof"], shown["blockchain_proof"]["entries"]
    bundle = served.get(f"/api/audit/proof/{entry['index']}")
    assert (proof["chain"], shown["blockchain_proof_reason"]) == ("Polygon Amoy", None)
    for each in (proof, entry):
        assert (each["tx_hash"], each["block"]) == (bundle["tx_hash"], bundle["block"])
    assert (entry["action"], entry["data_hash"]) == ("incident.opened", bundle["data_hash"])
    served.anchors_when(lambda _: _stored_proof(served) is not None)
    stored = json.loads(_stored_proof(served) or "")
    assert stored == {name: proof[name] for name in stored}
    assert stored["tx_hash"] == proof["tx_hash"]


def _stored_proof(served: Served) -> str | None:
    """Return the column of `incidents` that other programs query."""
    with contextlib.closing(sqlite3.connect(served.folder / "data" / "agentguard.db")) as database:
        return database.execute("SELECT blockchain_proof FROM incidents").fetchone()[0]


def test_a_failing_chain_makes_no_server_unready(served: Served):
    address = served.node.address_of(served.variables["WEB3_PRIVATE_KEY"])
    served.node.call("anvil_setBalance", address, "0x0")
    served.scan("one")
    served.anchors_when(lambda f: [p["code"] for p in f["problems"]] == ["balance-too-low"])

    part = served.get("/health/ready")["parts"]["audit_anchors"]
    assert part["status"] == "up"
    assert "balance-too-low" in part["detail"]
    assert 'agentguard_audit_anchor_problem{code="balance-too-low"} 1.0' in served.text("/metrics")
    assert "balance-too-low" in served.cli("audit", "anchor")

    served.node.call("anvil_setBalance", address, hex(ETHER))
    found = served.anchors_when(lambda f: f["anchored_size"] >= 1)
    assert found["problems"] == []
