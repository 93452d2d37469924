"""One component, with its neighbors and its workflows."""

from __future__ import annotations

from rich.console import RenderableType

from agentguard.cli.tables.cells import Document
from agentguard.cli.tables.graph import components_part, dependencies_part
from agentguard.cli.tables.origin import origin_part
from agentguard.cli.tables.rows import ROWS
from agentguard.cli.tables.workflows import workflows_part


def component_parts(document: Document, *, full: bool = False) -> list[RenderableType]:
    """Return the parts of a component's document, tables cut after ROWS rows unless `full`."""
    top = None if full else ROWS
    dependencies = [*document["dependencies"], *document["dependents"]]
    called = {
        d[end]: d[f"{end}_name"] or d[end] for d in dependencies for end in ("source", "target")
    } | {document["id"]: document["name"]}
    return [
        origin_part(document),
        components_part([document], top=top, ordered=True),
        dependencies_part(dependencies, called, top=top),
        workflows_part(document["workflows"], called, top=top),
    ]
