"""What can go wrong with graphs."""

from __future__ import annotations

from agentguard.kernel.errors import ConflictError, NotFoundError


class NoGraphError(NotFoundError):
    """There is no graph to work on."""

    code = "no-graph"


class UnknownComponentError(NotFoundError):
    """No component bears this id or name."""

    code = "unknown-component"

    def __init__(self, wanted: str, near: tuple[str, ...]) -> None:
        hint = f"Did you mean {', '.join(near)}?" if near else "List what there is with `agentguard graph`."
        super().__init__(f"No component {wanted!r} in this graph. {hint}")
        self.near = near

    @property
    def extensions(self) -> dict[str, object]:
        return {"near_matches": list(self.near)}


class AmbiguousComponentError(ConflictError):
    """A short name fits several components."""

    code = "ambiguous-component"

    def __init__(self, wanted: str, candidates: tuple[str, ...]) -> None:
        super().__init__(f"{wanted!r} fits several components: {', '.join(candidates)}. Give one of these ids.")
        self.candidates = candidates

    @property
    def extensions(self) -> dict[str, object]:
        return {"candidates": list(self.candidates)}
