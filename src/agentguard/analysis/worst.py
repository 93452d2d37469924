"""The component whose failure costs most, from a graph's findings."""

from __future__ import annotations

from typing import Any

from agentguard.kernel.errors import InvalidInputError


class NothingFoundError(InvalidInputError):
    """The graph is empty, so there is no failure to simulate."""

    code = "nothing-found"


def worst_component(analysis: dict[str, Any]) -> str:
    """Return the single point of failure that loses the most runs, else the riskiest component.

    `analysis` is the document of an analysis. The higher risk decides between equal losses. Raises
    NothingFoundError for an empty graph.
    """
    if not analysis["risks"]:
        raise NothingFoundError(
            "The graph holds no component, so there is no failure to simulate. Check that the demo"
            " systems sent their spans."
        )
    risks: dict[str, float] = {r["id"]: r["score"] for r in analysis["risks"]}
    lost: dict[str, int] = {
        s["id"]: sum(w["runs_lost"] or 0 for w in s["workflows"]) for s in analysis["spofs"]
    }
    return max(lost or risks, key=lambda id_: (lost.get(id_, 0), risks.get(id_, 0)))
