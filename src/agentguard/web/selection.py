"""The graph of a request and its filter, from query parameters."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.filtering import GraphFilter
from agentguard.graph.level import Level
from agentguard.graph.selection import GraphSelection
from agentguard.graph.sorting import SortKey
from agentguard.web.windows import WindowQuery

DatasetParameter = Annotated[
    str | None,
    Query(
        description=(
            "`live` for spans received over OTLP, or the dataset of a scan. Default: `live` if it"
            " has a graph, else the dataset last written."
        )
    ),
]
VersionParameter = Annotated[
    str | None,
    Query(description="Id of a stored graph version, instead of the newest of the dataset."),
]
KindParameter = Annotated[
    list[ComponentKind] | None, Query(description="Only components of this kind; repeatable.")
]
ErrorsParameter = Annotated[
    bool, Query(description="Only components, dependencies and workflows with failures.")
]
ShadowParameter = Annotated[bool, Query(description="Only shadow agents. Needs a catalog.")]
OwnerParameter = Annotated[
    str | None,
    Query(description="Only components that the catalog assigns to this owner (case-insensitive)."),
]
SortParameter = Annotated[
    SortKey | None,
    Query(description="Sort lists by this: names ascending, numbers and times descending."),
]
LevelParameter = Annotated[
    Level | None,
    Query(
        description="`service`: services stand for the agents in them. `agent`: agents for their"
        " services. Default: lists have both, findings have agents."
    ),
]
TopParameter = Annotated[
    int | None, Query(ge=1, le=1_000_000, description="Maximum number of items per list.")
]


def _selection(
    window: WindowQuery, dataset: DatasetParameter = None, version: VersionParameter = None
) -> GraphSelection:
    return GraphSelection(dataset, version, window)


def _filter(
    kind: KindParameter = None,
    *,
    errors: ErrorsParameter = False,
    shadow: ShadowParameter = False,
    owner: OwnerParameter = None,
    sort: SortParameter = None,
    top: TopParameter = None,
    level: LevelParameter = None,
) -> GraphFilter:
    return GraphFilter(
        tuple(kind or ()),
        errors=errors,
        shadow=shadow,
        owner=owner,
        sort=sort,
        top=top,
        level=level,
    )


SelectionQuery = Annotated[GraphSelection, Depends(_selection)]
"""The graph that a query asks for. Raises TimeWindowError, GraphSelectionError."""
FilterQuery = Annotated[GraphFilter, Depends(_filter)]
"""The part of it that is shown."""
