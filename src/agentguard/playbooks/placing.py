"""What the placeholders of templates stand for."""

from __future__ import annotations

from agentguard.playbooks.facts import Facts
from agentguard.simulation.wording import joined


def placeholders(known: Facts) -> dict[str, str]:
    """Return what the placeholders of templates stand for."""
    providers = list(dict.fromkeys(p for c in known.failed for p in c.providers))
    models = [
        f"{known.name(m.id)}: {m.errors} of {m.invocations} calls failed" for m in known.models[:2]
    ]
    return {
        "component": known.failing,
        "callers": known.named(known.callers) or "its callers",
        "providers": joined(providers) or "the provider",
        "models": "; ".join(models) or "no other model was seen in use",
    }
