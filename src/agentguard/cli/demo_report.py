"""What the demonstration shows, from a server's answers or from a recording."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.bootstrap.opening import open_app
from agentguard.cli.choices import settings_with
from agentguard.cli.messages import answers_only
from agentguard.cli.opening import Opened, opened
from agentguard.cli.options import Format
from agentguard.cli.output import print_json, print_report, shown
from agentguard.cli.tables.analysis import analysis_parts
from agentguard.cli.tables.graph import graph_parts, names_by_id
from agentguard.cli.tables.playbook import playbook_parts
from agentguard.cli.tables.simulation import simulation_parts
from agentguard.graph.documents import graph_document
from agentguard.ingest.sources import read_paths
from agentguard.kernel.errors import InvalidInputError
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.generator import generate
from agentguard.settings import Settings
from agentguard.simulation.documents import simulation_document

if TYPE_CHECKING:
    from agentguard.cli.demo_server import DemoServer

DATASET = "demo"
_TOP = 12
"""Rows of each ranking; `agentguard analyze` shows all."""
_LINES = 4
"""Lines of each list in the playbook; `agentguard playbook` shows all."""


class NothingFoundError(InvalidInputError):
    """The graph is empty, so there is nothing to rehearse."""

    code = "nothing-found"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The recording's documents, and where it was put."""

    documents: dict[str, Any]
    data_dir: Path
    catalog: Path


def asked(server: DemoServer) -> dict[str, Any]:
    """Return the documents of the live graph, from the server's API."""
    graph = server.get("/api/graph?dataset=live")
    riskiest = _riskiest(graph["analysis"])
    body = {"agent_id": riskiest, "dataset": "live"}
    return _documents(
        graph, riskiest, server.post("/api/simulate", body), server.post("/api/playbook", body)
    )


def loaded(data_dir: Path | None) -> Loaded:
    """Load the recording that ships with the package as the dataset `demo` and return its
    documents.
    """
    recording = Path(str(files("agentguard") / "demo_recording"))
    catalog = recording / "catalog.yaml"
    settings = settings_with(data_dir, [catalog])
    with answers_only():
        asyncio.run(_load(settings, recording))
    return Loaded(_computed(opened(data_dir, [catalog], DATASET)), settings.data_dir, catalog)


async def _load(settings: Settings, recording: Path) -> None:
    async with open_app(settings) as app:
        await app.scans.scan(read_paths([recording]), dataset=DATASET)


def report(documents: dict[str, Any], output_format: Format, *, intro: str) -> None:
    """Print the documents as one report, or as one JSON document."""
    if output_format is Format.JSON:
        print_json({"note": intro} | documents)
    else:
        print_report([Text(intro, style="italic"), *_parts(shown(documents))])


def _parts(documents: dict[str, Any]) -> list[RenderableType]:
    called = names_by_id(documents["graph"])
    return [
        *graph_parts(documents["graph"]),
        *analysis_parts(documents["graph"]["analysis"], called, top=_TOP),
        *simulation_parts(documents["simulation"], called),
        *playbook_parts(documents["playbook"], top=_LINES),
    ]


def _computed(found: Opened) -> dict[str, Any]:
    links = found.view.links
    analysis = analysis_document(
        analyze(found.graph, found.runs, matches=found.matches), links=links
    )
    riskiest = _riskiest(analysis)
    result = found.simulation([riskiest], None, 0)
    return _documents(
        found.origin() | graph_document(found.graph, found.view, analysis=analysis),
        riskiest,
        found.origin() | simulation_document(result, links=links),
        found.origin()
        | playbook_document(generate(found.graph, result, matches=found.matches), links=links),
    )


def _documents(
    graph: dict[str, Any], riskiest: str, simulation: dict[str, Any], playbook: dict[str, Any]
) -> dict[str, Any]:
    return {"graph": graph, "riskiest": riskiest, "simulation": simulation, "playbook": playbook}


def _riskiest(analysis: dict[str, Any]) -> str:
    if not analysis["risks"]:
        raise NothingFoundError(
            "The graph is empty: no component was found, so there is nothing to rehearse."
        )
    return str(analysis["risks"][0]["id"])
