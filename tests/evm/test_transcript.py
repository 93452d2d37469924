"""The life of an anchor in docs/anchors.md is what the commands print beside a real node."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentguard.cli.main import app
from tests.evm.anchored_log import FINAL_AFTER
from tests.evm.node import ETHER, Node

pytestmark = pytest.mark.xdist_group("evm")

PAGE = Path(__file__).parents[2] / "docs" / "anchors.md"
RECORDING = Path(__file__).parents[1] / "data" / "traces" / "mcp-harbour" / "traces.jsonl.gz"


@dataclass
class Transcript:
    """What somebody types and reads, with what happens on the chain in between."""

    node: Node
    lines: list[str] = field(default_factory=list)

    def run(self, command: str, typed: str | None = None) -> str:
        """Run a command of `agentguard`, and keep the first paragraph of its answer."""
        done = CliRunner().invoke(app, command.split(), prog_name="agentguard")
        assert done.exit_code == 0, done.output
        answer = " ".join((done.stdout or done.stderr).strip().split("\n\n")[0].split())
        self.lines += [f"$ agentguard {typed or command}", steady(answer)]
        return done.stdout

    def on_the_chain(self, what: str, happens: Callable[[], None]) -> None:
        happens()
        self.lines.append(f"# {what}")


def steady(text: str) -> str:
    """Return the text with a sign in place of what differs from run to run."""
    text = text.replace(" Checkpoints are published nowhere.", "")
    return re.sub(r"0x[0-9a-fA-F]{10,}", "0x…", text)


@pytest.fixture
def account(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings of an installation of its own; return the address that it anchors with."""
    key = secrets.token_hex(32)
    address = node.address_of(key)
    node.call("anvil_setBalance", address, hex(ETHER))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTGUARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WEB3_PROVIDER_URL", node.url)
    monkeypatch.setenv("WEB3_PRIVATE_KEY", key)
    return address


def test_the_life_of_an_anchor_is_as_the_page_shows_it(node: Node, account: str) -> None:
    told = Transcript(node)
    CliRunner().invoke(app, ["scan", str(RECORDING), "--dataset", "shop"])

    with node.mining_by_hand():
        told.run("audit anchor --now")
        told.on_the_chain("a block has it", node.mine)
        told.run("audit anchor --now")
        told.on_the_chain("the chain calls the block final", lambda: node.mine(FINAL_AFTER))
        told.run("audit anchor --now")
        told.run("audit export 0 --output entry-0.tlog-proof")
        Path("log.key").write_text(CliRunner().invoke(app, ["audit", "keys"]).stdout)
        checks = told.run(
            f"audit verify entry-0.tlog-proof --key log.key --rpc {node.url} --chain-id 80002"
            f" --contract {account}",
            "audit verify entry-0.tlog-proof --key log.key --rpc URL --chain-id 80002"
            " --contract 0x…",
        )

        told.run("datasets delete shop")
        told.run("audit anchor --now")
        told.on_the_chain("a block has it", node.mine)
        told.run("audit anchor --now")
        told.on_the_chain("the chain replaces that block", lambda: node.reorganise(1))
        told.run("audit anchor --now")
        told.on_the_chain("a block has it again", node.mine)
        told.run("audit anchor --now")
        told.on_the_chain("the chain calls the block final", lambda: node.mine(FINAL_AFTER))
        told.run("audit anchor --now")

    assert re.search(r"anchor\s+verified", checks)
    log = CliRunner().invoke(app, ["audit", "log"]).stdout
    assert re.findall(r"anchor\.\w+|scan\.\w+|dataset\.\w+", log)[::-1] == [
        "scan.stored",
        "anchor.finalised",
        "dataset.deleted",
        "anchor.reorged",
        "anchor.finalised",
    ]
    assert "```console\n" + "\n".join(told.lines) + "\n```" in PAGE.read_text()
