"""What an analysis found on one component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def component_findings(analysis: Mapping[str, Any], component: str) -> dict[str, Any]:
    """Return the parts of an analysis's document that concern the component with this id.

    `risk` and `spof` are None where there is none: services that stand for agents have no risk of
    their own at the level of agents.
    """
    return {
        "id": component,
        "risk": _of(analysis["risks"], component),
        "spof": _of(analysis["spofs"], component),
        "cycles": [each for each in analysis["cycles"] if component in each["components"]],
        "shared_fates": [
            each
            for each in analysis["shared_fates"]
            if component == each["component"] or component in each["members"]
        ],
        "false_redundancies": [
            each
            for each in analysis["false_redundancies"]
            if component == each["owner"] or component in each["members"]
        ],
        "run_loops": [each for each in analysis["run_loops"] if component in each["components"]],
        "risk_version": analysis["risk_version"],
        "risk_note": analysis["risk_note"],
        "share_of": analysis["share_of"],
    }


def _of(found: list[dict[str, Any]], component: str) -> dict[str, Any] | None:
    return next((each for each in found if each["id"] == component), None)
