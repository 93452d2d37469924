"""Query parameters: unknown ones are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant

from agentguard.kernel.errors import AgentGuardError


class UnknownParameterError(AgentGuardError):
    """A request has a query parameter that its route does not accept."""

    code = "unknown-parameter"
    status = 422

    def __init__(self, name: str, accepted: Sequence[str]) -> None:
        self._name, self._accepted = name, list(accepted)
        self._near = _near_matches(name, accepted)
        super().__init__(f"Unknown query parameter {name!r}. {self._hint()}")

    @property
    def extensions(self) -> dict[str, object]:
        return {
            "parameter": self._name,
            "near_matches": self._near,
            "accepted": self._accepted,
        }

    def _hint(self) -> str:
        if self._near:
            return f"Did you mean {' or '.join(map(repr, self._near))}?"
        if self._accepted:
            return f"This path accepts {', '.join(self._accepted)}."
        return "This path accepts none."


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise UnknownParameterError for a query parameter that the matched route does not declare."""
    accepted = sorted(set(_declared(request.scope["route"].dependant)))
    for name in request.query_params:
        if name not in accepted:
            raise UnknownParameterError(name, accepted)


def _declared(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for each in dependant.dependencies:
        yield from _declared(each)


def _near_matches(name: str, accepted: Sequence[str]) -> list[str]:
    plain = {_plain(each): each for each in accepted}
    return [plain[each] for each in get_close_matches(_plain(name), plain)]


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")
