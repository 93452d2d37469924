"""Finds the components and workflows that people name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import AmbiguousComponentError, UnknownComponentError
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.storage.history import ComponentHistory, History
from agentguard.incidents.errors import InvalidIncidentError
from agentguard.incidents.model import Affected
from agentguard.incidents.texts import LONGEST_ID
from agentguard.kernel.errors import NotFoundError


class UnknownWorkflowError(NotFoundError):
    """No workflow has this id or name."""

    code = "unknown-workflow"

    def __init__(self, wanted: str, near: Sequence[str]) -> None:
        hint = f"Did you mean {', '.join(near)}?" if near else "`agentguard graph` lists them."
        super().__init__(f"There is no workflow {wanted!r} in this graph. {hint}")
        self._near = list(near)

    @property
    def extensions(self) -> dict[str, object]:
        return {"near_matches": self._near}


def find_components(
    wanted: Iterable[str], graph: Graph | None, history: History
) -> tuple[Affected, ...]:
    """Return the components that these ids or names mean, each once.

    Looked up in the graph, then in what was ever seen: a component that crashed may be gone from
    the newest graph. Without any graph or history, a name stands for itself, without a kind.
    Raises UnknownComponentError, AmbiguousComponentError, InvalidIncidentError.
    """
    return _each(wanted, lambda text: _component(text, graph, history))


def find_workflows(
    wanted: Iterable[str], graph: Graph | None, history: History
) -> tuple[Affected, ...]:
    """Return the workflows that these ids or names mean, as `find_components`.

    Raises UnknownWorkflowError, AmbiguousComponentError, InvalidIncidentError.
    """
    return _each(wanted, lambda text: _workflow(text, graph, history))


def _each(wanted: Iterable[str], find: Callable[[str], Affected]) -> tuple[Affected, ...]:
    found = [find(_checked(text)) for text in wanted]
    return tuple({each.id: each for each in found}.values())


def _checked(text: str) -> str:
    if not 1 <= len(text) <= LONGEST_ID or any("\ud800" <= c <= "\udfff" for c in text):
        raise InvalidIncidentError(f"The name of a component has 1 to {LONGEST_ID:,} characters.")
    return text


def _component(text: str, graph: Graph | None, history: History) -> Affected:
    try:
        if graph is not None:
            found = resolve(graph, text)
            return Affected(found.id, found.name, found.kind.value)
    except UnknownComponentError:
        if seen := _seen(text, history, workflows=False):
            return seen
        raise
    return _seen(text, history, workflows=False) or Affected(text, text)


def _workflow(text: str, graph: Graph | None, history: History) -> Affected:
    known = () if graph is None else graph.workflows
    found = [w for w in known if w.id == text] or [
        w for w in known if w.name.casefold() == text.casefold()
    ]
    if len(found) > 1:
        raise AmbiguousComponentError(text, tuple(sorted(w.id for w in found)))
    if found:
        return Affected(found[0].id, found[0].name, ComponentKind.WORKFLOW.value)
    if seen := _seen(text, history, workflows=True):
        return seen
    if graph is None:
        return Affected(text, text, ComponentKind.WORKFLOW.value)
    raise UnknownWorkflowError(text, get_close_matches(text, [w.name for w in known]))


def _seen(text: str, history: History, *, workflows: bool) -> Affected | None:
    """Return what was seen under this id or name; None unless it was exactly one."""
    kind = ComponentKind.WORKFLOW
    pool = [each for each in history.components if (each.kind is kind) is workflows]
    found: list[ComponentHistory] = [each for each in pool if each.id == text] or [
        each for each in pool if each.name.casefold() == text.casefold()
    ]
    if len(found) > 1:
        raise AmbiguousComponentError(text, tuple(sorted(each.id for each in found)))
    return Affected(found[0].id, found[0].name, found[0].kind.value) if found else None
