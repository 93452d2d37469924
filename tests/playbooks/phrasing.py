"""A playbook to phrase, a grounded answer, and ways to spoil it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from agentguard.catalog.matching import match
from agentguard.catalog.reading import read_catalog
from agentguard.graph.model import Graph
from agentguard.playbooks.generator import generate
from agentguard.playbooks.model import Playbook
from agentguard.playbooks.prompting import asked
from agentguard.simulation.engine import simulate
from agentguard.simulation.naming import names_of
from tests.playbooks.test_generator import RUNS, SHOP

CATALOG = "any: [{name: Payment, owner: bank-team, effects: payment}]"


def playbook(graph: Graph = SHOP, failed: str = "Payment") -> Playbook:
    """Return the deterministic playbook."""
    matches = match(graph, read_catalog(CATALOG, origin="c"))
    return generate(graph, simulate(graph, RUNS, [failed]), runs=RUNS, matches=matches)


PLAYBOOK = playbook()
NAMES = names_of(SHOP)
ASKED = asked(PLAYBOOK, NAMES)


def grounded(known: Any = ASKED) -> dict[str, Any]:
    """Return an answer that repeats the facts in the words of the playbook."""
    facts = known.facts()
    steps = [
        {
            "id": s["id"],
            "action": s["action"],
            "targets": s["components"][:1],
            "cites": [*s["components"][:1], *s["traces"][:1]],
            "title": s["title"],
            "actions": s["actions"][:4],
            "verifications": s["verifications"][:4],
            "rollback": s["rollback"][:4],
        }
        for s in facts["steps"]
    ]
    return {"summary": facts["situation"]["lost"], "steps": steps}


def rephrased() -> dict[str, Any]:
    """Return a grounded answer in other words."""
    answer = grounded()
    answer["summary"] = "Runs of desk and shop are lost while [c1] fails. Contain it first."
    answer["steps"][0]["title"] = "Confirm that [c1] is failing"
    answer["steps"][0]["actions"][0] = "Look at the health and the logs of [c1]."
    answer["steps"][4]["rollback"] = ["If [c1] fails again, undo the change."]
    return answer


Spoil = Callable[[dict[str, Any]], Any]


def spoiled(change: Spoil) -> str:
    """Return a grounded answer after a change, as JSON."""
    answer = deepcopy(grounded())
    change(answer)
    return json.dumps(answer)


def line(text: str, *, step: int = 0, key: str = "actions") -> Spoil:
    """Return the change that adds a sentence to a step."""

    def change(answer: dict[str, Any]) -> None:
        answer["steps"][step][key] = [*answer["steps"][step][key][:3], text]

    return change


def renamed(name: str) -> Graph:
    """Return the shop with a stranger's name for Fraud, which Payment depends on."""
    parts = tuple(replace(c, name=name) if c.id == "Fraud" else c for c in SHOP.components)
    return replace(SHOP, components=parts)
