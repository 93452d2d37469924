"""Resolves the id or name of a component."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import AmbiguousComponentError, UnknownComponentError
from agentguard.graph.model import Component, Graph

_IGNORED = str.maketrans("", "", "-_ ")


def resolve(
    graph: Graph, wanted: str, *, kinds: Iterable[ComponentKind] = tuple(ComponentKind)
) -> Component:
    """Return the only component that this text identifies.

    Tried in this order: its id; its id in another case; its name in any case; its id, name or
    another spelling without case, dashes, underscores and spaces. Raises UnknownComponentError with
    near matches, or AmbiguousComponentError with the candidates.
    """
    allowed = set(kinds)
    pool = [c for c in graph.components if c.kind in allowed]
    found = next((found for fits in _WAYS if (found := [c for c in pool if fits(c, wanted)])), [])
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousComponentError(wanted, tuple(sorted(c.id for c in found)))
    raise UnknownComponentError(wanted, _near(pool, _loose(wanted)))


_WAYS: tuple[Callable[[Component, str], bool], ...] = (
    lambda c, wanted: c.id == wanted,
    lambda c, wanted: c.id.casefold() == wanted.casefold(),
    lambda c, wanted: c.name.casefold() == wanted.casefold(),
    lambda c, wanted: _loose(wanted) in {_loose(text) for text in (c.id, c.name, *c.spellings)},
)


def _loose(text: str) -> str:
    """Return the text without case, dashes, underscores and spaces, unless nothing is left."""
    return text.casefold().translate(_IGNORED) or text.casefold()


def _near(pool: list[Component], loose: str) -> tuple[str, ...]:
    by_text = {_loose(text): c.id for c in pool for text in (c.name, c.id)}
    close = difflib.get_close_matches(loose, by_text, n=5, cutoff=0.5)
    return tuple(dict.fromkeys(by_text[text] for text in close))
