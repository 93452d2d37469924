"""Every command's report on the recorded demo systems, as a snapshot and against the documents.

`pytest --snapshot-update` rewrites the snapshots after a change of wording.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from typer.testing import CliRunner, Result

from agentguard.cli.main import app
from agentguard.cli.tables.cells import count, percent
from agentguard.cli.tables.demo import highlights
from agentguard.cli.tables.graph import names_by_id
from tests.cli.documents import FAILED, documents
from tests.cli.traces import write_traces
from tests.graph.handmade import shop

pytestmark = pytest.mark.xdist_group("recorded")

CATALOG = Path(str(files("agentguard") / "demo_recording" / "catalog.yaml"))
VERSION = re.compile(r"\b[0-9a-f]{16}-[0-9a-f]{8}\b")
SIMULATION = re.compile(r"(?<=tored as )[0-9a-f]{32}")
WORST = "gpt-4o"
COMMANDS = {
    "scan": "scan traces.jsonl --no-store",
    "graph": "graph",
    "graph-full": "graph --full",
    "analyze": "analyze",
    "simulate": f"simulate {WORST}",
    "playbook": f"playbook {WORST}",
    "catalog-check": "catalog check",
    "jobs": "jobs",
}


class TextFiles(SingleFileSnapshotExtension):
    """One text file for each command."""

    file_extension = "txt"
    _write_mode = WriteMode.TEXT


@dataclass(frozen=True, slots=True)
class Recorded:
    """A folder with the recording in its data directory, and what loading it printed."""

    folder: Path
    shown: Result


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Recorded:
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copy(CATALOG, folder / "catalog.yaml")
    write_traces(folder / "traces.jsonl")
    return Recorded(folder, agentguard(folder, "demo --load", catalog=False))


def agentguard(folder: Path, command: str, *, catalog: bool = True) -> Result:
    """Run a command in the folder, with nothing but the folder's own settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("AGENTGUARD_")]:
            patch.delenv(name)
        patch.setenv("COLUMNS", "100")
        patch.setenv("AGENTGUARD_DATA_DIR", "data")
        if catalog:
            patch.setenv("AGENTGUARD_CATALOG", "catalog.yaml")
        patch.chdir(folder)
        done = CliRunner().invoke(app, shlex.split(command), prog_name="agentguard")
    assert done.exit_code == 0, done.output
    return done


def document(recorded: Recorded, command: str) -> dict:
    return dict(json.loads(agentguard(recorded.folder, f"{command} --format json").stdout))


def stable(text: str) -> str:
    """The text without what differs from run to run."""
    text = SIMULATION.sub("0" * 32, VERSION.sub("0" * 16 + "-" + "0" * 8, text))
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join("Next: …" if line.startswith("Next: ") else line for line in lines) + "\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_report_of_a_command(recorded, command, snapshot):
    done = agentguard(recorded.folder, COMMANDS[command])

    assert stable(done.stdout) == snapshot(extension_class=TextFiles)


def test_the_report_of_the_demo(recorded, snapshot):
    assert stable(recorded.shown.stdout) == snapshot(extension_class=TextFiles)


def test_the_demo_fits_on_120_lines(recorded):
    assert len((recorded.shown.stdout + recorded.shown.stderr).splitlines()) <= 120


def test_no_report_is_wider_than_the_terminal(recorded):
    reports = [agentguard(recorded.folder, command).stdout for command in COMMANDS.values()]

    assert max(len(line) for report in reports for line in report.splitlines()) <= 100


def test_the_demo_starts_with_five_findings_from_the_documents(recorded):
    graph, simulation = document(recorded, "graph"), document(recorded, f"simulate {WORST}")
    names = names_by_id(graph)

    shadow, spof, fallback, money, following = recorded.shown.stdout.splitlines()[:5]

    (agent,) = (n for n in graph["nodes"] if n["shadow"])
    assert {"DiscountBot", f"{agent['invocations']} invocations"} <= facts(shadow, agent["name"])
    lost = {
        s["id"]: sum(w["runs_lost"] for w in s["workflows"]) for s in graph["analysis"]["spofs"]
    }
    radius = simulation["blast_radius"]
    assert lost[simulation["failed_agent"]] == max(lost.values())
    assert f"Single point of failure: {WORST};" in spof
    assert f"{count(radius['runs_lost'])} of {radius['runs_seen']}" in spof
    assert percent(radius["runs_lost"] / radius["runs_seen"]) in spof
    best = max(graph["fallbacks"], key=lambda f: f["rescued"])
    assert all(names[best[role]] in fallback for role in ("owner", "primary", "secondary"))
    assert f"{best['rescued']} of {best['count']} attempts" in fallback
    assert f"{value_lost(simulation):,.2f} EUR" in money
    assert following.startswith("Next: ")


def facts(line: str, *names: str) -> set[str]:
    """The names and counts that a line holds."""
    return {name for name in names if name in line} | set(re.findall(r"\d+ \w+", line))


def value_lost(simulation: dict) -> float:
    """The value of the lost runs by the catalog file alone."""
    declared = yaml.safe_load(CATALOG.read_text())["workflows"]
    values = {w["name"]: w.get("value_per_run", 0) for w in declared}
    lost = simulation["impacted_workflows"]
    return sum(values[w["name"]] * w["runs_lost"] for w in lost)


def test_the_next_command_runs_as_it_is_printed(recorded):
    words = shlex.split(recorded.shown.stdout.splitlines()[4].removeprefix("Next: "))

    done = agentguard(recorded.folder, shlex.join(words[1:]), catalog=False)

    assert Path(words[0]).name == "agentguard"
    assert f"Playbook: Provider outage of {WORST}" in done.stdout


def test_a_finding_that_is_missing_is_said_to_be():
    made = documents(shop(), FAILED)
    graph, simulation = made["graph"], made["simulation"]
    known = [{**n, "shadow": False} for n in graph["nodes"]]
    analysis = {**graph["analysis"], "spofs": []}
    bare = {**graph, "nodes": known, "analysis": analysis, "fallbacks": []}

    lines = highlights(bare, simulation, names_by_id(graph), "agentguard graph")

    assert [line.plain for line in lines] == [
        "Shadow agent: none found; every observed agent is in the catalog.",
        "Single point of failure: none found; no single failure makes a workflow fail.",
        "Fallback: none observed.",
        "Money at risk: unknown: no value per run is declared.",
        "Next: agentguard graph",
    ]
