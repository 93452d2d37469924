"""The attributes that say by their form what a span of an unknown instrumentation is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from agentguard.discovery.packaged_yaml import parse
from agentguard.ingest.attribute_selection import TOKENS
from agentguard.ingest.other_attributes import OtherAttributes, OtherUse
from agentguard.kernel.patterns import Pattern

DIALECT = "shape"
SOURCE = "AgentGuard: no convention is known; by the form of keys and values of the attributes"


@cache
def shape_table() -> dict[str, Any]:
    """Return the data of shapes.yaml."""
    text = files("agentguard.discovery").joinpath("shapes.yaml").read_text("utf-8")
    table: dict[str, Any] = parse(text)
    return table


def other_attributes(scopes: Iterable[Pattern]) -> OtherAttributes:
    """Return what decoding keeps of spans with other scopes than these."""
    raw = shape_table()
    paths = tuple(tuple((key,) for key in raw["usage"][column]) for column in TOKENS)
    uses = tuple((OtherUse[use.upper()], Pattern(text)) for use, text in raw["keys"].items())
    known = {pattern.text: pattern for pattern in scopes}
    return OtherAttributes(
        tuple(known[text] for text in sorted(known)),
        uses,
        Pattern(raw["model_in_content"]),
        (*paths, ()),
        Pattern(raw["excluded"]),
    )
