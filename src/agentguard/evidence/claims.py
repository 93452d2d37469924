"""Claim ids: a stable name for each statement that AgentGuard makes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from agentguard.kernel.errors import InvalidInputError

_SEPARATOR = "~"
_ESCAPED = re.compile(r"%(25|7[Ee])")


class ClaimKind(StrEnum):
    """What a claim is about."""

    COMPONENT = "component"
    DEPENDENCY = "dependency"
    FALLBACK = "fallback"
    WORKFLOW = "workflow"
    SPOF = "spof"
    SIMULATION = "simulation"
    PLAYBOOK = "playbook"
    INCIDENT = "incident"


FORMS: dict[ClaimKind, tuple[str, ...]] = {
    ClaimKind.COMPONENT: ("component:ID",),
    ClaimKind.DEPENDENCY: ("dependency:SOURCE~TARGET", "dependency:SOURCE~TARGET~TYPE"),
    ClaimKind.FALLBACK: ("fallback:OWNER~PRIMARY~SECONDARY",),
    ClaimKind.WORKFLOW: ("workflow:ID",),
    ClaimKind.SPOF: ("spof:COMPONENT",),
    ClaimKind.SIMULATION: (
        "simulation:ID",
        "simulation:ID~workflow~WORKFLOW",
        "simulation:ID~component~COMPONENT",
    ),
    ClaimKind.PLAYBOOK: ("playbook:JOB", "playbook:JOB~STEP"),
    ClaimKind.INCIDENT: ("incident:ID", "incident:ID~EVENT"),
}
"""How the claims of each kind are written."""

ABOUT_GRAPHS = frozenset(
    {
        ClaimKind.COMPONENT,
        ClaimKind.DEPENDENCY,
        ClaimKind.FALLBACK,
        ClaimKind.WORKFLOW,
        ClaimKind.SPOF,
    }
)
"""Kinds whose claims a graph version resolves; the others name what they were made from."""


class ClaimFormatError(InvalidInputError):
    """The text is no claim id."""

    code = "bad-claim"

    def __init__(self, text: str) -> None:
        kind = text.partition(":")[0]
        known = (FORMS[ClaimKind(kind)],) if kind in FORMS else FORMS.values()
        forms = ", ".join(form for each in known for form in each)
        super().__init__(
            f"{text!r} is no claim id. Write {forms}. Within an id, write `~` as %7E and `%` as"
            " %25."
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """A kind and the ids of what the claim is about.

    Written as `KIND:PART~PART`. Within a part, `%` and `~` are written as `%25` and `%7E`; all
    other characters stand for themselves, so that ids stay readable. Every claim has exactly one
    written form, and `parse` accepts it alone.
    """

    kind: ClaimKind
    parts: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Claim:
        """Return the claim with this id; raise ClaimFormatError."""
        kind, colon, rest = text.partition(":")
        if not colon or kind not in FORMS:
            raise ClaimFormatError(text)
        claim = Claim(ClaimKind(kind), tuple(map(_unescaped, rest.split(_SEPARATOR))))
        if not claim.is_complete() or str(claim) != text:
            raise ClaimFormatError(text)
        return claim

    def is_complete(self) -> bool:
        """Return whether the parts are as many and as long as one of the forms asks for."""
        forms = [form.partition(":")[2].split(_SEPARATOR) for form in FORMS[self.kind]]
        return all(self.parts) and any(_fits(self.parts, form) for form in forms)

    def __str__(self) -> str:
        return f"{self.kind.value}:{_SEPARATOR.join(map(_escaped, self.parts))}"


def _fits(parts: tuple[str, ...], form: list[str]) -> bool:
    """Return whether the parts fill a form, whose words in lower case stand for themselves."""
    return len(parts) == len(form) and all(
        wanted == part or wanted.isupper() for part, wanted in zip(parts, form, strict=True)
    )


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace(_SEPARATOR, "%7E")


def _unescaped(part: str) -> str:
    return _ESCAPED.sub(lambda found: "%" if found[1] == "25" else _SEPARATOR, part)
