"""What can go wrong with graphs."""

from __future__ import annotations

from agentguard.kernel.errors import ConflictError, NotFoundError


class NoGraphError(NotFoundError):
    """There is no graph to work on."""

    code = "no-graph"

    @classmethod
    def of(cls, dataset: str | None) -> NoGraphError:
        """Say that there is none of this dataset, or (None) none at all."""
        if dataset is None:
            return cls(
                "There is no graph yet. Scan a trace with `agentguard scan PATH`, or send spans to"
                " a running server."
            )
        return cls(
            f"There is no graph of dataset {dataset!r}. GET /api/datasets lists what there is."
        )

    @classmethod
    def version(cls, version_id: str) -> NoGraphError:
        """Say that this version is not stored."""
        return cls(
            f"Graph version {version_id!r} is not stored. GET /api/datasets lists the newest of"
            " each dataset."
        )

    @classmethod
    def version_of(cls, version_id: str, dataset: str) -> NoGraphError:
        """Say that this version belongs to another dataset."""
        return cls(
            f"Graph version {version_id!r} does not belong to dataset {dataset!r}. Leave out the"
            " dataset, or choose a version of it."
        )


class VersionExistsError(ConflictError):
    """A graph version's id is taken: versions never change."""

    code = "version-exists"

    def __init__(self, version_id: str) -> None:
        super().__init__(
            f"There is a graph version {version_id!r} already, and versions never change. Store"
            " this one under another id."
        )


class UnknownComponentError(NotFoundError):
    """No component bears this id or name."""

    code = "unknown-component"

    def __init__(self, wanted: str, near: tuple[str, ...]) -> None:
        hint = (
            f"Did you mean {', '.join(near)}?"
            if near
            else "List what there is with `agentguard graph`."
        )
        super().__init__(f"No component {wanted!r} in this graph. {hint}")
        self.near = near

    @property
    def extensions(self) -> dict[str, object]:
        return {"near_matches": list(self.near)}


class NotAnAgentError(NotFoundError):
    """A name means a component of another kind than agent."""

    code = "not-an-agent"

    def __init__(self, component_id: str, name: str, kind: str) -> None:
        super().__init__(
            f"{name!r} is a {kind.replace('_', ' ')}, not an agent. See"
            f" /api/components/{component_id}."
        )
        self.component_id = component_id
        self.kind = kind

    @property
    def extensions(self) -> dict[str, object]:
        return {"id": self.component_id, "kind": self.kind}


class AmbiguousComponentError(ConflictError):
    """A short name fits several components."""

    code = "ambiguous-component"

    def __init__(self, wanted: str, candidates: tuple[str, ...]) -> None:
        super().__init__(
            f"{wanted!r} fits several components: {', '.join(candidates)}. Give one of these ids."
        )
        self.candidates = candidates

    @property
    def extensions(self) -> dict[str, object]:
        return {"candidates": list(self.candidates)}
