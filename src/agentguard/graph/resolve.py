"""From what a person types to a component."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import AmbiguousComponentError, UnknownComponentError
from agentguard.graph.model import Component, Graph


def resolve(
    graph: Graph, wanted: str, *, kinds: Iterable[ComponentKind] = tuple(ComponentKind)
) -> Component:
    """Return the component with this id, else the only one with this name (case ignored).

    Raises UnknownComponentError with near matches, or AmbiguousComponentError with the candidates.
    """
    allowed = set(kinds)
    pool = [c for c in graph.components if c.kind in allowed]
    normalized = wanted.casefold()
    exact = [c for c in pool if c.id == wanted] or [
        c for c in pool if c.id.casefold() == normalized
    ]
    found = exact or [c for c in pool if c.name.casefold() == normalized]
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousComponentError(wanted, tuple(sorted(c.id for c in found)))
    raise UnknownComponentError(wanted, _near(pool, normalized))


def _near(pool: list[Component], normalized: str) -> tuple[str, ...]:
    by_text = {text.casefold(): c.id for c in pool for text in (c.name, c.id)}
    close = difflib.get_close_matches(normalized, by_text, n=5, cutoff=0.5)
    return tuple(dict.fromkeys(by_text[text] for text in close))
