"""What differs between two stored simulations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from agentguard.simulation.storage.documents import record_document
from agentguard.simulation.storage.model import StoredSimulation

Document: TypeAlias = dict[str, Any]
_Found: TypeAlias = Mapping[str, Any]


def comparison_document(a: StoredSimulation, b: StoredSimulation) -> Document:
    """Return the document of `GET /api/simulations/compare`: every change is b minus a."""
    one, other = a.document, b.document
    return {
        "a": record_document(a.record),
        "b": record_document(b.record),
        "inputs": list(_inputs(a, b)),
        "severity": {
            "a": one["impact_estimate"]["severity"],
            "b": other["impact_estimate"]["severity"],
        },
        "runs_lost": _change(one["blast_radius"]["runs_lost"], other["blast_radius"]["runs_lost"]),
        "runs_seen": _change(one["blast_radius"]["runs_seen"], other["blast_radius"]["runs_seen"]),
        "blast_radius_score": _change(one["blast_radius_score"], other["blast_radius_score"]),
        "workflows": _workflows(one, other),
        "components": _components(one, other),
        "money": _money(one["impact_estimate"], other["impact_estimate"]),
    }


def _inputs(a: StoredSimulation, b: StoredSimulation) -> Iterator[Document]:
    """Yield the inputs that differ."""
    one, other = _inputs_of(a), _inputs_of(b)
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            yield {"name": name, "a": one.get(name), "b": other.get(name)}


def _inputs_of(stored: StoredSimulation) -> Document:
    document = stored.document
    return {
        "failed_components": document["failed_components"],
        "method": document["method"],
        "dataset": document["dataset"],
        **document["inputs"],
        "agentguard_version": stored.record.agentguard_version,
    }


def _change(a: float | None, b: float | None) -> Document:
    """Return both values and their difference, None where one is unknown."""
    return {"a": a, "b": b, "change": None if a is None or b is None else b - a}


def _workflows(one: _Found, other: _Found) -> list[Document]:
    """Return every workflow that loses runs in either, the greatest change first."""
    before, after = (_by_id(each["impacted_workflows"]) for each in (one, other))
    rows = [_workflow(w, before.get(w), after.get(w)) for w in before | after]
    return sorted(rows, key=lambda row: (-abs(row["runs_lost"]["change"]), row["id"]))


def _workflow(workflow_id: str, a: _Found | None, b: _Found | None) -> Document:
    """Return a workflow; one that only the other simulation hits loses none in this one."""
    known = b or a or {}
    return {
        "id": workflow_id,
        "name": known["name"],
        "runs_seen": _change(*(None if w is None else w["runs_seen"] for w in (a, b))),
        "runs_lost": _change(*(0 if w is None else w["runs_lost"] for w in (a, b))),
        "share_lost": _change(*(0.0 if w is None else w["share_lost"] for w in (a, b))),
    }


def _components(one: _Found, other: _Found) -> Document:
    before, after = (_by_id(each["impacted_components"]) for each in (one, other))
    return {
        "only_in_a": [_component(before[c]) for c in sorted(before.keys() - after.keys())],
        "only_in_b": [_component(after[c]) for c in sorted(after.keys() - before.keys())],
        "in_both": len(before.keys() & after.keys()),
    }


def _component(component: _Found) -> Document:
    return {name: component[name] for name in ("id", "name", "kind")}


def _by_id(rows: list[_Found]) -> dict[str, _Found]:
    return {row["id"]: row for row in rows}


def _money(one: _Found, other: _Found) -> Document:
    """Return the value lost in both; the difference needs two amounts of one currency."""
    a, b = one["revenue_risk"], other["revenue_risk"]
    same = one["currency"] == other["currency"]
    found = _change(a, b) if same else {"a": a, "b": b, "change": None}
    return found | {
        "currency_a": one["currency"],
        "currency_b": other["currency"],
        "reason": _no_change(one, other) if found["change"] is None else None,
    }


def _no_change(one: _Found, other: _Found) -> str:
    if one["revenue_risk"] is None or other["revenue_risk"] is None:
        missing = one if one["revenue_risk"] is None else other
        return str(missing["revenue_risk_reason"])
    return f"The amounts are in {one['currency']} and {other['currency']}."
