"""The demonstration's documents, from a server or a recording, and their report."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from agentguard.analysis.worst import worst_component
from agentguard.bootstrap.app import App
from agentguard.bootstrap.opening import open_app
from agentguard.cli.choices import settings_with
from agentguard.cli.messages import answers_only
from agentguard.cli.opening import ask_about
from agentguard.cli.options import Format
from agentguard.cli.output import print_json, print_lines, print_report, shown
from agentguard.cli.principal import os_user
from agentguard.cli.tables.demo import full_parts, highlights, overview_parts
from agentguard.cli.tables.graph import names_by_id
from agentguard.graph.selection import GraphSelection, SelectedGraph
from agentguard.ingest.sources import read_paths
from agentguard.settings import Settings
from agentguard.simulation.service import Failure

if TYPE_CHECKING:
    from agentguard.cli.demo_server import DemoServer

DATASET = "demo"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The recording's documents, its data directory and its catalog."""

    documents: dict[str, Any]
    data_dir: Path
    catalog: Path


def asked(server: DemoServer) -> dict[str, Any]:
    """Return the documents of the live graph, from the server's API."""
    graph = server.get("/api/graph?dataset=live")
    body = {"agent_id": worst_component(graph["analysis"]), "dataset": "live"}
    simulation = server.post("/api/simulate", body | {"preview": True})
    return _documents(graph, simulation, server.result("/api/playbook", body))


def loaded(data_dir: Path | None) -> Loaded:
    """Scan the packaged recording into the dataset `demo` and return its documents."""
    recording = Path(str(files("agentguard") / "demo_recording"))
    catalog = recording / "catalog.yaml"
    settings = settings_with(data_dir, [catalog])
    with answers_only():
        asyncio.run(_load(settings, recording))
    documents = ask_about(settings, GraphSelection(DATASET), _computed)
    return Loaded(documents, settings.data_dir, catalog)


async def _load(settings: Settings, recording: Path) -> None:
    async with open_app(settings) as app:
        await app.scans.scan(os_user(), read_paths([recording]), dataset=DATASET)


def report(
    documents: dict[str, Any],
    output_format: Format,
    *,
    intro: str,
    next_command: str,
    full: bool = False,
) -> None:
    """Print the documents as one report, or as one JSON document."""
    if output_format is Format.JSON:
        print_json({"note": intro} | documents)
        return
    safe = shown(documents)
    graph, simulation, playbook = (safe[part] for part in ("graph", "simulation", "playbook"))
    parts = (full_parts if full else overview_parts)(graph, simulation, playbook)
    print_lines(highlights(graph, simulation, names_by_id(graph), next_command))
    print_lines([Text()])
    print_report([Text(intro, style="italic"), *parts])


async def _computed(app: App, selected: SelectedGraph) -> dict[str, Any]:
    graph = await app.graph.graph(selected)
    worst = worst_component(graph["analysis"])
    actor, selection = os_user(), GraphSelection(version=selected.version)
    failure = await app.simulations.resolve(actor, Failure((worst,), selection=selection))
    simulation = await app.simulations.simulate(actor, failure, preview=True)
    return _documents(graph, simulation, await app.playbooks.write(actor, failure))


def _documents(
    graph: dict[str, Any], simulation: dict[str, Any], playbook: dict[str, Any]
) -> dict[str, Any]:
    worst = simulation["failed_components"][0]
    return {
        "graph": graph,
        "worst_component": worst,
        "simulation": simulation,
        "playbook": playbook,
    }
