"""Errors about graphs and components."""

from __future__ import annotations

from shlex import quote

from agentguard.kernel.errors import ConflictError, NotFoundError

_LIST_DATASETS = "List datasets with `agentguard datasets list` or GET /api/datasets."


class NoGraphError(NotFoundError):
    """No graph is stored."""

    code = "no-graph"

    @classmethod
    def of(cls, dataset: str | None) -> NoGraphError:
        """Return the error for a dataset without a graph; None: for no graph at all."""
        if dataset is None:
            return cls(
                "There is no graph yet. Scan a trace with `agentguard scan PATH`, or send spans to"
                " a running server."
            )
        return cls(f"Dataset {dataset!r} has no graph. {_LIST_DATASETS}")

    @classmethod
    def version(cls, version_id: str) -> NoGraphError:
        """Return the error for a version that is not stored."""
        return cls(f"Graph version {version_id!r} is not stored. {_LIST_DATASETS}")

    @classmethod
    def version_of(cls, version_id: str, dataset: str) -> NoGraphError:
        """Return the error for a version of another dataset."""
        return cls(
            f"Graph version {version_id!r} does not belong to dataset {dataset!r}. Leave out the"
            " dataset, or choose a version of it."
        )


class VersionExistsError(ConflictError):
    """A graph version with this id is stored; versions never change."""

    code = "version-exists"

    def __init__(self, version_id: str) -> None:
        super().__init__(
            f"Graph version {version_id!r} exists, and versions never change. Store this one under"
            " another id."
        )


class UnknownComponentError(NotFoundError):
    """No component has this id or name."""

    code = "unknown-component"

    def __init__(self, wanted: str, near: tuple[str, ...]) -> None:
        hint = (
            f"Did you mean {', '.join(near)}?"
            if near
            else "`agentguard graph` lists all components."
        )
        super().__init__(f"There is no component {wanted!r} in this graph. {hint}")
        self.near = near

    @property
    def extensions(self) -> dict[str, object]:
        return {"near_matches": list(self.near)}


_KINDS = {"external": "an external component", "mcp_server": "an MCP server"}


class NotAnAgentError(NotFoundError):
    """The name belongs to a component of another kind."""

    code = "not-an-agent"

    def __init__(self, component_id: str, name: str, kind: str) -> None:
        what = _KINDS.get(kind, f"a {kind}")
        super().__init__(
            f"{name!r} is {what}, not an agent. See `agentguard component {quote(component_id)}`"
            f" or GET /api/components/{component_id}."
        )
        self.component_id = component_id
        self.kind = kind

    @property
    def extensions(self) -> dict[str, object]:
        return {"id": self.component_id, "kind": self.kind}


class DamagedRunsError(NotFoundError):
    """The recorded runs of a graph version are damaged."""

    code = "damaged-runs"

    def __init__(self, version_id: str, reason: str) -> None:
        super().__init__(
            f"The runs of graph version {version_id!r} are damaged: {reason}. Request another"
            " version, or scan the traces again."
        )


class AmbiguousComponentError(ConflictError):
    """A name matches several components."""

    code = "ambiguous-component"

    def __init__(self, wanted: str, candidates: tuple[str, ...]) -> None:
        super().__init__(
            f"{wanted!r} matches several components: {', '.join(candidates)}. Use one of these ids."
        )
        self.candidates = candidates

    @property
    def extensions(self) -> dict[str, object]:
        return {"candidates": list(self.candidates)}
