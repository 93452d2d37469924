"""The JSON documents about one component."""

from __future__ import annotations

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import Document, Shown, View
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.model import Graph, Workflow


def component_document(graph: Graph, component_id: str, view: View) -> Document:
    """Return a component of any kind as a node of the graph, with its neighbors and workflows.

    Raises UnknownComponentError for an id that the graph does not have.
    """
    component = graph.component(component_id)
    if component is None:
        raise UnknownComponentError(component_id, ())
    shown = Shown(graph, view)
    return shown.node(component) | _neighborhood(graph, component_id, shown)


def agent_document(graph: Graph, component_id: str, view: View) -> Document:
    """Return an agent as in the list of agents, with its neighbors and workflows.

    Raises UnknownComponentError for an id that is not an agent of the graph.
    """
    component = graph.component(component_id)
    if component is None or component.kind is not ComponentKind.AGENT:
        raise UnknownComponentError(component_id, ())
    shown = Shown(graph, view)
    return shown.agent(component) | _neighborhood(graph, component_id, shown)


def workflows_with(graph: Graph, component_id: str) -> tuple[Workflow, ...]:
    """Return the workflows from whose root component dependencies lead to this one.

    A workflow that shares a component with another may be listed without ever using this one.
    """
    callers: dict[str, set[str]] = {}
    for d in graph.dependencies:
        callers.setdefault(d.target, set()).add(d.source)
    found, waiting = {component_id}, [component_id]
    while waiting:
        fresh = callers.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return tuple(w for w in graph.workflows if found & {w.root_component, w.entry})


def _neighborhood(graph: Graph, component_id: str, shown: Shown) -> Document:
    return {
        "dependencies": [
            shown.dependency(d) for d in graph.dependencies if d.source == component_id
        ],
        "dependents": [shown.dependency(d) for d in graph.dependencies if d.target == component_id],
        "runs_in": [shown.hosting(h) for h in graph.runs_in if h.component == component_id],
        "hosts": [shown.hosting(h) for h in graph.runs_in if h.host == component_id],
        "workflows": [shown.workflow(w) for w in workflows_with(graph, component_id)],
    }
